"""Where a round may not ask all that it chose, the likeliest ground atoms go first."""

from __future__ import annotations

import numpy as np
import pytest

from dsl.plan import Atom, Predicate, Term, make
from neptune.algebra.logic import godel
from neptune.engine.evidence.priors import Estimates, all_tuples, box_prior
from neptune.engine.schedule.choice.selection import cut
from neptune.engine.schedule.choice.weights import Later
from neptune.engine.schedule.rounds import Remembered
from neptune.scene import Scene

LEFT = Predicate("left", 2)


@pytest.mark.parametrize("terms", [("x", "y"), ("y", "x"), (2, "x"), ("x", 2)])
@pytest.mark.parametrize("seed", range(5))
def test_the_likeliest_ground_atoms_are_kept(terms: tuple[Term, ...], seed: int) -> None:
    scene = Scene.synthetic(6, seed=seed)
    state = Remembered(scene, godel, Estimates(None, box_prior))
    pairs = all_tuples((6, 6))
    for at, term in enumerate(terms):
        pairs = pairs[pairs[:, at] == term] if isinstance(term, int) else pairs
    pairs = pairs[pairs[:, 0] != pairs[:, 1]]
    choices = [(make(Atom, LEFT, terms), pairs)]
    probability = dict(zip(map(tuple, pairs.tolist()), np.clip(box_prior(scene, LEFT, pairs), 1e-3, 1 - 1e-3)))
    for most in range(len(pairs) + 2):
        ((_, kept),) = cut(state, choices, most) or [(None, pairs[:0])]
        expected = sorted(probability, key=lambda pair: -probability[pair])[:most]  # of equal ones the first
        assert set(map(tuple, kept.tolist())) == set(expected)
    assert cut(state, choices, None) is choices


def test_what_is_worked_out_later_is_worked_out_once_and_only_when_read() -> None:
    made = []

    def rule(*given: np.ndarray) -> np.ndarray:
        made.append(given)
        return sum(given, np.zeros(2))

    first = Later(rule, np.ones(2))
    both = Later(rule, first, first)
    assert not made
    assert both.found.tolist() == [2.0, 2.0]
    assert both.found.tolist() == [2.0, 2.0]
    assert len(made) == 2
