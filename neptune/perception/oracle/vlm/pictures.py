"""The pictures of one call: each is drawn and processed once, whatever is asked about it, by threads where that helps.

A picture goes through the model's own processor with the first prompt that shows it. The rows of its other prompts are
that row up to where the words begin, and their own tokens from there on. Nothing is assumed of how a processor spells
a picture: where the processed row does not end as the prompt alone is tokenised, a prompt is processed by itself.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from neptune.perception.oracle.vlm.network import Network, common
from neptune.perception.oracle.vlm.prompts import Prompt

if TYPE_CHECKING:
    from torch import Tensor

COUNTED = "image_token_pooling"
"""Numbers of the patches of a prompt's pictures; where pictures go together they count on."""


@dataclass(eq=False)
class Row:
    """A prompt as the model reads it, its picture expanded to many tokens; on the CPU, with no padding.

    Parameters
    ----------
    ids
        The prompt's tokens, the picture being one placeholder.
    along
        What runs along the expanded tokens, each ``(1, L)`` or ``(1, L, …)``; ``input_ids`` and ``attention_mask`` at
        least.
    pixels
        What describes the picture.
    positions
        Of the tokens, ``(1, L)``, or ``(3, L)`` for M-RoPE; ``None``: the model numbers them.
    """

    ids: list[int]
    along: dict[str, Tensor]
    pixels: dict[str, Tensor]
    positions: Tensor | None

    def __len__(self) -> int:
        return int(self.along["input_ids"].shape[1])

    def at(self, cut: int) -> int | None:
        """Return where token `cut` of the prompt stands in the expanded row; ``None`` if words alone do not follow."""
        at = len(self) - (len(self.ids) - cut)
        if not 0 < at < len(self) or self._tokens[at:] != self.ids[cut:] or self._deep:
            return None
        for value in self.along.values():
            if value is not self.along["input_ids"] and not (value[:, at:] == value[:, -1:]).all():
                return None
        return at

    def continued(self, cut: int, ids: list[int]) -> Row | None:
        """Return the row of a prompt of these tokens, the first `cut` of which are as here; ``None`` as :meth:`at`."""
        import torch

        at, tail = self.at(cut), torch.tensor([ids[cut:]])
        if at is None:
            return None
        along = {
            name: torch.cat([value[:, :at], value[:, -1:].expand_as(tail)], dim=1) for name, value in self.along.items()
        }
        along["input_ids"][:, at:] = tail
        positions = self.positions
        if positions is not None:  # words are numbered one by one
            count = torch.arange(tail.shape[1])
            positions = torch.cat([positions[:, :at], positions[:, at : at + 1] + count], dim=1)
        return Row(ids, along, self.pixels, positions)

    @cached_property
    def _tokens(self) -> list[int]:
        return list(self.along["input_ids"][0].tolist())

    @cached_property
    def _deep(self) -> bool:
        return any(value.ndim > 2 for value in self.along.values())


class Pictures:
    """The rows of the prompts of one call, made by a network's processor and threads.

    All methods speak of the prompts by their indices.
    """

    def __init__(self, network: Network, prompts: Sequence[Prompt]) -> None:
        self.network, self.prompts = network, prompts
        self.ids = network.all_ids([p.text + p.answer for p in prompts])
        self._stems: dict[str, list[int]] = {}
        self._first: dict[Hashable, int] = {}
        for k, prompt in enumerate(prompts):
            self._first.setdefault(prompt.picture, k)
        self._left = Counter(p.picture for p in prompts)
        self._made: dict[int, Callable[[], Row]] = {}
        self._rows: dict[int, Row] = {}

    def begin(self, k: int) -> None:
        """Let another thread draw and process the picture of a prompt, if there are threads and nobody has."""
        first = self._first[self.prompts[k].picture]
        if first not in self._made and self.network.batches.threads is not None:
            future: Future[Row] = self.network.batches.threads.submit(self._process, first)
            self._made[first] = future.result

    def row(self, k: int) -> Row:
        """Return the row of a prompt; waits until its picture is ready."""
        if k not in self._rows:
            self._rows[k] = self._row(k)
        return self._rows[k]

    def cut(self, which: Sequence[int]) -> int:
        """Return how many first tokens prompts have in common, none of them of a question's words."""
        stem = self.prompts[which[0]].stem
        if stem not in self._stems:
            self._stems[stem] = self.network.ids(stem)
        return common(self._stems[stem], [self.ids[k] for k in which])

    def forget(self, which: Sequence[int]) -> None:
        """Let go of rows that were answered, and of the pictures that nothing more is asked about."""
        for k in which:
            self._rows.pop(k, None)
            picture = self.prompts[k].picture
            self._left[picture] -= 1
            if not self._left[picture]:
                self._made.pop(self._first[picture], None)
                self._rows.pop(self._first[picture], None)

    def inputs(self, which: Sequence[int], once: bool = False) -> dict[str, Any]:
        """Return the model's inputs for prompts, padded on the left, in its dtype, on the CPU.

        Parameters
        ----------
        which
            The prompts.
        once
            Give each picture once, and say with ``"shown"`` which of them each row shows; left out if all differ.
        """
        rows = [self.row(k) for k in which]
        longest = max(map(len, rows))
        padding = {"input_ids": int(self.network.tokenizer.pad_token_id)}
        inputs: dict[str, Any] = {
            name: _stacked([row.along[name] for row in rows], longest, padding.get(name, 0)) for name in rows[0].along
        }
        if rows[0].positions is not None:
            positions = _stacked([row.positions[None] for row in rows], longest, 0, dim=2)  # type: ignore[index]
            inputs["position_ids"] = positions[:, 0] if positions.shape[1] == 1 else positions.transpose(0, 1)
        if once:
            places: dict[int, int] = {}
            shown = [places.setdefault(id(row.pixels), len(places)) for row in rows]
            if len(places) < len(rows):
                inputs["shown"] = shown
                rows = [rows[shown.index(k)] for k in range(len(places))]
                inputs["parts"] = [len(row.pixels["pixel_values"]) for row in rows]
        dtype = self.network.model.dtype
        for name, value in rows[0].pixels.items():
            wanted = dtype if value.is_floating_point() else value.dtype
            values = [row.pixels[name].to(wanted) for row in rows]
            inputs[name] = _joined(_counted_on(values, rows) if name == COUNTED else values)
        if self.network.model.device.type == "cuda":  # pinned memory is copied to the device without waiting
            return {name: v.pin_memory() if hasattr(v, "pin_memory") else v for name, v in inputs.items()}
        return inputs

    def _row(self, k: int) -> Row:
        first = self._first[self.prompts[k].picture]
        if first not in self._made:
            made = self._process(first)
            self._made[first] = lambda: made
        row = self._made[first]()
        if k == first:
            return row
        spliced = row.continued(min(self.cut([first, k]), len(self.ids[k]) - 1), self.ids[k])
        return self._process(k) if spliced is None else spliced

    def _process(self, k: int) -> Row:
        prompt = self.prompts[k]
        text = prompt.text + prompt.answer
        made = self.network.own_processor()(
            text=[text], images=[[prompt.draw()]], padding=True, return_tensors="pt", **self.network.tokenizing(text)
        )
        start = made["input_ids"].shape
        along = {name: value for name, value in made.items() if value.shape[:2] == start}
        pixels = {name: value for name, value in made.items() if name not in along}
        return Row(self.ids[k], along, pixels, self.network.positions(made))


def _stacked(values: Sequence[Tensor], longest: int, padding: int, dim: int = 1) -> Tensor:
    """Return rows as one tensor, those that are shorter along `dim` padded at its beginning."""
    import torch

    size = list(values[0].shape)
    size[0], size[dim] = len(values), longest
    out = torch.full(size, padding, dtype=values[0].dtype)
    for k, value in enumerate(values):
        out[k].narrow(dim - 1, longest - value.shape[dim], value.shape[dim]).copy_(value[0])
    return out


def _counted_on(values: Sequence[Tensor], rows: Sequence[Row]) -> list[Tensor]:
    """Return numbers of patches, of all pictures one after the other; below 0 is none."""
    made, before = [], 0
    for value, row in zip(values, rows):
        made.append(value.where(value < 0, value + before))
        before += row.pixels["pixel_values"].shape[:2].numel()
    return made


def _joined(values: Sequence[Tensor]) -> Tensor:
    """Return the pictures' tensors one after the other, zeros after those that are smaller, as image processors do."""
    import torch

    shape = [max(sizes) for sizes in zip(*(v.shape for v in values))]
    if all(list(v.shape[1:]) == shape[1:] for v in values):
        return torch.cat(list(values))
    out = values[0].new_zeros([sum(len(v) for v in values), *shape[1:]])
    start = 0
    for value in values:
        part = out[start : start + len(value)]
        for dim, size in enumerate(value.shape[1:], 1):
            part = part.narrow(dim, 0, size)
        part.copy_(value)
        start += len(value)
    return out
