"""The kinds of holes in patterns: what a name, an argument or a condition must be to be taken."""

from __future__ import annotations

import re
from collections.abc import Callable, Container, Iterable, Mapping
from functools import cache
from typing import Any

from dsl.builtins import BINDERS, BUILTINS
from dsl.normalise.context import Context
from dsl.normalise.tree import called, conjuncts, described
from dsl.syntax import ast
from dsl.syntax.ast import Expr
from dsl.vocabulary import Vocabulary

EVERY = frozenset({"forall", "all", "every"})
SOME = frozenset({"exists", "some", "any"})
NONE = frozenset({"no", "none"})
DESCRIBING = frozenset({"iota", "the", "point"})

VARIABLE = re.compile(r"[a-z]\d*\Z")
"""What a variable's name looks like, where nothing binds it."""

_WORDS = re.compile(r"[A-Z]?[a-z0-9]+|[A-Z]+(?![a-z])")
_EMPTY = frozenset({"the", "object", "thing", "item", "shape"})
_NO_SUPERLATIVES = frozenset({"west", "rest", "test", "most", "almost", "nest", "chest", "best", "forest", "interest"})


def spellings(table: Mapping[str, str]) -> dict[str, str]:
    """Return word → meaning of a table meaning → words, apart by blanks."""
    return {word: meaning for meaning, words in table.items() for word in words.split()}


CHOICES = frozenset({"if_else", "ifelse", "if_then_else", "ite", "cond", "conditional"})
OPERATORS = spellings(
    {
        "+": "plus add addition",
        "-": "minus subtract subtraction sub difference",
        "*": "times multiply mul",
        "/": "divide div divided_by",
        "%": "mod modulo modulus remainder",
        ">": "greater more_than greater_than",
        "<": "less fewer_than less_than lesser lesser_than",
        ">=": "greater_than_or_equal greater_than_equal greater_than_equals greater_than_or_equal_to "
        "greater_or_equal at_least",
        "<=": "less_than_or_equal less_than_equals less_than_or_equal_to less_or_equal at_most",
    }
)
CONNECTIVES = spellings(
    {
        "and_": "and and_ and_func and_op and_all conjunction",
        "or_": "or or_ or_func or_op disjunction",
        "not_": "not not_ not_func not_op negation",
        "implies": "if_then implication",
        "different": "not_equal not_equals",
        "equal": "equals is_equal eq",
    }
)
EXTREMES = spellings({"max": "maximum max_", "min": "minimum min_"})
QUANTIFIERS = spellings(
    {
        "forall": "for_all forallobjects all_of",
        "exists": "there_exists exist exists_object",
        "no": "not_exists not_exist",
        "count": "how_many number_of",
        "iota": "find select unique",
    }
) | {name: name for name in BINDERS}
"""Other words for quantifiers; a quantifier's own name stands for ``Exists`` and ``FORALL``."""


def is_superlative(name: str, words: Vocabulary) -> bool:
    """Tell whether a word is a superlative: of the vocabulary, or in English by its form (``closest_to_camera``)."""
    if words.comparative(name) is not None:
        return True
    head = name.lower().split("_")[0]
    return len(head) > 4 and head.endswith(("est", "most")) and head not in _NO_SUPERLATIVES


def nouns_of(node: ast.Node, context: Context) -> list[str]:
    """Return the words of ``red_cube``, ``redCube`` or ``rightmost_cylinder()`` that describe an object; or none.

    A name alone must be made of several words, each a value of a sort of its own; the name of a call without
    arguments may be one word, and a superlative or a place in the picture.
    """
    words = context.words
    if isinstance(node, ast.Call) and not node.args and not node.keywords:
        if not is_predicate(called(node), context):
            return []
        found = [w.lower() for w in _WORDS.findall(called(node)) if w.lower() not in _EMPTY]
        if not found:
            return [called(node)] if words.is_vacuous(called(node)) else []
        if all(words.value_named(w) or words.comparative(w) for w in found) and _of_own_sorts(found, words):
            return found
        whole = "_".join(found)
        return [whole] if words.knows(whole, 1) or is_superlative(whole, words) else []
    if not isinstance(node, ast.Name) or VARIABLE.match(node.id) or not is_predicate(node.id, context):
        return []
    found = _WORDS.findall(node.id)
    if len(found) < 2 or words.value_named(node.id):
        return []
    found = [w if words.value_named(w) else w.lower() for w in found if w.lower() not in _EMPTY]
    return found if all(words.value_named(w) for w in found) and _of_own_sorts(found, words) else []


def _of_own_sorts(found: Iterable[str], words: Vocabulary) -> bool:
    sorts = [words.sort_of_value(w) for w in found if words.value_named(w)]
    return len(set(sorts)) == len(sorts)


def sole_attribute(function: Expr, words: Vocabulary) -> tuple[str, str, list[Expr]] | None:
    """Return (sort, variable, other conditions) of ``lambda x: color(x) and cube(x)``, or ``None``.

    The lambda must name the value of exactly one sort of known values at its variable, as ``color(x)`` or
    ``describe(Color, x)``.
    """
    if not isinstance(function, ast.Lambda) or len(function.params) != 1:
        return None
    variable, found, rest = ast.Name(function.params[0]), [], []
    for part in conjuncts(function.body):
        sort = None
        if isinstance(part, ast.Call) and not part.keywords:
            if part.args == (variable,):
                sort = words.sort_named(called(part))
            elif called(part) == "describe" and part.args[1:] == (variable,):
                sort = words.sort_named(part.args[0].id) if isinstance(part.args[0], ast.Name) else None
        if sort is not None and words.values(sort):
            found.append(sort)
        elif part != ast.Truth(True):
            rest.append(part)
    return (found[0], function.params[0], rest) if len(found) == 1 else None


def is_predicate(name: str, context: Context) -> bool:
    """Tell whether a name is neither built in, nor bound by the program, nor defined as an object, a number or a value:
    called, it is a predicate."""
    return bool(name) and name not in BUILTINS and name not in context.bound and context.words.gives_truth(name)


def _in_other_words(*tables: Container[str]) -> Callable[[str], bool]:
    """Return the test of names that a table has in small letters, and that are not the language's own."""
    return lambda name: name not in BUILTINS and any(name.lower() in table for table in tables)


def _spelt(*words: str) -> Callable[[str], bool]:
    """Return the test of names that are one of these words, with or without ``_`` and capitals."""
    return lambda name: name.lower().replace("_", "") in words


LISTED: Mapping[str, Callable[[str], bool]] = {
    "quantifier": (EVERY | SOME | NONE).__contains__,
    "restricted": (EVERY | SOME | NONE | DESCRIBING | {"count"}).__contains__,
    "ranging": (SOME | NONE | {"iota", "the", "count"}).__contains__,
    "paired": frozenset({"exists_pair", "exists2", "exists_2", "exists_two"}).__contains__,
    "pair": frozenset({"Pair", "Pairs", "Tuple", "pair", "tuple"}).__contains__,
    "iota": frozenset({"iota", "the"}).__contains__,
    "binder": BINDERS.__contains__,
    "largest": frozenset({"max", "maximum", "max_property", "max_by", "max_object"}).__contains__,
    "smallest": frozenset({"min", "minimum", "min_property", "min_by", "min_object"}).__contains__,
    "counting": frozenset({"count", "len"}).__contains__,
    "alike": frozenset({"same", "different", "equal"}).__contains__,
    "same": lambda name: name.startswith("same_"),
    "has": lambda name: name.startswith("has_"),
    "choice": _in_other_words(CHOICES),
    "operator": _in_other_words(OPERATORS),
    "other": _in_other_words(CONNECTIVES, EXTREMES, QUANTIFIERS),
    "different": _spelt("distinct", "unique", "different", "set", "uniquevalues", "distinctvalues", "group"),
    "count_different": _spelt("countdistinct", "countunique", "countdifferent", "countset"),
    "mode": _spelt("mode", "mostcommon", "mostfrequent", "majority", "most", "maxcount", "modeproperty"),
    "all_same": _spelt("allsame", "sameproperty", "allequal", "allequals", "sameall"),
}
"""Word of a hole → which names it takes, where the program does not bind them."""

NAMES: Mapping[str, Callable[[str, Context], bool]] = {
    "predicate": is_predicate,
    "property": lambda name, context: is_predicate(name, context) and context.words.sort_named(name) is None,
    "superlative": lambda name, context: is_predicate(name, context) and is_superlative(name, context.words),
    "name": lambda name, context: True,
    "variable": lambda name, context: VARIABLE.match(name) is not None,
    "parameter": lambda name, context: name in context.parameters,
    "sort": lambda name, context: context.value_sort(name) is not None,
    "known": lambda name, context: context.sort_of(name) in context.words.sorts and name not in context.parameters,
}
"""Word of a hole → a test of the name that it takes, in a program."""

OF_PREDICATES = frozenset({"predicate", "property", "superlative"})
"""Words of holes that take no name of the language's own."""

NODES: Mapping[str, tuple[tuple[type[ast.Node], ...], Callable[[Any, Context], bool]]] = {
    "named": ((ast.Name, ast.Call), lambda node, context: bool(nouns_of(node, context))),
    "word": ((ast.Text, ast.Name), lambda node, context: True),
    "number": ((ast.Number,), lambda node, context: True),
    "saying": ((ast.Call, ast.Connective), lambda node, context: True),
    "function": ((ast.Lambda,), lambda node, context: True),
    "description": ((ast.Call,), lambda node, context: described(node) is not None),
    "condition": (
        (ast.Call, ast.Lambda),
        lambda node, context: described(node) is not None or len(getattr(node, "params", ())) == 1,
    ),
    "formula": (
        (ast.Call, ast.Connective),
        lambda node, context: (
            isinstance(node, ast.Connective)
            or called(node) in ("describe", "iota")
            or is_predicate(called(node), context)
        ),
    ),
}
"""Word of a hole → the nodes that it takes, and a test of them."""


def takes(hole: str, node: ast.Node, context: Context) -> bool:
    """Tell whether a hole takes a node; one whose word is of no kind takes any."""
    word = word_of(hole)
    if word in NODES:
        types, test = NODES[word]
        return isinstance(node, types) and test(node, context)
    if word in LISTED:
        return isinstance(node, ast.Name) and LISTED[word](node.id) and node.id not in context.bound
    return word not in NAMES or (isinstance(node, ast.Name) and NAMES[word](node.id, context))


@cache
def word_of(hole: str) -> str:
    """Return a hole's word: its name without the ``_`` before it and the number after it."""
    return hole.strip("_0123456789")
