"""Programs of both dialects on scenes: what the language means, and what goes wrong."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from helpers.four_objects import OBJECTS, scene

import dsl
from dsl.builtins import BUILTINS, METHODS
from neptune.engine import Engine
from neptune.engine.interpret import builtins, methods
from neptune.errors import ConfigError, NeptuneError
from neptune.scene import Scene
from neptune.scene.types import Scores


@pytest.fixture(scope="module")
def engine() -> Engine:
    return Engine(oracle="scene")


NEPTUNE_STYLE = """
ball  = score("is the object in the red box a ball?")          # one variable, named x1
left  = score("is the object in the red box left of the object in the green box?", 2)
hit   = (score("is the object in the red box a cube?")("x") & left("x", "y") & ball("y")).exists("y")
return hit.iota("x")                                            # the object meant
"""
FIRST_ORDER = "count(Object, lambda x: cube(x) and left(x, iota(Object, lambda y: green(y) and ball(y))))"


@pytest.mark.parametrize(
    ("program", "kind", "value"),
    [
        (NEPTUNE_STYLE, "object", 0),
        (FIRST_ORDER, "number", 2),
        ("exists(Object, lambda x: shiny(x) and block(x))", "truth", True),
        ("all(Object, lambda x: small(x) or metal(x))", "truth", True),
        ("point(Object, lambda x: small(x) and cube(x))", "object", 2),
        ("iota(Object, lambda x: blue(x))", "object", 2),
        ("describe(Color, iota(Object, lambda x: small(x) and ball(x)))", "text", "red"),
        ("describe(Shape, lambda s: shape(s, iota(Object, lambda x: blue(x))))", "text", "cube"),
        ("equal(count(Object, lambda x: red(x)), 2)", "truth", True),
        ("greater_than(count(Object, lambda x: red(x)), count(Object, lambda x: blue(x)))", "truth", True),
        ("less_than(count(Object, lambda x: red(x)), 2)", "truth", False),
        ("count(Object, lambda x: red(x)) + count(Object, lambda x: blue(x))", "number", 3),
        ("same_color(iota(Object, lambda x: large(x) and cube(x)), iota(Object, lambda x: small(x) and ball(x)))",
         "truth", True),
        ("exists(Object, lambda x: same_color(x, iota(Object, lambda y: blue(y))))", "truth", False),
        ("same_object(iota(Object, lambda x: blue(x)), iota(Object, lambda x: small(x) and cube(x)))", "truth", True),
        # the same object of both descriptions has its own colour
        ("same_color(iota(Object, lambda x: blue(x)), iota(Object, lambda x: small(x) and cube(x)))", "truth", True),
        # a plural: all red things have one colour, not one shape
        ("same_color(iota(Object, lambda x: red(x)), iota(Object, lambda y: red(y)))", "truth", True),
        ("same_shape(iota(Object, lambda x: red(x)), iota(Object, lambda y: red(y)))", "truth", False),
        ("count(Object)", "number", 4),
        ("exists(Object)", "truth", True),
        ("count(lambda x: object(x) and thing(x))", "number", 4),
        ("some(Object, lambda x: green(x))", "truth", True),
        ("no(Object, lambda x: purple(x))", "truth", True),
        ("iota(Object, lambda x: purple(x)) and True", "truth", False),
        ("exists(Object, lambda x: color(x) == 'blue' and cube(x))", "truth", True),
        ("exists(Object, lambda x: color(x, red) and cube(x))", "truth", True),
        ("exists(Object, lambda x: color(blue, x))", "truth", True),
        ("count(Color, lambda c: exists(Object, lambda x: color(x, c)))", "number", 3),
        ("exists(Shape, lambda s: count(Object, lambda x: shape(x, s)) > 1)", "truth", True),
        ("mode(Color, lambda c: count(Object, lambda x: color(x, c)))", "text", "red"),
        ("max(count(Object, lambda x: red(x)), 3)", "number", 3),
        ("exists(Object, lambda x: count(Object, lambda y: left(y, x)) == 3)", "truth", True),
        ("[1, 2, 3][1]", "number", 2),
        ("f'{1 / 3:.2f} of {count(Object)} {\"red\":>5}'", "text", "0.33 of 4   red"),
        ("red_things = [o for o in Object if red(o)]\nreturn len(red_things)", "number", 2),
        ("n = 0\nfor o in Object:\n    if cube(o) and not red(o):\n        n += 1\nreturn n", "number", 1),
        ("def fits(x, size='small'):\n    return cube(x) & size == 'small'\nreturn 'yes'", "text", "yes"),
        ("if exists(Object, lambda x: purple(x)):\n    answer = 'a'\nelif 2 < 3:\n    answer = 'b'\nreturn answer",
         "text", "b"),
        ("color = 'red'\nreturn score(f'is the object in the red box {color}?').count()", "number", 2),
        ("score('is the object in the red box a cube?').forall()", "truth", False),
        ("cube = score('is the object in the red box a cube?')\nreturn (cube('x') & cube('y')).exists(['x', 'y'])",
         "truth", True),
        ("query('what color is the object in the red box?', point(Object, lambda x: blue(x)))", "text", "blue"),
        ("topk(score('is the object in the red box red?'), 2)", "objects", [0, 1]),
        ("not exists(Object, lambda x: purple(x)) and (1 < 2 <= 2)", "truth", True),
        ("implies(exists(Object, lambda x: purple(x)), exists(Object, lambda x: brown(x)))", "truth", True),
    ],
)  # fmt: skip
def test_meanings(engine: Engine, program: str, kind: str, value: object) -> None:
    answer = engine.run(program, scene())
    assert (answer.kind, answer.value) == (kind, value)
    assert answer.settled


def test_an_object_is_not_left_of_itself(engine: Engine) -> None:
    alone = scene(OBJECTS[:1])
    assert engine.run("exists(Object, lambda x: exists(Object, lambda y: left(x, y)))", alone).value is False
    assert engine.run("exists(Object, lambda x: exists(Object, lambda y: not left(x, y)))", alone).value is False
    assert engine.run("all(Object, lambda x: all(Object, lambda y: left(x, y)))", alone).value is True
    assert engine.run("all(Object, lambda x: all(Object, lambda y: not left(x, y)))", alone).value is True
    # "Everything is left of the green ball": the ball itself does not spoil it.
    assert engine.run("all(Object, lambda x: left(x, iota(Object, lambda y: green(y))))", scene()).value is True


def test_distinct_variables_are_said_not_spelt(engine: Engine) -> None:
    one_ball = scene(OBJECTS[:2])
    lambdas = "exists(Object, lambda x: exists(Object, lambda y: ball(x) and ball(y)))"
    methods = "b = score('is the object in the red box a ball?')\nreturn (b('x') & b('y')).exists('y').exists('x')"
    assert engine.run(lambdas, one_ball).value is True
    assert engine.run(lambdas.replace("ball(x) and", "distinct(x, y) and ball(x) and"), one_ball).value is False
    assert engine.run(methods, one_ball).value is False
    assert Engine(oracle="scene", distinct_variables="true").run(lambdas, one_ball).value is False
    assert Engine(oracle="scene", distinct_variables="false").run(methods, one_ball).value is True


def test_witness_names_the_objects_of_nested_quantifiers(engine: Engine) -> None:
    program = "exists(Object, lambda a: exists(Object, lambda b: sphere(a) and cube(b) and left(a, b)))"
    assert engine.run(program, scene()).witness == (("a", 1), ("b", 2))


def test_identical_questions_are_asked_once(engine: Engine) -> None:
    where, same = scene(), "exists(Object, lambda x: red(x))"
    first = engine.run(f"{same} and exists(Object, lambda y: red(y) and color(y, 'red'))", where)
    assert first.usage.oracle_calls == 4
    again = engine.run(same, where)
    assert (again.usage.oracle_calls, again.usage.cache_hits) == (0, 4)


def test_converse_relations_are_one_question(engine: Engine) -> None:
    where = scene()
    engine.run("exists(Object, lambda x: exists(Object, lambda y: left(x, y)))", where)
    again = engine.run("exists(Object, lambda x: exists(Object, lambda y: right(x, y)))", where)
    assert again.usage.oracle_calls == 0


def test_failed_presupposition_is_recorded(engine: Engine) -> None:
    answer = engine.run("describe(Shape, iota(Object, lambda x: purple(x)))", scene())
    assert len(answer.presuppositions) == 1
    assert "purple" in answer.presuppositions[0]


def test_empty_scene(engine: Engine) -> None:
    empty = scene([])
    assert engine.run("exists(Object, lambda x: red(x))", empty).value is False
    assert engine.run("all(Object, lambda x: red(x))", empty).value is True
    assert engine.run("count(Object)", empty).value == 0
    of_nothing = "exists(Object, lambda x: left(x, iota(Object, lambda y: red(y))))"
    assert engine.run(of_nothing, empty, presuppositions="answer").value is False
    assert engine.run(of_nothing, empty).why == "presupposition"
    assert engine.run("point(Object, lambda x: red(x))", empty).kind == "nothing"


class Fixed:
    """An oracle whose score for each object is given."""

    name = "fixed"

    def __init__(self, **logits: list[float]) -> None:
        self.logits = logits

    def score(self, requests):
        return [Scores.of(np.array(self.logits[r.question.predicate])[r.objects[:, 0]]) for r in requests]

    def query(self, requests):
        return [[None] * len(r.objects) for r in requests]


def test_exactly_half_is_no_and_a_tie() -> None:
    answer = Engine(oracle=Fixed(red=[0.0, -1.0, -2.0, -3.0])).run("exists(Object, lambda x: red(x))", scene())
    assert (answer.value, answer.probability, answer.tie) == (False, 0.5, True)


def test_argmax_of_equals_is_the_lowest_index() -> None:
    answer = Engine(oracle=Fixed(red=[-1.0, 2.0, 2.0, 0.0])).run("point(Object, lambda x: red(x))", scene())
    assert (answer.value, answer.tie) == (1, True)


def test_missing_evidence_abstains_only_where_it_matters() -> None:
    nan = float("nan")
    settled = Engine(oracle=Fixed(red=[3.0, nan, -2.0, -3.0])).run("exists(Object, lambda x: red(x))", scene())
    assert (settled.value, settled.abstained) == (True, False)
    assert settled.bounds is not None
    assert settled.bounds[1] == 1.0
    for program in (
        "exists(Object, lambda x: red(x))",
        "count(Object, lambda x: red(x))",
        "point(Object, lambda x: red(x))",
        "if exists(Object, lambda x: red(x)):\n    return 1\nreturn 2",
    ):
        open_ = Engine(oracle=Fixed(red=[-3.0, nan, -2.0, -3.0])).run(program, scene())
        assert (open_.value, open_.abstained, open_.settled) == (None, True, False), program


def test_an_unanswered_query_abstains() -> None:
    answer = Engine(oracle=Fixed(red=[3.0, 0.0, 0.0, 0.0])).run(
        "query('what is it?', point(Object, lambda x: red(x)))", scene()
    )
    assert answer.abstained


@pytest.mark.parametrize("name", ["godel", "product", "lukasiewicz", "frank:0.1"])
def test_every_logic_agrees_on_crisp_evidence(name: str) -> None:
    engine = Engine(oracle="scene", logic=name)
    assert engine.run(FIRST_ORDER, scene()).value == 2
    assert engine.run("greater_than(count(Object, lambda x: red(x)), 1)", scene()).value is True


@pytest.mark.parametrize(
    ("program", "what"),
    [
        ("exists(Object, lambda x: red(exists(Object, lambda y: cube(y))))", "applied to"),
        ("1 / 0", "zero"),
        ("2 ** 1000", "range"),
        ("[1, 2][5]", "element"),
        ("'a' + 1", "apply"),
        ("f'{\"a\":.2f}'", "format"),
        ("x = [0]\nfor i in range(200):\n    x = x + x\nreturn len(x)", "iterations"),
        ("s = 'a'\nfor i in range(14):\n    s = s + s\nfor i in range(2000):\n    n = s + 'b'\nreturn n", "iterations"),
        ("s = 'aaaaaaaa'\nfor i in range(60):\n    s = s + s\nreturn s", "text"),
        ("n = 9\nfor i in range(60):\n    n = n * n\nreturn n", "digits"),
        ("for i in range(999):\n    for j in range(999):\n        pass\nreturn 1", "needs"),
        ("f = exists(Object, lambda x: red(x))\nfor i in range(500):\n    f = ~(f & exists(Object, cube))\nreturn f",
         "depth"),
        ("exists(Object, lambda a: exists(Object, lambda b: exists(Object, lambda c: exists(Object, lambda d: "
         "exists(Object, lambda e: exists(Object, lambda f: exists(Object, lambda g: near(a, b) and near(c, d) and "
         "near(e, f) and near(f, g) and near(a, g) and near(b, c))))))))", "tensor cells"),
        ("exists(Object, lambda x: 1 if red(x) else 2)", "truth"),
        ("return lambda x: x", "function"),
    ],
)  # fmt: skip
def test_mistakes_are_program_errors(program: str, what: str) -> None:
    engine = Engine(oracle="random", schedule="all", planner="naive", limits=dsl.Limits(tensor_cells=100_000))
    with pytest.raises(dsl.ProgramError) as caught:
        engine.run(program, Scene.synthetic(6))
    assert what in caught.value.one_line()
    assert "\n" not in caught.value.one_line()


def test_oracle_call_limit_names_the_amount() -> None:
    with pytest.raises(dsl.ProgramError, match="oracle calls"):
        Engine(oracle="scene", limits=dsl.Limits(oracle_calls=3)).run("count(Object, lambda x: red(x))", scene())


def test_a_recorded_run_replays_bit_for_bit(tmp_path: Path) -> None:
    where, record = Scene.synthetic(7, seed=3), tmp_path / "said.jsonl"
    program = "point(Object, lambda x: shiny(x) and left(x, iota(Object, lambda y: red(y))))"
    first = Engine(oracle="random", seed=5, record=record).run(program, where)
    again = Engine(oracle="replay", oracle_options={"path": record}).run(program, where)
    assert (again.value, again.scores) == (first.value, first.scores)
    with pytest.raises(NeptuneError, match="record"):
        Engine(oracle="replay", oracle_options={"path": record}).run("exists(Object, lambda x: blue(x))", where)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"max_oracle_calls": -5}, "max_oracle_calls is -5; expected an integer ≥ 1, or None"),
        ({"max_oracle_calls": 0}, "max_oracle_calls is 0"),
        ({"max_oracle_calls": 2.5}, "max_oracle_calls is 2.5"),
        ({"probability_tolerance": -1}, "probability_tolerance is -1; expected a number in [0, 1]"),
        ({"probability_tolerance": 5.0}, "probability_tolerance is 5.0"),
        ({"probability_tolerance": float("nan")}, "probability_tolerance is nan"),
        ({"probability_tolerance": "0"}, "probability_tolerance is '0'"),
        ({"seed": "x"}, "seed is 'x'; expected an integer"),
        ({"seed": None}, "seed is None"),
        ({"seed": 0.5}, "seed is 0.5"),
    ],
)
def test_numbers_out_of_their_range(arguments: dict[str, object], said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Engine(oracle="scene", **arguments)
    assert caught.value.one_line().startswith(said)


def test_numbers_at_the_edges_of_their_range() -> None:
    engine = Engine(oracle="random", seed=np.int64(-3), max_oracle_calls=1, probability_tolerance=1)  # type: ignore[arg-type]
    assert not engine.run("count(Object, lambda x: red(x))", Scene.synthetic(4, seed=0)).settled


def test_every_built_in_and_method_that_is_declared_does_something() -> None:
    assert set(builtins.FUNCTIONS) == set(BUILTINS)
    assert {name for table in methods.METHODS.values() for name in table} == set(METHODS)
