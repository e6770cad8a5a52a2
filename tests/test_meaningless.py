"""Programs without one clear meaning: each is rejected, with an error that names the right thing."""

from __future__ import annotations

import pytest

import dsl
from neptune.engine import Engine
from neptune.scene import Scene

MEANINGLESS = [
    ("exists(Object, lambda x: rde(y))", "unknown name 'y'"),
    ("exists(Object, lambda x: color(x) == rde)", "unknown name 'rde'"),
    ("describe(Colour2, purple_thing)", "unknown name 'Colour2'"),
    ("most_common_color()", "'most_common_color' is applied to nothing"),
    ("line() or circle()", "'line' is applied to nothing"),
    ("exists(Object, lambda x: red(exists(Object, lambda y: cube(y))))", "'red' is applied to a formula"),
    ("exists(Object, lambda x: left(x, count(Object)))", "'left' is applied to a number"),
    (
        "describe(Color, same_color(iota(Object, lambda x: cube(x)), iota(Object, lambda y: sphere(y))))",
        "The color of a formula is asked for",
    ),
    (
        "iota(Color, lambda c: exists(Object, lambda x: cube(x)))",
        "The condition is the same for every value: it does not depend on the lambda's va",
    ),
    (
        "describe(Shape, lambda s: True)",
        "The condition is the same for every value: it does not depend on the lambda's va",
    ),
    ("describe(Color)", "'describe' takes a sort and an object, or a sort and a lambda"),
    ("describe(Color, Shape, Size)", "'describe' takes a sort and an object, or a sort and a lambda"),
    ("iota(Property, lambda p: nice(p))", "the values of Property are not known"),
    ("count(Number, lambda n: n > 2)", "the values of Number are not known"),
    (
        "count(Object, lambda x: cube(x)) and describe(Color, iota(Object, lambda x: cube(x)))",
        "A described value is no truth value",
    ),
    ("max(Object, lambda x: red(x))", "The largest or smallest is asked of a formula"),
    ("max(Object, lambda x: color(x))", "The largest or smallest is asked of an attribute"),
    ('"red" < "blue"', "'red' and 'blue' have no order"),
    (
        "describe(Color, iota(Object, lambda x: cube(x))) > describe(Color, iota(Object, lambda x: sphere(x)))",
        "'cyan' and 'cyan' have no order",
    ),
    ("describe(Color, iota(Object, lambda x: cube(x))) + 1", "'+' does not apply to a text and a number"),
    (
        "count(Object, lambda x: count(Object, lambda y: left(x, y)))+ red",
        "'+' does not apply to a number and a text",
    ),
    (
        "exists(Object, lambda x: count(Object, lambda y: left(x, y)) / 2 > 1)",
        "This count depends on a variable that a quantifier binds",
    ),
    ("greater_than(3)", "'greater_than' takes 2 arguments, not 1"),
    ("greater_than(1, 2, 3)", "'greater_than' takes 2 arguments, not 3"),
    ("equal(1)", "'equal' takes 2 arguments, not 1"),
    ("exists()", "'exists' takes 1 to 2 arguments, not 0"),
    (
        "exists(Object, lambda x: red(x), lambda y: blue(y), lambda z: green(z))",
        "'exists' takes 1 to 2 arguments, not 4",
    ),
    ("iota(Object, lambda x: red(x), 3)", "'iota' takes 1 to 2 arguments, not 3"),
    ("forall(3, lambda x: red(x))", "A quantifier got a number, a function"),
    ('exists("red", lambda x: red(x))', "A quantifier got a predicate, a function"),
    ("exists(Object, 5)", "A quantifier got a sort, a number"),
    ("exists(Object, Color)", "A quantifier got a sort, a sort"),
    ("nth(3, sorted(Object, lambda x: left(x)))", "'sorted' got a formula, which have no order"),
    ("sortBy(Size, lambda x: Object)", "there is no built-in 'sortBy'"),
    ("majority(Object, lambda x: rubber(x))", "there is no built-in 'majority'"),
    ("distance(Object, lambda x: red(x)) > 2", "there is no built-in 'distance'"),
    ("FOLD(Object, lambda a, b: a)", "there is no built-in 'FOLD'"),
    ('cube("left")', "'cube' is applied to texts only"),
    ("exists(Color, lambda c: cube(c))", "'cube' is applied to texts only"),
    ("color(iota(Object, lambda x: cube(x)), 3)", "'same_color' is applied to a number"),
    ('color(iota(Object, lambda x: cube(x)), "heavy")', "'heavy' is no color"),
    ("cube(3)", "'cube' is applied to a number"),
    ("cube(True)", "'cube' is applied to a truth value"),
    ("cube([1, 2])", "'cube' is applied to a list"),
    ("cube(Object)", "'cube' is applied to a sort"),
    ("Object", "The program returned a sort"),
    ("lambda x: cube(x)", "The program returned a function"),
    ("exists", "The program returned a built-in function"),
    ("x.color", "unknown name 'x'"),
    ("iota(Object, lambda x: cube(x)).color", "there is no '.color'"),
    ("x[0]", "unknown name 'x'"),
    ("iota(Object, lambda x: cube(x))[0]", "A described object has no elements"),
    ("3(4)", "a plain value can not be called"),
    ('"cube"(x)', "a plain value can not be called"),
    ("[x for x in iota(Object, lambda y: cube(y))]", "A described object can not be looped over"),
    ("for x in 3:\n    pass\nreturn 1", "A number can not be looped over"),
    ("while True:\n    pass", "the language has no 'while'"),
    ("import os", "the language has no 'import'"),
    ('open("/etc/passwd")', "'open' is not in the language"),
    ('print("hello")', "'print' is not in the language"),
    ("def f(x):\n    return f(x)\nreturn f(1)", "'f' calls itself (f → f)"),
    ("if exists(Object):\n    x = 1", "the program gives no result"),
    ("break", "'break' outside a for statement"),
    ("return", "the program gives no result"),
    ("not describe(Color, iota(Object, lambda x: cube(x)))", "A described value is no truth value"),
    ("exists(Object, lambda x: 1 if red(x) else 2)", "A number is no truth value"),
    ("score()", "'score' takes 1 to 2 arguments, not 0"),
    ('score("is it red?", 9)', "'score' is asked for 9 objects"),
    ('score("is it red?", "two")', "'score' is asked for 'two' objects"),
    ("query(point(Object, lambda x: red(x)))", "'query' takes one question"),
    ("mode(3)", "A quantifier got a number"),
    ("topk(3, 2)", "'topk' is asked of a number"),
    ("1 / 0", "Division by zero"),
    ("[1, 2][7]", "There is no such element: list index out of range"),
    ('{"a": 1}["b"]', "There is no such element: 'b'"),
    ("len(3)", "A number has no length"),
    ('int("many")', "'many' is no number"),
    ("range(1, 2, 0)", "'range' can not take these arguments: range() arg 3 must not be zero"),
    ("a, b = 1, 2, 3\nreturn a", "3 values can not be unpacked into 2 names"),
    ("distinct", "The program returned a built-in function"),
    ('sum("abc")', "A text is no number"),
    ('sorted([1, "a"])', "'sorted' got a number and a text, which have no order"),
    ('"abc".exists()', "A text has no method '.exists'"),
    ('score("red?").frobnicate()', "there is no '.frobnicate'"),
    ('score("red?").exists("z")', "The formula has no free variable 'z'"),
    ('score("near?", 2).iota()', "The formula has 2 free variables"),
    ("same_object(iota(Object, lambda x: cube(x)), 3)", "'same_object' is applied to a number"),
    ("less_than(iota(Object, lambda x: cube(x)), 3)", "A described object is no number"),
    ("exists(Object, lambda x: x)", "An object variable is no truth value"),
    ("exists(Object, lambda x: Color)", "A sort is no truth value"),
    ("~5", "'~' needs a formula, not a number"),
    ('-"red"', "A text is no number"),
    ("exists(Object lambda x: red(x))", "unexpected 'lambda' after 'Object'"),
    ("exists(Object, lambda x red(x))", "missing ':' after 'x'"),
    ("exists(Object, lambda x: red(x)", "unclosed '(' opened at line 1 column 7"),
    ("exists(Object, lambda x: red(x) and)", "unexpected ')' after 'and'"),
    ("What colour is the cube?", "unexpected 'colour' after 'What'"),
    ("for x in 3:\n    pass\nreturn 1", "A number can not be looped over"),
    ("while True:\n    pass", "the language has no 'while'"),
    ("def f(x):\n    return f(x)\nreturn f(1)", "'f' calls itself (f → f)"),
    ("a, b = 1, 2, 3\nreturn a", "3 values can not be unpacked into 2 names"),
    ("if exists(Object):\n    x = 1", "the program gives no result"),
]


@pytest.fixture(scope="module")
def engine() -> Engine:
    return Engine(oracle="random")


@pytest.mark.parametrize(("program", "what"), MEANINGLESS)
def test_is_rejected_and_told_why(engine: Engine, program: str, what: str) -> None:
    with pytest.raises(dsl.ProgramError) as caught:
        engine.run(program, Scene.synthetic(6, seed=1))
    error = caught.value
    assert what in error.one_line()
    assert error.span is not None, "says where"
    assert error.expected or error.mend, "says what was expected, or how to mend it"
    assert error.source == program


def test_there_are_enough() -> None:
    assert len(MEANINGLESS) >= 50
