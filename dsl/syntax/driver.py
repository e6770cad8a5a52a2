"""Lark's tables, driven by a loop of our own: the same states, rules and functions, several times as fast.

A name on its way to being an argument passes a dozen rules with one part each ("an *or* of one *and*"), which change
nothing but the state. Where such a chain ends depends only on the state below, its own state and the next token: so it
is followed once and remembered.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, cast

from lark import Lark
from lark.parse_tree_builder import ExpandSingleChild
from lark.parsers.lalr_analysis import Shift

from dsl.syntax.lexer import Token

REFUSED = object()
"""What :meth:`Driver.run` returns of tokens that are no text of the language."""

_Reduction = tuple[int, Callable[[list[Any]], Any], str]
"""How many parts a rule has, what makes its value of theirs, and its name."""


class Driver:
    """Drives the tables of a parser that Lark made."""

    def __init__(self, lark: Lark) -> None:
        parser = cast(Any, lark).parser.parser.parser
        table = parser.parse_table
        self._starts: dict[str, int] = dict(table.start_states)
        self._ends: dict[str, int] = dict(table.end_states)
        reductions: dict[int, _Reduction] = {}
        self._rows: dict[int, dict[str, Any]] = {}
        """State → the name of what comes next → the state that it leads to, or a :data:`_Reduction`."""
        for state, row in table.states.items():
            self._rows[state] = made = {}
            for name, (action, to) in row.items():
                if action is Shift:
                    made[name] = to
                    continue
                found = reductions.get(id(to))
                if found is None:
                    make = parser.callbacks[to]
                    found = reductions[id(to)] = len(to.expansion), make, to.origin.name
                made[name] = found
        self._chains: dict[tuple[int, int, str, int], int] = {}

    def run(self, start: str, tokens: Sequence[Token]) -> Any:
        """Return what a start symbol makes of tokens, the last of which is a ``$END``; or :data:`REFUSED`."""
        rows, end, chains = self._rows, self._ends[start], self._chains
        states: list[int] = [self._starts[start]]
        values: list[Any] = []
        for token in tokens:
            kind = token.type
            while True:
                state = states[-1]
                found = rows[state].get(kind)
                if type(found) is int:
                    states.append(found)
                    values.append(token)
                    break
                if found is None:
                    return REFUSED
                size, make, name = found
                if size == 1:
                    below = states[-2]
                    key = below, state, kind, end
                    last = chains.get(key)
                    if last is None:
                        last = chains[key] = self._followed(*key)
                    if last != state:
                        states[-1] = last
                        if last == end and kind == "$END":
                            return values[-1]
                        continue
                    values[-1] = make([values[-1]])
                    to = states[-1] = rows[below][name]
                elif size:
                    parts = values[-size:]
                    del states[-size:]
                    del values[-size:]
                    to = rows[states[-1]][name]
                    values.append(make(parts))
                    states.append(to)
                else:
                    to = rows[state][name]
                    values.append(make([]))
                    states.append(to)
                if to == end and kind == "$END":
                    return values[-1]
        return REFUSED

    def _followed(self, below: int, state: int, kind: str, end: int) -> int:
        """Return the state that a chain of rules with one part, which hand it on as it is, leads to."""
        while True:
            found = self._rows[state].get(kind)
            if not isinstance(found, tuple) or found[0] != 1 or not isinstance(found[1], ExpandSingleChild):
                return state
            state = self._rows[below][found[2]]
            if state == end and kind == "$END":
                return state
