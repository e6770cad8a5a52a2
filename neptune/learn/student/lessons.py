"""Distilled samples as lessons: prompts of a model, with the texts that it should write and what each weighs.

The loss of a text is the mean over its tokens, so that a rationale of sixty tokens weighs as much as an answer of one.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from neptune.errors import DatasetError
from neptune.learn.distil.export import ANSWER, RATIONALE, read_distilled
from neptune.perception.oracle.vlm.oracle import TransformersOracle
from neptune.perception.oracle.vlm.pictures import Pictures
from neptune.perception.oracle.vlm.prompts import Prompt
from neptune.scene import Scene
from neptune.scene.picture import Picture
from neptune.scene.types import QueryRequest, Question

LEAST, MOST = 0.01, 8
"""Of a soft target: answers less probable are left out, and so many are taught at most."""


@dataclass(frozen=True, slots=True)
class Lesson:
    """One sample: what is asked about which picture, and the text; `soft` are answers with their probabilities."""

    id: str
    kind: str
    picture: str
    asked: str
    text: str
    soft: tuple[tuple[str, float], ...] = ()


def read_lessons(paths: Sequence[str | Path]) -> list[Lesson]:
    """Read the samples of files as ``task: distil`` writes them.

    Raises
    ------
    DatasetError
        If a file can not be read, or holds something else, or there is none.
    """
    found: list[Lesson] = []
    for path in map(Path, paths):
        try:
            rows = list(read_distilled(path))
        except (OSError, ValueError) as error:
            raise DatasetError(f"The distilled samples can not be read: {error}", where=str(path)) from error
        for number, row in enumerate(rows, 1):
            found.append(_lesson(row, path, number))
    if not found:
        raise DatasetError("There is no distilled sample", where=", ".join(map(str, paths)))
    return found


def _lesson(row: Any, path: Path, number: int) -> Lesson:
    try:
        user, assistant = row["messages"]
        kind, (picture,) = row["kind"], row["images"]
        soft = row.get("soft") or {"answers": [], "probabilities": []}
        pairs = tuple(zip(map(str, soft["answers"]), map(float, soft["probabilities"]), strict=True))
        if kind not in (ANSWER, RATIONALE):
            raise ValueError(kind)
        return Lesson(str(row["id"]), kind, str(picture), str(user["content"]), str(assistant["content"]), pairs)
    except (KeyError, TypeError, ValueError) as error:
        raise DatasetError(
            f"Line {number} is no distilled sample: {error}", where=str(path), expected="a file that task distil wrote"
        ) from error


class Lessons:
    """Teaches a model, and asks it.

    Parameters
    ----------
    oracle
        The model.
    parameters
        Those that are trained.
    weights
        Kind of lesson → weight of its loss.
    softness
        How much of an answer's target is the engine's distribution, in [0, 1]; the rest is the one answer.
    context
        Around forward passes.
    scale
        Scales a loss before its gradients are computed, or ``None``.
    """

    def __init__(
        self,
        oracle: TransformersOracle,
        parameters: Sequence[nn.Parameter],
        weights: Mapping[str, float],
        softness: float,
        context: Callable[[], AbstractContextManager[Any]],
        scale: Callable[[Tensor], Tensor] | None = None,
    ) -> None:
        self.oracle, self.parameters = oracle, list(parameters)
        self._weights, self._softness, self._context, self._scale = weights, softness, context, scale

    def loss(self, lessons: Sequence[Lesson], whole: int, seed: int) -> float:
        """Add the gradients of lessons' losses, each divided by `whole`, and return their sum.

        Raises
        ------
        OracleError, PictureError
            If memory runs out for a single prompt, or a picture can not be read.
        """
        prompts: list[Prompt] = []
        weights: list[float] = []
        for lesson in lessons:
            start = self.prompt(lesson)
            for text, share in self.targets(lesson):
                prompts.append(replace(start, answer=self.oracle.chat.answers(text)[0]))
                weights.append(self._weights[lesson.kind] * share / whole)
        if not prompts:
            return 0.0
        reader, total = self.oracle.reader, 0.0
        answers = [reader.answer_ids(prompt) for prompt in prompts]

        def work(part: Sequence[int], inputs: dict[str, Any]) -> None:
            nonlocal total
            keep = 1 + max(len(answers[k]) for k in part)
            with torch.enable_grad():
                with self._context():
                    logits = reader.forward(keep=keep, **reader.on_device(inputs)).logits[:, -keep:]
                losses = [weights[k] * _mean_nll(row, answers[k]) for row, k in zip(logits, part, strict=True)]
                value = torch.stack(losses).sum()
                scaled = value if self._scale is None else self._scale(value)
                # Not scaled.backward(): where memory runs out half-way, nothing must have been added yet.
                found = torch.autograd.grad(scaled, self.parameters, allow_unused=True)
            for parameter, new in zip(self.parameters, found, strict=True):
                if new is not None:
                    parameter.grad = new if parameter.grad is None else parameter.grad + new
            total += float(value.detach())

        device = reader.model.device
        with torch.random.fork_rng([device] if device.type == "cuda" else []):
            torch.manual_seed(seed)
            reader.each(range(len(prompts)), Pictures(reader, prompts), work)
        return total

    def targets(self, lesson: Lesson) -> list[tuple[str, float]]:
        """Return the texts that a lesson teaches, and what share of its loss each has: they add up to 1."""
        shares = {lesson.text: 1.0}
        if lesson.kind == ANSWER and self._softness and lesson.soft:
            likely = sorted(lesson.soft, key=lambda one: -one[1])[:MOST]
            likely = [one for one in likely if one[1] >= LEAST] or likely[:1]
            mass = sum(p for _, p in likely)
            shares[lesson.text] = 1.0 - self._softness
            for text, p in likely:
                shares[text] = shares.get(text, 0.0) + self._softness * p / mass
        return [(text, share) for text, share in shares.items() if share > 0]

    def right(self, lessons: Sequence[Lesson], longest: int) -> list[bool]:
        """Return for each answer whether the model writes it, whatever its capitals."""
        reader = self.oracle.reader
        with torch.no_grad(), self._context():
            written = reader.generate([self.prompt(lesson) for lesson in lessons], longest)
        said = [(text.splitlines() or [""])[0].strip().rstrip(".").lower() for text in written]
        return [text == lesson.text.lower() for text, lesson in zip(said, lessons, strict=True)]

    def prompt(self, lesson: Lesson) -> Prompt:
        """Return the prompt of a lesson, without the text: as ``task: direct`` would ask it."""
        picture = Picture(Path(lesson.picture))
        scene = Scene(np.zeros((0, 4), dtype=np.float32), picture.size, picture)
        request = QueryRequest(scene, Question(lesson.asked, 0), np.zeros((1, 0), dtype=np.int64))
        (found,) = self.oracle.prompts(request)
        return replace(found, text=self.oracle.chat.wrap(lesson.asked))


def _mean_nll(row: Tensor, ids: Sequence[int]) -> Tensor:
    """Return the mean over an answer's tokens of -log p, from the logits of the last positions, ``(keep, V)``."""
    scores = row[-len(ids) - 1 : -1].float().log_softmax(-1)
    return -scores.gather(1, torch.tensor(list(ids), device=row.device)[:, None]).mean()


def as_json(lessons: Sequence[Lesson]) -> str:
    """Return what tells these lessons from others."""
    return json.dumps([[lesson.id, lesson.text] for lesson in lessons])
