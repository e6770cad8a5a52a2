"""The checker: names, calls, placement; and the vocabulary."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import dsl
from dsl import Limits, ProgramError, Vocabulary
from dsl.builtins import BUILTINS, METHODS, RESERVED
from dsl.vocabulary import VocabularyError

CLEVR = Vocabulary.load("clevr")


def fault(text: str, vocabulary: Vocabulary = CLEVR) -> ProgramError:
    with pytest.raises(ProgramError) as caught:
        dsl.check(text, vocabulary=vocabulary)
    return caught.value


@pytest.mark.parametrize(
    ("text", "predicates"),
    [
        (
            "exists(Object, lambda x: ball(x) and left_of(x, iota(Object, lambda y: Big(y))))",
            {("sphere", 1), ("left", 2), ("large", 1)},
        ),
        ("exists(Object, lambda x: left(x) and left(x, x))", {("left", 1), ("left", 2)}),
        ("describe(Color, iota(Object, lambda x: zebra(x)))", {("zebra", 1)}),
        ("describe(Color, lambda k: Color(k, iota(Object, lambda x: round(x))))", {("round", 1)}),
        ("round(2.5)", set()),
        ("exists(Object, dog)", {("dog", 1)}),
        ("count(Object)", set()),
        ("color = describe(Color, iota(Object, lambda x: cube(x)))\ncolor == red", {("cube", 1)}),
        ("def f(x, y=1):\n    return g(x)\ndef g(x):\n    return x\nf(1)", set()),
        ("t = 0\nfor i, (a, b) in enumerate(zip([1], [2])):\n    if a:\n        break\n    t += i\nt", set()),
        ("f = lambda x: cube(x)\nexists(Object, f)", {("cube", 1)}),
        ("best = iota(Object, lambda x: red(x))\npoint(Object, lambda x: left(x, best))", {("red", 1), ("left", 2)}),
        ("h = score('is it red?')('x').exists('x')\nreturn h", set()),
        (
            "ball = iota(Object, lambda x: ball(x))\nexists(Object, lambda y: left(y, ball))",
            {("sphere", 1), ("left", 2)},
        ),
        ("[len(w) for w in 'a b'.split() if w.startswith('a')]", set()),
        ("if 1 > 2:\n    return 1\nelse:\n    return 2", set()),
    ],
)
def test_good_programs(text: str, predicates: set[tuple[str, int]]) -> None:
    assert dsl.check(text, vocabulary=CLEVR).predicates == predicates


@pytest.mark.parametrize(
    ("text", "what", "hint"),
    [
        ("exsts(Object, lambda x: cube(x))", "there is no built-in 'exsts'", "did you mean 'exists'?"),
        ("x = 1\ny", "unknown name 'y'", "assign it first"),
        ("colr = 1\nreturn color1", "unknown name 'color1'", "did you mean"),
        ("forall(Object, lambda x: cube(x)) and red(x)", "unknown name 'x'", "known only inside"),
        ("print(1)", "'print' is not in the language", "return the value"),
        ("open('/etc/passwd')", "'open' is not in the language", "opens no file"),
        ("eval('1')", "'eval' is not in the language", "leave it out"),
        ("x = exec\nx", "'exec' is not in the language", "leave it out"),
        ("__import__('os')", "'__import__' is not in the language", "reach into"),
        ("getattr(1, 'a')", "'getattr' is not in the language", "leave it out"),
        ("().__class__.__bases__", "'.__class__' is not in the language", "reach into"),
        ("'{0}'.format(1)", "there is no '.format'", "such a"),
        ("x = 1\nx.colr", "there is no '.colr'", ""),
        ("x = 'a'\nx.lower", "'.lower' is a method", "call it"),
        ("def f(x):\n    return f(x)\nf(1)", "'f' calls itself (f → f)", "for statement"),
        ("def f(x):\n    return g(x)\ndef g(x):\n    return f(x)\nf(1)", "'f' calls itself (f → g → f)", "for"),
        ("f = lambda x: f(x)\nf(1)", "'f' calls itself (f → f)", "for"),
        ("def f(x, y=1):\n    return x\nf()", "'f' takes 1 to 2 arguments, not 0", ""),
        ("def f(x):\n    return x\nf(z=1)", "'f' has no parameter 'z'", ""),
        ("f = lambda x: x\nf(1, 2)", "'f' takes 1 argument, not 2", ""),
        ("(lambda x: x)(1, 2)", "the lambda takes 1 argument, not 2", ""),
        ("greater_than(1)", "'greater_than' takes 2 arguments, not 1", "greater_than(a, b)"),
        ("score('a', m=1)", "'score' has no argument 'm'", ""),
        ("'a'.replace('b')", ".replace takes 2 arguments, not 1", ""),
        ("break\n1", "'break' outside a for statement", "leave 'break' out"),
        ("for x in [1]:\n    def f():\n        continue\n    x\n1", "'continue' outside a for statement", ""),
        ("count = 1\ncount", "'count' is a built-in and can not be given another meaning", "count_found"),
        ("Object = 1\nObject", "'Object' is a sort and can not be given another meaning", ""),
        ("f(lambda Color: 1)", "there is no built-in 'f'", ""),
        ("exists(Object, lambda x, x: red(x))", "the parameter 'x' occurs twice", ""),
        ("def f(a, a):\n    return a\nf(1, 2)", "the parameter 'a' occurs twice", ""),
        ("def f(a=1, b):\n    return a\nf(1, 2)", "the parameter 'b' without a default follows one with a default", ""),
        ("for x in [1]:\n    x", "the program gives no result", "return"),
        ("def f():\n    return 1", "the program gives no result", ""),
        ("pass", "the program gives no result", ""),
        ("The", "the program gives the sort 'The'", "as a text"),
        ("x = Color", "the program gives the sort 'Color'", "as a text"),
        ("if exists(Object, lambda x: red(x)):\n    return Object\n2", "the program gives the sort 'Object'", ""),
        ("count", "the program gives the built-in function 'count'", ""),
        ("sunny()", "'sunny' is applied to nothing", 'score("is it sunny?", 0)'),
        ("exists(Object, lambda x: on(x, of=x))", "the predicate 'on' takes objects by position only", ""),
        ("3(4)", "a plain value can not be called", ""),
        ("describe(Colr, iota(Object, lambda x: red(x)))", "unknown name 'Colr'", "did you mean 'Color'?"),
    ],
)
def test_faults(text: str, what: str, hint: str) -> None:
    error = fault(text)
    assert error.errors[0].what == what
    assert error.errors[0].line is not None
    if hint != "such a":
        assert hint in error.errors[0].hint


def test_all_faults_are_reported_in_order() -> None:
    error = fault("print(1)\nexists(Object, lambda x: open(x))\ny.z\n")
    assert [e.line for e in error.errors] == [1, 2, 3, 3]
    assert str(error).count("^") >= 4
    assert "(3 more)" in error.one_line()
    many = fault("\n".join(f"print({i})" for i in range(30)))
    assert len(many.errors) == 10


def test_limits_of_predicates() -> None:
    error = fault("exists(Object, lambda x: near(x, x, x, x, x))")
    assert isinstance(error, dsl.LimitError)
    assert error.limit == "predicate_arity"
    assert dsl.check("exists(Object, lambda x: near(x, x, x, x, x))", limits=Limits(predicate_arity=5))


def test_tree_instead_of_text() -> None:
    tree = dsl.parse("exists(Object, lambda x: cube(x))")
    assert dsl.check(tree).predicates == {("cube", 1)}
    with pytest.raises(ProgramError, match="not in the language"):
        dsl.check(dsl.parse("print(1)"))


@pytest.mark.parametrize("name", sorted(RESERVED))
def test_reserved_names_are_never_predicates(name: str) -> None:
    for text in (f"exists(Object, lambda x: {name}(x))", f"{name} = 1\n1", name, f"[1 for {name} in [1]]"):
        with pytest.raises(ProgramError):
            dsl.check(text)


def test_tables_are_consistent() -> None:
    assert not set(BUILTINS) & set(RESERVED)
    for builtin in BUILTINS.values():
        assert builtin.least <= builtin.most
        assert builtin.doc
        assert builtin.signature.startswith(builtin.name)
    assert not any(m.startswith("_") or m == "format" for m in METHODS)


# --- vocabulary ----------------------------------------------------------------------------------


def test_clevr_words() -> None:
    assert CLEVR.canonical("Ball", 1) == "sphere"
    assert CLEVR.canonical("in_front_of", 2) == CLEVR.canonical("InFrontOf", 2) == "front"
    assert CLEVR.canonical("zebra", 1) == "zebra"
    assert CLEVR.canonical("ball", 2) == "ball"
    assert CLEVR.knows("left", 1)
    assert CLEVR.knows("left", 2)
    assert not CLEVR.knows("left", 3)
    assert CLEVR.knows("color", 1)
    assert CLEVR.values("Size") == ("small", "large")
    assert CLEVR.is_ordered("Size")
    assert not CLEVR.is_ordered("Color")
    assert len(CLEVR.values("Color")) == 8
    assert (CLEVR.converse("left"), CLEVR.converse("front"), CLEVR.converse("cube")) == ("right", "behind", None)
    assert CLEVR.symmetric("same_colour")
    assert not CLEVR.symmetric("left")
    assert CLEVR.same("same_color") == "color"
    assert [CLEVR.sort_named(n) for n in ("Color", "colour", "COLOR", "Object")] == [
        "Color",
        "Color",
        "Color",
        "Object",
    ]
    assert CLEVR.sort_named("Height") == "Height"
    assert CLEVR.sort_named("Colr") is None
    assert CLEVR.sort_named("height") is None
    assert (CLEVR.value_named("shiny"), CLEVR.sort_of_value("shiny"), CLEVR.value_named("left")) == (
        "metal",
        "Material",
        None,
    )
    assert CLEVR.attribute("Color") == "color"
    assert CLEVR.is_vacuous("Thing")
    assert CLEVR.comparative("largest") == "larger"
    assert CLEVR.suggest("spehre") == "did you mean 'sphere'?"
    assert Vocabulary.load("clevr") is CLEVR


def test_open_vocabulary_knows_nothing() -> None:
    words = Vocabulary.open()
    assert words.canonical("Dog", 1) == "dog"
    assert words.sort_named("Color") == "Color"
    assert words.sort_named("color") is None
    assert words.values("Color") == ()
    assert words.attribute("FurColor") == "fur color"
    assert dsl.check("describe(Color, iota(Object, lambda x: dog(x)))").predicates == {("dog", 1)}


def test_closed_vocabulary_rejects_misspelt_names(tmp_path: Path) -> None:
    data = json.loads(Path("prompts/vocabulary/clevr.json").read_text()) if Path("prompts").exists() else {}
    if not data:
        data = json.loads((Path(__file__).resolve().parents[2] / "prompts/vocabulary/clevr.json").read_text())
    path = tmp_path / "closed.json"
    path.write_text(json.dumps({**data, "closed": True}))
    words = Vocabulary.load(path)
    error = fault("exists(Object, lambda x: spehre(x))", words)
    assert error.what == "unknown predicate 'spehre' of 1 argument"
    assert error.hint == "did you mean 'sphere'?"
    assert dsl.check("exists(Object, lambda x: ball(x))", vocabulary=words)
    assert fault("exists(Object, lambda x: cube(x, x))", words).expected == "'cube' with 1 argument(s)"


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({}, "'name' is missing"),
        ({"name": "a", "sort": {}}, "unknown field 'sort'. did you mean 'sorts'"),
        ({"name": "a", "sorts": {"Color": {"values": "red"}}}, "sorts.Color.values"),
        ({"name": "a", "synonyms": {"ball": "sphere"}}, "no word 'sphere'"),
        ({"name": "a", "predicates": {"left": {"arity": "two"}}}, "'arity' is a number"),
        ({"name": "a", "predicates": {"left": {"arity": 2, "converse": "right"}}}, "no word 'right'"),
        ({"name": "a", "sorts": []}, "'sorts' is an object"),
    ],
)
def test_bad_vocabularies(data: dict, message: str) -> None:
    with pytest.raises(VocabularyError, match=message):
        Vocabulary.from_data(data)


def test_missing_vocabulary(tmp_path: Path) -> None:
    with pytest.raises(VocabularyError, match="no vocabulary 'nowhere'"):
        Vocabulary.load("nowhere")
    (tmp_path / "bad.json").write_text("{")
    with pytest.raises(VocabularyError, match=r"bad\.json"):
        Vocabulary.load(tmp_path / "bad.json")
