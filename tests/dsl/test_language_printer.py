"""parse(print_program(tree)) == tree, for every node, and the canonical form is a fixed point."""

from __future__ import annotations

import pytest
from helpers.language_trees import expressions, programs
from hypothesis import HealthCheck, given, settings

import dsl
from dsl.syntax import ast
from dsl.syntax.printer import print_expression


@settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck))
@given(programs)
def test_printed_program_parses_to_the_same_tree(tree: ast.Program) -> None:
    text = dsl.print_program(tree)
    again = dsl.parse(text)
    assert again == tree
    assert dsl.print_program(again) == text


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(expressions)
def test_printed_expression_parses_to_the_same_tree(tree: ast.Expr) -> None:
    assert dsl.parse(print_expression(tree)) == ast.Program((ast.ExprStatement(tree),))


@pytest.mark.parametrize(
    "text",
    [
        "(a and b) and c",
        "a and (b and c)",
        "not (a and b)",
        "(not a) == b",
        "not a == b",
        "(a < b) < c",
        "a < b < c",
        "-a ** -b",
        "(-a) ** b",
        "(a ** b) ** c",
        "a ** b ** c",
        "a - (b - c)",
        "a >> b & c | d ^ e",
        "(a if b else c) if d else e",
        "a if b else c if d else e",
        "lambda: lambda x: lambda x, y: x if y else x",
        "(lambda x: x)(y)",
        "f((x for x in y))",
        "f(x for x in y)",
        "[x for x in (a if b else c) if (lambda: d)]",
        "x[1:2], x[:], x[::2], x[a:b:c], x[1, 2]",
        "(1).count(2)",
        "x = (1,)",
        "x = ()",
        "{1: 2}, {1}, {}",
        "a not in b, a is not b",
        "f\"{x}{y:.2f} {{z}} {f(1)['a']}\"",
        "f'{ {1: 2}[1] } {(lambda: 3)()}'",
        "'it\\'s \"quoted\" \\\\ \\n \\u00e9'",
        "1e30 + 0.5 + 1_000",
        "x = y = z\nx, y = y, x\nx[0] += 1\nfor a, (b, c) in d:\n    pass\nx",
        "if a:\n    b\nelif c:\n    d\nelse:\n    e",
        "if a:\n    b\nelse:\n    if c:\n        d\n    e",
        "def f(x, y=1):\n    for z in x:\n        if z:\n            break\n        continue\nf(1)",
    ],
)
def test_round_trip(text: str) -> None:
    tree = dsl.parse(text)
    printed = dsl.print_program(tree)
    assert dsl.parse(printed) == tree
    assert dsl.print_program(dsl.parse(printed)) == printed


def test_nested_quotes_in_f_strings() -> None:
    inner = ast.Call(ast.Name("f"), (ast.Text("a'b"), ast.Text("c")))
    tree = ast.Program((ast.ExprStatement(ast.FString((ast.Text('say "'), ast.Formatted(inner), ast.Text("'")))),))
    assert dsl.parse(dsl.print_program(tree)) == tree


@settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck))
@given(programs)
def test_checking_any_tree_ends_in_an_answer_or_a_program_error(tree: ast.Program) -> None:
    try:
        checked = dsl.check(tree)
    except dsl.ProgramError:
        return
    assert checked.program == tree
