"""What a need comes to: read off its evaluated plan by one function a kind, for a single run and for a row of a batch.

A :class:`Reading` is the value with how sure it is; :class:`Record` is what a run leaves behind beside it; and
:func:`answer` makes the two one :class:`~neptune.answer.Answer`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from dsl import plan
from dsl.plan import Describe, Exists, Node
from neptune.answer import Answer, Kind, TraceStep, Usage

TRACE_STEPS = 60
SHOWN_CHARS = 200
"""Of a described value's formulas so much is shown in the trace."""


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
    unmatched
        Whether it is an object, and nothing fits its description.
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


@dataclass(slots=True, eq=False)
class Record:
    """What a run leaves behind beside its answer: its cost, its trace, and what it presupposed in vain."""

    usage: Usage = field(default_factory=Usage)
    trace: list[TraceStep] = field(default_factory=list)
    presuppositions: list[str] = field(default_factory=list)
    tie: bool = False

    def step(self, line: int, source: str, value: str, scores: tuple[float, ...] | None = None) -> None:
        """Add a step to the trace, if it is new and there is room."""
        if len(self.trace) < TRACE_STEPS and not any(s.source == source and s.value == value for s in self.trace):
            self.trace.append(TraceStep(line, source, value, scores))

    def unmatched(self, text: str) -> None:
        """Add a description that nothing in the picture matched."""
        if text not in self.presuppositions:
            self.presuppositions.append(text)

    def add(self, reading: Reading, node: Node, line: int, text: str = "") -> None:
        """Add what a need of a plan came to; `text` is the plan as shown, if that is known."""
        self.tie |= reading.tie
        if not (reading.shown or reading.unmatched):
            return
        text = text or plan.show(node)
        if reading.unmatched:
            self.unmatched(text)
        if reading.shown:
            source = text[:SHOWN_CHARS] if isinstance(node, Describe) else text
            self.step(line, source, reading.shown, reading.traced)


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
    matched: bool,
    settled: bool = True,
    bounds: tuple[float, float] | None = None,
) -> Reading:
    """Read a described object: the one that fits best, the weight of each, and how well each fits."""
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
        unmatched=not matched,
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
    tolerance
        Bounds as close as this are reported as their middle.
    guessed
        Whether the budget ran out: what is open is answered by the best guess.
    """
    probability, bounds = reading.probability, reading.bounds
    if bounds is None and probability is not None:
        bounds = (probability, probability)
    if bounds is not None and bounds[0] != bounds[1]:
        probability = sum(bounds) / 2 if bounds[1] - bounds[0] <= tolerance else None
    given = reading.settled or guessed
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
        tuple(record.presuppositions),
        notes,
    )
