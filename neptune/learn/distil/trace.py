"""Reads the trace of a record: the values of its plans, as the run recorded them, become facts.

Only what is written there is used: the scores that the oracle gave, the truths that followed from them, the answer. A
form that has no plain sentence (a quantifier inside another's description, a program over regions) is no fact, and the
reason is said.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

from neptune.engine.analysis.shown.parts import MOST_NODES
from neptune.learn.distil.facts import COMPARED, OTHER, Fact, Found, Literal, Trace, hedge
from neptune.learn.distil.wording import UntoldError, Words

_ATOM = re.compile(r"(¬?)(.+)\(([^()]*)\)")
_SAME = re.compile(r"(\w+) ([=≠]) (\w+)")


@dataclass(slots=True)
class _Row:
    """A line of a recorded plan, with those that it was made of."""

    said: Mapping[str, Any]
    parts: list[_Row] = field(default_factory=list)

    @property
    def text(self) -> str:
        return str(self.said.get("text", ""))

    @property
    def scores(self) -> list[float]:
        """One for each object.

        Raises
        ------
        UntoldError
            If one was not asked.
        """
        found = self.said.get("scores")
        if not isinstance(found, list) or not all(isinstance(p, int | float) for p in found):
            raise UntoldError("not all was asked")
        return [float(p) for p in found]

    @property
    def p(self) -> float:
        """The truth of what has no variable; errors as of `scores`."""
        found = self.said.get("p")
        if not isinstance(found, int | float):
            raise UntoldError("not all was asked")
        return float(found)


def read(record: Mapping[str, Any], words: Words) -> Trace:
    """Return what a record's trace says.

    Parameters
    ----------
    record
        A line of ``samples.jsonl`` of a run with ``inspect: values``.
    words
        Of its vocabulary.

    Raises
    ------
    UntoldError
        If it has no plain sentences.
    """
    boxes, size, plan = record.get("boxes"), record.get("size"), record.get("plan")
    if boxes is None or size is None or not plan:
        raise UntoldError("no trace")
    rows = _rows(plan)
    if len(plan) >= MOST_NODES and (len(rows) > 1 or rows[0].text != "which fits best"):
        raise UntoldError("a trace longer than is recorded")
    reader = _Reader(words)
    reader.add(Fact("scene", numbers=(len(boxes),)))
    for row in (*reversed(rows[1:]), rows[0]):
        reader.root(row)
    reader.add(_answer(record))
    whole = tuple(tuple(round(float(v)) for v in box) for box in boxes)
    return Trace(tuple(reader.facts), whole, (float(size[0]), float(size[1])))  # type: ignore[arg-type]


def _rows(plan: Sequence[Mapping[str, Any]]) -> list[_Row]:
    roots: list[_Row] = []
    above: list[_Row] = []
    for said in plan:
        row = _Row(said)
        depth = int(said.get("depth", 0))
        if depth > len(above):
            raise UntoldError("no trace")
        del above[depth:]
        (above[-1].parts if above else roots).append(row)
        above.append(row)
    return roots


def _answer(record: Mapping[str, Any]) -> Fact:
    kind, answer, sure = record.get("kind"), record.get("answer"), hedge(record.get("probability"))
    if kind == "object" and record.get("objects"):
        return Fact("answer", found=(Found(int(record["objects"][0])),), hedge=sure)
    if kind not in ("truth", "number", "text") or not isinstance(answer, str | int):
        raise UntoldError("an answer that is no word, number or object")
    return Fact("answer", value=str(answer), hedge=sure)


def _decided(p: float) -> tuple[bool, str]:
    return p > 0.5, hedge(max(p, 1 - p))


class _Reader:
    """Goes through the rows of plans; what it finds on the way is kept in `facts`, each once."""

    def __init__(self, words: Words) -> None:
        self.words = words
        self.facts: list[Fact] = []
        self._meant: dict[str, int] = {}

    def add(self, fact: Fact) -> None:
        """Keep a fact."""
        if fact not in self.facts:
            self.facts.append(fact)

    def root(self, row: _Row) -> None:
        """Read what a plan decides."""
        text = row.text
        if text[:1] in ("∃", "∀"):
            self._quantified(row)
        elif text.startswith("#"):
            self._count(row)
        elif text.startswith("ι"):
            self._the(row)
        elif text == "which fits best":
            self._describe(row)
        elif text.startswith("compare "):
            self._compare(row)
        elif text.startswith("of the "):
            self._given(row)
        elif text in ("all of", "any of", "¬") and "p" in row.said:
            for part in row.parts:
                self.root(part)
        else:
            raise UntoldError("a plan of another form")

    def _quantified(self, row: _Row) -> None:
        (body,) = row.parts
        common, groups = self._body(body, _quantified(row))
        truth, sure = _decided(row.p)
        if row.text[0] == "∀":
            return self.add(Fact("every", common, groups, truth=truth, hedge=sure))
        if not truth:
            return self.add(Fact("exists", common, groups, truth=False, hedge=sure))
        scores = body.scores
        best = max(range(len(scores)), key=scores.__getitem__)
        return self.add(Fact("exists", common, groups, (Found(best, hedge(scores[best])),), truth=True))

    def _count(self, row: _Row) -> int:
        (body,) = row.parts
        common, groups = self._body(body, _quantified(row))
        scores = body.scores
        found = tuple(Found(k, hedge(p)) for k, p in enumerate(scores) if p > 0.5)
        if row.said.get("n") != len(found):
            raise UntoldError("a count that its scores do not give")
        none = "" if found else hedge(1 - max(scores, default=0.0))
        self.add(Fact("count", common, groups, found, (len(found),), hedge=none))
        return len(found)

    def _the(self, row: _Row) -> int:
        """Read which object a description means, and return it."""
        if "best" in row.said:
            raise UntoldError("a description that depends on another object")
        scores = row.scores
        if not scores:
            raise UntoldError("nothing fits a description")
        best = max(range(len(scores)), key=scores.__getitem__)
        fitting = sum(p > 0.5 for p in scores)
        if fitting != 1:
            raise UntoldError("several fit a description" if fitting else "nothing fits a description")
        if row.parts:  # else it was said above
            common, groups = self._body(row.parts[0], _quantified(row))
            self.add(Fact("the", common, groups, (Found(best, hedge(scores[best])),)))
        return best

    def _describe(self, row: _Row) -> None:
        value = str(row.said.get("value"))
        chosen = None
        for part in row.parts:
            # What the others share is told of once, at the first.
            name, _, rest = part.text.partition(": ")
            if len(part.parts) == 2 and (part is row.parts[0] or name == value):
                described = _Row({**part.said, "text": rest}, part.parts)
                with self._bound(described) as (k, body):
                    chosen = (part, k, body) if name == value else chosen
        if chosen is None:  # of a long plan, the last values are not recorded
            raise UntoldError("a trace longer than is recorded")
        part, k, body = chosen
        literal = self._literal(body, next(iter(_names(body)), ""))
        self.add(Fact("attribute", (literal,), (), (Found(k),), hedge=hedge(max(part.p, 1 - part.p))))

    def _compare(self, row: _Row) -> None:
        operator = row.text.removeprefix("compare ")
        if operator not in COMPARED or len(row.parts) != 2:
            raise UntoldError("a comparison of another form")
        numbers = tuple(self._number(part) for part in row.parts)
        truth, sure = _decided(row.p)
        self.add(Fact("compare", numbers=numbers, truth=truth, hedge=sure, operator=operator))

    def _number(self, row: _Row) -> int:
        if row.text.startswith("#"):
            return self._count(row)
        try:
            given = float(row.text)
        except ValueError:
            raise UntoldError("a comparison of another form") from None
        if not math.isfinite(given) or not given.is_integer():
            raise UntoldError("a comparison of another form")
        return int(given)

    def _given(self, row: _Row) -> None:
        """Read what is decided of objects that are meant."""
        with self._bound(row) as (k, body), ExitStack() as stack:
            if body.text.startswith("of the "):
                _, body = stack.enter_context(self._bound(body))
            literal = self._literal(self._same(body), _variable(row))
        truth, sure = _decided(row.p)
        self.add(Fact("holds", (literal,), (), (Found(k),), truth=truth, hedge=sure))

    @contextmanager
    def _bound(self, row: _Row) -> Iterator[tuple[int, _Row]]:
        """Read a description, and give the object that it means, with what is said of it."""
        if not row.text.startswith("of the ") or len(row.parts) != 2:
            raise UntoldError("a plan of another form")
        described, body = row.parts
        var, before = _variable(row), dict(self._meant)
        k = self._the(described)
        self._meant[var] = k
        try:
            yield k, body
        finally:
            self._meant = before

    @staticmethod
    def _same(row: _Row) -> _Row:
        """Return the one atom of "the same, or …": what is said of an object and itself."""
        if row.text in ("any of", "all of"):
            atoms = [part for part in row.parts if not _SAME.fullmatch(part.text)]
            if len(atoms) == 1:
                return atoms[0]
        return row

    def _body(self, row: _Row, var: str) -> tuple[tuple[Literal, ...], tuple[tuple[Literal, ...], ...]]:
        """Return a description: what is said in any case, and of what one is said."""
        common: list[Literal] = []
        groups: list[tuple[Literal, ...]] = []
        for part in _flat(row, "all of"):
            if part.text == "any of":
                if groups:
                    raise UntoldError("two choices in one description")
                groups = [tuple(self._said(one, var)) for one in _flat(part, "any of")]
            else:
                common += self._said(part, var)
        return tuple(common), tuple(groups)

    def _said(self, row: _Row, var: str) -> list[Literal]:
        """Return what is said of a variable, all of it."""
        found: list[Literal] = []
        for part in _flat(row, "all of"):
            if part.text.startswith("of the "):
                with self._bound(part) as (_, body):
                    found += self._pair(body, var)
            else:
                found.append(self._literal(part, var))
        return found

    def _pair(self, row: _Row, var: str) -> list[Literal]:
        """Return what is said of a variable and an object that is meant.

        That they are two goes without saying where the relation is one of two; an object has its own size too.
        """
        parts = _flat(row, "all of")
        rest = [part for part in parts if not _SAME.fullmatch(part.text)]
        related = [_predicate(part) for part in rest if len(_names(part)) > 1]
        two = bool(related) and all(map(self.words.apart, related))
        return [one for part in (rest if two else parts) for one in self._said(part, var)]

    def _literal(self, row: _Row, var: str) -> Literal:
        same = _SAME.fullmatch(row.text)
        if same is not None:
            other = same[3] if same[1] == var else same[1]
            if var not in (same[1], same[3]) or self._object(other) is None:
                raise UntoldError("a plan of another form")
            return Literal("is", OTHER, same[2] == "=", self._object(other))
        atom = _ATOM.fullmatch(row.text)
        question = row.said.get("question")
        if atom is None or not isinstance(question, str):
            raise UntoldError("a quantifier within a description" if row.parts else "a plan of another form")
        negated, names = bool(atom[1]), _names(row)
        if names == [var]:
            return self.words.literal(question, negated, None)
        if len(names) == 2 and var in names:
            at = names.index(var)
            other_object = self._object(names[1 - at])
            if other_object is not None:
                asked = question if at == 0 else self.words.converse(atom[2], question)
                return self.words.literal(asked, negated, other_object)
        raise UntoldError("a relation of more than one unknown")

    def _object(self, name: str) -> int | None:
        return int(name) if name.isdecimal() else self._meant.get(name)


def _flat(row: _Row, connective: str) -> list[_Row]:
    """Return what a connective connects, with what the same connective connects inside; else the row itself."""
    if row.text != connective:
        return [row]
    return [one for part in row.parts for one in _flat(part, connective)]


def _names(row: _Row) -> list[str]:
    atom = _ATOM.fullmatch(row.text)
    return [name.strip() for name in atom[3].split(",")] if atom is not None else []


def _predicate(row: _Row) -> str:
    atom = _ATOM.fullmatch(row.text)
    return atom[2] if atom is not None else ""


def _quantified(row: _Row) -> str:
    """Return the one variable that a quantifier, a count or a description binds."""
    var = row.text[1:].split("  ")[0]
    if not row.parts or row.parts[0].said.get("over") != var:
        raise UntoldError("a quantifier of another form")
    return var


def _variable(row: _Row) -> str:
    """Return the variable of "of the x meant"."""
    return row.text.removeprefix("of the ").removesuffix(" meant")
