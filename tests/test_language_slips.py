"""Slips of program writers that have one clear meaning: each is read as it says, and reported."""

from __future__ import annotations

import pytest

import dsl
from dsl import Vocabulary
from neptune.engine import Engine
from neptune.scene import Scene

CLEVR = Vocabulary.load("clevr")

#: Written, and the program that it is read as.
SLIPS = [
    # spelling
    ("count(Object, lambda x: red(x)) = 2", "count(Object, lambda x: red(x)) == 2"),
    (
        "iota(Shape, lambda s: count(Object, lambda x: shape(x, s)) = 1)",
        "iota(Shape, lambda s: count(Object, lambda x: shape(x, s)) == 1)",
    ),
    ('if exists(Object) then "a" else if no(Object) then "b" else "c"',
     '"a" if exists(Object) else "b" if no(Object) else "c"'),
    ("if exists(Object) then no(Object) end", "implies(exists(Object), no(Object))"),
    ("not exists(Object).", "not exists(Object)"),
    ("max(count(Object, lambda y: same_size(x, y)), for x in Object)",
     "max((count(Object, lambda y: same_size(x, y)) for x in Object))"),
    # other words
    ("mod(count(Object), 2) == 0", "count(Object) % 2 == 0"),
    ("sub(count(Object), 2)", "count(Object) - 2"),
    ("add(count(Object), negate(count(Object)))", "count(Object) + -count(Object)"),
    ("equal(count(Object), four)", "equal(count(Object), 4)"),
    ("less_than_equals(count(Object), 2)", "count(Object) <= 2"),
    ("not_exists(Object, lambda x: red(x))", "no(Object, lambda x: red(x))"),
    ("exists_exactly(2, Object, lambda x: red(x))", "count(Object, lambda x: red(x)) == 2"),
    ("exists_unique(Object, lambda x: red(x))", "count(Object, lambda x: red(x)) == 1"),
    ("count(Object, lambda x: description(Color, x) == red)", "count(Object, lambda x: describe(Color, x) == red)"),
    ("count(Object, lambda x: color(x) is not None)", "count(Object, lambda x: True)"),
    # the names of things
    ("exists(Object, lambda x: behind(x, large_red_cube()))",
     "exists(Object, lambda x: behind(x, iota(Object, lambda y: large(y) and red(y) and cube(y))))"),
    ("exists(Object, lambda x: behind(x, redCube))",
     "exists(Object, lambda x: behind(x, iota(Object, lambda y: red(y) and Cube(y))))"),
    ("describe(Shape, closest())", "describe(Shape, iota(Object, lambda y: closest(y)))"),
    ("exists(Object, lambda x: behind(x, large(red(cube))))",
     "exists(Object, lambda x: behind(x, iota(Object, lambda y: large(y) and red(y) and cube(y))))"),
    ("max(count(Object, lambda x: color(x, c)) for c in colors)",
     "max((count(Object, lambda x: color(x, c)) for c in Color))"),
    ("exists(Object, lambda x: not on(x, _))", "exists(Object, lambda x: not exists(Object, lambda y2: on(x, y2)))"),
    ("exists(Object, lambda x: made_of(x, iota(Material, lambda m: metal(m))))",
     'exists(Object, lambda x: made_of(x, "metal"))'),
    ("exists(Object, lambda x: row(x, 3))", 'exists(Object, lambda x: row(x, "3"))'),
    # the most
    ("describe(Color, max(Object, lambda x: cube(x), lambda x: size(x)))",
     "describe(Color, iota(Object, lambda x: cube(x) and "
     "forall(Object, lambda x2: implies(cube(x2), size(x) >= size(x2)))))"),
    ("describe(Color, farthest(Object, lambda x: cube(x)))",
     "describe(Color, iota(Object, lambda x: cube(x) and farthest(x)))"),
    ("describe(Color, closest(iota(Object, lambda x: cube(x))))",
     "describe(Color, iota(Object, lambda x: cube(x) and closest(x)))"),
    ("iota(Object, lambda x: farthest(x, Object))", "iota(Object, lambda x: farthest(x))"),
    ("iota(Object, lambda x: largest(x, Object, lambda y: red(y)))",
     "iota(Object, lambda x: red(x) and forall(Object, lambda y2: implies(red(y2), larger(x, y2))))"),
    ("exists(Object, lambda x: smallest(x) and near(x, iota(Object, lambda y: cube(y) and smallest(y))))",
     "exists(Object, lambda x: forall(Object, lambda x2: implies(near(x2, iota(Object, lambda y: cube(y) and "
     "forall(Object, lambda y2: implies(cube(y2), smaller(y, y2))))), smaller(x, x2))) and near(x, iota(Object, "
     "lambda y: cube(y) and forall(Object, lambda y2: implies(cube(y2), smaller(y, y2))))))"),
    ("iota(Object, lambda x: size(x) == Smallest)",
     "iota(Object, lambda x: forall(Object, lambda x2: smaller(x, x2)))"),
    ("iota(Shape, lambda s: max(count(Object, lambda x: shape(x, s))))",
     "iota(Shape, lambda s: forall(Shape, lambda s2: "
     "count(Object, lambda x: shape(x, s)) >= count(Object, lambda x: shape(x, s2))))"),
    ("iota(Object, lambda x: count(Object, lambda y: same_shape(x, y)) == "
     "max(count(Object, lambda z: same_shape(x, z))))",
     "iota(Object, lambda x: forall(Object, lambda x2: "
     "count(Object, lambda z: same_shape(x, z)) >= count(Object, lambda z: same_shape(x2, z))))"),
    ("most_common(Object, lambda x: color(x))", "mode(Color, lambda v2: count(Object, lambda x: color(x, v2)))"),
    ("describe(Color, mode(Object, lambda x: color(x)))",
     "mode(Color, lambda v2: count(Object, lambda x: color(x, v2)))"),
    # how many different, all the same
    ("count_distinct(Object, lambda x: cube(x), lambda x: color(x))",
     "count(Color, lambda v2: exists(Object, lambda x: cube(x) and color(x, v2)))"),
    ("count(Set, lambda x: describe(Color, x))", "count(Color, lambda v2: exists(Object, lambda x: color(x, v2)))"),
    ("all_same(Material, lambda x: cube(x))",
     "same_material(iota(Object, lambda x: cube(x)), iota(Object, lambda x: cube(x)))"),
    ("same_color(Object)", "same_color(iota(Object, lambda x: True), iota(Object, lambda x: True))"),
    ("exists(Object, lambda x: exists(Object, lambda y: different(x, y, Color)))",
     "exists(Object, lambda x: exists(Object, lambda y: not same_color(x, y)))"),
    ("greater_than(iota(Object, lambda x: red(x)), iota(Object, lambda x: blue(x)), lambda x: size(x))",
     "greater_than(size(iota(Object, lambda x: red(x))), size(iota(Object, lambda x: blue(x))))"),
    # objects, sorts, pairs
    ("iota(Shape, lambda x: square(x) and red(x))", "describe(Shape, iota(Object, lambda x: square(x) and red(x)))"),
    ("exists(Object, lambda x: exists(Object, lambda y: behind(cube(x), y)))",
     "exists(Object, lambda x: exists(Object, lambda y: behind(x, y) and cube(x)))"),
    ("exists(Object, lambda x: same_object(right_of(x), iota(Object, lambda y: red(y))))",
     "exists(Object, lambda x: same_object(iota(Object, lambda z2: right_of(z2, x)), iota(Object, lambda y: red(y))))"),
    ("iota(x, lambda x: red(x))", "iota(Object, lambda x: red(x))"),
    ("exists(x, y, lambda x: same_shape(x, y))",
     "exists(Object, lambda y: exists(Object, lambda x: same_shape(x, y)))"),
    ("exists(Pair, lambda p: same_color(p[0], p[1]))",
     "exists(Object, lambda p2, p3: distinct(p2, p3) and same_color(p2, p3))"),
    ("forall(Object, Object, lambda x, y: same_color(x, y))",
     "forall(Object, lambda x, y: implies(distinct(x, y), same_color(x, y)))"),
    ("iota(Object, lambda x: right_of_all(x, Object))",
     "iota(Object, lambda x: forall(Object, lambda y2: right_of(x, y2)))"),
    ("same_color(iota(Object, lambda x: Object), iota(Object, lambda x: Object))",
     "same_color(iota(Object, lambda x: True), iota(Object, lambda x: True))"),
    # brackets
    ("describe(Color, lambda k: Color(k, iota(Object, lambda x: count(Object, lambda y: same_color(x, y)))) == 3)",
     "describe(Color, lambda k: Color(k, iota(Object, lambda x: count(Object, lambda y: same_color(x, y)) == 3)))"),
    ("count(Object, lambda x: same_color(x, iota(Object, lambda y: red(y))) - 1)",
     "count(Object, lambda x: same_color(x, iota(Object, lambda y: red(y)))) - 1"),
    ("describe(Color, lambda k: Color(k, iota(Object, lambda x: cube(x))) == red)",
     "describe(Color, lambda k: Color(k, iota(Object, lambda x: cube(x)))) == red"),
    ("describe(Color, iota(Object, lambda x: cube(x))) and describe(Color, iota(Object, lambda x: sphere(x)))",
     "[describe(Color, iota(Object, lambda x: cube(x))), describe(Color, iota(Object, lambda x: sphere(x)))]"),
    ("count(Object, lambda x: iota(Object, lambda y: red(y), lambda y: left(x, y)))",
     "count(Object, lambda x: iota(Object, lambda y: red(y) and left(x, y)))"),
]  # fmt: skip

#: Beside each of them, what stays as it is: it has another meaning, or none.
NO_SLIPS = [
    "exists(Object, lambda _: red(_))",
    "mode(Color, lambda c: count(Object, lambda x: color(x, c)))",
    "iota(Color, lambda c: red(c))",
    "describe(Color, iota(Object, lambda x: cube(x)))",
    "exists(Object, lambda x: between(x, iota(Object, lambda y: red(y)), iota(Object, lambda z: blue(z))))",
    "exists(Object, lambda x: closest(x, iota(Object, lambda y: red(y))))",
    "exists(Object, lambda x: exists(Object, lambda y: distinct(x, y) and same_color(x, y)))",
    "count(Object, lambda x: color(x) == red)",
    "found = {c: 1 for c in Color}\nreturn found[red]",
    'query("what is it?", iota(Object, lambda x: red(x)))',
]


@pytest.mark.parametrize(("written", "meant"), SLIPS)
def test_a_slip_is_read_as_what_it_means(written: str, meant: str) -> None:
    checked = dsl.check(written, vocabulary=CLEVR)
    assert dsl.print_program(checked.program).strip() == meant
    assert checked.notes, "a change is reported"


@pytest.mark.parametrize(("written", "meant"), SLIPS)
def test_what_it_means_runs_and_is_not_changed_again(written: str, meant: str) -> None:
    answers = [Engine(oracle="random").run(text, Scene.synthetic(5, seed=2)) for text in (written, meant)]
    assert answers[0].value == answers[1].value
    once = dsl.check(written, vocabulary=CLEVR).program
    assert dsl.check(once, vocabulary=CLEVR).program == once


@pytest.mark.parametrize("text", NO_SLIPS)
def test_what_is_no_slip_is_left_alone(text: str) -> None:
    checked = dsl.check(text, vocabulary=CLEVR)
    assert checked.program == dsl.parse(text)
    assert not checked.notes


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("f(x) = 3", "can not be assigned"),
        ("exists(Object, lambda x: same_color(x, 3))", "applied to a number"),
        ("exists(Object, lambda x: same_color(x, y))", "unknown name 'y'"),
        ("majority(Object, lambda x: rubber(x))", "no built-in 'majority'"),
        ("exists(Object, lambda x: right(x) == farthest(lambda y: right(y)))", "no built-in 'farthest'"),
        ("iota(Color, lambda c: nice(c))", "applied to texts only"),
        ("describe(Shape, middle())", "applied to nothing"),
        ("exists(y, lambda x: red(x))", "unknown name 'y'"),
        ("count(Pair, lambda p: same_color(p[0], p[1]))", "values of Pair are not known"),
    ],
)
def test_what_is_near_a_slip_stays_an_error(text: str, what: str) -> None:
    with pytest.raises(dsl.ProgramError) as caught:
        Engine(oracle="random").run(text, Scene.synthetic(5, seed=2))
    assert what in caught.value.one_line()
