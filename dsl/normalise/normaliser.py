"""The normaliser: slips of program writers that have one clear meaning, put right and reported.

Each slip is one named function: it looks at one node and returns what it means, or ``None``. Nothing is changed
silently: each change leaves a note. What has no clear meaning is left as it is, for the checker (or the run) to
reject. Meanings of *values*, such as a description used as a truth value, live in `neptune.engine`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

from dsl.errors import LimitError
from dsl.limits import Limits
from dsl.normalise.describe import (
    all_the_same,
    attribute_modes,
    comparisons_under_lambda,
    describe_of_three,
    described_sorts,
    distinct_values,
    majorities,
)
from dsl.normalise.extremes import extreme_objects, largest_counts, superlative_objects
from dsl.normalise.names import anything, named_objects, plurals_of_sorts
from dsl.normalise.objects import (
    noun_phrases,
    numbers_in_predicates,
    objects_of_value_sorts,
    pairs_of_objects,
    predicates_of_arguments,
    values_by_condition,
    variables_as_sorts,
)
from dsl.normalise.scope import early_parentheses
from dsl.normalise.slips import (
    arithmetic_inside_count,
    comparisons_inside,
    compound_words,
    counts_compared_outside,
    free_variables,
    pairs_outside,
    several_values,
    sorts_as_conditions,
)
from dsl.normalise.structure import (
    arguments_after_lambda,
    conjuncts_in_arguments,
    many_same,
    most_of,
    nested_predicates,
    relational_arguments,
    relations_to_all,
    restricted_quantifiers,
)
from dsl.normalise.superlatives import superlatives
from dsl.normalise.tree import rebuild
from dsl.normalise.words import (
    attributes_in_words,
    compared_with_none,
    members_of_sorts,
    other_names,
    superlative_values,
    truths,
    words_of_numbers,
)
from dsl.syntax import ast
from dsl.vocabulary import Vocabulary

Rule = Callable[[ast.Node, "Context"], ast.Node | None]

#: Applied at each call, inside out, in this order, until none applies.
OF_CALLS: tuple[Rule, ...] = (
    other_names,
    truths,
    attributes_in_words,
    words_of_numbers,
    superlative_values,
    comparisons_inside,
    comparisons_under_lambda,
    arithmetic_inside_count,
    sorts_as_conditions,
    variables_as_sorts,
    pairs_of_objects,
    named_objects,
    compound_words,
    superlative_objects,
    objects_of_value_sorts,
    values_by_condition,
    noun_phrases,
    extreme_objects,
    largest_counts,
    arguments_after_lambda,
    restricted_quantifiers,
    most_of,
    all_the_same,
    many_same,
    relations_to_all,
    relational_arguments,
    predicates_of_arguments,
    nested_predicates,
    conjuncts_in_arguments,
    numbers_in_predicates,
    distinct_values,
    attribute_modes,
    majorities,
    describe_of_three,
    described_sorts,
)

#: Applied at the other nodes, by their kind.
RULES: dict[type[ast.Node], tuple[Rule, ...]] = {
    ast.Call: OF_CALLS,
    ast.Name: (truths,),
    ast.Attribute: (members_of_sorts,),
    ast.Comparison: (
        compared_with_none,
        words_of_numbers,
        superlative_values,
        counts_compared_outside,
        named_objects,
        superlative_objects,
    ),
    ast.Lambda: (sorts_as_conditions,),
    ast.Connective: (sorts_as_conditions,),
    ast.TupleDisplay: (pairs_outside,),
    ast.Clause: (plurals_of_sorts,),
}
_ROUNDS = 8


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
    names, parameters
        All names that occur in the program, and those of them that lambdas bind.
    """

    def __init__(
        self,
        vocabulary: Vocabulary,
        limits: Limits,
        bound: frozenset[str],
        names: frozenset[str] = frozenset(),
        parameters: frozenset[str] = frozenset(),
    ) -> None:
        self.vocabulary, self.limits, self.bound = vocabulary, limits, bound
        self.names, self.parameters = names, parameters
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
    nodes = ast.walk(program)
    parameters = frozenset(p for n in nodes if isinstance(n, ast.Lambda) for p in n.params)
    names = parameters.union(n.id for n in nodes if isinstance(n, ast.Name))
    context = Context(vocabulary, limits, _bound(program, nodes), names, parameters)
    tree = anything(program, context)
    tree = early_parentheses(tree, context)
    tree = cast(ast.Program, _rewrite(tree, context))
    tree = several_values(tree, context)
    tree = superlatives(tree, context)
    tree = free_variables(tree, context)
    return tree, tuple(context.notes)


def _rewrite(node: ast.Node, context: Context) -> ast.Node:
    node = rebuild(node, lambda child: _rewrite(child, context))
    for _ in range(_ROUNDS):
        for rule in RULES.get(type(node), ()):
            made = rule(node, context)
            if made is not None:
                node = made
                break
        else:
            break
    return node


def _bound(program: ast.Program, nodes: list[ast.Node]) -> frozenset[str]:
    """Return the names bound anywhere by an assignment, a loop, a comprehension or a function."""
    if len(program.body) == 1 and isinstance(program.body[0], ast.ExprStatement):
        comprehensions = [n for n in nodes if isinstance(n, ast.Clause)]
        targets: list[ast.Node] = [c.target for c in comprehensions]
    else:
        targets = []
        for node in nodes:
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
