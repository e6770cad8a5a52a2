"""Small tables that are wholly known are computed on arrays: the same answers as on tensors, from the same programs."""

from __future__ import annotations

import gc
import math
from dataclasses import fields, replace

import numpy as np
import pytest
import torch
from helpers.made_programs import LEVELS, MANY, LevelOracle, programs, world
from hypothesis import given, settings
from hypothesis import strategies as st

import dsl
from dsl.plan import Predicate
from neptune import Engine, Scene
from neptune.algebra import LogicParameters, ProbabilisticTensor, convert, iota, logic
from neptune.algebra.arrays import FEW, array_logic, logistic, softmax_of_few
from neptune.algebra.neutral import NEUTRAL, NUMBERS, NeutralParameters
from neptune.engine.evaluate.arrays import KnownScene
from neptune.errors import NeptuneError

MADE = (
    'score("is it red?")("x") & score("is it a cube?")("x")',
    "count(Object, lambda x: red(x)) > count(Object, lambda x: cube(x))",
    "count(Object, lambda x: red(x)) == count(Object, lambda x: cube(x) or metal(x))",
    "exists(Object, lambda x: count(Object, lambda y: left(x, y)) >= count(Object, lambda y: right(x, y)))",
    "exists(Object, lambda x: count(Object, lambda y: left(x, y)) != 2)",
    "count([exists(Object, lambda x: red(x)), exists(Object, lambda x: cube(x)), exists(Object, lambda x: metal(x))])",
    "describe(Color, iota(Object, lambda x: cube(x) and left(x, iota(Object, lambda y: red(y)))))",
    "describe(Color, point(Object, lambda x: cube(x)))",
    "iota(Color, lambda c: exists(Object, lambda x: cube(x) and color(x, c)))",
    "point(Object, lambda x: left(x, point(Object, lambda y: red(y))))",
    "red(iota(Object, lambda x: left(x, iota(Object, lambda y: cube(y)))))",
    "left(iota(Object, lambda x: red(x)), iota(Object, lambda x: cube(x)))",
    "exists(Object, lambda x: exists(Object, lambda y: exists(Object, lambda z: left(x, y) and behind(y, z))))",
    'score("is the first left of the second?", 2).exists("x2").iota("x1")',
    "exists(Object, lambda x, y, z: distinct(x, y, z) and left(x, y) and red(z))",
    "float(exists(Object, lambda x: red(x))) > 0.3",
    "topk(2, Object, lambda x: red(x))",
    "n = count(Object, lambda x: red(x))\nif n > 2:\n    return describe(Shape, iota(Object, lambda x: red(x)))\nn",
    "[count(Object, lambda x: red(x)), point(Object, lambda x: cube(x))]",
    "left(x, x) and red(x)",
)
LOGICS = ("godel", "godel", "product", "lukasiewicz")


def both(program, n, levels, seed, logic_name, **options):
    """Return what an engine says by arrays where it can, and by tensors alone."""
    out = []
    for backend in ("auto", "torch"):
        engine = Engine(
            oracle=LevelOracle(seed, LEVELS[levels] if levels else None), logic=logic_name, backend=backend, **options
        )
        scene = world(n)
        try:
            engine.run(program, scene)
            answer = engine.run(program, scene)
            out.append(replace(answer, usage=replace(answer.usage, plan_ms=0, execute_ms=0, oracle_ms=0)))
        except (NeptuneError, dsl.ProgramError) as error:
            out.append((type(error), str(error)))
    return out


def alike(a, b):
    """Tell whether two values are equal, floats to within 1e-6."""
    if isinstance(a, float) and isinstance(b, float):
        return math.isclose(a, b, rel_tol=0, abs_tol=1e-6)
    if isinstance(a, tuple | list) and isinstance(b, tuple | list):
        return len(a) == len(b) and all(map(alike, a, b))
    if hasattr(a, "__dataclass_fields__") and type(a) is type(b):
        return all(alike(getattr(a, f.name), getattr(b, f.name)) for f in fields(a))
    return a == b


def check(program, n, levels, seed, logic_name, **options):
    arrays, tensors = both(program, n, levels, seed, logic_name, **options)
    if logic_name == "godel":
        assert arrays == tensors
    else:
        assert alike(arrays, tensors), (arrays, tensors)


@settings(max_examples=150, **MANY)
@given(
    programs(),
    st.integers(0, 6),
    st.sampled_from([None, "ties", "crisp", "sure", "missing"]),
    st.integers(0, 10**6),
    st.sampled_from(LOGICS),
)
def test_arrays_say_what_tensors_say(program, n, levels, seed, logic_name):
    check(program, n, levels, seed, logic_name)


@pytest.mark.full
@settings(max_examples=10_000, **MANY)
@given(
    programs(),
    st.integers(0, 9),
    st.sampled_from([None, "ties", "crisp", "sure", "missing"]),
    st.integers(0, 10**6),
    st.sampled_from(LOGICS),
)
def test_arrays_say_what_tensors_say_many(program, n, levels, seed, logic_name):
    check(program, n, levels, seed, logic_name)


@pytest.mark.parametrize("logic_name", ["godel", "product", "lukasiewicz", "frank:0.1"])
@pytest.mark.parametrize("program", MADE)
def test_every_kind_of_need(program, logic_name):
    for n, levels in ((1, None), (4, None), (5, "ties"), (3, "crisp"), (4, "missing")):
        check(program, n, levels, n, logic_name)


@pytest.mark.parametrize("program", MADE)
def test_under_temperatures(program):
    parameters = LogicParameters(iota_tau=0.3, presupposition_b=1.0, oracle={"default": (2.0, 0.5), "red": (0.5, -0.3)})
    for levels in (None, "ties", "missing"):
        check(program, 5, levels, 3, "godel", parameters=parameters)
    check(program, 5, None, 3, "godel", parameters=LogicParameters(iota_tau=0.0))
    check(program, 4, None, 3, "godel", parameters=LogicParameters(quantifier_tau=0.5))


def test_a_temperature_that_changes_is_heeded():
    """What is kept of a scene is kept for the temperatures that it was computed with."""
    parameters = LogicParameters()
    engine, scene = Engine(oracle="random", parameters=parameters), Scene.synthetic(5, seed=0)
    program = "exists(Object, lambda x: red(x))"
    before = engine.run(program, scene).probability
    with torch.no_grad():
        parameters.oracle["default"].b.fill_(1.0)
    after = engine.run(program, scene).probability
    assert before != after
    assert after == Engine(oracle="random", parameters=parameters, backend="torch").run(program, scene).probability


def test_arrays_are_used(monkeypatch):
    ran = []
    run = KnownScene._run
    monkeypatch.setattr(KnownScene, "_run", lambda self, *a: ran.append(a) or run(self, *a))
    engine, scene = Engine(oracle="random"), Scene.synthetic(5, seed=0)
    engine.run("exists(Object, lambda x: red(x) and cube(x))", scene)
    assert ran
    ran.clear()
    for other in (
        Engine(oracle="random", backend="torch"),
        Engine(oracle="random", planner="naive"),
        Engine(oracle="random", logic="frank:0.1"),
        Engine(oracle="random", parameters=LogicParameters(quantifier_tau=0.1)),
        Engine(oracle="random", schedule="lazy"),
    ):
        other.run("exists(Object, lambda x: red(x) and cube(x))", scene)
    assert not ran


@pytest.mark.parametrize(
    "program",
    [
        "describe(Color, point(Object, lambda x: cube(x)))",
        "[shape(x) for x in Object]",
        "point(Object, lambda x: left(x, point(Object, lambda y: red(y))))",
        "x = point(Object, lambda x: red(x))\ny = point(Object, lambda x: cube(x))\nreturn left(x, y) or metal(x)",
    ],
)
def test_what_is_known_of_the_objects_spoken_of_is_enough(monkeypatch, program):
    """The tables of `color` or `left` are asked for one object alone: they are read off arrays all the same."""
    for levels in (None, "ties", "missing"):
        check(program, 5, levels, 1, "godel")
    monkeypatch.setattr("neptune.engine.session.session.Executor", lambda *_: pytest.fail("tensors"))
    Engine(oracle="random").run(program, Scene.synthetic(5, seed=0))


def test_descriptions_are_evaluated_once(monkeypatch):
    ran = []
    run = KnownScene._run
    monkeypatch.setattr(KnownScene, "_run", lambda self, node, *a: ran.append(node) or run(self, node, *a))
    engine, scene = Engine(oracle="random"), Scene.synthetic(5, seed=0)
    program = "describe(Color, iota(Object, lambda x: cube(x) and left(x, iota(Object, lambda y: red(y)))))"
    engine.run(program, scene)
    ran.clear()
    engine.run(program, scene)
    assert len(ran) == 1, "the two descriptions, the value and its probability are read off one evaluation"


def test_what_is_said_of_one_object_changes_with_its_tables():
    engine, scene = Engine(oracle="random"), Scene.synthetic(5, seed=0)
    program = "describe(Color, iota(Object, lambda x: cube(x)))"
    before = engine.run(program, scene)
    table = engine.evidence(scene).table(engine.wording.question(Predicate("red", 1)), False)
    table.write(np.arange(5), np.full(5, 40.0, dtype=np.float32))
    after = engine.run(program, scene)
    assert after.value == "red"
    assert after.probability > before.probability
    other = Engine(oracle="random", backend="torch")
    other.run(program, scene)
    other.evidence(scene).table(other.wording.question(Predicate("red", 1)), False).write(np.arange(5), table.logits)
    assert other.run(program, scene).probability == after.probability


def test_a_run_leaves_no_cycles():
    engine, scene = Engine(oracle="random"), Scene.synthetic(5, seed=0)
    programs = ("count(Object, lambda x: red(x))", "describe(Color, iota(Object, lambda x: cube(x)))")
    for program in programs * 3:
        engine.run(program, scene)
    gc.collect()
    gc.disable()
    try:
        for program in programs * 20:
            engine.run(program, scene)
        assert gc.collect() < 40, "each run leaves what only the collector finds"
    finally:
        gc.enable()


def test_large_tables_are_left_to_tensors(monkeypatch):
    monkeypatch.setattr(KnownScene, "truth", lambda *_: pytest.fail("arrays"))
    engine = Engine(oracle="random")
    answer = engine.run("exists(Object, lambda x: exists(Object, lambda y: left(x, y)))", Scene.synthetic(140, seed=0))
    assert answer.kind == "truth"


numbers = st.lists(st.floats(-60, 60, width=32) | st.sampled_from([-math.inf, math.inf, 0.0, 1e-20]), min_size=1)


@given(numbers, st.sampled_from([np.float32, np.float64]))
def test_the_logistic_function_is_one(cells, dtype):
    array = np.array(cells, dtype=dtype)
    assert logistic(array).tolist() == convert.to_probability(torch.from_numpy(array)).tolist()


@given(numbers, st.sampled_from([0.0, 0.1, 1.0, 7.0]))
def test_weights_are_those_of_tensors(cells, tau):
    of = array_logic(logic.godel)
    array = np.array(cells, dtype=np.float32)
    assert of.weights(array, tau).tolist() == iota.weights(torch.from_numpy(array), None, torch.tensor(tau)).tolist()


@given(st.lists(st.floats(-13.75, 13.75, width=32), min_size=1, max_size=FEW))
def test_the_softmax_of_few_is_that_of_tensors(cells):
    array = np.array(cells, dtype=np.float32)
    expected = torch.from_numpy(array).softmax(0).numpy()
    if torch.backends.cpu.get_cpu_capability() in ("AVX2", "AVX512"):  # another processor's has another last digit
        assert softmax_of_few(array).tolist() == expected.tolist()
    np.testing.assert_allclose(softmax_of_few(array), expected, rtol=1e-6, atol=0)


def test_the_neutral_numbers_are_those_of_parameters_that_were_not_told_any():
    parameters = LogicParameters()
    assert parameters.numbers() == NUMBERS
    assert parameters.to_dict() == NEUTRAL
    held = NeutralParameters()
    assert held.made is held.made
    assert (held.numbers(), held.to_dict(), held.kind_of("red")) == (NUMBERS, NEUTRAL, "default")
    engine = Engine(oracle="random")
    assert isinstance(engine.parameters, LogicParameters)
    with torch.no_grad():
        engine.parameters.presupposition_b.fill_(1.0)
    assert engine.context.parameters.numbers() == engine.parameters.numbers() != NUMBERS


@given(numbers, numbers, st.sampled_from(["godel", "product", "lukasiewicz"]))
def test_connectives_are_those_of_tensors(first, second, name):
    of = logic.get(name)
    arrays, size = array_logic(of), min(len(first), len(second))
    a, b = (of.to_internal(torch.tensor(cells[:size], dtype=of.dtype)) for cells in (first, second))
    x, y = a.numpy(), b.numpy()
    for operation in ("and_", "or_", "xor"):
        assert getattr(arrays, operation)(x, y).tolist() == getattr(of, operation)(a, b).tolist()
    for operation in ("not_", "to_logits", "to_probability", "ranks"):
        assert getattr(arrays, operation)(x).tolist() == getattr(of, operation)(a).tolist()


@given(numbers, st.integers(0, 5))
def test_exactly_k_is_that_of_tensors(cells, k):
    from neptune.engine.evaluate.arrays import Cells

    array = np.array(cells, dtype=np.float32)
    k = min(k, len(cells))
    expected = float(ProbabilisticTensor.from_logits(torch.from_numpy(array), "x").exactly(k, "x").values)
    assert Cells(array_logic(logic.godel), array).exactly(k) == expected
