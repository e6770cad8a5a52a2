"""Bounds as arrays are the bounds of the registers, whatever is known of a scene, and follow what is learned."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch

from dsl import plan
from dsl.plan import Count, Description
from dsl.plan.guards import insert_guards
from neptune.algebra import LogicParameters
from neptune.algebra.convert import LOGIT_LIMIT
from neptune.answer import Usage
from neptune.engine import Engine
from neptune.engine.compile import descriptions
from neptune.engine.evaluate.ends.arithmetic import expectation_ends
from neptune.engine.evaluate.executor import Executor
from neptune.engine.evaluate.known_atoms import KnownAtoms
from neptune.engine.session.needs.bounded import _extremes, _weights
from neptune.engine.session.precompiled import precompile
from neptune.scene import Scene

MEANT = "iota(Object, lambda y: red(y) and left(y, iota(Object, lambda z: cube(z) or metal(z))))"
PROGRAMS = [
    "exists(Object, lambda x: red(x) and not cube(x))",
    "forall(Object, lambda x: red(x) or exists(Object, lambda y: left(x, y) and cube(y)))",
    f"count(Object, lambda x: left(x, {MEANT}))",
    f"count(Object, lambda x: same_color(x, {MEANT}) and not behind(x, {MEANT}))",
    f"describe(Color, {MEANT})",
    f"point(Object, lambda x: cube(x) and right(x, {MEANT}))",
    "greater_than(count(Object, lambda x: red(x)), count(Object, lambda x: left(x, iota(Object, lambda y: cube(y)))))",
    "exists(Object, lambda x: exists(Object, lambda y: distinct(x, y) and same_shape(x, y) and red(x)))",
    "exists(Object, lambda x: red(x) ^ cube(x))",
]


def executors(engine: Engine, scene: Scene) -> tuple[Executor, Executor]:
    context, evidence = engine.context, engine.evidence(scene)
    made = []
    for _ in range(2):
        atoms, n = KnownAtoms(evidence, context), len(scene)
        made.append(Executor(n, context.logic, context.parameters, atoms, 10**7, "naive", 100))
    by_arrays, by_registers = made
    assert by_arrays._ends is not None
    by_registers._ends = None
    return by_arrays, by_registers


TEMPERATURES = {"default": (2.0, 0.5), "red": (0.5, -0.3)}


@pytest.mark.parametrize("noise", [0.0, 1.5])
@pytest.mark.parametrize("n", [1, 2, 5])
@pytest.mark.parametrize("program", PROGRAMS)
@pytest.mark.parametrize("temperatures", [None, TEMPERATURES], ids=["as given", "calibrated"])
@torch.no_grad()
def test_arrays_hold_what_registers_hold(
    program: str, n: int, noise: float, temperatures: dict[str, tuple[float, float]] | None
) -> None:
    parameters = LogicParameters(oracle=temperatures)
    options = {"noise": noise} if noise else {}
    engine = Engine(oracle="scene", oracle_options=options, schedule="lazy", parameters=parameters)
    scene, rng = Scene.synthetic(n, seed=n), np.random.default_rng(n)
    whole = insert_guards(precompile(engine.context, program).need.of)
    atoms = [node for node in plan.walk(whole) if isinstance(node, plan.Atom)]
    by_arrays, by_registers = executors(engine, scene)
    evidence, wording = engine.evidence(scene), engine.context.wording
    for _ in range(6):
        by_arrays.forget()
        by_registers.forget()
        for node in plan.walk(whole):
            if isinstance(node, plan.Describe | plan.CountTrue | plan.Number):
                continue
            found, expected = by_arrays.ends(node), by_registers.ends(node)
            for a, b in zip(found, expected, strict=True):
                assert a.shape == b.shape == (n,) * (len(node.free) + isinstance(node, Count | Description))
                np.testing.assert_allclose(_probability(a), _probability(b), atol=1e-6)
            # What is known is one array: two that are equal are an open value, and the answer withholds its scores.
            assert found[0] is found[1] or expected[0] is not expected[1]
            assert found[0] is not found[1] or (expected[0] == expected[1]).all()
        atom = atoms[rng.integers(len(atoms))]
        cells = rng.integers(0, n, (3, atom.predicate.arity))
        wanted = [(wording.question(atom.predicate), atom.predicate.symmetric, cells)]
        evidence.ask(engine.context.oracle, wanted, Usage())


@pytest.mark.parametrize("temperatures", [None, TEMPERATURES], ids=["as given", "calibrated"])
@pytest.mark.parametrize("program", PROGRAMS)
@torch.no_grad()
def test_what_is_wholly_asked_is_one_array(program: str, temperatures: dict[str, tuple[float, float]] | None) -> None:
    engine, n = Engine(oracle="scene", parameters=LogicParameters(oracle=temperatures)), 4
    scene = Scene.synthetic(n, seed=0)
    whole = insert_guards(precompile(engine.context, program).need.of)
    evidence, wording = engine.evidence(scene), engine.context.wording
    for atom in [node for node in plan.walk(whole) if isinstance(node, plan.Atom)]:
        cells = np.indices((n,) * atom.predicate.arity).reshape(atom.predicate.arity, -1).T
        if atom.predicate.arity == 2:
            cells = cells[cells[:, 0] != cells[:, 1]]
        wanted = [(wording.question(atom.predicate), atom.predicate.symmetric, cells)]
        evidence.ask(engine.context.oracle, wanted, Usage())
    executor, _ = executors(engine, scene)
    for node in plan.walk(whole):
        if not isinstance(node, plan.Describe | plan.CountTrue | plan.Number):
            low, high = executor.ends(node)
            assert low is high, plan.show(node)


def _probability(logits: np.ndarray) -> np.ndarray:
    return 1.0 / (1.0 + np.exp(-np.asarray(logits, np.float64)))


@torch.no_grad()
def test_what_no_answer_changed_is_not_computed_again() -> None:
    engine = Engine(oracle="scene", schedule="lazy")
    scene = Scene.synthetic(5, seed=0)
    node = insert_guards(precompile(engine.context, "exists(Object, lambda x: red(x) and cube(x))").need.of)
    red, cube = (n for n in plan.walk(node) if isinstance(n, plan.Atom))
    executor, _ = executors(engine, scene)
    before = {atom: executor.ends(atom) for atom in (red, cube)}
    executor.ends(node)
    question = engine.context.wording.question(red.predicate)
    engine.evidence(scene).ask(engine.context.oracle, [(question, False, np.array([[0]]))], Usage())
    executor.forget()
    assert executor.ends(cube) is before[cube]
    assert executor.ends(red) is not before[red]
    low, high = executor.ends(red)
    assert low[0] == high[0]
    assert low[1] < high[1]


@pytest.mark.parametrize("logic", ["product", "lukasiewicz", "frank:0.1"])
@torch.no_grad()
def test_other_logics_are_bounded_in_registers(logic: str) -> None:
    engine = Engine(oracle="scene", schedule="lazy", logic=logic)
    context, scene = engine.context, Scene.synthetic(4, seed=0)
    atoms = KnownAtoms(engine.evidence(scene), context)
    assert Executor(4, context.logic, context.parameters, atoms, 10**7)._ends is None


def test_where_gradients_flow_registers_are_used() -> None:
    engine = Engine(oracle="scene", schedule="lazy")
    context, scene = engine.context, Scene.synthetic(4, seed=0)
    atoms = KnownAtoms(engine.evidence(scene), context)
    assert Executor(4, context.logic, context.parameters, atoms, 10**7)._ends is None


def _on_arrays(fits: np.ndarray, said: np.ndarray, tau: float) -> np.ndarray:
    return expectation_ends((fits[0], fits[1]), (said[0], said[1]), tau)


def _on_tensors(fits: np.ndarray, said: np.ndarray, tau: float) -> np.ndarray:
    logits, r = torch.from_numpy(fits).expand(said.shape), torch.from_numpy(said)
    return descriptions._bounds(logits, r, tau).numpy()


def _of_a_reading(fits: np.ndarray, said: np.ndarray, tau: float) -> np.ndarray:
    cells = np.clip(fits[:, 0].astype(np.float64), -LOGIT_LIMIT, LOGIT_LIMIT)
    return np.array([_extremes(_weights(cells.copy(), tau), said[:, row]) for row in range(said.shape[1])]).T


@pytest.mark.parametrize("bounds", [_on_arrays, _on_tensors, _of_a_reading])
@pytest.mark.parametrize("tau", [0.001, 0.01, 0.02, 0.1, 1.0, 3.0])
def test_what_is_said_of_a_described_object_lies_within_its_bounds(
    tau: float, bounds: Callable[[np.ndarray, np.ndarray, float], np.ndarray]
) -> None:
    """Also where weights are too small or too large for numbers: at 0.01 one is e to the -2763."""
    rng = np.random.default_rng(0)
    for rows, n in [(1, 1), (1, 4), (3, 4), (3, 10)]:
        for _ in range(20):
            known = rng.random((2, rows, n)) < 0.5
            fits, said = rng.choice([-20.0, -3.0, 0.0, 2.0, 20.0], (1, n)), rng.random((rows, n))
            between = np.array([np.where(known[0, :1], fits, end) for end in (-np.inf, np.inf)], dtype=np.float32)
            ends = bounds(between, np.array([np.where(known[1], said, end) for end in (0.0, 1.0)], np.float32), tau)
            assert np.isfinite(ends).all()
            for _ in range(20):
                some = np.where(known[0, :1], fits, rng.choice([-20.0, -3.0, 0.0, 2.0, 20.0], (1, n)))
                logits = np.clip(some, -LOGIT_LIMIT, LOGIT_LIMIT)
                w = np.exp((logits - logits.max()) / tau)
                r = np.where(known[1], said, rng.random((rows, n)))
                mean = (w * r).sum(-1) / w.sum()
                assert (ends[0] - 1e-6 <= mean).all()
                assert (mean <= ends[1] + 1e-6).all()
