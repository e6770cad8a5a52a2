"""Patterns of the syntax tree, written in the language itself, and what a match of one becomes.

In a pattern a name that begins with ``_`` is a hole, and all else stands for itself:
``describe(_sort, _description == _word)``. A hole takes one expression; if its word, without a number at the end, is
in :mod:`dsl.normalise.kinds`, only an expression of that kind. The same hole twice takes equal expressions.
``__rest`` takes any number of arguments, or of the operands of ``and``. ``lambda _x: …`` takes a lambda of one
variable; from then on ``_x`` is that variable. A pattern may be a clause, ``for _c in _items``.

A template is a piece of program with holes too; it is filled with what they took.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeAlias, cast

from dsl.normalise.context import Context
from dsl.normalise.kinds import takes
from dsl.normalise.tree import conjunction, conjuncts, name_of
from dsl.syntax import ast
from dsl.syntax.ast import Expr
from dsl.syntax.parser import parse

Holes: TypeAlias = Mapping[str, Expr | tuple[Expr, ...]]
"""Hole → the expression that it took, or the expressions."""


@lru_cache(maxsize=512)
def tree_of(text: str) -> ast.Node:
    """Return the tree of a pattern or a template."""
    if text.startswith("for "):
        return cast(ast.Comprehension, tree_of(f"[_ {text}]")).clauses[0]
    return cast(ast.ExprStatement, parse(text).body[0]).value


def matches(pattern: str, node: ast.Node, context: Context) -> Iterator[Holes]:
    """Give each way in which a pattern fits a node, those with the shortest ``__rest`` first."""
    return _match(tree_of(pattern), node, {}, context)


def _match(pattern: Any, part: Any, found: Holes, context: Context) -> Iterator[Holes]:
    """Give each way in which a part of a pattern fits a part of a tree: a node, several, or plain data."""
    kind = type(pattern)
    if kind is ast.Connective and pattern.op == "and":
        parts = conjuncts(part)
        if len(parts) > 1:
            yield from _match_in_order(pattern.operands, parts, found, context)
    elif kind is not type(part):
        return
    elif kind is ast.Call:
        if not part.keywords:
            yield from _match_in_order((pattern.func, *pattern.args), (part.func, *part.args), found, context)
    elif kind is tuple:
        yield from _match_in_order(pattern, part, found, context)
    elif isinstance(pattern, ast.Node):
        names = ast.field_names(kind)
        of_both = [tuple([getattr(node, name) for name in names]) for node in (pattern, part)]
        yield from _match_in_order(of_both[0], of_both[1], found, context)
    elif pattern == part:
        yield found


def _match_in_order(
    patterns: tuple[Any, ...], parts: tuple[Any, ...], found: Holes, context: Context
) -> Iterator[Holes]:
    for i, first in enumerate(patterns):
        hole = first.id if type(first) is ast.Name else first if type(first) is str else ""
        if hole.startswith("__"):
            rest = patterns[i + 1 :]
            for k in range(i, len(parts) + 1) if rest else (len(parts),):
                yield from _match_in_order(rest, parts[k:], {**found, hole: parts[i:k]}, context)
            return
        if i == len(parts):
            return
        part = parts[i]
        if hole.startswith("_"):  # a name's place may hold a lambda's variable, or a member's name
            node = ast.Name(part) if type(part) is str else part
            if hole not in found and takes(hole, node, context):
                found = {**found, hole: node}
            elif found.get(hole) != node:
                return
        elif hole:
            if first != part:
                return
        else:
            for more in _match(first, part, found, context):
                yield from _match_in_order(patterns[i + 1 :], parts[i + 1 :], more, context)
            return
    if len(patterns) == len(parts):
        yield found


def build(template: str, at: ast.Node, found: Holes, /, **holes: Expr | tuple[Expr, ...] | str) -> Expr:
    """Return a template filled with `found` and `holes` (a text is a name), its new nodes placed where `at` is."""
    filled = dict(found)
    for hole, value in holes.items():
        name = f"__{hole}" if isinstance(value, tuple) else f"_{hole}"
        filled[name] = ast.Name(value, span=at.span) if isinstance(value, str) else value
    return cast(Expr, _filled(tree_of(template), filled, at))


def _filled(part: Any, found: Holes, at: ast.Node) -> Any:
    if isinstance(part, ast.Name):
        return found[part.id] if part.id in found else ast.Name(part.id, span=at.span)
    if isinstance(part, tuple):
        made = [_filled(item, found, at) for item in part]
        return tuple(item for m in made for item in (m if isinstance(m, tuple) else (m,)))
    if not isinstance(part, ast.Node):
        return name_of(found[part]) if part in found else part  # a lambda's variable, or plain data
    values = {name: _filled(getattr(part, name), found, at) for name in ast.field_names(type(part))}
    if isinstance(part, ast.Connective) and part.op == "and":
        return conjunction(values["operands"], at)
    return type(part)(**values, span=at.span)


class Match:
    """A node that a pattern fits, and what the holes took.

    Parameters
    ----------
    node, pattern
        The node, and the pattern.
    found
        What the holes took.
    context
        What is known of the program.
    """

    def __init__(self, node: ast.Node, pattern: str, found: Holes, context: Context) -> None:
        self.node, self.pattern, self.found = node, pattern, found
        self.context, self.words = context, context.words
        self.said = {hole.strip("_"): _shown(value) for hole, value in found.items()}

    def __getitem__(self, hole: str) -> Expr:
        """Return what a hole took, named without its first ``_``."""
        return cast(Expr, self.found[f"_{hole}"])

    def many(self, *holes: str) -> tuple[Expr, ...]:
        """Return what the holes for any number took, named without ``__``; nothing of one that the pattern lacks."""
        return tuple(item for hole in holes for item in cast(tuple[Expr, ...], self.found.get(f"__{hole}", ())))

    def name(self, hole: str) -> str:
        """Return the name that a hole took; ``""`` of anything else."""
        return name_of(self[hole])

    def say(self, **words: str) -> None:
        """Give words for the rule's note, beside those that the holes give."""
        self.said.update(words)

    def build(self, template: str, at: ast.Node | None = None, /, **holes: Expr | tuple[Expr, ...] | str) -> Expr:
        """Return a template filled with what the holes took, and with `holes`: a text is a name.

        New nodes are placed where `at` is, by default the node matched.
        """
        return build(template, at or self.node, self.found, **holes)


def _shown(value: object) -> str:
    return str(value.value) if isinstance(value, ast.Number | ast.Text) else name_of(value)


@dataclass(frozen=True, slots=True)
class Rule:
    """Malformed input of one kind: what it looks like, what it becomes, and what is said of it.

    Parameters
    ----------
    patterns
        What it looks like.
    becomes
        Return what a match becomes, or ``None``: the next match is tried.
    note
        What is reported, with ``{hole}`` for the name or number that a hole took; nothing if empty.
    """

    patterns: tuple[str, ...]
    becomes: Callable[[Match], Expr | None]
    note: str = ""

    def apply(self, pattern: str, node: ast.Node, context: Context) -> ast.Node | None:
        """Return what a node becomes if the pattern fits it and the match has a reading, else ``None``."""
        for found in matches(pattern, node, context):
            match = Match(node, pattern, found, context)
            made = self.becomes(match)
            if made is not None:
                if self.note:
                    context.note(self.note.format_map(match.said))
                return made
        return None


def rule(*patterns: str, note: str = "") -> Callable[[Callable[[Match], Expr | None]], Rule]:
    """Make a rule of a function that returns what a match becomes, or ``None``."""
    return lambda becomes: Rule(patterns, becomes, note)


def rewriting(templates: Mapping[str, str], note: str) -> Rule:
    """Return a rule by which what a pattern matches becomes the pattern's template."""
    return Rule(tuple(templates), lambda match: match.build(templates[match.pattern]), note)
