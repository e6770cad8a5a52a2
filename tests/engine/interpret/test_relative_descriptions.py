"""What a description takes for granted that speaks of a variable around it: one description for each outer object."""

from __future__ import annotations

import numpy as np
import pytest
from helpers.made_programs import LevelOracle, world
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from neptune.algebra import LogicParameters
from neptune.engine import Engine
from neptune.engine.context import Schedule
from neptune.engine.session.precompiled import precompile
from neptune.engine.session.session import Session
from neptune.engine.session.soft_answers import soft_answers
from neptune.scene.types import QueryRequest, ScoreRequest, Scores

LOGICS = ("godel", "product", "lukasiewicz", "frank:0.1")


class Said:
    """An oracle of given probabilities, ``(N,)`` or ``(N, N)`` by predicate, else 0.001."""

    name = "said"

    def __init__(self, **of: np.ndarray | list[float]) -> None:
        self.of = {name: np.array(p) for name, p in of.items()}

    def score(self, requests: list[ScoreRequest]) -> list[Scores]:
        out = []
        for r in requests:
            said = self.of.get(r.question.predicate)
            p = np.full(len(r.objects), 0.001) if said is None else said[tuple(r.objects.T)]
            out.append(Scores.of(np.log(p / (1 - p))))
        return out

    def query(self, requests: list[QueryRequest]) -> list[list[str | None]]:
        return [["glass"] * len(r.objects) for r in requests]


def a_red_ball_left_of_a_cube() -> Said:
    """Object 0 is a cube, 1 and 2 are spheres; 1 is red and left of the cube, and nothing else is left of anything."""
    left = np.full((3, 3), 0.001)
    left[1, 0] = 0.99
    return Said(cube=[0.99, 0.01, 0.01], sphere=[0.01, 0.99, 0.99], red=[0.01, 0.99, 0.01], left=left)


LEFT_OF = "iota(Object, lambda y: left(y, x))"

FAILS = {
    "no outer object has any": "count(Object, lambda x: red(iota(Object, lambda y: left(y, x) and blue(y))))",
    "none of those that matter": f"exists(Object, lambda x: sphere(x) and red({LEFT_OF}))",
    "… of all": f"forall(Object, lambda x: implies(sphere(x), red({LEFT_OF})))",
    "… in a negation": f"not exists(Object, lambda x: sphere(x) and not red({LEFT_OF}))",
    "… in a count that is compared": f"count(Object, lambda x: sphere(x) and red({LEFT_OF})) >= 1",
    "… within a description": f"describe(Color, iota(Object, lambda x: sphere(x) and red({LEFT_OF})))",
    "… chosen": "exists(Object, lambda x: sphere(x) and red(point(Object, lambda y: left(y, x))))",
    "… of its identity": f"exists(Object, lambda x: sphere(x) and exists(Object, lambda z: z == {LEFT_OF}))",
    "… of its colour": f"exists(Object, lambda x: sphere(x) and color(x, describe(Color, {LEFT_OF})))",
    "… two variables out": "exists(Object, lambda x: sphere(x) and exists(Object, lambda z: cube(z) and "
    "left(z, iota(Object, lambda y: left(y, x)))))",
    "a value in a formula": "count(Object, lambda x: color(x, "
    "iota(Color, lambda c: exists(Object, lambda y: color(y, c) and green(y)))))",
    "… that is compared": "exists(Object, lambda x: describe(Color, x) != "
    "iota(Color, lambda c: exists(Object, lambda y: color(y, c) and green(y))))",
    "a branch": f"if exists(Object, lambda x: sphere(x) and red({LEFT_OF})):\n    return 1\nreturn 2",
}
HOLDS = {
    "one that matters has": (f"exists(Object, lambda x: cube(x) and red({LEFT_OF}))", True),
    "one of several has": (f"count(Object, lambda x: red({LEFT_OF}))", 1),
    "nothing matters": (f"exists(Object, lambda x: green(x) and red({LEFT_OF}))", False),
    "all that matter have": (f"forall(Object, lambda x: implies(cube(x), red({LEFT_OF})))", True),
    "two variables out": (
        "exists(Object, lambda x: cube(x) and exists(Object, lambda z: sphere(z) and "
        "z == iota(Object, lambda y: left(y, x))))",
        True,
    ),
}


@pytest.mark.parametrize("schedule", ["all", "lazy"])
@pytest.mark.parametrize("logic", LOGICS)
@pytest.mark.parametrize("case", FAILS)
def test_it_fails_where_nothing_fits_it_at_any_outer_object_that_matters(case: str, logic: str, schedule: str) -> None:
    engine = Engine(oracle=a_red_ball_left_of_a_cube(), logic=logic, schedule=schedule)  # type: ignore[arg-type]
    answer = engine.run(FAILS[case], world(3))
    assert (answer.abstained, answer.why, answer.value) == (True, "presupposition", None)
    assert "nothing fits " in str(answer)
    given = engine.run(FAILS[case], world(3), presuppositions="answer")
    assert given.presuppositions == answer.presuppositions
    assert not given.abstained
    assert given.bounds is None or given.bounds[1] < 0.5, "it is not believed"


@pytest.mark.parametrize("schedule", ["all", "lazy"])
@pytest.mark.parametrize("logic", LOGICS)
@pytest.mark.parametrize("case", HOLDS)
def test_it_holds_where_something_fits_it_at_one_of_them_or_none_matters(case: str, logic: str, schedule: str) -> None:
    program, value = HOLDS[case]
    engine = Engine(oracle=a_red_ball_left_of_a_cube(), logic=logic, schedule=schedule)  # type: ignore[arg-type]
    answer = engine.run(program, world(3))
    assert (answer.value, answer.presuppositions, answer.abstained) == (value, (), False)


@pytest.mark.parametrize("logic", LOGICS)
def test_batches_and_soft_answers_say_the_same(logic: str) -> None:
    engine = Engine(oracle=a_red_ball_left_of_a_cube(), logic=logic, presuppositions="answer")  # type: ignore[arg-type]
    asked = [(p, world(3)) for p in (*FAILS.values(), *(p for p, _ in HOLDS.values()))]
    for (program, scene), many in zip(asked, engine.run_many(asked), strict=True):
        one = engine.run(program, scene)
        assert (many.value, many.presuppositions) == (one.value, one.presuppositions), program
        assert many.probability == pytest.approx(one.probability, abs=1e-9), program
    for program in ("none of those that matter", "… of all", "… in a negation"):
        (soft,) = soft_answers(engine.context, [(FAILS[program], world(3))])
        assert soft is not None
        one = engine.run(FAILS[program], world(3))
        assert float(soft.probability(one.value).detach()) == pytest.approx(one.probability, abs=1e-5)


SHAPES = {
    "exists(Object, lambda x: {a} and {b})": False,
    "count(Object, lambda x: {a} and {b})": False,
    "iota(Object, lambda x: {b} and {a})": False,
    "forall(Object, lambda x: implies({a}, {b}))": False,
    "no(Object, lambda x: {a} and not {b})": False,
    "forall(Object, lambda x: {a} or {b})": True,
}
"""What is asked of the objects, and whether those matter at which the condition beside the description is false."""


@settings(max_examples=60, deadline=None, database=None, suppress_health_check=list(HealthCheck))
@given(
    st.integers(1, 5),
    st.sampled_from(sorted(SHAPES)),
    st.sampled_from(["cube", "red", "metal"]),
    st.sampled_from(["left(y, x)", "left(y, x) and sphere(y)", "right(x, y) and blue(y) and sphere(y)"]),
    st.integers(0, 10**6),
)
def test_the_definition_object_by_object(n: int, shape: str, a: str, fits: str, seed: int) -> None:
    scene, oracle = world(n), LevelOracle(seed)
    program = shape.format(a=f"{a}(x)", b=f"large(iota(Object, lambda y: {fits}))")
    engine = Engine(oracle=oracle, presuppositions="answer")
    matters = engine.table(f'{a}("x")', scene).values > 0.5
    if SHAPES[shape]:
        matters = ~matters
    asked = fits.replace("(y, x)", '("y", "x")').replace("(x, y)", '("x", "y")').replace("(y)", '("y")')
    pairs = engine.table(asked.replace(" and ", " & "), scene).align(("x", "y")).values > 0.5
    fails = bool(matters.any()) and not any(
        bool(pairs[i, j]) for i in range(n) for j in range(n) if i != j and bool(matters[i])
    )
    answer = engine.run(program, scene)
    mine = [p for p in answer.presuppositions if "left" in p or "right" in p]
    mine = [p for p in mine if "large" not in p]  # not what is described outside
    assert bool(mine) == fails
    lazy = Engine(oracle=oracle, presuppositions="answer", schedule="lazy").run(program, scene)
    assert lazy.presuppositions == answer.presuppositions
    (many,) = engine.run_many([(program, scene)])
    assert sorted(many.presuppositions) == sorted(answer.presuppositions)


# --- values, whichever way they are asked -------------------------------------------------------


@settings(max_examples=60, deadline=None, database=None, suppress_health_check=list(HealthCheck))
@given(
    st.integers(1, 3),
    st.sampled_from(LOGICS),
    st.sampled_from(
        [
            "iota(Color, lambda c: exists(Object, lambda x: color(x, c) and cube(x)))",
            "iota(Color, lambda c: forall(Object, lambda x: color(x, c)))",
            "iota(Object, lambda x: cube(x) and red(x))",
            "point(Object, lambda x: cube(x) and large(x))",
            "count(Object, lambda x: left(x, iota(Object, lambda y: cube(y) and red(y))))",
        ]
    ),
    st.sampled_from([0.0, 0.5]),
    st.integers(0, 10**6),
)
def test_what_nothing_fits_is_the_same_whatever_is_asked_first(
    n: int, logic: str, program: str, tau: float, seed: int
) -> None:
    """None of eight values is likely, yet that one of them is true may be, by the sums of some logics."""
    oracle = LevelOracle(seed, (0.05, 0.3, 0.45, 0.55))
    options = {"logic": logic, "presuppositions": "answer", "parameters": LogicParameters(quantifier_tau=tau)}
    every = Engine(oracle=oracle, **options).run(program, world(n))
    lazy = Engine(oracle=oracle, schedule="lazy", **options).run(program, world(n))
    assert lazy.presuppositions == every.presuppositions
    assert lazy.value == every.value


@pytest.mark.parametrize("strategy", ["frontier", "best-first"])
@pytest.mark.parametrize("logic", LOGICS)
def test_it_is_asked_on_until_it_is_known_of_each_value(logic: str, strategy: str) -> None:
    """Two unlikely values may make a likely disjunction: that settles nothing about either."""
    oracle, scene = LevelOracle(3, (0.4, 0.45)), world(2)
    engine = Engine(oracle=oracle, logic=logic, schedule=Schedule(strategy, batch=1))  # type: ignore[arg-type]
    described = precompile(engine.context, "iota(Color, lambda c: exists(Object, lambda x: color(x, c)))").settled
    session = Session(engine.context, engine.context.evidence(scene))
    session._settle_fit(described)  # type: ignore[arg-type]
    bounds = [session._executor.truth(body) for body in described.children]
    assert not any(bool(bound.high.decide()) for bound in bounds)
