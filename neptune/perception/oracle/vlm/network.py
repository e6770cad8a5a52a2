"""A model and its processor: tokens, positions, inputs on the device, one forward pass."""

from __future__ import annotations

import copy
import inspect
import itertools
import threading
from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

from neptune.perception.oracle.vlm.batching import Batches
from neptune.perception.oracle.vlm.prompts import Prompt

if TYPE_CHECKING:
    from torch import Tensor

PLAIN_POSITIONS = frozenset({"internvl", "ovis2", "smolvlm", "gemma3", "gemma4", "lfm2_vl", "molmo2"})
"""Architectures that number positions from the padding on, unless told otherwise."""

M_ROPE = frozenset({"qwen2_vl", "qwen2_5_vl", "qwen3_vl", "qwen3_5", "glm46v"})
"""Architectures whose picture tokens are numbered by row and column, which they can tell us beforehand."""


class Network:
    """What is run, and how prompts become tokens.

    Parameters
    ----------
    model, processor
        As transformers loads them.
    batch_size
        See :class:`~neptune.perception.oracle.vlm.batching.Batches`.
    """

    def __init__(self, model: Any, processor: Any, batch_size: int | Literal["auto"] = "auto") -> None:
        self.model, self.processor = model, processor
        self.tokenizer = processor.tokenizer
        self.tokenizer.padding_side = "left"
        if self.tokenizer.pad_token is None:
            self.tokenizer.pad_token = self.tokenizer.eos_token
        self.model_type = str(getattr(model.config, "model_type", ""))
        self.batches = Batches(batch_size, model.device.type)
        self.takes = frozenset(inspect.signature(model.forward).parameters)
        """The parameters of the model's forward pass."""
        self.cache_name = "cache" if "cache" in self.takes else "past_key_values"
        """Of those, that of the cache: newer versions of transformers call it ``cache``."""
        self._local = threading.local()

    def positions(self, inputs: Any) -> Tensor | None:
        """Return the positions of the tokens of one row, on the CPU: ``(1, L)`` or ``(3, L)``.

        ``None``: the model numbers them as it should.
        """
        if self.model_type in PLAIN_POSITIONS:
            plain: Tensor = (inputs["attention_mask"].cumsum(-1) - 1).clamp(min=0)
            return plain
        if self.model_type not in M_ROPE:
            return None
        names = ("input_ids", "mm_token_type_ids", "image_grid_thw", "attention_mask")
        made = self.model.model.get_rope_index(**{name: inputs[name] for name in names})
        found: Tensor = made[0][:, 0]
        return found

    def on_device(self, inputs: dict[str, Any]) -> dict[str, Any]:
        """Return inputs on the model's device, pixels in its dtype; without waiting where they are pinned."""
        import torch

        placed = {}
        for name, value in inputs.items():
            if isinstance(value, torch.Tensor):
                dtype = self.model.dtype if value.is_floating_point() else value.dtype
                value = value.to(self.model.device, dtype, non_blocking=True)
            placed[name] = value
        return placed

    def own_processor(self) -> Any:
        """Return the processor, or this thread's copy of it: a tokenizer that pads can not be shared by threads."""
        if threading.current_thread() is threading.main_thread() or not self.batches.ahead:
            return self.processor
        if not hasattr(self._local, "processor"):
            self._local.processor = copy.deepcopy(self.processor)
        return self._local.processor

    def tokenizing(self, text: str) -> dict[str, bool]:
        """Return how to tokenise: a template that writes the start token itself must not get a second one."""
        bos = self.tokenizer.bos_token
        return {"add_special_tokens": not (bos and text.startswith(bos))}

    def ids(self, text: str) -> list[int]:
        """Return the tokens of a prompt in which the picture is one placeholder."""
        return list(self.tokenizer(text, **self.tokenizing(text))["input_ids"])

    def all_ids(self, texts: Sequence[str]) -> list[list[int]]:
        """Return the tokens of many prompts of one template, at once: the tokenizer uses all cores for them."""
        if not texts:
            return []
        return [list(ids) for ids in self.tokenizer(list(texts), **self.tokenizing(texts[0]))["input_ids"]]

    def answer_ids(self, prompt: Prompt) -> list[int]:
        """Return the tokens that a prompt's answer adds to it, at least one."""
        whole, start = self.ids(prompt.text + prompt.answer), self.ids(prompt.text)
        return whole[common(start, [whole]) :]

    @cached_property
    def ends(self) -> frozenset[int]:
        """The tokens with which an answer ends."""
        ends = self.model.generation_config.eos_token_id
        return frozenset([ends] if isinstance(ends, int) else ends or ())

    def forward(self, keep: int, **inputs: Any) -> Any:
        """Run the model, and let it compute the logits of the last `keep` positions only, where it can.

        Pictures that are given once go once through the vision encoder, and their features to all rows that show them.
        """
        if "logits_to_keep" in self.takes:
            inputs["logits_to_keep"] = keep
        inputs.setdefault("use_cache", False)
        if "shown" in inputs:
            inputs["mm_encoder_outputs"] = {"image": self._features(inputs, inputs.pop("shown"), inputs.pop("parts"))}
        return self.model(**inputs)

    def _features(self, inputs: dict[str, Any], shown: Sequence[int], parts: Sequence[int]) -> Any:
        """What the vision encoder makes of the pictures, taken out of the inputs, for each row."""
        import torch

        encode = self.model.model.get_image_features
        takes = inspect.signature(encode).parameters
        made = encode(**{name: inputs.pop(name) for name in list(inputs) if name in takes}, return_dict=True)
        if isinstance(made.pooler_output, torch.Tensor):  # of all tiles of all pictures
            tiles = torch.split(made.pooler_output, list(parts))
            made.pooler_output = torch.cat([tiles[k] for k in shown])
        else:
            each = list(made.pooler_output)
            if len(each) == sum(parts):  # one for each tile, not for each picture
                ends = [0, *itertools.accumulate(parts)]
                each = [torch.cat(each[a:b]) for a, b in itertools.pairwise(ends)]
            made.pooler_output = [each[k] for k in shown]
        if getattr(made, "deepstack_features", None) is not None:
            made.deepstack_features = [[layer[k] for k in shown] for layer in made.deepstack_features]
        return made


def common(stem: Sequence[int], rows: Sequence[Sequence[int]]) -> int:
    """Return how many first tokens the stem and all rows have in common."""
    for k, token in enumerate(stem):
        if any(k >= len(row) or row[k] != token for row in rows):
            return k
    return len(stem)
