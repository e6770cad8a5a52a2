"""The parser: all readings of a question that the grammar allows, the cheapest first.

Each phrase is looked for at each place once, and what was found is kept (a chart), so the time grows with a power of
the length, never exponentially. Of one phrase over one stretch of words, the :data:`KEPT` cheapest meanings are kept.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from neptune.writer.english.grammar import START, Alternative, Grammar
from neptune.writer.english.phrases import Rejected

KEPT = 3
"""Meanings kept of one phrase over one stretch of words."""

Reading = tuple[int, Any]
"""A cost and a meaning."""

Edges = Mapping[str, Sequence[tuple[int, Any]]]
"""What stands at a place: a word or a class → where it ends, and its meaning."""


class Chart:
    """The phrases of one question.

    Parameters
    ----------
    grammar
        The phrases there are.
    functions
        Name → what makes a meaning.
    edges
        For each place between words, what stands behind it; the last has nothing.

    Attributes
    ----------
    furthest : int
        The last place up to which some beginning of a question was read.
    expected : set of str
        What could have gone on there: words and classes.
    """

    def __init__(self, grammar: Grammar, functions: Mapping[str, Callable[..., Any]], edges: Sequence[Edges]) -> None:
        self._phrases, self._functions, self._edges = grammar.phrases, functions, edges
        self._found: dict[tuple[str, int], dict[int, list[Reading]]] = {}
        self.furthest = 0
        self.expected: set[str] = set()

    def readings(self) -> list[Reading]:
        """Return the readings of the whole question, the cheapest first."""
        return self.phrase(START, 0).get(len(self._edges) - 1, [])

    def phrase(self, symbol: str, start: int) -> dict[int, list[Reading]]:
        """Return where a phrase that begins at a place may end, and what it then means."""
        key = (symbol, start)
        found = self._found.get(key)
        if found is None:
            found = self._found[key] = {}
            here = self._edges[start].keys()
            for way in self._phrases[symbol]:
                if way.nullable or not way.first.isdisjoint(here):
                    self._read(way, start, found)
                else:
                    self._missed(start, way.first)
        return found

    def _missed(self, place: int, expected: frozenset[str] | set[str]) -> None:
        if place > self.furthest:
            self.furthest, self.expected = place, set(expected)
        elif place == self.furthest:
            self.expected |= expected

    def _reached(self, place: int) -> None:
        if place > self.furthest:
            self.furthest, self.expected = place, set()

    def _read(self, way: Alternative, start: int, found: dict[int, list[Reading]]) -> None:
        states: dict[int, list[tuple[int, tuple[Any, ...]]]] = {start: [(way.cost, ())]}
        for symbol, means in zip(way.symbols, way.means):
            following: dict[int, list[tuple[int, tuple[Any, ...]]]] = {}
            is_phrase = symbol in self._phrases
            # of readings that cost the same, that whose first parts are longest is found first, and kept first
            for place, partial in sorted(states.items(), reverse=True):
                if is_phrase:
                    for end, readings in self.phrase(symbol, place).items():
                        rows = following.setdefault(end, [])
                        for cost, parts in partial:
                            if means:
                                rows += [(cost + more, (*parts, meaning)) for more, meaning in readings]
                            else:
                                rows.append((cost + readings[0][0], parts))
                    continue
                ends = self._edges[place].get(symbol)
                if ends is None:
                    self._missed(place, {symbol})
                    continue
                for end, meaning in ends:
                    self._reached(end)
                    rows = following.setdefault(end, [])
                    rows += [(cost, (*parts, meaning) if means else parts) for cost, parts in partial]
            for rows in following.values():
                if len(rows) > KEPT:
                    rows.sort(key=_cost)
                    del rows[2 * KEPT :]
            states = following
            if not states:
                return
        make = self._functions[way.name] if way.name is not None else None
        for end, partial in states.items():
            rows = found.setdefault(end, [])
            for cost, parts in partial:
                try:
                    meaning = make(*parts) if make is not None else parts[0] if parts else None
                except Rejected:
                    continue
                _keep(rows, cost, meaning)
            if not rows:
                del found[end]


def _cost(reading: tuple[int, Any]) -> int:
    return reading[0]


def _keep(rows: list[Reading], cost: int, meaning: Any) -> None:
    for k, (other, known) in enumerate(rows):
        if known == meaning:
            if cost < other:
                del rows[k]
                break
            return
    rows.append((cost, meaning))
    rows.sort(key=_cost)
    del rows[KEPT:]
