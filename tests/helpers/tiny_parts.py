"""What tiny vision-language models have in common: tokenizer, chat template, a small text part."""

from __future__ import annotations

from typing import Any

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

TEXT = (
    "Is the object in the red box a ball? Is the object in the green box left of the cube? Answer with yes or no. "
    "Yes No yes no Answer with one word or a short phrase. What color is the object? red blue green small large "
    "The red box is [100, 200, 300, 400]. Places in the picture are [left, top, right, bottom], from 0 to 1000."
)
CHAT = (
    "{{% for m in messages %}}<|im_start|>{{{{ m['role'] }}}}\n{{% if m['content'] is string %}}{{{{ m['content'] }}}}"
    "{{% else %}}{{% for c in m['content'] %}}{{% if c['type'] == 'image' %}}{image}"
    "{{% else %}}{{{{ c['text'] }}}}{{% endif %}}{{% endfor %}}{{% endif %}}<|im_end|>\n{{% endfor %}}"
    "{{% if add_generation_prompt %}}<|im_start|>assistant\n{{% endif %}}"
)
COMMON = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")


def tokenizer(*special: str, **named: str) -> PreTrainedTokenizerFast:
    """A byte-level BPE trained on the words of our prompts, with " yes" and " no" as single tokens."""
    inner = Tokenizer(models.BPE())
    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    inner.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=480,
        special_tokens=[*COMMON, *special],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    inner.train_from_iterator([TEXT] * 8, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=inner, eos_token="<|im_end|>", pad_token="<|endoftext|>", extra_special_tokens=named
    )


def text_config(**more: Any) -> dict[str, Any]:
    """The language model's part of a configuration, with changes."""
    return {
        "vocab_size": 512,
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": 4096,
        # Ten times the usual spread: the logits of a random model would else all be near 0.
        "initializer_range": 0.2,
    } | more


def token_ids(tok: PreTrainedTokenizerFast, **tokens: str) -> dict[str, int]:
    """The numbers of tokens, by the names of a configuration's fields."""
    return {name: tok.convert_tokens_to_ids(token) for name, token in tokens.items()}
