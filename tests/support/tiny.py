"""Random models of the smallest useful size, made in about a second: Llama-shaped or of the shapes that people use
most besides (SHAPES), with their own tokenizer.

They know nothing, yet learn a handful of rows in some ten steps. `make_tiny_model(path)` is all there is to it.
"""

import random
from pathlib import Path

TEXT = (
    "how many big ticket orders were there in the shop last year which customers bought a bike show me total "
    "select count from where and group by order name price city amount sum avg join on limit desc the of a I can "
    "only answer questions about this database please thank you hello what is yes no red blue green seven"
)

CHAT_TEMPLATE = (
    "{% for message in messages %}"
    "{{ '<|im_start|>' + message['role'] + '\n' }}"
    "{% if message['role'] == 'assistant' %}"
    "{% generation %}{{ message['content'] + '<|im_end|>' }}{% endgeneration %}"
    "{% else %}{{ message['content'] + '<|im_end|>' }}{% endif %}"
    "{{ '\n' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)


SHAPES = ("llama", "qwen", "gemma")


def make_tokenizer(path: Path, *, vocab: int = 512, seed: int = 0) -> int:
    """Train and save a byte-level BPE tokenizer with a ChatML template; returns its number of tokens."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    chance, words = random.Random(seed), TEXT.split()
    lines = [" ".join(chance.choices(words, k=12)) for _ in range(400)]
    trainer = trainers.BpeTrainer(
        vocab_size=vocab,
        special_tokens=["<|pad|>", "<|im_start|>", "<|im_end|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(lines, trainer)
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, eos_token="<|im_end|>", pad_token="<|pad|>", clean_up_tokenization_spaces=False
    )
    fast.add_special_tokens({"additional_special_tokens": ["<|im_start|>"]})
    fast.chat_template = CHAT_TEMPLATE
    fast.save_pretrained(path)
    return len(fast)


def make_tiny_model(
    path: Path,
    *,
    seed: int = 0,
    vocab: int = 512,
    hidden: int = 64,
    layers: int = 2,
    heads: int = 4,
    key_value_heads: int = 2,
    intermediate: int = 128,
    positions: int = 512,
    shape: str = "llama",
) -> Path:
    """Make a random model with its tokenizer under `path`, in bf16 safetensors; returns `path`."""
    import torch
    from transformers import AutoModelForCausalLM, Gemma3TextConfig, LlamaConfig, Qwen3Config

    path.mkdir(parents=True, exist_ok=True)
    size = make_tokenizer(path, vocab=vocab, seed=seed)
    kinds = {"llama": LlamaConfig, "qwen": Qwen3Config, "gemma": Gemma3TextConfig}
    config = kinds[shape](
        vocab_size=max(size, vocab),
        hidden_size=hidden,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        num_key_value_heads=key_value_heads,
        intermediate_size=intermediate,
        max_position_embeddings=positions,
        head_dim=hidden // heads,
        tie_word_embeddings=True,
        # Larger than usual: a frozen head of small weights could never become sure of anything.
        initializer_range=0.1,
        bos_token_id=None,
        eos_token_id=2,
        pad_token_id=0,
    )
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = AutoModelForCausalLM.from_config(config).to(torch.bfloat16)
    model.generation_config.eos_token_id = 2
    model.generation_config.pad_token_id = 0
    model.save_pretrained(path)
    return path


def chat_row(question: str, answer: str) -> dict[str, list[dict[str, str]]]:
    """A dataset row of one question and its answer."""
    return {
        "prompt": [{"role": "user", "content": question}],
        "completion": [{"role": "assistant", "content": answer}],
    }
