"""What a model remembers of the answers under way, and the calls on it: prompts read in parts, one token for all rows.

Rows share a step where that is safe: each has a place in one buffer per layer, begins at its first column and ends
where it ends, so that a row that joins or leaves moves no other; a mask hides what lies behind a row's end. Invariant:
columns behind the end of a row hold finite numbers, because nothing hides a NaN. Where sharing is not safe each row
keeps a memory of its own and they take turns. Knows no text, no version and no queue.
"""

from collections.abc import Sequence
from typing import Any, Protocol

COLUMNS = 128
"""Tokens by which a buffer grows."""


class Rows(Protocol):
    """The memory of several answers by one version, in the order in which they joined."""

    def join(self, read: Any, prompts: Sequence[Sequence[int]]) -> None:
        """Take over prompts that were read (see `read_prompts`), one row each."""

    def leave(self, place: int) -> None:
        """Forget a row; the last row takes its place."""

    def step(self, model: Any, tokens: Sequence[int]) -> Any:
        """Feed each row its next token; returns logits (rows, vocabulary) for the one after it."""


def read_prompts(model: Any, prompts: Sequence[Sequence[int]], read: Any = None) -> tuple[Any, Any]:
    """Read whole prompts together, or one more part of a single prompt whose beginning is in `read`.

    Returns logits (prompts, vocabulary) behind each, and what was read, to be joined to rows.
    """
    import torch
    from transformers import DynamicCache

    read = DynamicCache(config=model.config) if read is None else read
    width = max(map(len, prompts))
    ids = torch.tensor([[0] * (width - len(prompt)) + list(prompt) for prompt in prompts], device=model.device)
    shaped = {}
    if len(prompts) > 1:
        columns = torch.arange(width, device=model.device)
        starts = torch.tensor([[width - len(prompt)] for prompt in prompts], device=model.device)
        shaped = {"attention_mask": columns >= starts, "position_ids": (columns - starts).clamp(min=0)}
    done = model(input_ids=ids, past_key_values=read, use_cache=True, logits_to_keep=1, **shaped)
    return done.logits[:, -1], read


def room(lengths: Sequence[int]) -> int:
    """Tokens that the buffers of rows of such lengths have room for."""
    return _places(len(lengths)) * _columns(max(lengths)) if lengths else 0


def bytes_per_token(read: Any, tokens: int) -> int:
    """Memory that one token of one row takes, from what was read of a prompt of so many."""
    layers = [layer for layer in read.layers if getattr(layer, "keys", None) is not None]
    size = sum(part.numel() * part.element_size() for layer in layers for part in (layer.keys, layer.values))
    return int(-(-size // tokens))


class SharedRows:
    """Rows that take each step together. To the model it is a cache.

    One row alone needs neither mask nor positions, and costs what it would cost without all this.
    """

    is_compileable = False

    def __init__(self) -> None:
        self._layers: list[_Layer] = []
        self._lengths: list[int] = []
        self._longest = 0
        self._ends: Any = None
        self._rows: Any = None

    def join(self, read: Any, prompts: Sequence[Sequence[int]]) -> None:
        if not self._layers:
            self._layers = [_Layer(layer.keys, layer.values) for layer in read.layers]
        first, width = len(self._lengths), read.get_seq_length()
        self._lengths += [len(prompt) for prompt in prompts]
        self._changed()
        for number, prompt in enumerate(prompts):
            for layer, source in zip(self._layers, read.layers, strict=True):
                start = width - len(prompt)
                layer.put(first + number, source.keys[number, :, start:], source.values[number, :, start:])

    def leave(self, place: int) -> None:
        for layer in self._layers:
            layer.move(len(self._lengths) - 1, place)
        self._lengths[place] = self._lengths[-1]
        self._lengths.pop()
        self._changed()

    def step(self, model: Any, tokens: Sequence[int]) -> Any:
        import torch

        shaped = {}
        if len(tokens) > 1:
            columns = torch.arange(self._longest + 1, device=model.device)
            shaped = {"attention_mask": columns <= self._ends[:, None], "position_ids": self._ends[:, None].clone()}
        for layer in self._layers:
            layer.grow(len(tokens), self._longest + 1)
        ids = torch.tensor(tokens, device=model.device)[:, None]
        logits = model(input_ids=ids, past_key_values=self, use_cache=True, **shaped).logits[:, -1]
        self._lengths = [length + 1 for length in self._lengths]
        self._longest += 1
        self._ends += 1
        return logits

    def update(self, keys: Any, values: Any, layer_idx: int, *_: Any, **__: Any) -> tuple[Any, Any]:
        """Called by the model's layers: keep the new token of each row, return all there is."""
        layer, rows, upto = self._layers[layer_idx], len(self._lengths), self._longest + 1
        if rows == 1:
            layer.keys[:1, :, upto - 1 : upto] = keys
            layer.values[:1, :, upto - 1 : upto] = values
        else:
            layer.keys[self._rows, :, self._ends] = keys[:, :, 0]
            layer.values[self._rows, :, self._ends] = values[:, :, 0]
        return layer.keys[:rows, :, :upto], layer.values[:rows, :, :upto]

    def get_seq_length(self, layer_idx: int = 0) -> int:
        """Called by the model: tokens of the longest row."""
        return self._longest

    get_query_offset = get_seq_length

    def get_mask_sizes(self, query_length: int, layer_idx: int) -> tuple[int, int]:
        """Called by the model: columns that a mask covers, and the first of them."""
        return self._longest + query_length, 0

    def _changed(self) -> None:
        import torch

        self._longest = max(self._lengths, default=0)
        if self._layers and self._lengths:
            device = self._layers[0].keys.device
            self._ends = torch.tensor(self._lengths, device=device)
            self._rows = torch.arange(len(self._lengths), device=device)
            for layer in self._layers:
                layer.grow(len(self._lengths), self._longest)


class _Layer:
    """Keys and values of one layer, (places, heads, columns, width) each; columns behind a row's end are zero."""

    def __init__(self, keys: Any, values: Any) -> None:
        shapes = [(1, part.shape[1], 0, part.shape[3]) for part in (keys, values)]
        self.keys, self.values = keys.new_zeros(shapes[0]), values.new_zeros(shapes[1])

    def grow(self, rows: int, tokens: int) -> None:
        if rows > self.keys.shape[0] or tokens > self.keys.shape[2]:
            self.keys, self.values = _grown(self.keys, rows, tokens), _grown(self.values, rows, tokens)

    def put(self, place: int, keys: Any, values: Any) -> None:
        for buffer, part in ((self.keys, keys), (self.values, values)):
            buffer[place, :, : part.shape[1]] = part
            buffer[place, :, part.shape[1] :] = 0

    def move(self, source: int, target: int) -> None:
        if source != target:
            self.keys[target] = self.keys[source]
            self.values[target] = self.values[source]


def _places(rows: int) -> int:
    return 1 << (rows - 1).bit_length()


def _columns(tokens: int) -> int:
    return -(-tokens // COLUMNS) * COLUMNS


def _grown(buffer: Any, rows: int, tokens: int) -> Any:
    places, heads, columns, width = buffer.shape
    shape = (max(places, _places(rows)), heads, max(columns, _columns(tokens)), width)
    grown = buffer.new_zeros(shape)
    grown[:places, :, :columns] = buffer
    return grown


class SingleRows:
    """Rows with a memory of their own, each fed alone: for models whose memory cannot be shared safely."""

    def __init__(self) -> None:
        self._read: list[Any] = []

    def join(self, read: Any, prompts: Sequence[Sequence[int]]) -> None:
        assert len(prompts) == 1
        self._read.append(read)

    def leave(self, place: int) -> None:
        self._read[place] = self._read[-1]
        self._read.pop()

    def step(self, model: Any, tokens: Sequence[int]) -> Any:
        import torch

        logits = []
        for token, read in zip(tokens, self._read, strict=True):
            ids = torch.tensor([[token]], device=model.device)
            logits.append(model(input_ids=ids, past_key_values=read, use_cache=True).logits[:, -1])
        return torch.cat(logits)
