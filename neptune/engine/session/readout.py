"""What a need comes to: read off its evaluated plan by one function a kind, for a single run and for a row of a batch.

A :class:`Reading` is the value with how sure it is; :class:`Record` is what a run leaves behind beside it; and
:func:`answer` makes the two one :class:`~neptune.answer.Answer`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from dsl import plan
from dsl.plan import Describe, Exists, Node
from neptune.answer import Answer, Kind, TraceStep, Usage
from neptune.engine.interpret.values import NeedKind
from neptune.engine.schedule.stopping import Kind as Goal

if TYPE_CHECKING:
    from torch import Tensor

TRACE_STEPS = 60
SHOWN_CHARS = 200
"""Of a described value's formulas so much is shown in the trace."""
SHOWN_VALUES = 3

GOALS: dict[NeedKind, Goal] = {
    "truth": "decide",
    "probability": "exact",
    "number": "each",
    "object": "argmax",
    "objects": "each",
    "ranking": "exact",
    "text": "choose",
}
"""What a need of each kind works towards; see :class:`~neptune.engine.schedule.stopping.Goal`."""
OPEN: dict[NeedKind, str] = {
    "truth": "the branch",
    "probability": "the number",
    "number": "the count",
    "object": "the object meant",
    "ranking": "the ranking",
    "text": "the value",
}
"""What is left open where a need is not settled, in words."""


@dataclass(slots=True)
class Reading:
    """What a need came to on one scene.

    Parameters
    ----------
    kind, value
        As of an answer; ``nothing`` where an object is described and there is none.
    probability, bounds
        Of the value, in [0, 1]; without bounds the probability is known, or there is none.
    settled
        Whether missing evidence could not change the value.
    tie, scores, objects
        As of an answer.
    witness
        The ∃ nodes of a true chain, outermost first, with the object of each.
    shown, traced
        The value and the scores in the trace; no step where nothing is shown.
    unmatched, several
        Of an object or a value that is described: whether nothing fits its description, whether several do.
    fit
        … and how true it is that something does, as bounds in [0, 1].
    """

    kind: Kind
    value: Any
    probability: float | None = None
    bounds: tuple[float, float] | None = None
    settled: bool = True
    tie: bool = False
    scores: tuple[float, ...] | None = None
    objects: tuple[int, ...] = ()
    witness: tuple[tuple[Exists, int], ...] = ()
    shown: str = ""
    traced: tuple[float, ...] | None = None
    unmatched: bool = False
    several: bool = False
    fit: tuple[float, float] | None = None


@dataclass(slots=True, eq=False)
class Record:
    """What a run leaves behind beside its answer: its cost, its trace, what it presupposed in vain, and its doubts.

    Parameters
    ----------
    doubts
        What has to be right for the answer to be right, with bounds of how sure it is.
    decided
        Whether plain values were taken on the way.
    unknown
        Whether one of them has no probability: a number made of one, an order, what the oracle said in words.
    stand_ins
        What is not there, and the whole picture stood in for (dialect ``patches``).
    plain
        As semantics 1 has it: doubts are not counted, and uniqueness is not looked at.
    presumption
        What the odds are multiplied by that something fits a description.
    """

    usage: Usage = field(default_factory=Usage)
    trace: list[TraceStep] = field(default_factory=list)
    presuppositions: list[str] = field(default_factory=list)
    ambiguous: list[str] = field(default_factory=list)
    tie: bool = False
    doubts: dict[Hashable, tuple[float, float]] = field(default_factory=dict)
    decided: bool = False
    unknown: bool = False
    stand_ins: list[str] = field(default_factory=list)
    plain: bool = False
    presumption: float = 1.0

    def step(self, line: int, source: str, value: str, scores: tuple[float, ...] | None = None) -> None:
        """Add a step to the trace, if it is new and there is room."""
        if len(self.trace) < TRACE_STEPS and not any(s.source == source and s.value == value for s in self.trace):
            self.trace.append(TraceStep(line, source, value, scores))

    def described(self, text: str, unmatched: bool, several: bool, fit: tuple[float, float] | None) -> None:
        """Add a description: whether nothing fits it, or several do, and how true it is that something does."""
        if unmatched and text not in self.presuppositions:
            self.presuppositions.append(text)
        if several and not self.plain and text not in self.ambiguous:
            self.ambiguous.append(text)
        if fit is not None:
            low, high = (presumed(p, self.presumption) for p in fit)
            self.doubts["fits", text] = low, high

    def decide(self, need: Hashable, reading: Reading) -> None:
        """Add a plain value that the program took: the answer is right if it is."""
        if self.plain:
            return
        self.decided = True
        bounds = reading.bounds
        if bounds is None and reading.probability is not None:
            bounds = (reading.probability, reading.probability)
        if bounds is None:
            self.unknown = True
        else:
            self.doubts[need] = bounds

    @property
    def sure(self) -> tuple[float, float]:
        """How sure it is that all that the answer hangs on is right, as bounds."""
        if self.plain or not self.doubts:
            return 1.0, 1.0
        lows, highs = zip(*self.doubts.values(), strict=True)
        return math.prod(sorted(lows)), math.prod(sorted(highs))

    def of_plain(self) -> float | None:
        """Return the probability of a plain value that follows from what was decided; ``None`` where that has none."""
        return None if self.plain or self.unknown or not self.decided else 1.0

    def add(self, reading: Reading, node: Node, line: int, text: str = "") -> None:
        """Add what a need of a plan came to; `text` is the plan as shown, if that is known."""
        self.tie |= reading.tie
        if not (reading.shown or reading.unmatched or reading.fit):
            return
        text = text or plan.show(node)
        if reading.unmatched or reading.fit:
            short = of_values(node) if isinstance(node, Describe) else text
            self.described(short, reading.unmatched, reading.several, reading.fit)
        if reading.shown:
            source = text[:SHOWN_CHARS] if isinstance(node, Describe) else text
            self.step(line, source, reading.shown, reading.traced)


Chance = TypeVar("Chance", float, "Tensor")


def presumed(chance: Chance, presumption: Chance) -> Chance:
    """Return a chance in [0, 1] with its odds multiplied; a presumption of 1 changes no bit."""
    return chance * presumption / (1.0 + chance * (presumption - 1.0))


def of_values(node: Describe) -> str:
    """Return a choice among values as a description: its first values, and what is said of the first."""
    dots = ", …" if len(node.values) > SHOWN_VALUES else ""
    text = f"ι({', '.join(node.values[:SHOWN_VALUES])}{dots}) {node.bodies[0].bracketed()}"
    return text if len(text) <= SHOWN_CHARS else f"{text[:SHOWN_CHARS]}…"


def truth(
    low: float, high: float, yes: tuple[bool, bool], tie: bool, witness: tuple[tuple[Exists, int], ...] = ()
) -> Reading:
    """Read a truth off the bounds of p(yes), and off how each of them decides."""
    settled = yes[0] == yes[1]
    value = yes[0] if settled else (low + high) / 2 > 0.5
    bounds = (low, high) if value else (1 - high, 1 - low)
    return Reading(
        "truth",
        value,
        low if value else 1 - low,
        bounds,
        settled,
        tie,
        objects=tuple(dict.fromkeys(index for _, index in witness)),
        witness=witness,
        shown=f"{'yes' if value else 'no'} ({low if value else 1 - high:.3f})" if settled else "unsettled",
    )


def objects(chosen: Sequence[int], scores: tuple[float, ...] | None, settled: bool = True) -> Reading:
    """Read objects: which are meant, and how true the formula is of each."""
    return Reading("objects", list(chosen), scores=scores, objects=tuple(chosen), settled=settled)


def number(
    low: int,
    high: int,
    probability: float | None = None,
    scores: tuple[float, ...] | None = None,
    counted: Sequence[int] = (),
) -> Reading:
    """Read a count off its bounds; of objects also how true it is of each, and of the number."""
    return Reading(
        "number",
        (low + high) // 2,
        probability,
        settled=low == high,
        scores=scores,
        objects=tuple(counted),
        shown=str(low) if low == high else f"{low} to {high}",
        traced=scores,
    )


def described(
    best: int,
    weights: tuple[float, ...],
    fits: tuple[float, ...],
    tie: bool,
    unmatched: bool,
    several: bool,
    fit: tuple[float, float],
    settled: bool = True,
    bounds: tuple[float, float] | None = None,
) -> Reading:
    """Read a described object: the one that fits best, the weight of each, how well each fits, and whether any does."""
    return Reading(
        "object",
        best,
        weights[best],
        bounds,
        settled,
        tie,
        weights,
        (best,),
        shown=f"object {best}",
        traced=fits,
        unmatched=unmatched,
        several=several,
        fit=fit,
    )


def text(
    name: str, probability: float, tie: bool, settled: bool = True, bounds: tuple[float, float] | None = None
) -> Reading:
    """Read a described value, the one whose formula is truest."""
    return Reading("text", name, probability, bounds, settled, tie, shown=f"{name} ({probability:.3f})")


def answer(
    reading: Reading,
    record: Record,
    names: Mapping[Node, str],
    notes: tuple[str, ...],
    presuppositions: str,
    believed: Callable[[str, object, float], float],
    tolerance: float = 0.0,
    guessed: bool = False,
) -> Answer:
    """Return the answer of a run.

    Parameters
    ----------
    reading, record
        What its result came to, and what the run left behind.
    names
        The program's names for the variables of ∃ nodes.
    notes
        What was normalised.
    presuppositions
        What an answer is worth that speaks of something that is not there: ``"abstain"``, ``"answer"``, or ``"auto"``:
        it is given where it points to objects.
    believed
        A kind of answer, the answer and its probability to the probability that it is reported with, monotone.
    tolerance
        Bounds as close as this are reported as their middle.
    guessed
        Whether the budget ran out: what is open is answered by the best guess.
    """
    probability, bounds, sure = reading.probability, reading.bounds, record.sure
    if bounds is None and probability is not None:
        bounds = (probability, probability)
    if bounds is not None:
        low, high = (believed(reading.kind, reading.value, p * s) for p, s in zip(bounds, sure, strict=True))
        bounds = (low, high)
        probability = sum(bounds) / 2 if bounds[1] - bounds[0] <= tolerance else None
    known = reading.settled or guessed
    points = presuppositions == "auto" and reading.kind in ("object", "objects")
    answers = record.plain or presuppositions == "answer" or points or not record.presuppositions
    given = known and answers
    return Answer(
        reading.value if given and reading.kind != "nothing" else None,
        reading.kind,
        probability if given else None,
        bounds,
        reading.scores,
        reading.objects if given else (),
        tuple((names.get(node, node.var), index) for node, index in reading.witness),
        tuple(record.trace),
        record.usage,
        record.tie,
        not given,
        reading.settled and not guessed,
        (*record.presuppositions, *dict.fromkeys(record.stand_ins)),
        notes,
        tuple(record.ambiguous),
        "" if given else "presupposition" if known else "missing evidence",
    )
