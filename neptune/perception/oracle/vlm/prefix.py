"""The prefix that all questions about a picture share: computed once, its keys and values read by all of them.

Prompts on one picture begin alike: chat tokens, the picture's tokens, the form's intro. The common beginning is found
among the tokens themselves, so that it is right whatever the tokenizer merges; the rest of each prompt, a few dozen
tokens, goes through the model in one batch on top of the prefix's cache. The result is that of the whole prompts.
Layers that look back a window only, or keep a state in place of keys and values, go on from a copy of what they were
at the prefix's end.
"""

from __future__ import annotations

import copy
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Any

from neptune.perception.oracle.vlm.network import Network
from neptune.perception.oracle.vlm.pictures import Pictures, Row

if TYPE_CHECKING:
    from torch import Tensor

KEPT = {"cpu": 1 << 30, "cuda": 4 << 30}
"""Bytes of prefixes kept for the next rounds of questions on the same pictures, by kind of device. One of a model of
two billion parameters has about 6 MB. They are let go first where memory runs out."""

LEAST = {"cpu": 2, "cuda": 16}
"""So many prompts on a picture make a prefix worth its two passes of one row, by kind of device: a GPU takes about as
long for one row as for a dozen."""


@dataclass(frozen=True, eq=False)
class Prefix:
    """A prefix that has gone through the model.

    Parameters
    ----------
    cache
        Keys and values of each layer, or its state, of one row.
    length
        Tokens of the prefix, those of the picture included.
    next_position
        The position of the token after it; less than `length` where a picture's tokens share positions (M-RoPE).
    """

    cache: Any
    length: int
    next_position: int

    @property
    def bytes(self) -> int:
        """The memory of what its layers keep."""
        return sum(value.nbytes for layer in self.cache.layers for value in _kept(layer))

    @property
    def even(self) -> bool:
        """Whether only rows of equal lengths may go on from it side by side.

        Layers of attention skip what pads the shorter rows. A window would look back less far for it, and a state, of
        linear attention or of a convolution, would have it in it.
        """
        return any(getattr(layer, "is_sliding", False) or _states(layer) for layer in self.cache.layers)

    def rows(self, count: int) -> Any:
        """Return the cache for so many rows: views of the one row, so that nothing is copied yet.

        But for states: those are changed in place, so each row has its own.
        """
        cache = copy.copy(self.cache)
        cache.layers = [_widened(layer, count) for layer in self.cache.layers]
        return cache

    def trimmed(self) -> Prefix:
        """Return itself, without the memory of what windows do not look back to any more."""
        for layer in self.cache.layers:
            if getattr(layer, "is_sliding", False):
                layer.keys, layer.values = layer.keys.contiguous(), layer.values.contiguous()
        return self


def _states(layer: Any) -> dict[str, dict[Any, Any]]:
    """Return what a layer keeps in dicts by number: states, and flags that say whether there are any."""
    return {name: value for name, value in vars(layer).items() if isinstance(value, dict)}


def _kept(layer: Any) -> Iterator[Tensor]:
    """Yield the tensors that a layer of a cache keeps of one row, the row being their first dimension."""
    for value in (*vars(layer).values(), *(v for states in _states(layer).values() for v in states.values())):
        if getattr(value, "ndim", 0) > 1:
            yield value


def _widened(layer: Any, count: int) -> Any:
    """Return a layer of one row as one of so many: keys and values as views, states as copies."""
    wide = copy.copy(layer)
    for name, value in vars(layer).items():
        if isinstance(value, dict):
            states = {k: v.repeat_interleave(count, 0) if getattr(v, "ndim", 0) > 1 else v for k, v in value.items()}
            setattr(wide, name, states)
        elif getattr(value, "ndim", 0) > 1:
            setattr(wide, name, value.expand(count, *value.shape[1:]))
    return wide


class Prefixes:
    """Runs groups of prompts on shared prefixes, by the model of a network."""

    def __init__(self, network: Network) -> None:
        self.network = network
        self.computed = 0
        """Prefixes that went through the model so far."""
        self.least = LEAST.get(network.model.device.type, LEAST["cuda"])
        self._known: OrderedDict[tuple[Hashable, tuple[int, ...]], Prefix] = OrderedDict()

    def forget(self) -> bool:
        """Let go of the prefixes that are kept, and of their memory; tell whether there were any."""
        found = bool(self._known)
        self._known.clear()
        return found

    def begin(self, parts: Sequence[Sequence[int]], pictures: Pictures) -> None:
        """Let threads prepare the pictures of groups of prompts whose prefix is not known."""
        known = {picture for picture, _ in self._known}
        for which in parts:
            if len(which) >= self.least and pictures.prompts[which[0]].picture not in known:
                pictures.begin(which[0])

    def run(
        self,
        which: Sequence[int],
        pictures: Pictures,
        work: Callable[[Sequence[int], Prefix, list[list[int]]], None],
        keep: int,
        room: int = 0,
    ) -> bool:
        """Run prompts that show one picture; return false, with nothing done, where sharing can not help.

        Parameters
        ----------
        which
            Indices of the prompts.
        pictures
            Of all prompts.
        work
            Is given indices of prompts, their prefix, and the tokens of each after it.
        keep
            How many of those each has at least.
        room
            Tokens that it adds to each.
        """
        rows = [pictures.ids[k] for k in which]
        # One token at least is left to each prompt, and as many as are looked at.
        shared = min(pictures.cut(which), min(map(len, rows)) - keep)
        if shared < 1:
            return False
        key = (pictures.prompts[which[0]].picture, tuple(rows[0][:shared]))
        if len(which) < self.least and key not in self._known:
            return False
        prefix = self._prefix(key, pictures, which[0], shared)
        if prefix is None:
            return False
        tails = {k: row[shared:] for k, row in zip(which, rows)}

        # A row costs its own tokens and the memory of the prefix's keys and values, an eighth of that of a token.
        ordered = sorted(which, key=lambda k: len(tails[k]))
        groups = groupby(ordered, lambda k: len(tails[k])) if prefix.even else [(0, iter(ordered))]
        for _, group in groups:
            self.network.batches.run(
                list(group),
                lambda k: len(tails[k]) + room + prefix.length // 8,
                lambda part: [tails[k] for k in part],
                lambda part, suffixes: work(part, prefix, suffixes),
                "a question on a shared picture",
            )
        return True

    def _prefix(self, key: tuple[Hashable, tuple[int, ...]], pictures: Pictures, k: int, shared: int) -> Prefix | None:
        """Return the prefix of a picture; ``None`` if the prompt, its picture expanded, does not end with its words."""
        found = self._known.get(key)
        if found is not None:
            self._known.move_to_end(key)
            return found
        row = pictures.row(k)
        length = row.at(shared)
        if length is None:
            return None
        made: list[Prefix] = []

        def work(part: Sequence[int], inputs: dict[str, Any]) -> None:
            made.append(self._compute(inputs, row, length))

        self.network.batches.run([k], lambda k: len(row), pictures.inputs, work, "a picture")
        (prefix,) = made
        self.computed += 1
        self._known[key] = prefix
        most = KEPT.get(self.network.model.device.type, KEPT["cuda"])
        while len(self._known) > 1 and sum(p.bytes for p in self._known.values()) > most:
            self._known.popitem(last=False)
        return prefix

    def _compute(self, inputs: dict[str, Any], row: Row, length: int) -> Prefix:
        from transformers import DynamicCache

        for name in row.along:  # what runs along the tokens is cut; pixels are not
            inputs[name] = inputs[name][:, :length]
        inputs["position_ids"] = inputs["position_ids"][..., :length]
        # Its configuration says which layers look back a window only, or keep a state.
        cache = DynamicCache(config=self.network.model.config)
        given = {self.network.cache_name: cache, **self.network.on_device(inputs)}
        self.network.forward(keep=1, use_cache=True, **given)
        assert row.positions is not None  # of the architectures that share, they are all known beforehand
        # Less than the length for Qwen-VL: the positions of a picture's tokens are rows and columns.
        return Prefix(cache, length, int(row.positions[0, length])).trimmed()

    def last(self, prefix: Prefix, tails: Sequence[list[int]], keep: int) -> Tensor:
        """Return the last logits of rows that continue the prefix: shape ``(B, keep, V)``."""
        return Continued(self.network, prefix, len(tails)).read(tails, keep)

    def written(self, prefix: Prefix, tails: Sequence[list[int]], max_new_tokens: int) -> list[list[int]]:
        """Return what the model writes after rows that continue the prefix: the likeliest tokens, up to an end."""
        rows = Continued(self.network, prefix, len(tails))
        written: list[list[int]] = [[] for _ in tails]
        last = rows.read(tails, 1)
        for step in range(max_new_tokens):
            tokens = last[:, -1].argmax(-1).tolist()
            for row, token in zip(written, tokens):
                if not row or row[-1] not in self.network.ends:
                    row.append(token)
            if step + 1 == max_new_tokens or all(row[-1] in self.network.ends for row in written):
                break
            last = rows.read([[token] for token in tokens], 1)  # a row that has ended only keeps its place
        return written


class Continued:
    """So many rows that go on from one prefix, side by side."""

    def __init__(self, network: Network, prefix: Prefix, count: int) -> None:
        import torch

        self.network, self._cache = network, prefix.rows(count)
        device = network.model.device
        self._mask = torch.ones((count, prefix.length), dtype=torch.long, device=device)
        self._next = torch.full((count, 1), prefix.next_position, device=device)

    def read(self, tokens: Sequence[list[int]], keep: int) -> Tensor:
        """Return the last logits after further tokens of each row, at least one: shape ``(B, keep, V)``."""
        import torch

        device, longest = self.network.model.device, max(map(len, tokens))
        padding = int(self.network.tokenizer.pad_token_id)
        ids = torch.tensor([[padding] * (longest - len(t)) + t for t in tokens], device=device)
        own = torch.tensor([[0] * (longest - len(t)) + [1] * len(t) for t in tokens], device=device)
        self._mask = torch.cat([self._mask, own], dim=1)
        positions = self._next + (own.cumsum(-1) - 1).clamp(min=0)
        self._next = positions[:, -1:] + 1
        made = self.network.forward(
            keep=keep,
            input_ids=ids,
            attention_mask=self._mask,
            position_ids=positions,
            use_cache=True,
            **{self.network.cache_name: self._cache},
        )
        last: Tensor = made.logits[:, -keep:]
        return last
