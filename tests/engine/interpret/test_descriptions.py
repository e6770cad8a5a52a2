"""What a description means, everywhere alike, and what its doubts do to an answer's probability."""

from __future__ import annotations

import math

import numpy as np
import pytest
from helpers.made_programs import LevelOracle, world
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from neptune.algebra import LogicParameters
from neptune.answer import Answer
from neptune.engine import Engine
from neptune.engine.session.soft_answers import soft_answers
from neptune.scene import Scene
from neptune.scene.types import QueryRequest, ScoreRequest, Scores

COLORS = ("gray", "red", "blue", "green", "brown", "purple", "cyan", "yellow")
LOGICS = ("godel", "product", "lukasiewicz", "frank:0.1")


class Given:
    """An oracle that says what it is given: probabilities of each object by predicate, else `other`."""

    name = "given"

    def __init__(self, other: float = 0.001, **of: list[float]) -> None:
        self.of, self.other = of, other

    def score(self, requests: list[ScoreRequest]) -> list[Scores]:
        out = []
        for r in requests:
            said = self.of.get(r.question.predicate)
            at = r.objects[:, 0]
            p = np.full(len(at), self.other) if said is None or r.question.arity != 1 else np.array(said)[at]
            out.append(Scores.of(np.log(p / (1 - p))))
        return out

    def query(self, requests: list[QueryRequest]) -> list[list[str | None]]:
        return [["glass"] * len(r.objects) for r in requests]


def three_cubes() -> Given:
    """Three cubes, weighed .37, .33 and .30 by how surely they are cubes; the first is red, the others are blue."""
    odds = np.array([0.37, 0.33, 0.30]) * 300
    cube = (odds / (1 + odds)).tolist()
    return Given(cube=cube, red=[0.999, 0.001, 0.001], blue=[0.001, 0.999, 0.999])


def run(oracle: Given, program: str, n: int = 3, **options: object) -> Answer:
    return Engine(oracle=oracle, **options).run(program, world(n))  # type: ignore[arg-type]


# --- one meaning ---------------------------------------------------------------------------------

THE_COLOR = "describe(Color, iota(Object, lambda x: cube(x)))"


@pytest.mark.parametrize("schedule", ["all", "lazy"])
@pytest.mark.parametrize("logic", LOGICS)
def test_a_value_is_described_of_all_objects_that_may_be_meant(logic: str, schedule: str) -> None:
    options = {"logic": logic, "schedule": schedule, "probability_tolerance": 0.01}
    described = run(three_cubes(), THE_COLOR, **options)
    assert described.value == "blue"
    assert described.probability == pytest.approx(0.63, abs=0.02)
    assert run(three_cubes(), "blue(iota(Object, lambda x: cube(x)))", **options).value is True
    assert run(three_cubes(), "red(iota(Object, lambda x: cube(x)))", **options).value is False
    pointed = run(three_cubes(), "describe(Color, point(Object, lambda x: cube(x)))", **options)
    assert pointed.value == "red", "to point is to choose"
    assert pointed.probability == pytest.approx(0.37, abs=0.02), "… and to doubt the choice"


@pytest.mark.parametrize("logic", LOGICS)
def test_a_batch_and_a_soft_answer_describe_alike(logic: str) -> None:
    engine = Engine(oracle=three_cubes(), logic=logic)  # type: ignore[arg-type]
    asked = [(THE_COLOR, world(3)), ("describe(Color, point(Object, lambda x: cube(x)))", world(3))]
    one, pointed = (engine.run(*pair) for pair in asked)
    many = engine.run_many(asked)
    assert [(a.value, a.probability, a.ambiguous) for a in many] == [
        (a.value, pytest.approx(a.probability, abs=1e-9), a.ambiguous) for a in (one, pointed)
    ]
    soft, _ = soft_answers(engine.context, asked)
    assert soft is not None
    assert float(soft.probability("blue").detach()) == pytest.approx(one.probability, abs=1e-6)
    assert float(soft.probabilities.detach().sum()) + soft.left_out == pytest.approx(1.0)


def test_before_the_most_probable_object_alone_was_described() -> None:
    for schedule in ("all", "lazy"):
        old = run(three_cubes(), THE_COLOR, semantics=1, schedule=schedule)
        assert old.value == "red"
        assert old.probability is not None
        assert old.probability > 0.99
        assert not old.ambiguous
    assert run(three_cubes(), "describe(Color, iota(Object, lambda x: sphere(x)))", semantics=1).value == "red"


def slow_mixture(engine: Engine, body: str, scene: Scene, value: str) -> float:
    """Return the probability of a described colour, by the definition, object by object."""
    fits = engine.table(body, scene).logits.double().clamp(-13.8155, 13.8155).tolist()
    total = sum(math.exp(f) for f in fits)
    said = [engine.table(f'{c}("x")', scene).logits.double().tolist() for c in COLORS]
    out = 0.0
    for i, fit in enumerate(fits):
        odds = [math.exp(min(max(row[i], -13.8155), 13.8155)) for row in said]
        out += math.exp(fit) / total * odds[COLORS.index(value)] / sum(odds)
    return out * float(engine.table(body, scene).values.max())


@settings(max_examples=60, deadline=None, database=None, suppress_health_check=list(HealthCheck))
@given(
    st.integers(1, 5),
    st.sampled_from(LOGICS),
    st.sampled_from(["cube(x)", "cube(x) and not metal(x)", "left(x, iota(Object, lambda y: red(y)))"]),
    st.integers(0, 10**6),
)
def test_what_is_described_is_what_the_engine_says_of_the_same_description(
    n: int, logic: str, body: str, seed: int
) -> None:
    scene, oracle = world(n), LevelOracle(seed)
    engine = Engine(oracle=oracle, logic=logic, presuppositions="answer")
    described = engine.run(f"describe(Color, iota(Object, lambda x: {body}))", scene)
    values = {c: float(engine.table(f"{c}(iota(Object, lambda x: {body}))", scene).values) for c in COLORS}
    assert values[described.value] >= max(values.values()) - 1e-6
    if "iota" not in body:
        formula = body.replace("(x)", '("x")').replace(" and ", " & ").replace("not ", "~")
        assert described.probability == pytest.approx(slow_mixture(engine, formula, scene, described.value), abs=1e-4)
    lazy = Engine(oracle=oracle, logic=logic, presuppositions="answer", schedule="lazy")
    found = lazy.run(f"describe(Color, iota(Object, lambda x: {body}))", scene)
    assert found.value == described.value
    assert found.bounds is not None
    assert found.bounds[0] - 1e-5 <= described.probability <= found.bounds[1] + 1e-5


# --- nothing fits --------------------------------------------------------------------------------

NOTHING = "green(x) and cube(x)"
FAILING = {
    "a value": f"describe(Color, iota(Object, lambda x: {NOTHING}))",
    "a truth": f"red(iota(Object, lambda x: {NOTHING}))",
    "its negation": f"not red(iota(Object, lambda x: {NOTHING}))",
    "identity": f"exists(Object, lambda b: b == iota(Object, lambda x: {NOTHING}))",
    "a count": f"count(Object, lambda b: left(b, iota(Object, lambda x: {NOTHING})))",
    "a comparison": f'describe(Color, iota(Object, lambda x: {NOTHING})) == "red"',
    "a branch": f"if red(iota(Object, lambda x: {NOTHING})):\n    return 1\nreturn 2",
    "a choice": f"describe(Color, point(Object, lambda x: {NOTHING}))",
    "within another": f"describe(Color, iota(Object, lambda x: left(x, iota(Object, lambda x: {NOTHING}))))",
    "a value sort": "exists(Color, lambda c: c == iota(Color, lambda d: "
    f"exists(Object, lambda x: color(x, d) and {NOTHING})))",
    "a list of numbers": "iota([7, 8, 9], lambda k: count(Object) == k)",
    "a list of texts": 'return iota(["red", "gray"], lambda c: exists(Object, lambda x: color(x, c) and green(x)))',
    "a list of objects": "boxes = [o for o in Object if cube(o)]\n"
    f"return exists(boxes, lambda b: b == iota(boxes, lambda x: {NOTHING}))",
}


@pytest.mark.parametrize("schedule", ["all", "lazy"])
@pytest.mark.parametrize("case", FAILING)
def test_what_nothing_fits_is_recorded_and_the_answer_withheld(case: str, schedule: str) -> None:
    answer = run(three_cubes(), FAILING[case], schedule=schedule)
    assert len(answer.presuppositions) >= 1
    assert (answer.abstained, answer.why, answer.value, answer.probability) == (True, "presupposition", None, None)
    assert str(answer).startswith("abstained: nothing fits ")
    given = run(three_cubes(), FAILING[case], schedule=schedule, presuppositions="answer")
    assert given.presuppositions == answer.presuppositions
    assert (given.abstained, given.why) == (False, "")
    assert given.value is not None
    assert given.bounds is None or given.bounds[1] < 0.5, "it is not believed"
    assert "nothing fits" in str(given)


def test_what_points_is_answered_and_ask_abstains() -> None:
    program = f"iota(Object, lambda x: {NOTHING})"
    pointed = run(three_cubes(), program)
    assert (pointed.kind, pointed.abstained, len(pointed.presuppositions)) == ("object", False, 1)
    assert run(three_cubes(), program, presuppositions="abstain").value is None


def test_a_batch_abstains_where_single_runs_do() -> None:
    engine = Engine(oracle=three_cubes())
    asked = [(p, world(3)) for p in FAILING.values()]
    for (program, scene), many in zip(asked, engine.run_many(asked), strict=True):
        one = engine.run(program, scene)
        assert (many.value, many.why, many.presuppositions) == (one.value, one.why, one.presuppositions), program


# --- how many fit --------------------------------------------------------------------------------


@pytest.mark.parametrize("schedule", ["all", "lazy"])
def test_uniqueness_is_noted_when_it_fails(schedule: str) -> None:
    for program in (THE_COLOR, "iota(Object, lambda x: cube(x))", "red(iota(Object, lambda x: cube(x)))"):
        answer = run(three_cubes(), program, schedule=schedule)
        assert len(answer.ambiguous) == 1, program
        assert "several fit" in str(answer)
        assert not answer.abstained
    oracle = Given(sphere=[0.9, 0.1, 0.2], red=[0.9, 0.1, 0.1])
    for program in ("iota(Object, lambda x: sphere(x))", "count(Object, lambda x: cube(x))"):
        assert not run(oracle, program, schedule=schedule).ambiguous
    two = "iota(Color, lambda c: exists(Object, lambda x: color(x, c) and cube(x)))"
    assert len(run(three_cubes(), two, schedule=schedule).ambiguous) == 1


# --- doubts --------------------------------------------------------------------------------------

DOUBTED = {
    # program: (value, at most so probable), of one cube with p = 0.6 that is surely red and left of nothing
    "iota(Object, lambda x: cube(x))": (0, 0.6),
    "point(Object, lambda x: cube(x))": (0, 0.6),
    "describe(Color, iota(Object, lambda x: cube(x)))": ("red", 0.6),
    "describe(Color, point(Object, lambda x: cube(x)))": ("red", 0.6),
    "red(iota(Object, lambda x: cube(x)))": (True, 0.6),
    "red(point(Object, lambda x: cube(x)))": (True, 0.6),
    "not blue(iota(Object, lambda x: cube(x)))": (True, 0.6),
    'describe(Color, iota(Object, lambda x: cube(x))) == "red"': (True, 0.6),
    "describe(Color, iota(Object, cube)) == describe(Color, iota(Object, metal))": (True, 0.6),
    "count(Object, lambda x: same_object(x, iota(Object, lambda y: cube(y))))": (1, 0.6),
    "count(Object, lambda x: same_object(x, iota(Object, cube))) > 0": (True, 0.6),
    "same_object(iota(Object, cube), iota(Object, metal))": (True, 0.6),
    "if exists(Object, lambda x: cube(x)):\n    return 1\nreturn 2": (1, 0.6),
    "if exists(Object, lambda x: cube(x)):\n    return True\nreturn False": (True, 0.6),
    "for o in Object:\n    if cube(o):\n        return describe(Color, o)\nreturn 'none'": ("red", 0.6),
    "for o in Object:\n    if cube(o):\n        return o\nreturn 'none'": (0, 0.6),
    "cubes = [o for o in Object if cube(o)]\nreturn len(cubes)": (1, 0.6),
    "cubes = [o for o in Object if cube(o)]\nreturn cubes": ([0], 0.6),
    "n = count(Object, lambda x: cube(x))\nreturn n + 1": (2, 0.6),
    "t = point(Object, lambda x: cube(x))\nreturn describe(Color, t)": ("red", 0.6),
    "count(Object, lambda x: cube(x)) % 2 == 1": (True, 0.6),
    "count([exists(Object, cube), exists(Object, metal)])": (2, 0.6),
    "{o: describe(Color, o) for o in Object if cube(o)}": ({"object 0": "red"}, 0.6),
}


@pytest.mark.parametrize("logic", LOGICS)
@pytest.mark.parametrize("program", DOUBTED)
def test_an_answer_is_no_surer_than_all_that_was_decided_for_it(program: str, logic: str) -> None:
    oracle = Given(cube=[0.6, 0.01, 0.01], red=[0.995, 0.001, 0.001], metal=[0.995, 0.001, 0.001])
    value, most = DOUBTED[program]
    answer = run(oracle, program, logic=logic)
    assert answer.value == value
    assert answer.probability is not None
    assert 0.5 < answer.probability <= most + 1e-6
    assert answer.bounds == (answer.probability, answer.probability)
    (many,) = Engine(oracle=oracle, logic=logic).run_many([(program, world(3))])  # type: ignore[arg-type]
    assert many.probability == pytest.approx(answer.probability, abs=1e-9)
    lazy = run(oracle, program, logic=logic, schedule="lazy")
    assert lazy.value == value
    assert lazy.bounds is not None
    assert lazy.bounds[0] - 1e-5 <= answer.probability <= lazy.bounds[1] + 1e-5


@pytest.mark.parametrize(
    "program", ["query('what is it made of?', point(Object, cube))", "float(red(point(Object, cube)))"]
)
def test_words_and_numbers_of_the_oracle_have_no_probability(program: str) -> None:
    assert run(Given(cube=[0.6, 0.01, 0.01]), program).probability is None


def test_four_that_fit_make_a_doubtful_one() -> None:
    spheres = Given(
        sphere=[0.99] * 4, red=[0.99, 0.01, 0.01, 0.01], blue=[0.01, 0.99, 0.99, 0.01], green=[0.01] * 3 + [0.99]
    )
    answer = run(spheres, "describe(Color, iota(Object, lambda x: sphere(x)))", 4)
    assert answer.value == "blue"
    assert answer.probability == pytest.approx(0.5, abs=0.04)
    assert run(spheres, "iota(Object, lambda x: sphere(x))", 4).probability == pytest.approx(0.25, abs=0.01)


@pytest.mark.parametrize("logic", LOGICS)
def test_the_temperature_of_descriptions_counts_in_every_path(logic: str) -> None:
    for tau in (0.0, 0.5, 3.0):
        engine = Engine(oracle=three_cubes(), logic=logic, parameters=LogicParameters(iota_tau=tau))  # type: ignore[arg-type]
        one, (many,) = engine.run(THE_COLOR, world(3)), engine.run_many([(THE_COLOR, world(3))])
        (soft,) = soft_answers(engine.context, [(THE_COLOR, world(3))])
        assert soft is not None
        assert one.value == ("red" if tau == 0.0 else "blue")
        assert many.probability == pytest.approx(one.probability, abs=1e-9)
        assert float(soft.probability(one.value).detach()) == pytest.approx(one.probability, abs=1e-6)


@pytest.mark.parametrize("target", ["iota(Object, cube)", "point(Object, cube)", "o"])
def test_everything_has_a_colour(target: str) -> None:
    """That no colour is likely of an object is no presupposition that fails."""
    oracle = Given(cube=[0.9, 0.1, 0.1], red=[0.3, 0.1, 0.1], other=0.1)
    loop = "for o in Object:\n    if cube(o):\n        return "
    for asked in (f"describe(Color, {target})", f"describe(Color, lambda c: color(c, {target}))"):
        answer = run(oracle, f"{loop if target == 'o' else ''}{asked}")
        assert (answer.value, answer.abstained, answer.presuppositions) == ("red", False, ())
