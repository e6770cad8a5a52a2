"""The answer to a program: a value, how sure it is, and how it came about."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from html import escape
from typing import Any, Literal

from neptune.html import CODE, QUIET, scores_html
from neptune.scene.types import Cost
from neptune.words import in_words, jsonable

Kind = Literal["truth", "number", "text", "object", "objects", "region", "list", "nothing"]
"""What an answer's value is: a bool, a number, a text, an object's index, a list of indices, a box
(``[x0, y0, x1, y1]`` in pixels, y down), a list, or None."""


SEMANTICS = 3
"""What programs mean, by number. 1: a value was described of the most probable object, and a probability told of the
last step alone; 2: ``nearer``, ``depth``, ``text`` … were predicates as any other,
and a probability that a program takes as a number had digits that no score has. What was recorded then is replayed
so."""

BACKEND = "auto"
"""How answers are computed: ``"auto"`` or ``"torch"`` (see :class:`neptune.Engine`). What was recorded before there was
a choice was computed by torch, and is replayed so."""


@dataclass(slots=True)
class Usage:
    """What an answer cost.

    ``oracle_calls`` counts oracle cells that were asked (one question about one tuple of objects); ``cache_hits``
    cells that were needed and already known to this run; ``oracle_rounds`` batches sent one after the other;
    ``peak_cells`` the largest tensor made, in cells; times are milliseconds.

    Of the cells asked, ``oracle_stored`` were answered by the cache on disk and ``oracle_failed`` by nobody
    (``failures``: reason → cells). They count as calls all the same, so that a budget stops a question at the same
    cell whatever the cache holds. ``oracle_prompt_tokens``, ``oracle_completion_tokens`` and ``oracle_cost`` are
    those of models behind an address; ``remarks`` says what else is to be known of the answers. Under a certificate,
    of ``audit_skipped`` cells that were left to a proxy ``audit_calls`` were asked all the same (among
    ``oracle_calls``), and ``audit_wrong`` of these were otherwise than the proxy had it; ``audit_questions`` is 1 where
    the question's picture was audited.
    """

    oracle_calls: int = 0
    oracle_rounds: int = 0
    cache_hits: int = 0
    peak_cells: int = 0
    plan_ms: float = 0.0
    execute_ms: float = 0.0
    oracle_ms: float = 0.0
    oracle_stored: int = 0
    oracle_failed: int = 0
    oracle_prompt_tokens: int = 0
    oracle_completion_tokens: int = 0
    oracle_cost: float = 0.0
    audit_skipped: int = 0
    audit_calls: int = 0
    audit_wrong: int = 0
    audit_questions: int = 0
    failures: dict[str, int] = field(default_factory=dict)
    remarks: list[str] = field(default_factory=list)

    def add(self, cost: Cost | None) -> None:
        """Add what an oracle says that its answer cost."""
        if cost is None:
            return
        self.oracle_stored += cost.stored
        self.oracle_failed += sum(cost.failures.values())
        self.oracle_prompt_tokens += cost.prompt_tokens
        self.oracle_completion_tokens += cost.completion_tokens
        self.oracle_cost += cost.money
        count(self.failures, cost.failures)
        self.remarks += [r for r in cost.remarks if r not in self.remarks]

    def as_dict(self) -> dict[str, float]:
        """Return the counters as a plain dict; those of caches and servers only where there is something to say."""
        names = [f.name for f in fields(self) if f.name not in ("failures", "remarks")]
        return {n: value for n in names if (value := getattr(self, n)) or n in _ALWAYS}


_ALWAYS = ("oracle_calls", "oracle_rounds", "cache_hits", "peak_cells", "plan_ms", "execute_ms", "oracle_ms")


def count(total: dict[str, int], more: Mapping[str, int]) -> None:
    """Add counts by name to a total."""
    for name, number in more.items():
        total[name] = total.get(name, 0) + number


@dataclass(frozen=True, slots=True)
class TraceStep:
    """One value that the program forced or bound, in order.

    Parameters
    ----------
    line
        Line of the program, from 1.
    source
        What was evaluated, as program text or plan text.
    value
        Its value in words (``"yes (0.98)"``, ``"object 3"``, ``"2"``).
    scores
        For a formula with one free variable or a description: one score for each object, in [0, 1].
    """

    line: int
    source: str
    value: str
    scores: tuple[float, ...] | None = None


@dataclass(frozen=True, slots=True)
class Variable:
    """What a program over regions bound to a name.

    Parameters
    ----------
    line, name
        Where, from 1, and to which name.
    value
        In words.
    boxes
        Of the regions that it is or holds: pixels ``x0 y0 x1 y1``, y down.
    """

    line: int
    name: str
    value: str
    boxes: tuple[tuple[float, float, float, float], ...] = ()


@dataclass(frozen=True, slots=True)
class FrameSeen:
    """What was seen in a frame of a film.

    Parameters
    ----------
    index, seconds
        Which of the frames that are looked at, from 0, and when it is shown.
    program
        What was asked of it.
    ends
        The least and the greatest probability that it is so, equal where that is known; ``None``: no answer.
    why
        Why there is none.
    oracle_calls
        What it cost.
    out_of_domain
        Why detector or oracle was not made for the frame; ``""`` where it was.
    """

    index: int
    seconds: float
    program: str
    ends: tuple[float, float] | None
    why: str = ""
    oracle_calls: int = 0
    out_of_domain: str = ""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a program returned.

    Parameters
    ----------
    value
        The answer: bool, int, float, str, an object's index, a list of indices, or a list of values.
    kind
        What `value` is.
    probability
        How sure the answer is, in [0, 1]: of the answer given (a "no" with p(yes) = 0.1 has 0.9), and of all that was
        decided on the way to it: which object is meant, whether anything fits a description, which way a branch
        goes. ``None`` where only `bounds` are known, or where the oracle said something in words on the way.
    bounds
        Lower and upper bound of that probability; equal to it where everything needed was asked.
    scores
        For an answer that is an object or objects: one score for each object of the scene, in [0, 1].
    objects
        The objects that the answer points to, as indices.
    witness
        For a "yes" of nested ``exists``: (variable, object) pairs that made it true, outermost first.
    trace
        The steps, in order.
    tie
        The decision was exactly at ½, or two objects scored the same.
    abstained
        No answer is given.
    why
        Why not: ``"presupposition"`` (it speaks of something that is not there), ``"missing evidence"`` (and the answer
        depends on it), ``"out of domain"``; ``""`` where an answer is given.
    settled
        The decision is provably the one that asking everything would give (false when a budget ran out).
    regions
        Of a program over regions: the boxes that the answer came from, pixels ``x0 y0 x1 y1``, y down.
    variables
        Of a program over regions: what was bound to names, in order.
    frames
        Of a film: what was seen in frames, in the order of asking.
    certified
        A proxy stood in for what the oracle was not asked, under a certificate.
    out_of_domain
        Why detector or oracle was not made for the picture, in words; ``""`` where it was, or nobody can tell.
    presuppositions
        Descriptions that nothing in the picture fits, as text.
    ambiguous
        Descriptions of one thing that several fit, as text.
    notes
        What was normalised, inserted or left out, in words.
    """

    value: Any
    kind: Kind
    probability: float | None = None
    bounds: tuple[float, float] | None = None
    scores: tuple[float, ...] | None = None
    objects: tuple[int, ...] = ()
    witness: tuple[tuple[str, int], ...] = ()
    trace: tuple[TraceStep, ...] = ()
    usage: Usage = field(default_factory=Usage)
    tie: bool = False
    abstained: bool = False
    settled: bool = True
    presuppositions: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    ambiguous: tuple[str, ...] = ()
    why: str = ""
    out_of_domain: str = ""
    regions: tuple[tuple[float, float, float, float], ...] = ()
    variables: tuple[Variable, ...] = ()
    frames: tuple[FrameSeen, ...] = ()
    certified: bool = False

    @property
    def guarantee(self) -> str:
        """What is known of the decision: ``"exact"``, it is the one that asking the oracle everything gives;
        ``"certified"``, it is that in all but a share α of questions, with confidence 1 − δ (docs/guarantees.md);
        ``"none"``, a budget ran out or evidence is missing."""
        return "none" if not self.settled else "certified" if self.certified else "exact"

    def __str__(self) -> str:
        doubts = [f"nothing fits {in_words(p)}" for p in self.presuppositions]
        doubts += [f"several fit {in_words(a)}" for a in self.ambiguous]
        doubts += ["out of domain"] if self.out_of_domain else []
        if self.abstained:
            reasons = doubts if self.why == "presupposition" else [self.why] if self.why else []
            return ": ".join(["abstained", *([", ".join(reasons)] if reasons else [])])
        return ", ".join([self._given(), *doubts])

    def _given(self) -> str:
        text = {"truth": "yes" if self.value else "no", "object": f"object {self.value}"}.get(
            self.kind, str(self.value)
        )
        if self.probability is not None:
            text += f" ({self.probability:.3f})"
        return text

    @property
    def outside(self) -> tuple[str, ...]:
        """The line that says that the picture is out of domain, or none."""
        return (f"Out of domain: {self.out_of_domain}",) if self.out_of_domain else ()

    def to_dict(self) -> dict[str, Any]:
        """Return all fields as JSON can hold them, and ``text``, the answer in words.

        Tuples are lists, what is no finite number is ``None``; ``usage`` and each step of ``trace`` are objects.
        """
        return {"text": str(self), **{f.name: _plain(getattr(self, f.name)) for f in fields(self)}}

    def _repr_html_(self) -> str:
        """Return the answer as a notebook shows it: how sure it is, its steps with their scores, its cost."""
        value = "abstained" if self.abstained else self._given().split(" (")[0]
        sure = ""
        if self.probability is not None:
            sure = f"p = {self.probability:.3f}"
        elif self.bounds is not None:
            sure = f"p in [{self.bounds[0]:.3f}, {self.bounds[1]:.3f}]"
        if self.tie:
            sure += " · a tie"
        rows = []
        for step in self.trace:
            strip = scores_html(step.scores) if step.scores else ""
            rows.append(
                f'<tr><td style="{QUIET}">{step.line or ""}</td><td style="{CODE};text-align:left">'
                f'{escape(step.source)}</td><td style="text-align:left">{escape(step.value)}</td>'
                f'<td style="text-align:left;white-space:nowrap">{strip}</td></tr>'
            )
        doubts = [f"nothing fits: {in_words(p)}" for p in self.presuppositions]
        doubts += [f"several fit: {in_words(a)}" for a in self.ambiguous]
        for text in (*doubts, *self.outside, *self.notes):
            rows.append(f'<tr><td></td><td colspan="3" style="{QUIET};text-align:left">{escape(text)}</td></tr>')
        usage = self.usage
        cost = f"{usage.oracle_calls:,} oracle calls, {usage.cache_hits:,} cache hits"
        return (
            f'<div><b style="font-size:16px">{escape(value)}</b> <span style="{QUIET}">{sure}</span>'
            f'<table>{"".join(rows)}</table><div style="{QUIET}">{cost}</div></div>'
        )


def _plain(value: Any) -> Any:
    """Return a field as JSON can hold it; a dataclass, alone or in a sequence, as an object of its fields."""
    if is_dataclass(value) and not isinstance(value, type):
        return {f.name: _plain(getattr(value, f.name)) for f in fields(value)}
    if isinstance(value, tuple | list):
        return [_plain(v) for v in value]
    return jsonable(value)
