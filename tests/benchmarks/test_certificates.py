"""Certificates: they settle, nothing in them can be spared, and no schedule asks fewer cells than the lower bound."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from certificates import Cells, certificate, disjoint_flips, smallest
from helpers.made_programs import LEVELS, LevelOracle, programs, world
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import dsl
from neptune.engine import Engine
from neptune.engine.interpret.interpreter import Interpreter
from neptune.engine.schedule import Schedule
from neptune.engine.session.answers import answer_of
from neptune.engine.session.session import Session
from neptune.scene import Scene


@pytest.fixture(autouse=True)
def no_grad():
    with torch.no_grad():
        yield


def cells_of(engine, program, scene):
    """Return the cells of a program's decisions, and how many a lazy run asked."""
    session = Session(engine.context, engine.evidence(scene))
    checked = dsl.check(program, vocabulary=engine.vocabulary)
    answer_of(Interpreter(session, engine.vocabulary, dsl.Limits()), session, checked.program)
    return Cells(session.goals, scene, engine.context), session.record.usage.oracle_calls


PROGRAMS = [
    "exists(Object, lambda x: exists(Object, lambda y: red(x) and cube(y) and left(x, y)))",
    "count(Object, lambda x: red(x) and cube(x))",
    "point(Object, lambda x: red(x) and left(x, iota(Object, lambda y: cube(y))))",
    "forall(Object, lambda x: red(x) or cube(x))",
]


@pytest.mark.parametrize("program", PROGRAMS)
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_no_smaller_set_settles_and_the_bounds_hold(program, seed):
    """The least number of cells, by trying all sets, lies between the lower bound and the certificate."""
    engine = Engine(oracle=LevelOracle(seed, LEVELS["sure"]), schedule="lazy")
    cells, asked = cells_of(engine, program, world(2))
    found = certificate(cells)
    assert cells.settles(np.ones(cells.size, dtype=bool))

    def settles(chosen):
        known = np.zeros(cells.size, dtype=bool)
        known[list(chosen)] = True
        return cells.settles(known)

    least = next(
        k for k in range(cells.size + 1) if any(settles(c) for c in itertools.combinations(range(cells.size), k))
    )
    assert found.least <= least <= found.calls <= asked


@settings(max_examples=40, deadline=None, database=None, suppress_health_check=list(HealthCheck))
@given(programs(), st.integers(1, 3), st.integers(0, 10**6))
def test_a_certificate_settles_and_spares_nothing(program, n, seed):
    engine = Engine(oracle=LevelOracle(seed, LEVELS["sure"]), schedule="lazy")
    try:
        cells, asked = cells_of(engine, program, world(n))
    except dsl.ProgramError:
        return
    everything = np.ones(cells.size, dtype=bool)
    if not cells.settles(everything):  # a tie within rounding: decided, but not by bounds
        return
    kept = smallest(cells, everything, np.random.default_rng(seed), True)
    assert cells.settles(kept)
    for index in np.flatnonzero(kept):
        fewer = kept.copy()
        fewer[index] = False
        assert not cells.settles(fewer)
    flips = disjoint_flips(cells, kept, np.random.default_rng(seed))
    assert len(set(np.concatenate(flips).tolist())) == sum(map(len, flips)) if flips else True
    assert all(kept[flip].any() for flip in flips)
    assert len(flips) <= min(kept.sum(), asked)


def test_who_knows_the_truth_asks_less():
    engine = Engine(oracle="scene", schedule="lazy", oracle_options={"noise": 0.05})
    cells, asked = cells_of(engine, PROGRAMS[0], Scene.synthetic(12, seed=3))
    told = cells.clairvoyant(Schedule("best-first"))
    assert cells.settles(told)
    assert told.sum() < asked
