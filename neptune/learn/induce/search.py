"""The search for rules that fit: conjunctions are refined literal by literal, and left where no refinement can fit.

What a rule says of a picture is right with a probability; its *fit* is the sum of their logarithms, each bounded
below, so that one picture that was seen wrongly does not exclude a rule. A literal more makes a conjunction less true
at each object: so it bounds from above how true "something is …" can become of positive pictures, and how false
"nothing is …" of negative ones. What can not come within :data:`SLACK` of the best fit found is not refined; nothing
that could is left out.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from neptune.learn.induce.rules import Literal, Rule, conjunction, counted, more
from neptune.learn.induce.tables import Floats, Tables, Words

WORST = float(np.log2(0.02))
"""The logarithm (base 2) that a picture contributes at least: one in fifty is taken to be seen wrongly."""
SLACK = -2.5 * WORST
"""How much worse than the best a rule may fit and still be ranked: a bit more than two pictures seen wrongly."""
_NUMBERS = {"at_least": (2, 3, 4), "exactly": (1, 2, 3)}


@dataclass(slots=True)
class Found:
    """What a search has found: rules with how well they fit, and how much was looked at.

    Parameters
    ----------
    rules
        Rule → (fit in bits ≤ 0, its values on the pictures as logits ``(P,)``).
    best
        The best fit.
    tried, pruned
        Rules whose values were computed, and conjunctions that were not refined.
    """

    rules: dict[Rule, tuple[float, Floats]] = field(default_factory=dict)
    best: float = -np.inf
    tried: int = 0
    pruned: int = 0

    def add(self, rules: list[Rule], values: Floats, fits: NDArray[np.float64]) -> None:
        """Keep the rules, with values ``(R, P)`` and fits ``(R,)``, that come near the best."""
        self.tried += len(rules)
        if len(fits):
            self.best = max(self.best, float(fits.max()))
        for k in np.flatnonzero(fits >= self.best - SLACK).tolist():
            self.rules[rules[k]] = (float(fits[k]), values[k])

    def near(self) -> dict[Rule, tuple[float, Floats]]:
        """Return the rules that come near the best of all."""
        return {r: found for r, found in self.rules.items() if found[0] >= self.best - SLACK}


def logs(values: Floats) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the logarithms (base 2) of how true and of how false something is, each at least WORST."""
    wide = values.astype(np.float64)
    yes, no = -np.logaddexp(0.0, -wide) / np.log(2), -np.logaddexp(0.0, wide) / np.log(2)
    return np.maximum(yes, WORST), np.maximum(no, WORST)


class Search:
    """Searches the rules of up to so many literals on some pictures.

    Parameters
    ----------
    tables
        The scores of P pictures.
    positive
        ``(P,)``: of which pictures the rule is to be true.
    words
        What rules are made of.
    literals
        The most literals of a rule; a relation is one.
    forms
        Which of :data:`~neptune.learn.induce.rules.FORMS` are searched.
    """

    def __init__(
        self, tables: Tables, positive: NDArray[np.bool_], words: Words, literals: int, forms: frozenset[str]
    ) -> None:
        self.tables, self.positive, self.words = tables, positive, words
        self.literals, self.forms = literals, forms
        self.found = Found()

    def run(self) -> Found:
        """Search, and return what was found."""
        if not self.words.unary:
            return self.found
        levels: list[dict[tuple[Literal, ...], Floats]] = [{(): conjunction(self.tables, ())}]
        for size in range(1, self.literals + 1):
            made = dict(self._refined(levels[-1]))
            if not made:
                break
            self._of_one(made)
            levels.append(self._kept(made))
            self._of_two(levels, size)
        return self.found

    def _refined(self, level: dict[tuple[Literal, ...], Floats]) -> Iterator[tuple[tuple[Literal, ...], Floats]]:
        """Yield each conjunction with one literal more, and its values at the objects, ``(P, N)``."""
        for literals, table in level.items():
            last = literals[-1][0] if literals else -1
            said = {self.words.sort_of.get(self.words.unary[k], ""): denied for k, denied in literals}
            for k in range(last + 1, len(self.words.unary)):
                sort = self.words.sort_of.get(self.words.unary[k], "")
                for denied in (False, True):
                    # A thing has one value of a sort: red and blue is nothing, and red and not blue is red.
                    if sort and sort in said and not (said[sort] and denied):
                        continue
                    scores = -self.tables.unary[k] if denied else self.tables.unary[k]
                    yield (*literals, (k, denied)), np.where(self.tables.there, np.minimum(table, scores), table)

    def _fits(self, values: Floats) -> NDArray[np.float64]:
        yes, no = logs(values)
        return np.asarray(np.where(self.positive, yes, no).sum(axis=-1))

    def _of_one(self, made: dict[tuple[Literal, ...], Floats]) -> None:
        """Add the rules about one conjunction: exists, no, counts."""
        names, tables = list(made), np.stack(list(made.values()))
        ranked = -np.sort(-tables, axis=2)
        for form, sign in (("exists", 1), ("no", -1)):
            if form in self.forms:
                self._add([Rule(form, n) for n in names], sign * ranked[:, :, 0])
        for form, numbers in _NUMBERS.items():
            for number in numbers if form in self.forms else ():
                flat = counted(ranked.reshape(-1, ranked.shape[2]), form, number).reshape(ranked.shape[:2])
                self._add([Rule(form, n, number=number) for n in names], flat)

    def _add(self, rules: list[Rule], values: Floats) -> None:
        self.found.add(rules, values, self._fits(values))

    def _kept(self, made: dict[tuple[Literal, ...], Floats]) -> dict[tuple[Literal, ...], Floats]:
        """Return the conjunctions of which a refinement may still fit."""
        names, tables = list(made), np.stack(list(made.values()))
        yes, _ = logs(tables.max(axis=2))
        # "Something is …" can only become falser: of positive pictures it is now as true as it can be, and so is it of
        # negative ones, of which "nothing is …" has to be false. The other pictures may all turn out right.
        hopes = np.where(self.positive, yes, 0.0).sum(axis=1)
        if "no" in self.forms:
            hopes = np.maximum(hopes, np.where(self.positive, 0.0, yes).sum(axis=1))
        keep = hopes >= self.found.best - SLACK
        self.found.pruned += int((~keep).sum())
        return {name: table for name, table, kept in zip(names, tables, keep, strict=True) if kept}

    def _of_two(self, levels: list[dict[tuple[Literal, ...], Floats]], total: int) -> None:
        """Add the rules about two conjunctions that have so many literals together, a relation counted as one."""
        hopeful = [{n: t for n, t in level.items() if self._hope(t)} for level in levels]
        for a, b in itertools.product(range(len(levels)), repeat=2):
            if a + b == total - 1 and "pair" in self.forms:
                self._pairs(hopeful[a], hopeful[b])
            if a + b == total and 1 <= a <= b and "both" in self.forms:
                self._both(hopeful[a], hopeful[b], a == b)
            if a == b == 1 and total == 2 and "more" in self.forms:
                self._more(levels[1])

    def _hope(self, table: Floats) -> bool:
        yes, _ = logs(table.max(axis=1))
        return bool(np.where(self.positive, yes, 0.0).sum() >= self.found.best - SLACK)

    def _pairs(self, first: dict[tuple[Literal, ...], Floats], second: dict[tuple[Literal, ...], Floats]) -> None:
        if not second:
            return
        names, right = list(second), np.stack(list(second.values()))
        for relation in range(len(self.words.binary)):
            relations = self.tables.binary[relation]
            symmetric = bool(np.array_equal(relations, relations.swapaxes(1, 2)))
            for left, table in first.items():
                reach = np.minimum(table[:, :, None], relations).max(axis=1)  # at each second object, (P, N)
                values = np.minimum(reach[None], right).max(axis=2)
                kept = [k for k, n in enumerate(names) if not symmetric or (len(left), left) <= (len(n), n)]
                if kept:
                    self._add([Rule("pair", left, names[k], relation) for k in kept], values[kept])

    def _both(
        self, first: dict[tuple[Literal, ...], Floats], second: dict[tuple[Literal, ...], Floats], same: bool
    ) -> None:
        if not second:
            return
        names, right = list(second), np.stack([t.max(axis=1) for t in second.values()])
        for left, table in first.items():
            # "Something is red, and something is red and round" says no more than the second half.
            kept = [k for k, n in enumerate(names) if not set(left) <= set(n) and (not same or left < n)]
            if kept:
                values = np.minimum(table.max(axis=1)[None], right[kept])
                self._add([Rule("both", left, names[k]) for k in kept], values)

    def _more(self, level: dict[tuple[Literal, ...], Floats]) -> None:
        ranked = {n: -np.sort(-t, axis=1) for n, t in level.items() if not n[0][1]}
        pairs = [(a, b) for a in ranked for b in ranked if a != b]
        if pairs:
            self._add([Rule("more", a, b) for a, b in pairs], np.stack([more(ranked[a], ranked[b]) for a, b in pairs]))
