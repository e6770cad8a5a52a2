"""Errors: what, where, what was expected, how to mend it; and limits."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from helpers.cpu_time import CpuTime
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import dsl
from dsl import LimitError, Limits, ProgramError
from dsl.errors import did_you_mean


def fault(text: str) -> ProgramError:
    with pytest.raises(ProgramError) as caught:
        dsl.parse(text)
    return caught.value


@pytest.mark.parametrize(
    ("text", "what", "line", "column"),
    [
        ("", "the program is empty", None, None),
        ("# only this", "the program is empty", None, None),
        ("f(a, (b)", "unclosed '(' opened at line 1 column 2", 1, 2),
        ("x = [1,\ny = 2\nz", "unclosed '[' opened at line 1 column 5", 1, 5),
        ("f(a))", "')' closes nothing", 1, 5),
        ("f([a)", "')' does not close '[' opened at line 1 column 3", 1, 5),
        ("if a\n    b", "missing ':' after 'a'", 1, 5),
        ("f(lambda x cube(x))", "missing ':' after 'x'", 1, 11),
        ("x = 'abc", "a text without its closing quote", 1, 5),
        ("x = 1\nwhile x:\n    x", "the language has no 'while'", 2, 1),
        ("import os", "the language has no 'import'", 1, 1),
        ("from os import path", "the language has no 'from'", 1, 1),
        ("class A: pass", "the language has no 'class'", 1, 1),
        ("with open(x) as y: z", "the language has no 'with'", 1, 1),
        ("x = yield", "the language has no 'yield'", 1, 5),
        ("f(“a”)", "the character '“' is not in the language", 1, 3),
        ("größe(x)", "the letter 'ö' (U+00F6) can not be in a name", 1, 3),
        ("a\u200bb", "an invisible character (U+200B) is not in the language", 1, 2),
        ("if x = 1:\n    y", "'=' in the test of 'if'", 1, 6),
        ("f(x) = 3", "this can not be assigned to", 1, 1),
        ("if a:\nb", "the block of 'if' is missing", 2, 1),
        ("a\n  b", "this line is indented, but no block is open", 2, 3),
        ("if a:\n    b\n  c", "this line's indentation fits no earlier line", 3, 3),
        ("  a\nb", "this line's indentation fits no earlier line", 2, 1),
        ("else:\n  a", "'else' without an 'if' before it", 1, 1),
        ("a +", "unexpected end of the line after '+'", 1, 4),
        ("a b", "unexpected 'b' after 'a'", 1, 3),
        ("f(,)", "unexpected ',' after '('", 1, 3),
        ("a if b", "'if' inside an expression needs an 'else'", 1, 7),
        ("f(*a)", "the language has no '*' before an argument or item", 1, 3),
        ("f(a=1, b)", "an argument by position after one by name", 1, 8),
        ("f(a=1, a=2)", "the argument 'a' is given twice", 1, 8),
        ("f(x for x in y, 1)", "a comprehension beside other arguments needs brackets", 1, 3),
        ("0x1F", "'0x1F' is not a number", 1, 1),
        ("007", "a number with leading zeros", 1, 1),
        ("1__0", "a number with a stray '_'", 1, 1),
        ("b'x'", "a text with the prefix 'b'", 1, 1),
        ("'\\x4'", "the escape '\\x' means no character", 1, 1),
        ("f'{a'", "a '{' in an f-string that is not closed", 1, 3),
        ("f'a}'", "a single '}' in an f-string", 1, 4),
        ("f'{}'", "nothing between '{' and '}'", 1, 3),
        ("x = f'ab{c d}'", "unexpected 'd' after 'c'", 1, 12),
        ("f'{a:{b}}'", "the format '{b'", 1, 6),
        ("a := 1", "the language has no ':='", 1, 3),
        ("a $ b", "the character '$' is not in the language", 1, 3),
        ("Sure! Here is the program:\nf(x)", "the character '!' is not in the language", 1, 5),
    ],
)
def test_syntax_errors(text: str, what: str, line: int | None, column: int | None) -> None:
    error = fault(text)
    assert (error.what, error.line, error.column) == (what, line, column)
    assert error.expected or error.hint
    assert not re.search(r"\b(LPAR|RPAR|_NEWLINE|__ANON|STRICT_|NAME|\$END|Token)", str(error))


def test_four_parts_and_the_caret() -> None:
    error = fault("x = 1\nif x\n    y\n")
    assert str(error).split("\n") == [
        "missing ':' after 'x' (line 2, column 5)",
        "    if x",
        "        ^",
        "  expected: ':' to end the 'if'",
        "  hint: add ':'",
    ]
    assert error.one_line() == "missing ':' after 'x' (line 2, column 5); expected ':' to end the 'if'. Add ':'."
    assert (error.line, error.column, error.end_column) == (2, 5, 6)


def test_caret_under_long_lines_and_tabs() -> None:
    text = "x = " + " + ".join(f"name{i}" for i in range(60)) + " + $ + y"
    lines = str(fault(text)).split("\n")
    assert lines[2].index("^") == lines[1].index("$")
    assert len(lines[1]) < 120
    lines = str(fault("if a:\n\tb $ c")).split("\n")
    assert lines[2].index("^") == lines[1].index("$")


def test_did_you_mean() -> None:
    assert did_you_mean("exsts", ["exists", "count"]) == "did you mean 'exists'?"
    assert did_you_mean("zzz", ["exists"]) == ""
    assert "did you mean 'lambda'" in fault("f(lamda x: y)").hint


# --- limits --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "limit"),
    [
        ("x" * 20_001, "source_chars"),
        ("(" * 9_000 + ")" * 9_000, "nesting"),
        ("[" * 10_000, "nesting"),
        ("f(" * 60 + "x" + ")" * 60, "nesting"),
        ("\n".join(" " * i + "if a:" for i in range(150)), "nesting"),
        ("+".join("a" * 5000), "depth"),
        ("-" * 5000 + "a", "depth"),
        ("not " * 4000 + "a", "depth"),
        ("a" + ".b" * 4000, "depth"),
        ("a" + "[0]" * 4000, "depth"),
        ("**".join("a" * 5000), "depth"),
        ("lambda: " * 2000 + "a", "depth"),
        ("a if b else " * 1500 + "c", "depth"),
        ("if a:\n b\n" + "elif a:\n b\n" * 1500, "depth"),
        ("9" * 41, "number_digits"),
        ("1e999", "number_digits"),
        ("x = " + "9" * 15_000, "number_digits"),
    ],
)
def test_limits(text: str, limit: str) -> None:
    with CpuTime() as took, pytest.raises(LimitError) as caught:
        dsl.parse(text)
    assert caught.value.limit == limit
    assert limit in str(caught.value)
    assert took < 2, took


def test_wide_programs_parse() -> None:
    assert len(dsl.parse(" and ".join("a" * 3000)).body[0].value.operands) == 3000  # type: ignore[union-attr]
    assert dsl.parse("a < " * 3000 + "b")
    assert dsl.parse("[" + "a, " * 5000 + "]")
    assert len(dsl.parse("a\n" * 5000).body) == 5000


def test_limits_are_settings() -> None:
    assert dsl.parse("f(" * 60 + "x" + ")" * 60, limits=Limits(nesting=100))
    with pytest.raises(LimitError) as caught:
        dsl.parse("abcdef", limits=Limits(source_chars=5))
    assert (caught.value.allowed, caught.value.amount) == (5, 6)
    with pytest.raises(ValueError, match="nesting"):
        Limits(nesting=0)
    with pytest.raises(TypeError):
        dsl.parse(b"a")  # type: ignore[arg-type]


PIECES = [
    *"()[]{}:,'=.1e_#;`\t\0é→\\\n\"", "lambda", " x", "if ", "else", "    ",
    "def ", "f'", "==", "for ", "in ", "not ",
    "```", "and ", "->",
]  # fmt: skip


@settings(max_examples=400, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.one_of(st.lists(st.sampled_from(PIECES), max_size=30).map("".join), st.text(max_size=40)))
def test_any_text_is_a_program_or_a_program_error(text: str) -> None:
    for read in (dsl.parse, lambda t: dsl.parse(t, start="generate"), dsl.check):
        found = None
        try:
            read(text)
        except ProgramError as error:
            found = error
        assert found is None or (str(found) and found.one_line())


def test_program_text_never_reaches_python() -> None:
    for path in Path(dsl.__file__).parent.rglob("*.py"):
        code = re.sub(r'"""(.|\n)*?"""|#[^\n]*|"[^"\n]*"', "", path.read_text(encoding="utf-8"))
        found = re.findall(r"(?<![\w.])(?:eval|exec|compile|__import__|literal_eval)\s*\(|ast\.literal_eval", code)
        assert not found, f"{path.name}: {found}"
