"""Runs the LALR table that Lark builds from the grammar: the same moves as Lark's own loop, in less time.

Chains of rules that only pass a value on (``sum → term → factor → …``) are followed once for each state
and token and then remembered, which makes an expression of one name cost one step instead of fourteen.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

from lark import Lark
from lark.parsers.lalr_analysis import Shift

from dsl.syntax.lexer import Token


class Reduce(NamedTuple):
    """Take `size` values from the stack and put ``build(values)`` in their place, as an `origin`."""

    size: int
    build: Callable[[list[Any]], Any]
    origin: str
    passes: bool


Row: TypeAlias = "dict[str, int | Reduce]"
Reader: TypeAlias = Callable[[Row], Token]


class Unexpected(Exception):
    """The text has a token that no rule accepts there.

    Attributes
    ----------
    token : Token
        The token.
    allowed : set of str
        The terminals that would have been accepted.
    values : list
        What was read and built so far, the last last.
    """

    def __init__(self, token: Token, allowed: set[str], values: list[Any]) -> None:
        super().__init__(token.type)
        self.token, self.allowed, self.values = token, allowed, values


class Table:
    """The states of the parser, as plain dicts.

    Parameters
    ----------
    lark
        A Lark parser (``parser="lalr"``) whose transformer builds the nodes.
    """

    def __init__(self, lark: Lark) -> None:
        machine = lark.parser.parser.parser
        table, callbacks = machine.parse_table, machine.callbacks
        rules: dict[Any, Reduce] = {}
        self.rows: dict[int, Row] = {}
        for state, actions in table.states.items():
            row: Row = {}
            for symbol, (action, argument) in actions.items():
                if action is Shift:
                    row[symbol] = argument
                    continue
                if argument not in rules:
                    passes = (
                        len(argument.expansion) == 1
                        and argument.alias is None
                        and bool(argument.options.expand1)
                        and not getattr(argument.expansion[0], "filter_out", False)
                        and not argument.expansion[0].name.startswith("_")
                    )
                    rules[argument] = Reduce(
                        len(argument.expansion), callbacks[argument], argument.origin.name, passes
                    )
                row[symbol] = rules[argument]
            self.rows[state] = row
        self.starts: dict[str, int] = dict(table.start_states)
        self.ends: dict[str, int] = dict(table.end_states)
        self._next: dict[tuple[int, str, str], int] = {}

    def run(self, start: str, read: Reader) -> Any:
        """Return the tree of the tokens that `read` gives, up to and including a ``$END``.

        Raises
        ------
        Unexpected
            At the first token that no rule accepts.
        """
        rows, following = self.rows, self._next
        states, values = [self.starts[start]], []
        end = self.ends[start]
        while True:
            token = read(rows[states[-1]])
            kind = token.type
            while True:
                row = rows[states[-1]]
                action = row.get(kind)
                if isinstance(action, int):
                    states.append(action)
                    values.append(token)
                    break
                if action is None:
                    raise Unexpected(token, self._allowed(states), values)
                size, build, origin, _ = action
                if size:
                    value = build(values[-size:])
                    del values[-size:]
                    del states[-size:]
                else:
                    value = build([])
                values.append(value)
                key = (states[-1], origin, kind)
                state = following.get(key)
                if state is None:
                    state = following[key] = self._follow(*key)
                states.append(state)
                if state == end and kind == "$END":
                    return value

    def _allowed(self, states: list[int]) -> set[str]:
        """Return the terminals that can follow; LALR's own lookaheads are a superset of them."""
        found = set()
        for kind in self.rows[states[-1]]:
            if not kind.isupper():
                continue
            stack = list(states)
            while True:
                action = self.rows[stack[-1]].get(kind)
                if not isinstance(action, Reduce):
                    break
                del stack[len(stack) - action.size :]
                stack.append(self.rows[stack[-1]][action.origin])  # type: ignore[arg-type]
            if action is not None:
                found.add(kind)
        return found

    def _follow(self, state: int, origin: str, kind: str) -> int:
        """Return the first state, after an `origin` on top of `state`, that does more than pass it on."""
        rows = self.rows
        reached = rows[state][origin]
        while True:
            action = rows[reached].get(kind)  # type: ignore[index]
            if not isinstance(action, Reduce) or not action.passes:
                return reached  # type: ignore[return-value]
            reached = rows[state][action.origin]
