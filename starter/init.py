"""Structured initial weights for a plain Llama, so that copying unseen names works from the first steps.

Layer 0 gets heads that look one and two tokens back, layer 1 heads that look for the place where the current token
(or the current two) stood before and bring what followed there. Weights only: the architecture stays Llama's, and
training may change all of it. Embedding dimension 0 is a constant that lets the layer-0 heads attend by position.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

PREVIOUS_GAIN = 1.3
MATCH_GAIN = 2.0
SLOW = 0.012
"""Rotary frequencies below this turn so slowly that content can be compared across a whole question."""


@dataclass(frozen=True)
class Layout:
    """Which dimensions of a head and of the residual stream the structure uses."""

    head: int
    width: int
    slow: list[int]
    frequencies: Tensor

    @property
    def scratch(self) -> int:
        """Dimensions per copy of a previous token that layer 0 writes."""
        return 2 * len(self.slow)

    @property
    def slow_pairs(self) -> list[int]:
        return self.slow + [i + self.head // 2 for i in self.slow]

    @property
    def content(self) -> int:
        """First residual dimension that holds the token's own embedding; 0 is constant, between lies scratch."""
        return 1 + 4 * self.scratch


@torch.no_grad()
def apply(model: torch.nn.Module, seed: int) -> None:
    """Write the structure into a fresh `LlamaForCausalLM` with at least two layers and exactly four heads."""
    config = model.config
    head, width = config.head_dim, config.hidden_size
    frequencies = 1.0 / (10000.0 ** (torch.arange(0, head, 2).float() / head))
    slow = [i for i in range(head // 2) if frequencies[i] <= SLOW]
    layout = Layout(head, width, slow, frequencies)
    generator = torch.Generator().manual_seed(seed)
    scale = _prepare_embeddings(model.model.embed_tokens.weight, layout)
    projections = [_projection(layout, generator) for _ in range(2)]
    for first, back in ((0, 1), (2, 2)):
        for j in range(2):
            _look_back(model.model.layers[0].self_attn, first + j, back, j, projections[j], scale, layout)
    _match(model.model.layers[1].self_attn, projections, scale, layout, generator)


def _prepare_embeddings(weight: Tensor, layout: Layout) -> float:
    scale = float(weight.std())
    weight[:, : layout.content] = 0
    norms = weight.norm(dim=1, keepdim=True).clamp_min(1e-6)
    weight.mul_(scale * math.sqrt(layout.width - layout.content) / norms)
    weight[:, 0] = scale * math.sqrt(layout.width) * 0.5
    return scale


def _projection(layout: Layout, generator: torch.Generator) -> Tensor:
    matrix = torch.zeros(layout.scratch, layout.width)
    free = layout.width - layout.content
    matrix[:, layout.content :] = torch.nn.init.orthogonal_(torch.empty(layout.scratch, free), generator=generator)
    return matrix


def _look_back(
    attention: torch.nn.Module, h: int, back: int, j: int, projection: Tensor, scale: float, layout: Layout
) -> None:
    """Head `h` attends `back` tokens before, by rotary phase alone, and writes that token's projection to scratch."""
    head, half, used, k = layout.head, layout.head // 2, 4, layout.scratch
    query, key = torch.zeros(head, layout.width), torch.zeros(head, layout.width)
    key[:used, 0] = 1
    query[:used, 0] = torch.cos(-back * layout.frequencies)[:used]
    query[half : half + used, 0] = torch.sin(-back * layout.frequencies)[:used]
    rows = slice(h * head, (h + 1) * head)
    attention.q_proj.weight[rows] = query * math.sqrt(PREVIOUS_GAIN)
    attention.k_proj.weight[rows] = key * math.sqrt(PREVIOUS_GAIN)
    value, output = torch.zeros(head, layout.width), torch.zeros(layout.width, head)
    value[:k] = projection
    base = 1 + (0 if back == 1 else 2 * k) + j * k
    output[base : base + k, :k] = torch.eye(k) * scale
    attention.v_proj.weight[rows] = value
    attention.o_proj.weight[:, rows] = output


def _match(
    attention: torch.nn.Module, projections: list[Tensor], scale: float, layout: Layout, generator: torch.Generator
) -> None:
    """Heads 0, 1 match one token, heads 2, 3 two; each brings the matched place's content to the output."""
    head, k, slow = layout.head, layout.scratch, layout.slow_pairs
    free = layout.width - layout.content
    mixed = torch.nn.init.orthogonal_(torch.empty(free, free), generator=generator)
    for h in range(4):
        j, rows = h % 2, slice(h * head, (h + 1) * head)
        query, key = torch.zeros(head, layout.width), torch.zeros(head, layout.width)
        if h < 2:
            query[slow] = projections[j]
            key[slow, 1 + j * k : 1 + (j + 1) * k] = torch.eye(k)
        else:
            _match_two(query, key, j, projections[j], layout)
        value = torch.zeros(head, layout.width)
        value[:, layout.content :] = mixed[h * head : (h + 1) * head] if (h + 1) * head <= free else mixed[:head]
        attention.q_proj.weight[rows] = query * MATCH_GAIN
        attention.k_proj.weight[rows] = key * MATCH_GAIN
        attention.v_proj.weight[rows] = value * 0.5
        attention.o_proj.weight[:, rows] = value.T * scale * 2


def _match_two(query: Tensor, key: Tensor, j: int, projection: Tensor, layout: Layout) -> None:
    """Half of the slow dimensions compare the current token, half the one before it."""
    k, half = layout.scratch, layout.head // 2
    first = layout.slow[: len(layout.slow) // 2]
    now = first + [i + half for i in first]
    before = [i for i in layout.slow_pairs if i not in now]
    query[now] = projection[: len(now)]
    key[now, 1 + j * k : 1 + j * k + len(now)] = torch.eye(len(now))
    query[before, 1 + j * k : 1 + j * k + len(before)] = torch.eye(len(before))
    key[before, 1 + 2 * k + j * k : 1 + 2 * k + j * k + len(before)] = torch.eye(len(before))
