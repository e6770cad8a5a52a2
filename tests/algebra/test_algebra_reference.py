"""Every operation of the tensor agrees with the slow per-cell reference, in every logic."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest
import torch
from hypothesis import given
from reference import algebra as ref
from reference.law import LOGICS, TOLERANCE, Draws
from test_algebra_laws import PROFILE, draws

from neptune.algebra import ProbabilisticTensor, compare_counts, expectation, logic


def slow(d: Draws, name: str) -> ref.Cells:
    domain = {"x": d.keep_x, "y": d.keep_y}
    flat = d.raw(name)
    cells = {(i, j): float(flat[i, j]) for i in range(len(d.keep_x)) for j in range(len(d.keep_y))}
    return ref.Cells(("x", "y"), {"x": len(d.keep_x), "y": len(d.keep_y)}, cells, domain)


def same(fast: Any, cells: ref.Cells, d: Draws) -> None:
    values = fast.values if isinstance(fast, ProbabilisticTensor) else fast
    if isinstance(fast, ProbabilisticTensor):
        assert set(fast.vars) == set(cells.vars)
        values = fast.align(cells.vars).values
    for place, expected in cells.cells.items():
        real = all(place[i] in cells.real(v) for i, v in enumerate(cells.vars))
        if real:
            assert float(values[place]) == pytest.approx(expected, abs=TOLERANCE[d.dtype])


def pairwise(op: Callable[[str, float, float], float]) -> Callable[[str, Draws], ref.Cells]:
    return lambda key, d: ref.cellwise(lambda a, b: op(key, a, b), slow(d, "a"), slow(d, "b"))


def over(f: Callable[[list[float], Draws, str], Any], vars: Sequence[str]) -> Callable[[str, Draws], ref.Cells]:
    return lambda key, d: ref.reduce(lambda cells: f(cells, d, key), slow(d, "a"), vars)


def compared(op: str) -> Callable[[str, Draws], ref.Cells]:
    def make(key: str, d: Draws) -> ref.Cells:
        a = ref.reduce(lambda cells: cells, slow(d, "a"), ["y"])
        b = ref.reduce(lambda cells: cells, slow(d, "b"), ["y"])
        return ref.cellwise(lambda p, q: ref.compare_counts(key, p, q, op), a, b)  # type: ignore[arg-type]

    return make


Fast = Callable[[ProbabilisticTensor, ProbabilisticTensor, Draws], Any]
OPERATIONS: dict[str, tuple[Fast, Callable[[str, Draws], ref.Cells]]] = {
    "and": (lambda a, b, d: a & b, pairwise(lambda k, p, q: ref.conjunction(k)(p, q))),
    "or": (lambda a, b, d: a | b, pairwise(ref.or_)),
    "implies": (lambda a, b, d: a >> b, pairwise(lambda k, p, q: ref.or_(k, 1 - p, q))),
    "xor": (lambda a, b, d: a ^ b, pairwise(ref.xor)),
    "not": (lambda a, b, d: ~a, lambda k, d: ref.cellwise(ref.not_, slow(d, "a"))),
    "and by name": (lambda a, b, d: b.align(("y", "x")) & a, pairwise(lambda k, p, q: ref.conjunction(k)(p, q))),
    "exists y": (lambda a, b, d: a.exists("y"), over(lambda c, d, k: ref.exists(c), ["y"])),
    "exists x y": (lambda a, b, d: a.exists(["y", "x"]), over(lambda c, d, k: ref.exists(c), ["x", "y"])),
    "forall x": (lambda a, b, d: a.forall("x"), over(lambda c, d, k: ref.forall(c), ["x"])),
    "soft exists": (lambda a, b, d: a.exists("x", d.tau), over(lambda c, d, k: ref.soft_exists(c, d.tau), ["x"])),
    "soft forall": (
        lambda a, b, d: a.forall(["x", "y"], d.tau),
        over(lambda c, d, k: ref.soft_forall(c, d.tau), ["x", "y"]),
    ),
    "noisy or": (lambda a, b, d: a.exists("x", quantifier="noisy_or"), over(lambda c, d, k: ref.noisy_or(c), ["x"])),
    "iota": (lambda a, b, d: a.iota("y", d.tau), lambda k, d: ref.iota(slow(d, "a"), ["y"], d.tau)),
    "iota x y": (lambda a, b, d: a.iota(["x", "y"], d.tau), lambda k, d: ref.iota(slow(d, "a"), ["x", "y"], d.tau)),
    "iota 0": (lambda a, b, d: a.iota("y", 0.0), lambda k, d: ref.iota(slow(d, "a"), ["y"], 0.0)),
    "expectation": (
        lambda a, b, d: expectation(a, b.iota("y", d.tau), "y"),
        lambda k, d: ref.expectation(slow(d, "a"), ref.iota(slow(d, "b"), ["y"], d.tau), ["y"]),
    ),
    "count": (lambda a, b, d: a.count("y"), over(lambda c, d, k: ref.count(c), ["y"])),
    **{
        f"at least {n}": (
            lambda a, b, d, n=n: a.at_least(n, "y"),
            over(lambda c, d, k, n=n: ref.at_least(k, c, n), ["y"]),
        )
        for n in (-1, 0, 1, 2, 5)
    },
    **{
        f"exactly {n}": (lambda a, b, d, n=n: a.exactly(n, "x"), over(lambda c, d, k, n=n: ref.exactly(k, c, n), ["x"]))
        for n in (-1, 0, 2, 5)
    },
    "at most": (lambda a, b, d: a.at_most(1, "x"), over(lambda c, d, k: 1 - ref.at_least(k, c, 2), ["x"])),
    **{
        f"count {op}": (lambda a, b, d, op=op: compare_counts(a, b, op, "y", "y"), compared(op))
        for op in (">", ">=", "<", "<=", "==", "!=")
    },
    "count == 1": (lambda a, b, d: compare_counts(a, 1, "==", "y"), over(lambda c, d, k: ref.exactly(k, c, 1), ["y"])),
    "count < 2": (
        lambda a, b, d: compare_counts(a, 2, "<", "y"),
        over(lambda c, d, k: 1 - ref.at_least(k, c, 2), ["y"]),
    ),
}


@pytest.mark.parametrize("key", LOGICS)
def test_operations_agree_with_the_reference(key: str) -> None:
    g = logic.get(key)

    @PROFILE
    @given(draws())
    def agrees(d: Draws) -> None:
        a, b = d.of("a", g), d.of("b", g)
        for name, (fast, slowly) in OPERATIONS.items():
            cells = slowly(key, d)
            try:
                same(fast(a, b, d), cells, d)
            except AssertionError as error:
                raise AssertionError(f"{name}: {error}") from None

    agrees()


@PROFILE
@given(draws())
def test_argmax_and_decisions_are_the_reference_s(d: Draws) -> None:
    for key in LOGICS:
        a = d.of("a", logic.get(key))
        for place, (best,) in ref.argmax(slow(d, "a"), ["y"]).items():
            if key != "godel" or d.dtype == torch.float64:
                assert int(a.argmax("y")[place]) == best
            elif best >= 0:  # logits may merge neighbouring floats: the value is the same to rounding
                at = int(a.argmax("y")[place])
                assert d.keep_y[at]
                assert float(a.values[(*place, at)]) == pytest.approx(float(a.values[(*place, best)]), abs=1e-6)
        for place, expected in ref.cellwise(lambda p: float(p > 0.5), slow(d, "a")).cells.items():
            assert bool(a.decide()[place]) == bool(expected)


@PROFILE
@given(draws())
def test_the_distribution_of_a_count_is_the_sum_over_subsets(d: Draws) -> None:
    a = d.of("a", logic.product)
    cells = ref.reduce(ref.distribution, slow(d, "a"), ["y"]).cells  # type: ignore[arg-type]
    for (i,), expected in cells.items():
        got = a.count_distribution("y")[i].tolist()
        assert got[: len(expected)] == pytest.approx(expected, abs=TOLERANCE[d.dtype])  # type: ignore[arg-type]
        assert not any(got[len(expected) :])  # type: ignore[arg-type]
