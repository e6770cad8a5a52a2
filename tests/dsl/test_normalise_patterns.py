"""Patterns of the syntax tree: what a hole takes, and how a template is filled with it."""

from __future__ import annotations

import pytest
from helpers.malformed import MALFORMED

import dsl
from dsl.limits import DEFAULT_LIMITS
from dsl.normalise.context import Context
from dsl.normalise.normaliser import (
    RULES,
    _candidates,
    _form,
    _left_as_they_are,
    _name_and_parts,
    _spoken_of,
    normalise,
)
from dsl.normalise.patterns import build, matches, tree_of
from dsl.syntax import ast
from dsl.syntax.printer import print_expression


def ways(pattern: str, text: str) -> list[dict[str, str]]:
    """Return what the holes take in each way in which a pattern fits a program, printed."""
    program = dsl.parse(text)
    context = Context(program, dsl.Vocabulary.load("clevr"), DEFAULT_LIMITS)
    node = program.body[-1].value  # type: ignore[union-attr]
    return [
        {
            hole: " ".join(map(print_expression, took)) if isinstance(took, tuple) else print_expression(took)
            for hole, took in found.items()
        }
        for found in matches(pattern, node, context)
    ]


@pytest.mark.parametrize(
    ("pattern", "text", "found"),
    [
        ("f(_a, 2)", "f(red, 2)", [{"_a": "red"}]),
        ("f(_a, 2)", "f(red, 3)", []),
        ("f(_a, 2)", "f(red, 2, k=1)", []),
        ("f(_a, _a)", "f(g(x), g(x))", [{"_a": "g(x)"}]),
        ("f(_a, _a)", "f(g(x), g(y))", []),
        ("f(_number)", "f(x)", []),
        ("_predicate(_x)", "count(x)", []),
        ("_predicate(_x)", "red = 1\nred(x)", []),
        ("f(_sort, _variable)", "f(Color, x1)", [{"_sort": "Color", "_variable": "x1"}]),
        ("f(lambda _x: g(_x))", "f(lambda y: g(y))", [{"_x": "y"}]),
        ("f(lambda _x: g(_x))", "f(lambda y: g(z))", []),
        ("f(__before, _number, __after)", "f(1, x, 2)",
         [{"__before": "", "_number": "1", "__after": "x 2"}, {"__before": "1 x", "_number": "2", "__after": ""}]),
        ("_first and __rest", "a and and_(b, c)", [{"_first": "a", "__rest": "b c"}]),
        ("_first and __rest", "a or b", []),
        ("_iota(__args) is None", "the(Object) is None", [{"_iota": "the", "__args": "Object"}]),
        ("_name._value", "Size.large", [{"_name": "Size", "_value": "large"}]),
    ],
)  # fmt: skip
def test_each_way_in_which_a_pattern_fits(pattern: str, text: str, found: list[dict[str, str]]) -> None:
    assert ways(pattern, text) == found


def test_a_template_is_filled_and_its_conjunctions_are_flat() -> None:
    at = ast.Nothing()
    parts = tuple(tree_of(t) for t in ("a", "b and c"))
    made = build("f(lambda _x: __parts and _q(_x))", at, {}, parts=parts, x="y", q="red")  # type: ignore[arg-type]
    assert print_expression(made) == "f(lambda y: a and b and c and red(y))"
    assert print_expression(build("f(lambda _x: __parts and _q(_x))", at, {}, parts=(), x="y", q="red")) == (
        "f(lambda y: red(y))"
    )


def test_every_rule_says_what_it_looks_like() -> None:
    for rule in RULES:
        assert rule.patterns
        for pattern in rule.patterns:
            assert isinstance(tree_of(pattern), ast.Node)


BINDING = [
    "red = 1\nexists(Object, lambda x: small(x)) and red > 0",
    "red_cube = iota(Object, lambda x: red(x) and cube(x))\nexists(Object, lambda x: left(x, red_cube))",
    "exists(Object, lambda x: left(x, red_cube))",
    "exists(Object, lambda red_cube: left(red_cube, red_cube))",
]
TREES = [dsl.parse(text) for text in (*(row[0] for row in MALFORMED), *BINDING)]


def normal(tree: ast.Program) -> tuple[ast.Program, tuple[str, ...]]:
    return normalise(tree, dsl.Vocabulary.load("clevr"), DEFAULT_LIMITS)


def test_what_was_read_before_changes_no_reading() -> None:
    """Calls of names that no rule changed are not looked at again: the same calls in other programs, where other names
    are bound, are."""
    cold = []
    for tree in TREES:
        _left_as_they_are.cache_clear()
        cold.append(normal(tree))
    assert [normal(tree) for tree in TREES] == cold
    assert [normal(tree) for tree in reversed(TREES)] == cold[::-1]


def test_a_pattern_that_does_not_fit_at_a_glance_fits_nowhere() -> None:
    pairs = {(rule, pattern) for rule in RULES for pattern in rule.patterns}
    seen, tried = set(), 0
    for tree in TREES:
        context = Context(tree, dsl.Vocabulary.load("clevr"), DEFAULT_LIMITS)
        for node in ast.walk(tree):
            if node in seen or isinstance(node, ast.Program):
                continue
            seen.add(node)
            kind, (name, parts) = type(node), _name_and_parts(node)
            likely = _candidates(kind, _spoken_of(name), tuple(map(_form, parts)))
            for _, pattern in pairs - set(likely):
                tried += 1
                assert next(matches(pattern, node, context), None) is None, (pattern, node)
    assert tried > 10_000
