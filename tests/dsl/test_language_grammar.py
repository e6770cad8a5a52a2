"""The grammar: what `accept` accepts, and that `generate` is a part of it with the same trees."""

from __future__ import annotations

import itertools
import logging
import re

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.lark import from_lark
from lark import Lark

import dsl
from dsl import resources
from dsl.syntax import ast
from dsl.syntax.keywords import KEYWORDS, STRICT_NAME, name_pattern

STYLE_A = """
ball  = score("is the object in the red box a ball?")          # one variable, named x1
left  = score("is the object in the red box left of the object in the green box?", 2)
hit   = (score("… a cube?")("x") & left("x", "y") & ball("y")).exists("y")
return hit.iota("x")                                            # the object meant
"""
STYLE_B = "count(Object, lambda x: cube(x) and left(x, iota(Object, lambda y: red(y) and ball(y))))"
WORDS = {
    **dict.fromkeys(("_NEWLINE", "_INDENT", "_DEDENT"), st.nothing()),  # of accept only
    "STRICT_NAME": st.sampled_from(["x", "cube", "Object", "in_", "nota", "ifx", "_a1", "lambd", "defx", "Truth"]),
    "STRICT_TEXT": st.sampled_from(['""', '"is it red?"', '"it\'s # {x}"', '"é → `"', '"and or not"']),
    "STRICT_NUMBER": st.sampled_from(["0", "7", "120", "0.5", "3.25"]),
}
SPELT_OUT = resources.grammar().replace(
    f"{STRICT_NAME}: /[A-Za-z_][A-Za-z0-9_]*/", f"{STRICT_NAME}: /{name_pattern()}/"
)
STRICT = Lark(SPELT_OUT, start="generate", parser="lalr", lexer="basic")


def tree(text: str) -> ast.Program:
    return dsl.parse(text)


@pytest.mark.parametrize("text", [STYLE_A, STYLE_B])
def test_both_dialects_parse_and_check(text: str) -> None:
    assert dsl.check(text, vocabulary=dsl.Vocabulary.load("clevr")).program == dsl.parse(text)


@pytest.mark.parametrize(
    ("loose", "plain"),
    [
        ("a;b;", "a\nb"),
        ("if a: b; c\nd", "if a:\n  b\n  c\nd"),
        ("f(a,\n  b, # why\n\n c,)", "f(a, b, c)"),
        ("if a:\r\n\tb\r\nc", "if a:\n    b\nc"),
        ("  a\n  b", "a\nb"),
        ("\n\n# note\n  if a:\n      b\n  c\n\n", "if a:\n  b\nc"),
        ("```python\na\nb\n```", "a\nb"),
        ("```\na\n```\n", "a"),
        ("\n\n```py\nif a:\n    b\nc```", "if a:\n    b\nc"),
        ("`a(b)`", "a(b)"),
        ("\ufeffa", "a"),
        ("a + \\\n b", "a + b"),
        ("'a' \"b\" 'c'", "'abc'"),
        ("r'\\n' 'x'", "'\\\\nx'"),
        ("'''a\nb'''", "'a\\nb'"),
        ("'\\x41\\u00e9\\101\\q\\\n'", "'A\u00e9A\\\\q'"),
        ("f'a' 'b{c}' f'{d}'", "f'ab{{c}}{d}'"),
        ("a ∧ ¬b ∨ c", "a and not b or c"),
        ("(a\n and b)", "a and b"),
        ("a\u00a0+ b", "a + b"),
        ("x = 1 if a else 2,", "x = (1 if a else 2,)"),
        ("[a, b] = c", "a, b = c"),
    ],
)
def test_tolerance(loose: str, plain: str) -> None:
    assert tree(loose) == tree(plain)


def test_precedence_is_pythons() -> None:
    assert tree("not a == b and c | d & e ^ f >> g + h * -i ** j or k") == tree(
        "(not (a == b)) and (c | ((d & e) ^ (f >> (g + (h * (-(i ** j))))))) or k"
    )
    assert tree("a | b ^ c & d >> e + f * g") == tree("a | (b ^ (c & (d >> (e + (f * g)))))")
    assert tree("-a ** -b") == tree("-(a ** (-b))")
    assert tree("lambda: a if b else c") == tree("lambda: (a if b else c)")
    assert tree("a - b - c") == tree("(a - b) - c")


def test_places_are_kept() -> None:
    program = tree("x = 1\nreturn f(x,\n  'a')[0]")
    value = program.body[1].value  # type: ignore[union-attr]
    assert value.span == ast.Span(2, 8, 3, 10)
    inner = tree('g(f"ab{ cde }")').body[0].value.args[0].parts[1].value  # type: ignore[union-attr]
    assert inner.span == ast.Span(1, 9, 1, 12)


def test_fence_is_noted_and_places_stay() -> None:
    text = "```python\nexists(Object, lambda x: dog(x)\n```"
    with pytest.raises(dsl.ProgramError) as error:
        dsl.parse(text)
    assert (error.value.line, error.value.column) == (2, 7)
    assert dsl.check("```\nexists(Object, lambda x: dog(x))\n```").notes == (
        "left out the Markdown fence around the program",
    )


# --- generate ------------------------------------------------------------------------------------


@settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck))
@given(from_lark(STRICT, start="generate", explicit=WORDS))
def test_generated_texts_are_accepted_with_the_same_tree(text: str) -> None:
    if len(text) > 5000:
        return
    try:
        strict = dsl.parse(text, start="generate")
    except dsl.LimitError:
        return
    assert dsl.parse(text) == strict


@pytest.mark.parametrize(
    "text",
    [
        STYLE_B,
        'exists(Object, lambda x: shiny(x) and not dull(x) or name(x) == "a b" if q else r)',
        'a = score("is it red?")\nb, c = [x for x in a if x > 1], (1, -2)\nreturn b[0].count(c) ** 2\n',
        "t = 0\nfor x in [1, 2]:\n    if x > 1:\n        for y in z:\n            t += y\n    elif x in w:\n"
        "        t = 1\n    else:\n        return 2\nreturn t",
        "def f(x, y):\n    return x & ~y\nf(1, 2.5)",
    ],
)
def test_generate_accepts(text: str) -> None:
    assert dsl.parse(text, start="generate") == dsl.parse(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        " a",
        "a ",
        "a\n\n",
        "f(a,b)",
        "f( a)",
        "a  and b",
        "lambda x:x",
        "if a: b\nc",
        "x = 1",
        "x=1\nx",
        "# c\na",
        "if a:\n  b\nc",
        "'a'",
        "007",
        "1.",
        "a;b",
        "and(a)",
        "in(a)",
        "def = 1\na",
        "if a:\n    b\n",
        "while(a)",
        "for x in y:\n        z\nz",
        "x = 1\n    y",
        '"a\\n"',
        "f(a, )",
        "import(a)",
        "yield",
        "a\tand b",
    ],
)
def test_generate_rejects(text: str) -> None:
    with pytest.raises(dsl.ProgramError):
        dsl.parse(text, start="generate")


@pytest.mark.parametrize("starts", [["accept", "formatted"], ["generate"]])
def test_grammar_has_no_conflicts(starts: list[str], caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, logger="lark")
    Lark(resources.grammar(), start=starts, parser="lalr", lexer="basic", debug=True)
    conflicts = [r.getMessage() for r in caplog.records if "conflict" in r.getMessage().lower()]
    assert not conflicts


def test_strict_name_excludes_keywords_only() -> None:
    pattern = name_pattern()
    assert f"/{pattern}/" in SPELT_OUT, "the grammar names the terminal"
    name = re.compile(pattern)
    for word in KEYWORDS:
        assert not name.fullmatch(word)
        for other in (word + "s", word + "_", word[:-1] + "0", word + "1", "x" + word, word.swapcase(), word[:-1]):
            assert bool(name.fullmatch(other)) == (other not in KEYWORDS and other != "")
    for letters in itertools.product("adfinorst_", repeat=3):
        other = "".join(letters)
        assert bool(name.fullmatch(other)) == (other not in KEYWORDS)
        assert other in KEYWORDS or name.match(other + "(").end() == 3  # type: ignore[union-attr]
    assert not name.fullmatch("1a")
    assert not name.fullmatch("ä")


def test_generate_uses_nothing_that_exports_lack() -> None:
    grammar = resources.grammar()
    strict = grammar[grammar.index("// --- generate: statements") :]
    assert not re.search(r"\(\?[=!<]|%ignore|%import|^\w+\.\d", strict, re.MULTILINE)
    assert "_INDENT" not in strict
    assert "_NEWLINE" not in strict


@pytest.mark.parametrize(
    "text",
    [
        "f(x, key=1, reverse=True)", "f(key=lambda k: k)", "f(long_answer=False)", "f(key)", "f(key == 1)", "a[1:2]",
        "a[:x]", "a[x:]", "any(p for p in x if p)", "x.sort()\nx", "x.sort(key=lambda k: k, reverse=True)\nreturn x",
        "x.sort_of", "if x:\n    x.sort(reverse=True)\nx",
    ],
)  # fmt: skip
def test_generate_has_what_lists_of_regions_need(text: str) -> None:
    assert dsl.parse(text, start="generate") == dsl.parse(text)


@pytest.mark.parametrize(
    "text",
    ["f(reverse=True, x)", "f(key=1, key=2)", "f(a=1)", "x.sort()", "x.sort(key=1)[0]\nx", "y = x.sort()", "sort"],
)
def test_generate_sorts_in_lines_alone(text: str) -> None:
    with pytest.raises(dsl.ProgramError):
        dsl.parse(text, start="generate")
