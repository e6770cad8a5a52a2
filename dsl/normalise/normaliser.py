"""The normaliser: malformed input that has one clear meaning is put into the language's own form, and reported.

A rule declares what a kind of malformed input looks like (a pattern, :mod:`dsl.normalise.patterns`), what it becomes
and what is said of it. Nothing is changed silently: each change leaves a note. What has no clear meaning is left as
it is, for the checker (or the run) to reject. Meanings of *values*, such as a description used as a truth value, live
in `neptune.engine`.
"""

from __future__ import annotations

from collections.abc import Hashable
from functools import lru_cache
from typing import Any, TypeAlias, cast

from dsl.builtins import BUILTINS
from dsl.limits import Limits
from dsl.normalise import brackets, extremes, objects, values, words
from dsl.normalise.context import Context
from dsl.normalise.extremes import superlatives
from dsl.normalise.kinds import LISTED, NAMES, NODES, OF_PREDICATES, word_of
from dsl.normalise.patterns import Rule, tree_of
from dsl.normalise.scope import anything, early_brackets, free_variables
from dsl.normalise.tree import name_of, rebuild
from dsl.syntax import ast
from dsl.vocabulary import Vocabulary

RULES: tuple[Rule, ...] = (
    words.conditionals,
    words.operators,
    words.other_names,
    words.truths,
    words.called_truths,
    words.members_of_sorts,
    words.plurals_of_sorts,
    words.attributes_had,
    words.attributes_compared,
    words.compared_with_none,
    brackets.comparisons_inside,
    brackets.counts_compared_outside,
    brackets.sorts_as_conditions,
    objects.variables_as_sorts,
    objects.pairs_of_objects,
    objects.named_objects,
    objects.compound_words,
    extremes.superlatives_of_all,
    extremes.superlatives_of_those,
    extremes.superlative_objects,
    objects.objects_of_value_sorts,
    extremes.extreme_objects,
    extremes.largest_counts,
    brackets.arguments_after_lambda,
    brackets.restricted_quantifiers,
    values.all_the_same,
    brackets.plurals,
    brackets.many_same,
    objects.properties_of_descriptions,
    objects.properties_of_variables,
    brackets.nested_predicates,
    brackets.conjuncts_in_arguments,
    objects.numbers_in_predicates,
    values.distinct_values,
    values.attribute_modes,
    values.modes_described,
    values.majorities,
    values.describe_of_three,
    values.described_sorts,
)
"""Tried at each node, inside out, in this order, again and again until none applies."""

_ROUNDS = 8


def normalise(program: ast.Program, vocabulary: Vocabulary, limits: Limits) -> tuple[ast.Program, tuple[str, ...]]:
    """Return the program in normal form, and a note for each kind of change.

    Idempotent; a program without malformed input is returned as it is, the same object.

    Raises
    ------
    LimitError
        If the normal form is larger than ``limits.nodes`` allows.
    """
    context = Context(program, vocabulary, limits)
    context.left = _left_as_they_are(vocabulary, context.bound, context.parameters)
    tree = early_brackets(anything(program, context), context)
    tree = cast(ast.Program, _rewrite(tree, context))
    tree = free_variables(superlatives(tree, context), context)
    return tree, tuple(context.notes)


def _rewrite(node: ast.Node, context: Context) -> ast.Node:
    if type(node) is ast.Name and not _candidates(ast.Name, _spoken_of(node.id), ()):
        return node
    plain = _of_names(node)
    if plain is not None and plain in context.left:
        return node
    before, notes = node, len(context.notes)
    node = rebuild(node, lambda child: _rewrite(child, context))
    for _ in range(_ROUNDS):
        made = _changed(node, context)
        if made is None:
            break
        node = made
    if plain is not None and node is before and len(context.notes) == notes and len(context.left) < _MOST_LEFT:
        context.left.add(plain)
    return node


_MOST_LEFT = 10_000


@lru_cache(maxsize=64)
def _left_as_they_are(
    vocabulary: Vocabulary, bound: frozenset[str], parameters: frozenset[str]
) -> set[tuple[str, ...]]:
    """Return the calls of names (``red(x)``) that were found to need no rule, where these names are bound: what the
    rules make of a call hangs on nothing else, and most calls of programs have been met before."""
    return set()


def _of_names(node: ast.Node) -> tuple[str, ...] | None:
    """Return the names of a call of a name with names alone; ``None`` of anything else."""
    if type(node) is not ast.Call or node.keywords or type(node.func) is not ast.Name:
        return None
    names = [node.func.id]
    for arg in node.args:
        if type(arg) is not ast.Name:
            return None
        names.append(arg.id)
    return tuple(names)


def _changed(node: ast.Node, context: Context) -> ast.Node | None:
    """Return what the first rule that applies makes of a node."""
    name, parts = _name_and_parts(node)
    kind, forms = cast(Hashable, type(node)), tuple([_form(p) for p in parts])
    for rule, pattern in _candidates(kind, _spoken_of(name), forms):
        made = rule.apply(pattern, node, context)
        if made is not None:
            return made
    return None


def _name_and_parts(node: ast.Node) -> tuple[str, tuple[ast.Node, ...]]:
    """Return the name that a node is or calls, and the parts by which patterns differ at a glance."""
    if isinstance(node, ast.Call):
        return name_of(node.func) or type(node.func).__name__, node.args
    if isinstance(node, ast.Lambda):
        return "", (node.body,)
    return name_of(node), node.operands if isinstance(node, ast.Connective) else ()


@lru_cache(maxsize=4096)
def _spoken_of(name: str) -> str:
    """Return the name if patterns speak of it; ``""`` of all others, which the same patterns may fit."""
    return name if name in _named() or any(test(name) for test in LISTED.values()) else ""


@lru_cache(maxsize=1)
def _named() -> frozenset[str]:
    trees = [tree_of(pattern) for rule in RULES for pattern in rule.patterns]
    return frozenset(BUILTINS).union(*((name_of(n) for n in ast.walk(tree)) for tree in trees), {"Truth"})


_Form: TypeAlias = "type[Any] | tuple[Any, ...]"
"""What can be seen of an argument at a glance: its type; of a lambda also its body's; of a call also the name, where
patterns speak of it, and how many arguments it has."""


def _form(node: ast.Node) -> _Form:
    if isinstance(node, ast.Lambda):
        return ast.Lambda, type(node.body)
    if isinstance(node, ast.Call) and type(node.func) is ast.Name:
        return ast.Call, _spoken_of(node.func.id), len(node.args)
    return type(node)


@lru_cache(maxsize=4096)
def _candidates(kind: type[Any], name: str, forms: tuple[_Form, ...]) -> tuple[tuple[Rule, str], ...]:
    """Return the patterns, with their rules, that may fit a node of a type, with a name and parts of such forms.

    Few patterns fit most nodes, and they are the same for nodes that look alike: so this is remembered.
    """
    pairs = [(rule, pattern) for rule in RULES for pattern in rule.patterns]
    return tuple(pair for pair in pairs if _may_fit(tree_of(pair[1]), kind, name, forms))


def _may_fit(pattern: ast.Node, kind: type[Any], name: str, forms: tuple[_Form, ...]) -> bool:
    head, parts = _name_and_parts(pattern)
    if type(pattern) is not kind:
        return isinstance(pattern, ast.Connective) and kind is ast.Call and name == "and_"
    if not _may_be_called(head, name):
        return False
    if isinstance(pattern, ast.Call):
        for at, part in enumerate(parts):  # up to the first hole of many, each part has its place
            if name_of(part).startswith("__"):
                break
            if at == len(forms) or not _may_take(part, forms[at]):
                return False
    each = [part for part in parts if not name_of(part).startswith("__")]
    if len(each) == len(parts):
        return len(each) == len(forms) and all(map(_may_take, each, forms))
    return len(each) <= len(forms) and all(any(_may_take(part, form) for form in forms) for part in each)


def _may_be_called(head: str, name: str) -> bool:
    """Whether a pattern whose function is `head` may fit a call of a name (``""``: none that patterns speak of)."""
    word = word_of(head)
    listed = LISTED.get(word)
    if listed is not None:
        return listed(name)
    if head.startswith("_"):
        return not (word in OF_PREDICATES and name in BUILTINS)
    return head == name


def _may_take(pattern: ast.Node, form: _Form) -> bool:
    kind, *more = form if isinstance(form, tuple) else (form,)
    if name_of(pattern).startswith("_"):
        word = word_of(name_of(pattern))
        if word in NODES:
            is_call = kind is ast.Call and bool(more)
            return kind in NODES[word][0] and not (word == "description" and is_call and more[0] not in ("iota", "the"))
        return kind is ast.Name or not (word in NAMES or word in LISTED)
    if isinstance(pattern, ast.Lambda) and kind is ast.Lambda:
        return _may_take(pattern.body, more[0])
    if kind is not type(pattern):
        return isinstance(pattern, ast.Connective) and kind is ast.Call and (not more or more[0] == "and_")
    if isinstance(pattern, ast.Call) and more and type(pattern.func) is ast.Name:
        each = [arg for arg in pattern.args if not name_of(arg).startswith("__")]
        fits = len(each) == more[1] if len(each) == len(pattern.args) else len(each) <= more[1]
        return fits and _may_be_called(pattern.func.id, more[0])
    return True
