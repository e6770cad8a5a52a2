"""Certificates of answers: written by task certify, heeded by a run, and told in its results and report."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from neptune.config import Config, make_config
from neptune.config.validation import ConfigProblems
from neptune.errors import ConfigError
from neptune.guarantees.certificate import Certificate
from neptune.learn.certify.task import certify
from neptune.runs.guarded.curve import Curve
from neptune.runs.guarded.sets import MANY, UNSURE
from neptune.runs.record import REPORT, RESULTS, SAMPLES
from neptune.runs.runner.run import run_dataset

DATA = Path(__file__).resolve().parents[3] / "examples" / "clevr"
NOISE = {"noise": 0.3}


def config(folder: Path, **more: Any) -> Config:
    fields: dict[str, Any] = {"dataset": "clevr", "data_dir": str(DATA), "vlm_model_name": "scene", "od_model": "scene"}
    fields |= {"output_dir": str(folder), "inspect": "none", "num_samples": 24, "record_oracle": None}
    return Config(**(fields | {"vlm_options": NOISE} | more))


def records(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / SAMPLES).read_text(encoding="utf-8").splitlines()]


@pytest.fixture(scope="module")
def sets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sets")
    made = certify(config(folder, task="certify", guarantee="sets", alpha=0.4), folder, lambda *_: None)
    assert made.answers is not None
    assert made.answers.covered is not None
    assert made.answers.covered >= 0.6
    return folder / "certificate.json"


def test_a_run_shows_each_set_and_withholds_the_answer_where_it_is_too_large(sets: Path, tmp_path: Path) -> None:
    run_dataset(config(tmp_path / "run", certificate=str(sets)), "run")
    run_dataset(config(tmp_path / "plain"), "plain")
    found = records(tmp_path / "run")
    withheld = [r for r in found if r.get("withheld") is not None]
    assert withheld
    plain = {r["id"]: r for r in records(tmp_path / "plain")}
    for record in found:
        if "answer_set" not in record:
            assert plain[record["id"]]["abstained"]
            continue
        kept = record["answer_set"]
        assert kept
        assert len(kept) == len(record["answer_chances"])
        assert record["answer_chances"] == sorted(record["answer_chances"], reverse=True)
        assert record["set_covers"] is (str(record["expected"]) in map(str, kept))
        assert (record["outcome"] == "answered") is (len(kept) == 1)
        if len(kept) > 1:
            assert record["why"] == MANY
            assert record["answer"] is None
            assert record["withheld"] == plain[record["id"]]["answer"]
            assert record["guess_right"] is plain[record["id"]]["correct"]
    results = json.loads((tmp_path / "run" / RESULTS).read_text(encoding="utf-8"))
    figures = results["certificate"]
    assert figures["kind"] == "sets"
    assert sum(figures["sizes"].values()) == sum("answer_set" in r for r in found)
    assert figures["covered"] == pytest.approx(
        sum(r["set_covers"] for r in found if "set_covers" in r) / sum("set_covers" in r for r in found)
    )
    assert results["abstained_by_why"][MANY] == len(withheld)
    assert results["risk_coverage"]["n"] == sum(r["outcome"] == "answered" or "guess_right" in r for r in found)
    report = (tmp_path / "run" / REPORT).read_text(encoding="utf-8")
    assert "<h2>Sets of answers</h2>" in report
    assert '"risk_coverage":{"n":' in report


def test_more_answers_may_be_allowed(sets: Path, tmp_path: Path) -> None:
    run_dataset(config(tmp_path / "run", certificate=str(sets), most_answers=100), "run")
    assert not any("withheld" in r for r in records(tmp_path / "run"))


def test_a_certificate_of_sets_is_refused_by_another_run(sets: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="made for another run"):
        run_dataset(config(tmp_path / "run", certificate=str(sets), vlm_options={"noise": 0.1}), "run")


def test_answers_that_are_not_sure_enough_are_withheld(tmp_path: Path) -> None:
    given = config(tmp_path, task="certify", guarantee="selective", alpha=0.9, delta=0.4)
    made = certify(given, tmp_path, lambda *_: None)
    assert made.answers is not None
    assert made.answers.least_confidence is not None
    run_dataset(config(tmp_path / "all", certificate=str(tmp_path / "certificate.json")), "all")
    every = [r["probability"] for r in records(tmp_path / "all") if r["probability"] is not None]
    assert not any("withheld" in r for r in records(tmp_path / "all"))
    least = sorted(every)[len(every) // 2] - 1e-5  # records are rounded
    rule = made.answers.model_copy(update={"least_confidence": least})
    made.model_copy(update={"answers": rule}).save(tmp_path / "sure.json")
    run_dataset(config(tmp_path / "run", certificate=str(tmp_path / "sure.json")), "run")
    seen = {True: 0, False: 0}
    for record in records(tmp_path / "run"):
        if record["abstained"] and "withheld" not in record:
            continue
        gives = (record["probability"] or 0.0) >= least
        seen[gives] += 1
        assert (record["outcome"] == "answered") is gives
        assert gives or record["why"] == UNSURE
    assert all(seen.values())
    results = json.loads((tmp_path / "run" / RESULTS).read_text(encoding="utf-8"))
    assert results["certificate"]["withheld"] == {UNSURE: seen[False]}


def test_with_too_few_pictures_the_missing_ones_are_counted(tmp_path: Path) -> None:
    made = certify(config(tmp_path, task="certify", guarantee="selective", alpha=0.01), tmp_path, lambda *_: None)
    assert made.answers is not None
    assert made.answers.least_confidence is None
    assert made.missing == 299 - made.pictures
    assert Certificate.load(tmp_path / "certificate.json") == made


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"task": "certify", "guarantee": "sets", "proxy_model_name": "embedded"}, "does nothing with guarantee sets"),
        ({"task": "certify", "guarantee": "sets", "schedule": "lazy"}, "needs all asked"),
        ({"task": "certify", "guarantee": "selective", "randomised": True}, "without guarantee sets"),
        ({"guarantee": "sets"}, "belongs to task certify"),
        ({"most_answers": 2}, "does nothing without 'certificate'"),
    ],
)
def test_fields_that_do_not_go_together_are_named(fields: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigProblems, match=said):
        make_config({"dataset": "clevr", "data_dir": str(DATA)} | fields, "test")


def test_the_curve_counts_what_was_withheld_and_leaves_out_what_has_no_answer() -> None:
    curve = Curve()
    for k in range(10):
        curve.add({"probability": 1 - k / 20, "correct": k < 8})
    curve.add({"probability": 0.1, "correct": False, "abstained": True, "guess_right": True})
    curve.add({"correct": False, "abstained": True, "probability": None})
    curve.add({"correct": False, "error": "x", "probability": 0.9})
    found = curve.figures()["risk_coverage"]
    assert found["n"] == 11
    assert found["points"][0] == [round(1 / 11, 4), 0.0]
    assert found["points"][7][1] == 0.0
    assert found["points"][-1] == [1.0, round(2 / 11, 4)]
    assert 0 < found["area"] < 2 / 11
    assert Curve().figures() == {}
