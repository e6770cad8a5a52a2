"""The benchmark of large runs makes a sound dataset; the cost model keeps to what can be known without it."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import cost_model
import pytest
import scale
from hypothesis import given
from hypothesis import strategies as st

from neptune import tasks
from neptune.config import make_config
from neptune.runs.runner.run import run_dataset


def test_made_questions_have_pictures_scenes_and_programs(tmp_path: Path) -> None:
    scale.make(tmp_path / "data", 60, 8)
    task = tasks.load("clevr-refexps", tmp_path / "data")
    assert len(task.samples) == 60
    assert all(sample.problem is None and sample.program_problem is None for sample in task.samples)
    pictures = [task.picture_of(k) for k in range(60)]
    assert pictures == sorted(pictures, key=str)  # all questions about a picture follow each other
    assert len(set(pictures)) == 8
    fields = {"dataset": "clevr-refexps", "data_dir": str(tmp_path / "data"), "output_dir": str(tmp_path / "run")}
    assert run_dataset(make_config(fields | {"od_model": "scene", "vlm_model_name": "scene"}), "made") == 0
    results = json.loads((tmp_path / "run" / "results.json").read_text())
    assert results["errors"] == 0
    assert results["accuracy"] > 0.8  # a description may fit two
    rates = cost_model.Rates.of(results)
    assert rates.engine_s > 0
    assert rates.cells == results["usage"]["oracle_calls"] / 60


def test_processes_that_are_killed_are_counted() -> None:
    with scale.counted_children() as used:
        child = subprocess.Popen([sys.executable, "-c", "while True: pass"])
        end = time.monotonic() + 60
        while not sum(used.values()) and time.monotonic() < end:
            time.sleep(0.05)
        child.kill()
        child.wait()
    assert sum(used.values()) > 0


rates = st.builds(
    cost_model.Rates,
    st.floats(1e-4, 1.0),
    st.floats(0.0, 100.0),
    st.floats(0.0, 0.1),
    st.just(0.0),
    st.floats(0.0, 1.0),
)


@given(rates=rates, questions=st.integers(1, 5000), engines=st.integers(1, 40), oracles=st.integers(1, 8))
def test_no_run_is_faster_than_its_busiest_part(
    rates: cost_model.Rates, questions: int, engines: int, oracles: int
) -> None:
    found = cost_model.simulate(rates, questions, engines, oracles, shard=16)
    assert 0 <= found.engines_busy <= 1 + 1e-9
    assert 0 <= found.oracles_busy <= 1 + 1e-9
    assert found.money == pytest.approx(rates.money * questions)
    alone = cost_model.simulate(rates, questions, 1, 1, shard=16)
    assert found.hours <= alone.hours + 1e-9
    assert found.hours >= alone.hours / (engines + oracles) - 1e-9


def test_twice_the_questions_take_twice_as_long_and_more_oracles_help_where_they_are_short() -> None:
    rates = cost_model.Rates(engine_s=0.002, cells=20, cell_s=0.001)
    once, twice = (cost_model.simulate(rates, n, 16, 2) for n in (10**6, 2 * 10**6))
    assert twice.hours == pytest.approx(2 * once.hours, rel=0.02)
    assert once.oracles_busy > 0.95
    more = cost_model.simulate(rates, 10**6, 16, 8)
    assert more.hours < 0.5 * once.hours
