"""The logistic function, the logit and the weights of a description on NumPy arrays are those of one cell at a time."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from reference import algebra as ref
from test_algebra_laws import PROBABILITY, PROFILE

from neptune.algebra import logic
from neptune.algebra.arrays import any_logic, logistic, logit

GODEL = any_logic(logic.godel)
TINY = float(np.finfo(np.float32).smallest_subnormal)
EDGES = [math.inf, -math.inf, 0.0, -0.0, 1e-9, -1e-9, TINY, -TINY, 13.8155, -110.0, 800.0, -800.0, -3e38, 3e38]
LOGIT = st.sampled_from(EDGES) | st.floats(-20, 20, width=32)
Array = np.ndarray[Any, Any]


@st.composite
def arrays(draw: st.DrawFn, cell: st.SearchStrategy[float], axes: int = 0) -> Array:
    """Return float32 arrays of up to three axes, of few different numbers, so that many are equal."""
    shape = draw(st.lists(st.integers(1, 4), min_size=axes, max_size=3))
    few = draw(st.lists(cell, min_size=1, max_size=5))
    size = math.prod(shape)
    made = np.array(draw(st.lists(st.sampled_from(few), min_size=size, max_size=size)), dtype=np.float32)
    return made.reshape(shape)


def each(f: Callable[[float], float], cells: Array) -> Array:
    found = np.empty(cells.shape, dtype=np.float32)
    for place in np.ndindex(cells.shape):
        found[place] = f(float(cells[place]))
    return found


def near(found: Array, expected: Array) -> None:
    assert isinstance(found, np.ndarray)
    assert (found.shape, found.dtype) == (expected.shape, np.float32)
    np.testing.assert_array_max_ulp(found, expected, maxulp=1)


@pytest.mark.filterwarnings("error")
@PROFILE
@given(arrays(LOGIT))
def test_the_logistic_function_of_an_array_is_that_of_each_cell(cells: Array) -> None:
    given = cells.copy()
    found = logistic(cells)
    near(found, each(ref.logistic, cells))
    assert ((found > 0.5) == (cells > 0)).all()
    assert ((found < 0.5) == (cells < 0)).all()
    assert (cells == given).all()


@pytest.mark.filterwarnings("error")
@PROFILE
@given(arrays(PROBABILITY))
def test_the_logit_of_an_array_is_that_of_each_cell(p: Array) -> None:
    found = logit(p)
    near(found, each(ref.exact_logit, p))
    assert ((found > 0) == (p > 0.5)).all()
    assert ((found == math.inf) == (p == 1)).all()
    assert ((found == -math.inf) == (p == 0)).all()


@pytest.mark.filterwarnings("error")
@PROFILE
@given(arrays(LOGIT, axes=1), st.sampled_from([0.0, 0.1, 1.0, 7.0]), st.data())
def test_the_weights_of_an_array_are_those_of_each_row(logits: Array, tau: float, data: st.DataObject) -> None:
    keep = None
    if data.draw(st.booleans()):
        keep = np.array(data.draw(st.lists(st.booleans(), min_size=logits.size, max_size=logits.size)))
        keep = keep.reshape(logits.shape)
        keep[..., 0] |= ~keep.any(-1)
    found = GODEL.weights(logits, tau, keep)
    assert (found.shape, found.dtype) == (logits.shape, np.float32)
    for place in np.ndindex(logits.shape[:-1]):
        real = [k for k in range(logits.shape[-1]) if keep is None or keep[place][k]]
        expected = np.zeros(logits.shape[-1])
        expected[real] = ref.weights([float(logits[place][k]) for k in real], tau)
        np.testing.assert_allclose(found[place], expected, rtol=1e-4, atol=1e-7)
