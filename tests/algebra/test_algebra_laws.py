"""Every law in every logic, as a Hypothesis property; every ✗ shows its counterexample.

NEPTUNE_PROFILE=full runs 1,000 examples a law and logic, otherwise 30.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, find, given, settings
from hypothesis import strategies as st
from reference import laws
from reference.law import LOGICS, Draws, Law
from reference.laws import LAWS

from neptune.algebra import logic

FULL = os.environ.get("NEPTUNE_PROFILE") == "full"
PROFILE = settings(
    max_examples=1000 if FULL else 30,
    deadline=None,
    derandomize=not FULL,
    database=None,
    suppress_health_check=list(HealthCheck),
)
EDGES = [0.0, 1.0, 0.5, 0.49999997, 0.50000006, 1e-6, 1e-30, 0.9999999, 0.25, 0.75]
PROBABILITY = st.sampled_from(EDGES) | st.floats(0, 1, width=32)


@st.composite
def draws(draw: st.DrawFn, smallest: int = 0) -> Draws:
    n, m = draw(st.integers(smallest, 3)), draw(st.integers(smallest, 3))
    cells = [draw(st.lists(PROBABILITY, min_size=n * m, max_size=n * m)) for _ in range(3)]
    a, b, c = ([flat[i * m : i * m + m] for i in range(n)] for flat in cells)
    keep_x, keep_y = (draw(st.just([True] * k) | st.lists(st.booleans(), min_size=k, max_size=k)) for k in (n, m))
    order = draw(st.permutations(range(n)))
    tau = draw(st.sampled_from([0.01, 0.3, 1.0, 5.0]))
    dtype = draw(st.sampled_from([torch.float32, torch.float64]))
    return Draws(a, b, c, keep_x, keep_y, list(order), tau, dtype)


def name(law: Law) -> str:
    return law.name.replace(" ", "-")


HELD = [(law, key) for law in LAWS for key in LOGICS if law.holds_in(logic.get(key))]
BROKEN = [(law, key) for law in LAWS for key in LOGICS if not law.holds_in(logic.get(key))]


@pytest.mark.parametrize(("law", "key"), HELD, ids=[f"{name(law)}-{key}" for law, key in HELD])
def test_a_law_holds(law: Law, key: str) -> None:
    g = logic.get(key)

    @PROFILE
    @given(draws())
    def holds(d: Draws) -> None:
        assert law.check(d, g) <= law.tolerance(g, d.dtype)

    holds()


@pytest.mark.parametrize(("law", "key"), BROKEN, ids=[f"{name(law)}-{key}" for law, key in BROKEN])
def test_a_cross_in_the_table_has_its_counterexample(law: Law, key: str) -> None:
    assert law.witness is not None
    assert law.check(law.witness, logic.get(key)) > 1e-3


@pytest.mark.parametrize("law", [law for law in LAWS if law.witness], ids=name)
def test_hypothesis_finds_a_counterexample_too(law: Law) -> None:
    found = find(draws(1), lambda d: law.check(d, logic.product) > 1e-3, settings=settings(PROFILE, max_examples=5000))
    assert law.check(found, logic.product) > 1e-3
    assert law.check(found, logic.godel) == 0.0


def test_the_table_in_the_docs_is_up_to_date() -> None:
    page = Path(__file__).resolve().parents[2] / "docs" / "algebra.md"
    text = page.read_text(encoding="utf-8")
    assert laws.updated(text) == text, "run: PYTHONPATH=tests python -m reference.laws --write docs/algebra.md"
