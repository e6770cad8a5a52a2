"""The prefix that all questions about a picture share: computed once, its keys and values read by all of them.

Prompts on one picture begin alike: chat tokens, the picture's tokens, the form's intro. The common beginning is found
among the tokens themselves, so that it is right whatever the tokenizer merges; the rest of each prompt, a few dozen
tokens, goes through the model in one batch on top of the prefix's cache. The result is that of the whole prompts.
"""

from __future__ import annotations

import copy
from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from neptune.oracle.vlm.prompts import Prompt

if TYPE_CHECKING:
    from torch import Tensor

    from neptune.oracle.vlm.reader import Finish, Reader

KEPT = 4
"""Prefixes kept for the next round of questions on the same pictures."""


LEAST = {"cpu": 2, "cuda": 16}
"""So many prompts on a picture make a prefix worth its two passes of one row, by kind of device: a GPU takes about as
long for one row as for a dozen."""


@dataclass(frozen=True, eq=False)
class Prefix:
    """A prefix that has gone through the model.

    Parameters
    ----------
    cache
        Keys and values of each layer, of one row.
    length
        Tokens of the prefix, those of the picture included.
    next_position
        The position of the token after it; less than `length` where a picture's tokens share positions (M-RoPE).
    """

    cache: Any
    length: int
    next_position: int

    def rows(self, count: int) -> Any:
        """Return the cache for so many rows: views of the one row, so that nothing is copied yet."""
        cache = copy.copy(self.cache)
        cache.layers = [copy.copy(layer) for layer in self.cache.layers]
        for layer in cache.layers:
            layer.keys = layer.keys.expand(count, -1, -1, -1)
            layer.values = layer.values.expand(count, -1, -1, -1)
        return cache


class Prefixes:
    """Runs groups of prompts on shared prefixes.

    Parameters
    ----------
    reader
        Whose model is run.
    """

    def __init__(self, reader: Reader) -> None:
        self.reader = reader
        self.computed = 0
        """Prefixes that went through the model so far."""
        self.least = LEAST.get(reader.model.device.type, LEAST["cuda"])
        self._known: OrderedDict[tuple[Hashable, tuple[int, ...]], Prefix] = OrderedDict()

    def forget(self) -> None:
        """Let go of the prefixes that are kept, and of their memory."""
        self._known.clear()

    def run(
        self,
        which: Sequence[int],
        prompts: Sequence[Prompt],
        finish: Finish,
        keep: int,
        store: Callable[[Sequence[int], Tensor], None],
    ) -> bool:
        """Run prompts that show one picture; return false, with nothing done, where sharing can not help.

        Parameters
        ----------
        which
            Indices of the prompts.
        finish
            Makes results of the last logits.
        keep
            How many last positions it needs.
        store
            Is given the indices of prompts and their results.
        """
        rows = self.reader.all_ids([prompts[k].text + prompts[k].answer for k in which])
        stem = self.reader.ids(prompts[which[0]].stem)
        # One token at least is left to each prompt, and as many as are looked at.
        shared = min(_common(stem, rows), min(map(len, rows)) - keep)
        if shared < 1:
            return False
        key = (prompts[which[0]].picture, tuple(stem[:shared]))
        if len(which) < self.least and key not in self._known:
            return False
        prefix = self._prefix(key, prompts[which[0]], rows[0][shared:])
        if prefix is None:
            return False
        tails = {k: row[shared:] for k, row in zip(which, rows)}

        def work(part: Sequence[int], suffixes: list[list[int]]) -> None:
            store(part, finish(self._suffixes(prefix, suffixes, keep), part))

        # A row costs its own tokens and the memory of the prefix's keys and values, an eighth of that of a token.
        ordered = sorted(which, key=lambda k: len(tails[k]))
        self.reader.batches.run(
            ordered,
            lambda k: len(tails[k]) + prefix.length // 8,
            lambda part: [tails[k] for k in part],
            work,
            "a question on a shared picture",
        )
        return True

    def _prefix(
        self, key: tuple[Hashable, tuple[int, ...]], prompt: Prompt, tail: list[int]
    ) -> Prefix | None:
        """Return the prefix of a picture; ``None`` if the prompt, its picture expanded, does not end with the tail."""
        found = self._known.get(key)
        if found is not None:
            self._known.move_to_end(key)
            return found
        made: list[Prefix | None] = []

        def work(part: Sequence[Prompt], inputs: dict[str, Any]) -> None:
            made.append(self._compute(inputs, tail))

        self.reader.batches.run([prompt], lambda p: p.pixels // 784, self.reader.inputs, work, "a picture")
        prefix = made[0]
        if prefix is None:
            return None
        self.computed += 1
        self._known[key] = prefix
        while len(self._known) > KEPT:
            self._known.popitem(last=False)
        return prefix

    def _compute(self, inputs: dict[str, Any], tail: list[int]) -> Prefix | None:
        import torch
        from transformers import DynamicCache

        reader, cache = self.reader, DynamicCache()
        inputs = reader.on_device(inputs)
        ids = inputs["input_ids"][0].tolist()
        length = len(ids) - len(tail)
        if ids[length:] != tail:
            return None
        for name, value in inputs.items():  # what runs along the tokens is cut; pixels are not
            if isinstance(value, torch.Tensor) and value.shape == (1, len(ids)):
                inputs[name] = value[:, :length]
        reader.forward(keep=1, past_key_values=cache, use_cache=True, **inputs)
        # Qwen-VL's positions: those of a picture's tokens are rows and columns, fewer than the tokens.
        offset = getattr(reader.model.model, "rope_deltas", None)
        return Prefix(cache, length, length + (int(offset.item()) if offset is not None else 0))

    def _suffixes(self, prefix: Prefix, tails: Sequence[list[int]], keep: int) -> Tensor:
        """Return the last logits of rows that continue the prefix: shape ``(B, keep, V)``."""
        import torch

        device, longest = self.reader.model.device, max(map(len, tails))
        padding = int(self.reader.tokenizer.pad_token_id)
        ids = torch.tensor([[padding] * (longest - len(t)) + t for t in tails], device=device)
        own = torch.tensor([[0] * (longest - len(t)) + [1] * len(t) for t in tails], device=device)
        mask = torch.cat([own.new_ones(len(tails), prefix.length), own], dim=1)
        positions = prefix.next_position + (own.cumsum(-1) - 1).clamp(min=0)
        made = self.reader.forward(
            keep=keep,
            input_ids=ids,
            attention_mask=mask,
            position_ids=positions,
            past_key_values=prefix.rows(len(tails)),
            use_cache=True,
        )
        last: Tensor = made.logits[:, -keep:]
        return last


def _common(stem: list[int], rows: Sequence[list[int]]) -> int:
    """Return how many first tokens the stem and all rows have in common."""
    for k, token in enumerate(stem):
        if any(k >= len(row) or row[k] != token for row in rows):
            return k
    return len(stem)
