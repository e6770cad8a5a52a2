"""Bounds against all the corners of their box: what is settled, quotients of sums, and decisions near a tie."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from helpers.made_programs import world
from hypothesis import given, settings
from hypothesis import strategies as st

from neptune.algebra import logic
from neptune.engine import Engine
from neptune.engine.compile.descriptions import fractional_bounds
from neptune.engine.evaluate.bounds import settled_argmax, softmax_bounds
from neptune.engine.session.needs.bounded import _extremes
from neptune.scene.types import ScoreRequest, Scores

QUIET = {"deadline": None, "database": None}


def corners(low: list[float], high: list[float]) -> list[tuple[float, ...]]:
    return list(itertools.product(*zip(low, high, strict=True)))


@st.composite
def boxes(draw: st.DrawFn, levels: tuple[float, ...], most: int = 5) -> tuple[list[float], list[float]]:
    """Lower and upper ends out of a few levels, so that ties are common."""
    n = draw(st.integers(1, most))
    ends = [sorted(draw(st.tuples(st.sampled_from(levels), st.sampled_from(levels)))) for _ in range(n)]
    return [a for a, _ in ends], [b for _, b in ends]


def first_largest(values: tuple[float, ...], digits: int | None) -> int:
    """Return the first of the largest values, compared exactly or to so many digits: slow and obvious."""
    compared = [v if digits is None else round(v, digits) for v in values]
    return compared.index(max(compared))


CHOICES = {
    "godel": (None, (-np.inf, -2.0, 0.0, 0.3, 2.0, np.inf)),
    # Two levels a rounding apart are one and the same to every logic that computes.
    "product": (9, (0.0, 0.25, 0.5, 0.5 + 1e-12, 0.75, 1.0)),
    "lukasiewicz": (9, (0.0, 0.5 - 1e-12, 0.5, 1.0)),
}


@pytest.mark.parametrize("name", CHOICES)
@settings(max_examples=400, **QUIET)
@given(st.data())
def test_settled_is_what_every_corner_chooses(name: str, data: st.DataObject) -> None:
    """A choice is settled exactly if all values between the bounds choose alike, and then it is that one."""
    digits, levels = CHOICES[name]
    low, high = data.draw(boxes(levels))
    chosen = {first_largest(values, digits) for values in corners(low, high)}
    ends = (torch.tensor(end, dtype=torch.float64) for end in (low, high))
    best, settled = settled_argmax(logic.get(name), *ends)
    assert settled == (len(chosen) == 1)
    if settled:
        assert {best} == chosen
        inside = [data.draw(st.sampled_from([v for v in levels if a <= v <= b])) for a, b in zip(low, high)]
        assert first_largest(tuple(inside), digits) == best


def test_the_first_of_equals_is_settled_and_a_later_one_is_not() -> None:
    def of(low: list[float], high: list[float]) -> tuple[int, bool]:
        return settled_argmax(logic.product, torch.tensor(low), torch.tensor(high))

    assert of([0.5, 0.5], [0.5, 0.5]) == (0, True)
    assert of([0.5, 0.0], [0.5, 0.5]) == (0, True)  # the second can at best draw level
    assert of([0.0, 0.5], [0.5, 0.5])[1] is False  # the first may draw level, and would be chosen
    assert of([0.5, 0.0], [0.5, 0.8])[1] is False  # the second may be larger, if by less than a half


@settings(max_examples=400, **QUIET)
@given(st.data(), st.booleans())
def test_a_quotient_of_sums_is_bounded_by_its_corners(data: st.DataObject, upper: bool) -> None:
    """The extreme of Σ w·r / Σ w, each w at either end: all 2ⁿ corners are tried, those without weight left out."""
    low, high = data.draw(boxes((0.0, 0.1, 0.5, 1.0, 3.0)))
    r = [data.draw(st.sampled_from((0.0, 0.2, 0.2, 0.7, 1.0))) for _ in low]
    means = [np.dot(w, r) / sum(w) for w in corners(low, high) if sum(w) > 0]
    if not means:
        return
    w_low, w_high, values = (torch.tensor([t], dtype=torch.float64) for t in (low, high, r))
    found = fractional_bounds(w_low, w_high, values, upper=upper)
    assert found.tolist() == pytest.approx([max(means) if upper else min(means)], abs=1e-12)


@settings(max_examples=100, **QUIET)
@given(boxes((-10.0, -3.0, 0.0, 1.0, 10.0)), st.sampled_from([0.5, 1.0, 2.0]))
def test_a_share_is_bounded_by_its_corners(box: tuple[list[float], list[float]], tau: float) -> None:
    low, high = box
    for index in range(len(low)):
        shares = [float(torch.softmax(torch.tensor(v) / tau, 0)[index]) for v in corners(low, high)]
        found = softmax_bounds(torch.tensor(low), torch.tensor(high), index, tau)
        assert found == pytest.approx((min(shares), max(shares)), abs=1e-5)


class Told:
    """An oracle with, for each predicate, the logits of the objects that come first."""

    name = "told"

    def __init__(self, **logits: list[float]) -> None:
        self.logits = logits

    def score(self, requests: list[ScoreRequest]) -> list[Scores]:
        rows = [[self.logits[str(r.question.predicate)][row[0]] for row in r.objects] for r in requests]
        return [Scores.of(np.array(row, dtype=np.float32)) for row in rows]

    def query(self, requests: list[object]) -> list[list[str | None]]:
        raise AssertionError("no open question is asked")


def test_within_rounding_of_a_tie_the_formula_decides_as_it_is_written() -> None:
    """½ ∨ t ∨ t with t = 9·10⁻¹⁷ is ½ as written, but ½ ∨ (t ∨ t), as the schedule has it, is one rounding above:
    without a margin the lazy run would take its own order of operations for the answer."""
    program = "exists(Object, lambda x: forall(Object, lambda y: red(x) or left(x, y) or cube(x)))"
    oracle = Told(red=[-37.0, -40.0], left=[0.0, -40.0], cube=[-37.0, -40.0])
    everything, lazy = (
        Engine(oracle=oracle, planner="naive", logic="product", schedule=schedule).run(program, world(2))
        for schedule in ("all", "lazy")
    )
    assert everything.value is False
    assert (lazy.value, lazy.settled) == (everything.value, everything.settled)


@pytest.mark.parametrize("schedule", ["all", "lazy"])
@pytest.mark.parametrize("planner", ["naive", "optimised"])
def test_the_same_factors_in_another_order_are_a_tie(planner: str, schedule: str) -> None:
    """0.9 · 0.7 · 0.6 is one rounding above 0.9 · 0.6 · 0.7, and still the first object is meant."""
    nine, seven, six = (float(np.log(p / (1 - p))) for p in (0.9, 0.7, 0.6))
    oracle = Told(red=[nine, nine], cube=[six, seven], metal=[seven, six])
    engine = Engine(oracle=oracle, planner=planner, logic="product", schedule=schedule)
    answer = engine.run("point(Object, lambda x: red(x) and cube(x) and metal(x))", world(2))
    assert (answer.value, answer.settled, answer.tie) == (0, True, True)


def test_both_extremes_on_arrays_are_those_of_tensors() -> None:
    rng = np.random.default_rng(0)
    for n in range(1, 13):
        for tau in (0.02, 0.5, 1.0):
            ends = np.sort(rng.normal(0.0, 5.0, (2, n)), axis=0)
            w, r = np.exp(ends / tau), rng.random((2, n))
            expected = [
                float(fractional_bounds(*map(torch.from_numpy, (*w, r[k])), upper=bool(k)).clamp(0.0, 1.0))
                for k in (0, 1)
            ]
            assert list(_extremes(w, r)) == expected
