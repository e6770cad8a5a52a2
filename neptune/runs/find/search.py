"""Search over many pictures: the best ones, those that match, or how many, asking as little as possible.

Each picture has bounds. A picture whose upper bound is among the best k has to be looked at, whatever else is known;
no other has (Chang & Hwang 2002, minimal probing). So the search ends when the best k by upper bounds are known, and
these are the ones that asking everything gives, with ties by the order of pictures. What is said on the way (how many
match, at least and at most) always contains what asking everything gives.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from neptune.engine import Engine
from neptune.engine.evidence.store import Want, ask_many
from neptune.engine.schedule.choice.selection import Choice, first
from neptune.errors import ConfigError, ModelFailedError, NeptuneError, one_of
from neptune.runs.find.candidate import Candidate
from neptune.runs.find.query import Kind, Query
from neptune.scene.picture import Picture, PictureLike

Wanted = Literal["top", "all", "count"]
"""``top``: the best k, in order. ``all``: those that match. ``count``: how many match."""

AT_ONCE = 8
"""Pictures looked at in one round: their questions go to the oracle together."""


@dataclass(frozen=True, slots=True)
class Hit:
    """One picture of the result.

    Parameters
    ----------
    index
        Its place among the pictures, from 0.
    picture
        The picture.
    low, high
        Bounds of what it is ranked by.
    match
        Whether the program is true of it; ``None``: open.
    objects
        How many objects were found in it; ``None`` where it was not opened.
    """

    index: int
    picture: Picture
    low: float
    high: float
    match: bool | None
    objects: int | None


@dataclass(frozen=True, slots=True)
class Found:
    """What is known at one moment of a search.

    Parameters
    ----------
    want, kind
        What is wanted; what pictures are ranked by.
    pictures, opened
        How many there are, and how many were looked at.
    hits
        The best so far, in order; of ``all`` those that match, of ``count`` none.
    matching
        How many match, at least and at most.
    total
        Of a number the sum over all pictures, at least and at most (``None``: not known); else ``None``.
    calls, everything
        Ground atoms asked, and how many asking everything about the pictures that were opened would ask, at most.
    left_out
        Pictures that nothing is said of, with why.
    settled
        Whether asking everything would give the same.
    spent
        Whether the budget ran out.
    """

    want: Wanted
    kind: Kind
    pictures: int
    opened: int
    hits: tuple[Hit, ...]
    matching: tuple[int, int]
    total: tuple[float, float | None] | None
    calls: int
    everything: int
    left_out: tuple[tuple[Picture, str], ...]
    settled: bool
    spent: bool

    def __str__(self) -> str:
        return f"{self.said}; {self.calls:,} oracle calls{self._share}, {self.opened:,} pictures opened"

    @property
    def said(self) -> str:
        """How many match, in words: ``between 112 and 131 of 4,000``."""
        low, high = self.matching
        counted = (
            f"{low:,} of {self.pictures:,}" if low == high else f"between {low:,} and {high:,} of {self.pictures:,}"
        )
        if self.total is None:
            return f"{counted} match"
        least, most = self.total
        shown = f"at least {least:,.0f}" if most is None else f"{least:,.0f} to {most:,.0f}"
        return f"{counted} match; {f'{least:,.0f}' if least == most else shown} in all"

    @property
    def _share(self) -> str:
        return f" ({self.calls / self.everything:.0%} of all)" if self.everything else ""


class Search:
    """A search that goes on step by step, and says at any time what it knows.

    Parameters
    ----------
    engine
        Who sees, and how programs are run.
    program
        What is looked for: a program that gives a truth, a number or objects.
    pictures
        Where; the order decides ties.
    want
        See :data:`Wanted`.
    top
        How many are wanted of ``top``, ≥ 1.
    max_oracle_calls
        The most ground atoms that are asked about all pictures together, ≥ 1; ``None``: as many as it takes.

    Raises
    ------
    dsl.ProgramError
        If the program is wrong.
    ConfigError
        If it gives nothing by which pictures can be ranked, or an argument is out of its range.
    """

    def __init__(
        self,
        engine: Engine,
        program: str,
        pictures: Iterable[PictureLike],
        *,
        want: Wanted = "top",
        top: int = 20,
        max_oracle_calls: int | None = None,
    ) -> None:
        if want not in get_args(Wanted):
            raise ConfigError(
                f"There is no way to search called '{want}'", where="want", **one_of(want, get_args(Wanted))
            )
        for name, number in (("top", top), ("max_oracle_calls", max_oracle_calls)):
            if number is not None and number < 1:
                raise ConfigError(f"{name} is {number}", expected="an integer ≥ 1")
        self.engine, self.want, self.top, self.budget = engine, want, top, max_oracle_calls
        self.query = Query(engine.context, program)
        self.candidates = [Candidate(k, Picture.of(picture)) for k, picture in enumerate(pictures)]
        self.calls, self.spent, self.done = 0, False, not self.candidates
        self._everything = 0
        self._high = np.full(len(self.candidates), math.inf)
        self._next = 0
        self._open: list[int] = []

    def run(self) -> Found:
        """Search to the end, and return what was found."""
        while self.step():
            pass
        return self.found()

    def step(self) -> bool:
        """Look at some pictures, the most promising ones; tell whether there is more to do.

        Raises
        ------
        dsl.ProgramError, OracleError, ModelFailedError
            If the program fails, the oracle can not answer such questions, or a model fails, whatever it is shown.
        """
        if self.done:
            return False
        pending = self._pending()[:AT_ONCE]
        if not pending:
            self.done = True
            return False
        self._look(pending)
        for candidate in pending:
            self._high[candidate.index] = candidate.high
        self.done |= self.spent
        return not self.done

    def _pending(self) -> list[Candidate]:
        """Return the pictures that have to be looked at, the most promising first."""
        if self.want == "top":
            order = np.argsort(-self._high, kind="stable")[: self.top]
            return [c for c in (self.candidates[k] for k in order.tolist()) if not c.finished]
        self._open = [k for k in self._open if not self._decided(self.candidates[k])]
        fresh = range(self._next, min(self._next + max(AT_ONCE - len(self._open), 0), len(self.candidates)))
        self._next = fresh.stop if len(fresh) else self._next
        self._open += fresh
        return [self.candidates[k] for k in self._open]

    def _decided(self, candidate: Candidate) -> bool:
        if candidate.finished:
            return True
        return candidate.match is not None and not (self.query.kind == "number" and self.want == "count")

    def _look(self, pending: Sequence[Candidate]) -> None:
        asked: list[tuple[Candidate, list[Choice]]] = []
        top = self.want == "top" or self.query.kind == "number"
        left = math.inf if self.budget is None else self.budget - self.calls
        for candidate in pending:
            if candidate.scene is None:
                candidate.open(self.engine, self.query)
                self._everything += self.query.everything(candidate.objects or 0) if not candidate.why else 0
            if candidate.finished:
                continue
            if left <= 0:
                self.spent = True
                break
            if candidate.whole:
                before = candidate.calls
                candidate.run(self.engine, self.query, None if self.budget is None else int(left), top)
                self.calls += candidate.calls - before
                left -= candidate.calls - before
                self.spent |= not candidate.finished
                continue
            choices = candidate.choices(top)
            if left < math.inf:
                choices = first(choices, int(left))
            if choices:
                asked.append((candidate, choices))
                left -= sum(len(tuples) for _, tuples in choices)
        if asked:
            self._ask(asked)

    def _ask(self, asked: Sequence[tuple[Candidate, list[Choice]]]) -> None:
        """Ask about several pictures at once; where that fails, one by one: one picture may be to blame."""
        before = sum(c.calls for c, _ in asked)
        wants: list[tuple[Candidate, list[Want]]] = [(c, c.wants(choices, self.engine)) for c, choices in asked]
        try:
            self._send(wants)
        except ModelFailedError:
            raise
        except NeptuneError:
            failed: list[NeptuneError] = []
            for candidate, want in wants:
                try:
                    self._send([(candidate, want)])
                except ModelFailedError:
                    raise
                except NeptuneError as error:
                    failed.append(error)
                    candidate.leave_out(error.one_line())
            if len(failed) == len(wants) and not self.calls:
                raise failed[0] from None  # no picture is to blame: this oracle does not know what is asked
        self.calls += sum(c.calls for c, _ in asked) - before
        for candidate, choices in asked:
            if not candidate.why:
                candidate.learn(choices, self.engine)
            candidate.picture.release()

    def _send(self, wants: Sequence[tuple[Candidate, list[Want]]]) -> None:
        together = [(c.evidence, want) for c, want in wants if c.evidence is not None]
        ask_many(self.engine.oracle, together, [c.usage for c, _ in wants])

    def found(self) -> Found:
        """Return what is known now."""
        known = self.candidates
        yes = sum(c.match is True for c in known)
        maybe = sum(c.match is None and not c.why for c in known)
        total: tuple[float, float | None] | None = None
        if self.query.kind == "number":
            most = sum(c.high for c in known if not c.why)
            total = sum(c.low for c in known if not c.why), most if math.isfinite(most) else None
        return Found(
            self.want,
            self.query.kind,
            len(known),
            sum(c.objects is not None for c in known),
            tuple(_hit(c) for c in self._best()),
            (yes, yes + maybe),
            total,
            self.calls,
            self._everything,
            tuple((c.picture, c.why) for c in known if c.why),
            self.done and not self.spent,
            self.spent,
        )

    def _best(self) -> list[Candidate]:
        if self.want == "count":
            return []
        if self.want == "all":
            return [c for c in self.candidates if c.match]
        some = [c for c in self.candidates if not c.why and c.objects is not None]
        # At the end the upper bounds decide, and are the values; until then what is known to be good comes first.
        over = self.done and not self.spent
        return sorted(some, key=lambda c: (-(c.high if over else c.low), c.index))[: self.top]


def _hit(candidate: Candidate) -> Hit:
    c = candidate
    return Hit(c.index, c.picture, c.low, c.high, c.match, c.objects)
