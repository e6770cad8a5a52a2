"""The normaliser: slips of program writers that have one clear meaning, put right and reported.

Each slip is one named function: it looks at one node and returns what it means, or ``None``. Nothing is changed
silently: each change leaves a note. What has no clear meaning is left as it is, for the checker (or the run) to
reject. Meanings of *values*, such as a description used as a truth value, live in `neptune.execute`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

from . import ast
from .ast import Expr
from .errors import LimitError
from .limits import Limits
from .normal_describe import attribute_modes, described_sorts, distinct_values, majorities
from .normal_scope import early_parentheses
from .normal_slips import (
    comparisons_inside,
    compound_names,
    compound_words,
    extreme_objects,
    free_variables,
    names_of_things,
    objects_of_value_sorts,
    pairs_of_objects,
    pairs_outside,
    sorts_as_conditions,
)
from .normal_structure import (
    arguments_after_lambda,
    conjuncts_in_arguments,
    many_same,
    most_of,
    nested_predicates,
    relational_arguments,
    restricted_quantifiers,
)
from .normal_superlatives import superlatives
from .normal_tree import rebuild
from .normal_words import attributes_in_words, compared_with_none, members_of_sorts, other_names, truths
from .vocabulary import Vocabulary

Rule = Callable[[ast.Node, "Context"], Expr | None]

#: Applied at each node, inside out, in this order, until none applies.
RULES: tuple[Rule, ...] = (
    other_names,
    truths,
    members_of_sorts,
    attributes_in_words,
    compared_with_none,
    pairs_outside,
    comparisons_inside,
    sorts_as_conditions,
    names_of_things,
    compound_names,
    compound_words,
    objects_of_value_sorts,
    extreme_objects,
    pairs_of_objects,
    arguments_after_lambda,
    restricted_quantifiers,
    most_of,
    many_same,
    relational_arguments,
    nested_predicates,
    conjuncts_in_arguments,
    distinct_values,
    attribute_modes,
    majorities,
    described_sorts,
)
_ROUNDS = 8
_CHANGED = ast.Call | ast.Name | ast.Attribute | ast.Comparison | ast.Connective | ast.TupleDisplay


class Context:
    """What the rules may know, and where they report.

    Parameters
    ----------
    vocabulary
        The domain's words.
    limits
        ``nodes`` bounds how much copying may add.
    bound
        Names that the program gives a meaning of its own by assignments, loops and functions.
    """

    def __init__(self, vocabulary: Vocabulary, limits: Limits, bound: frozenset[str]) -> None:
        self.vocabulary, self.limits, self.bound = vocabulary, limits, bound
        self.notes: dict[str, None] = {}
        self._copied = 0

    def note(self, text: str, node: ast.Node) -> None:
        """Report a change."""
        self.notes.setdefault(text)

    def copied(self, node: ast.Node) -> None:
        """Count the nodes of a copy; too many are a :class:`dsl.LimitError`."""
        self._copied += len(ast.walk(node))
        if self._copied > self.limits.nodes // 60:
            allowed = self.limits.nodes // 60
            raise LimitError("nodes", allowed, self._copied, node.span, what="copying in the normal form")


def normalise(
    program: ast.Program, vocabulary: Vocabulary, limits: Limits
) -> tuple[ast.Program, tuple[str, ...]]:
    """Return the program in normal form, and a note for each kind of change.

    Idempotent; a program without slips is returned as it is, the same object.

    Raises
    ------
    LimitError
        If the normal form is larger than ``limits.nodes`` allows.
    """
    context = Context(vocabulary, limits, _bound(program))
    tree = early_parentheses(program, context)
    tree = cast(ast.Program, _rewrite(tree, context))
    tree = superlatives(tree, context)
    tree = free_variables(tree, context)
    return tree, tuple(context.notes)


def _rewrite(node: ast.Node, context: Context) -> ast.Node:
    node = rebuild(node, lambda child: _rewrite(child, context))
    if not isinstance(node, _CHANGED):
        return node
    for _ in range(_ROUNDS):
        for rule in RULES:
            made = rule(node, context)
            if made is not None:
                node = made
                break
        else:
            break
    return node


def _bound(program: ast.Program) -> frozenset[str]:
    """Return the names bound anywhere by an assignment, a loop, a comprehension or a function."""
    if len(program.body) == 1 and isinstance(program.body[0], ast.ExprStatement):
        comprehensions = [n for n in ast.walk(program) if isinstance(n, ast.Clause)]
        targets: list[ast.Node] = [c.target for c in comprehensions]
    else:
        targets = []
        for node in ast.walk(program):
            if isinstance(node, ast.Assign):
                targets.extend(node.targets)
            elif isinstance(node, ast.AugAssign | ast.For | ast.Clause):
                targets.append(node.target)
    found = {n.id for target in targets for n in ast.walk(target) if isinstance(n, ast.Name)}
    for node in program.body if len(program.body) > 1 else ():
        for inner in ast.walk(node):
            if isinstance(inner, ast.FunctionDef):
                found.add(inner.name)
                found.update(p.name for p in inner.params)
    return frozenset(found)
