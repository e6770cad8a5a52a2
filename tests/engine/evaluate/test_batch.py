"""Batches give the answers of one-by-one runs."""

from __future__ import annotations

from pathlib import Path

import pytest
from helpers.four_objects import scene
from helpers.made_programs import LEVELS, LevelOracle, programs
from helpers.made_programs import world as made
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

import dsl
import neptune.tasks
from neptune.algebra import LogicParameters
from neptune.answer import Answer
from neptune.engine import Engine
from neptune.engine.compile import plan_cache as plans
from neptune.engine.session.soft_answers import soft_answers
from neptune.scene import Scene

SAMPLE = Path(__file__).resolve().parents[3] / "examples" / "clevr"
PROGRAMS = (
    "exists(Object, lambda x: red(x) and cube(x))",
    "exists(Object, lambda x: blue(x) and cube(x))",
    "exists(Object, lambda x: exists(Object, lambda y: left(x, y) and cube(x) and small(y)))",
    "exists(Object, lambda x: exists(Object, lambda y: exists(Object, lambda z: left(x, y) and left(y, z))))",
    "all(Object, lambda x: small(x) or metal(x))",
    "count(Object, lambda x: cube(x) and left(x, iota(Object, lambda y: green(y) and ball(y))))",
    "count(Object, lambda x: red(x))",
    "count(Object, lambda x: red(x)) > count(Object, lambda x: blue(x))",
    "point(Object, lambda x: small(x) and cube(x))",
    "iota(Object, lambda x: blue(x))",
    "describe(Color, iota(Object, lambda x: small(x) and ball(x)))",
    "describe(Shape, iota(Object, lambda x: left(x, iota(Object, lambda y: blue(y)))))",
    'score("a cube?")("x") & score("red?")("x")',
    "if exists(Object, lambda x: red(x)):\n    return count(Object, lambda x: cube(x))\nreturn 0",
    "2 + 3",
)
FIELDS = ("value", "kind", "objects", "witness", "tie", "settled", "abstained", "presuppositions", "notes")
FIELDS += ("ambiguous", "why")


def scenes() -> list[Scene]:
    return [scene(), *(Scene.synthetic(n, seed=n) for n in (1, 3, 6, 0, 6))]


def agree(one: Answer, many: Answer, exact: bool) -> None:
    for name in FIELDS:
        assert getattr(one, name) == getattr(many, name), name
    assert [(s.line, s.source, s.value) for s in one.trace] == [(s.line, s.source, s.value) for s in many.trace]
    close = (lambda x: x) if exact else (lambda x: pytest.approx(x, abs=1e-5))
    assert many.probability == close(one.probability)
    assert many.bounds == close(one.bounds)
    assert many.scores == close(one.scores)


@pytest.mark.parametrize("name", ["godel", "product", "lukasiewicz", "frank:0.1"])
def test_a_batch_answers_as_single_runs_do(name: str) -> None:
    worlds = scenes()
    asked = [(p, s) for p in PROGRAMS for s in worlds if len(s) or "if" not in p]
    alone, together = (
        Engine(oracle="scene", schedule="all", planner="optimised", logic=name, oracle_options={"noise": 0.1})
        for _ in range(2)
    )
    for (program, world), answer in zip(asked, together.run_many(asked), strict=True):
        agree(alone.run(program, world), answer, name == "godel")


@pytest.mark.parametrize("task", ["clevr", "clevr-refexps", "clevr-puzzle", "clevr-rpm"])
def test_the_shipped_questions_are_answered_as_one_by_one(task: str) -> None:
    scenes: dict[str, Scene] = {}
    asked = []
    for sample in neptune.tasks.load(task, str(SAMPLE), num_samples=40).samples:
        key = str(sample.picture.path)
        scenes.setdefault(key, Scene.from_annotation(sample.annotation))
        asked.append((sample.gold(), scenes[key]))
    alone, together = (Engine(oracle="scene", oracle_options={"noise": 0.15}) for _ in range(2))
    for (program, world), answer in zip(asked, together.run_many(asked), strict=True):
        agree(alone.run(program, world), answer, True)


@pytest.mark.parametrize("name", ["godel", "lukasiewicz"])
def test_conjunctions_of_any_length_are_one_shape(name: str) -> None:
    kinds = ("cube(x)", "red(x) and cube(x)", "small(x) and red(x) and rubber(x) and ball(x)")
    asked = [
        (f"count(Object, lambda x: {kind} and left(x, iota(Object, lambda x: {kind})))", s)
        for kind in kinds
        for s in scenes()
        if len(s)
    ]
    alone, together = (Engine(oracle="scene", logic=name, oracle_options={"noise": 0.3}) for _ in range(2))
    before = plans.planned
    answers = together.run_many(asked)
    assert plans.planned - before <= 1
    for (program, world), answer in zip(asked, answers, strict=True):
        agree(alone.run(program, world), answer, name == "godel")


MIXED = (
    *PROGRAMS[:12],
    "count(Object, lambda x: red(x)) == count(Object, lambda x: cube(x) or metal(x))",
    "exists(Object, lambda x: count(Object, lambda y: left(x, y)) >= 2)",
    "all(Object, lambda x: exists(Object, lambda y: left(x, y) or behind(y, x)))",
    "exists(Object, lambda x: exists(Object, lambda y: left(x, y) and red(x) and cube(y) and behind(x, y)))",
    "exists(Object, lambda x, y, z: distinct(x, y, z) and left(x, y) and red(z))",
    "describe(Color, point(Object, lambda x: cube(x)))",
    "left(point(Object, lambda x: red(x)), iota(Object, lambda x: cube(x)))",
    'score("is the first left of the second?", 2).exists("x2").iota("x1")',
)


@pytest.mark.parametrize("small", [False, True])
@pytest.mark.parametrize("levels", [None, "ties", "crisp", "missing"])
@pytest.mark.parametrize("name", ["godel", "product", "lukasiewicz"])
def test_a_batch_on_arrays_is_one_on_tensors(
    name: str, levels: str | None, small: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Scenes of different sizes at once, so that most rows are padded; also where a join is made in parts."""
    if small:
        monkeypatch.setattr("neptune.engine.compile.quantifiers.BATCH_CELLS", 40)
    oracle = LevelOracle(7, LEVELS[levels] if levels else None)
    asked = [(p, made(n)) for p in MIXED for n in (1, 4, 2, 6, 3)]
    arrays, tensors = (
        Engine(oracle=oracle, logic=name, backend=backend, presuppositions="answer") for backend in ("auto", "torch")
    )
    for (program, world), one, many in zip(asked, tensors.run_many(asked), arrays.run_many(asked), strict=True):
        assert one.value == many.value, (program, len(world))
        agree(one, many, False)


def test_one_shape_is_planned_once_and_asked_in_one_round() -> None:
    engine = Engine(oracle="scene", schedule="all", planner="optimised")
    colors = ("red", "blue", "green", "gray", "cyan")
    asked = [(f"exists(Object, lambda x: {c}(x) and ball(x))", s) for c in colors for s in scenes() if len(s)]
    before = plans.planned
    answers = engine.run_many(asked)
    assert plans.planned - before <= 1
    assert max(a.usage.oracle_rounds for a in answers) == 1
    assert all(a.usage.oracle_calls == 0 for a in engine.run_many(asked))


def test_a_lazy_engine_and_a_budget_run_one_by_one() -> None:
    engine = Engine(oracle="scene", schedule="lazy", planner="optimised", max_oracle_calls=3)
    world = Scene.synthetic(8, seed=1)
    (answer,) = engine.run_many([("count(Object, lambda x: red(x))", world)])
    assert answer.usage.oracle_calls <= 3
    assert not answer.settled


def test_a_wrong_program_raises_its_error() -> None:
    engine = Engine(oracle="scene", schedule="all")
    with pytest.raises(dsl.ProgramError):
        engine.run_many([("count(Object, lambda x: ", scene())])


# --- one meaning, three ways to it ---

LITERALS = (
    "red(x)",
    "cube(x)",
    "block(x)",  # a synonym: cube(x) once more
    "not metal(x)",
    "left(x, x)",
    "left(x, iota(Object, lambda y: red(y) and red(y)))",
    "left(x, iota(Object, lambda y: cube(y) and left(y, y)))",  # a body that folds to a constant
    "exists(Object, lambda y: behind(x, y) and cube(y) and block(y))",
    "same_object(x, x)",
)
FORMS = (
    "exists(Object, lambda x: {})",
    "not forall(Object, lambda x: {})",
    "exists(Object, lambda x: exists(Object, lambda y: right(x, y) and {}))",
    "count(Object, lambda x: {})",
    "count(Object, lambda x: {}) > 1",
    "point(Object, lambda x: {})",
    "describe(Color, iota(Object, lambda x: {}))",
)


@st.composite
def repeating(draw: st.DrawFn) -> str:
    """A program whose few atoms come back, or vanish."""
    literals = draw(st.lists(st.sampled_from(LITERALS), min_size=1, max_size=5))
    return draw(st.sampled_from(FORMS)).format(draw(st.sampled_from([" and ", " and ", " or "])).join(literals))


def clear(answer: Answer, tied: bool) -> bool:
    """Tell whether no decision of the run lay within rounding of a tie, as far as its answer tells."""
    scores = sorted(answer.scores or (answer.probability or 0.0,))
    if answer.kind == "text":
        return not tied
    if answer.kind == "object":
        return len(scores) < 2 or scores[-1] - scores[-2] > 1e-5
    return all(abs(p - 0.5) > 1e-5 for p in scores)


@settings(max_examples=300, deadline=None, database=None, suppress_health_check=list(HealthCheck))
@given(
    st.lists(st.one_of(repeating(), repeating(), programs()), min_size=1, max_size=3),
    st.sampled_from(["godel", "product", "lukasiewicz", "frank:0.1"]),
    st.sampled_from([0.0, 0.0, 1.0, 0.3]),
    st.sampled_from([1.0, 0.0, 2.5]),
    st.sampled_from([None, "crisp", "ties"]),
    st.integers(0, 10**6),
)
@example(  # a description that speaks of a chosen object is shown with that object
    ["red(iota(Object, lambda x: left(x, point(Object, lambda y: red(y)))))"], "godel", 0.0, 1.0, None, 2
)
@example(  # of several witnesses that are as good but for the last digit, both show the first
    [
        "exists(Object, lambda x: red(x))",
        "exists(Object, lambda x: exists(Object, lambda y: right(x, y) and red(x) or cube(x) "
        "or left(x, iota(Object, lambda y: cube(y) and left(y, y)))))",
    ],
    "lukasiewicz",
    1.0,
    1.0,
    None,
    0,
)
def test_a_run_a_batch_and_a_soft_answer_agree(
    texts: list[str], name: str, quantifier_tau: float, iota_tau: float, levels: str | None, seed: int
) -> None:
    parameters = LogicParameters(quantifier_tau=quantifier_tau, iota_tau=iota_tau)
    oracle = LevelOracle(seed, LEVELS[levels] if levels else None)
    asked = [(text, made(n)) for text in texts for n in (1, 2, 4)]
    options = {"logic": name, "parameters": parameters, "presuppositions": "answer"}
    engine = Engine(oracle=oracle, **options)
    for (text, small), many, soft in zip(
        asked, engine.run_many(asked), soft_answers(engine.context, asked), strict=True
    ):
        one = Engine(oracle=oracle, **options).run(text, small)
        assert one.probability is not None
        exact = name == "godel" and quantifier_tau == 0.0 and "iota" not in text
        if exact or clear(one, levels is not None):
            agree(one, many, False)
        if one.kind == "truth" and "point" not in text:
            assert soft is not None
            assert float(soft.probability(one.value).detach()) == pytest.approx(one.probability, abs=1e-5)
