"""What an answer should be, as a value of a soft answer, and how far off it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from neptune.algebra.convert import EPSILON
from neptune.engine.session.soft_answers import SoftAnswer, same_answer
from neptune.errors import DatasetError
from neptune.tasks import Sample

Value = bool | int | str


@dataclass(frozen=True, slots=True)
class Target:
    """The right answer of a sample.

    Parameters
    ----------
    kind
        ``truth``, ``number``, ``text`` or ``object`` (an index into the scene's boxes).
    value
        A bool, an integer ≥ 0, a word, or an index.
    others
        Indices of other boxes that show the same object, and count as right too.
    """

    kind: str
    value: Value
    others: tuple[int, ...] = ()

    @property
    def accepted(self) -> tuple[Value, ...]:
        """All values that are right."""
        return (self.value, *self.others)


def target_of(sample: Sample) -> Target:
    """Return the right answer of a sample of a CLEVR task, on its annotated boxes.

    Raises
    ------
    DatasetError
        If the sample expects something that a soft answer can not be.
    """
    expected = sample.expected
    if sample.dataset == "clevr-refexps" and expected is not None:
        return Target("object", int(expected))
    if isinstance(expected, bool):
        return Target("truth", expected)
    if isinstance(expected, str):
        if expected in ("yes", "no"):
            return Target("truth", expected == "yes")
        return Target("number", int(expected)) if expected.isdecimal() else Target("text", expected)
    raise DatasetError(
        f"The expected answer {expected!r} can not be trained on",
        where=sample.id,
        expected="yes or no, a whole number, a word, or an object",
    )


def loss_of(answer: SoftAnswer, target: Target) -> Tensor:
    """Return the loss of one soft answer, a scalar ≥ 0 in nats, with gradient.

    Negative log-likelihood: for yes/no the binary cross-entropy, for counts and values that of their distribution. A
    formula of one free variable that should name one object is a binary cross-entropy a box, averaged.
    """
    if answer.kind == "objects" and target.kind == "object":
        right = torch.tensor([v in target.accepted for v in answer.values], dtype=answer.probabilities.dtype)
        p = answer.probabilities.clamp(EPSILON, 1 - EPSILON)
        return torch.nn.functional.binary_cross_entropy(p, right)
    if target.others:
        total = torch.stack([answer.probability(v) for v in target.accepted]).sum()
        return -(total + (total.clamp_min(EPSILON) - total).detach()).log()
    return -answer.log_probability(target.value)


def is_right(answer: SoftAnswer | None, target: Target) -> bool:
    """Tell whether the most probable answer (the first among equals) is the right one."""
    if answer is None or not answer.values:
        return False
    best = answer.values[int(answer.probabilities.argmax())]
    return any(same_answer(best, v) for v in target.accepted)


def mean_loss(answers: Sequence[SoftAnswer | None], targets: Sequence[Target]) -> Tensor:
    """Return the mean loss of the answers that there are (``None``: no evidence); 0 where there are none."""
    losses = [loss_of(a, t) for a, t in zip(answers, targets, strict=True) if a is not None]
    return torch.stack(losses).mean() if losses else torch.zeros(())
