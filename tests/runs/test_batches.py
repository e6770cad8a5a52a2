"""A run that answers in batches keeps the records of one that answers one by one."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.four_objects import scene

from neptune.answer import Answer
from neptune.cli import main
from neptune.engine import Engine
from neptune.engine.analysis.inspection import inspect
from neptune.engine.analysis.inspection_batch import Insides
from neptune.engine.session.batch import Batch
from neptune.errors import OracleError, OracleFailedError
from neptune.runs.runner import batches, run
from neptune.scene import Scene
from neptune.scene.types import Cost, QueryRequest, ScoreRequest, Scores

ROOT = Path(__file__).resolve().parents[2]
TIMES = {"plan_ms", "execute_ms", "oracle_ms", "inspect_ms"}
PROGRAMS = (
    "count(Object, lambda x: red(x))",
    "exists(Object, lambda x: cube(x) and exists(Object, lambda y: red(y) and left(x, y)))",
    "if exists(Object, lambda x: red(x)):\n    return count(Object, lambda x: cube(x) and small(x))\nreturn 0",
    "exists(Object, lambda x: blue(x) and left(x, argmax(Object, lambda y: small(y))))",
    "describe(Color, iota(Object, lambda x: small(x) and cube(x)))",
    "iota(Object, lambda x: metal(x) and red(x))",
    "exists(Object, lambda x: red(x) and cube(x))",
)


@pytest.fixture(autouse=True)
def _in_checkout(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(batches, "SECONDS", 1e9)  # however slow the machine is


def settled(record: dict[str, Any]) -> dict[str, Any]:
    return {
        **{k: v for k, v in record.items() if k != "seconds"},
        "usage": {k: v for k, v in record["usage"].items() if k not in TIMES},
    }


def records(folder: Path, *words: str) -> list[dict[str, Any]]:
    scene = ["--od_model", "scene", "--vlm_model_name", "scene", "--data_dir", "examples/clevr"]
    assert main([*words[:2], *scene, "--output_dir", str(folder), *words[2:]]) == 0
    return [json.loads(line) for line in (folder / "samples.jsonl").read_text().splitlines()]


@pytest.mark.parametrize(
    ("task", "logic"), [("clevr", "godel"), ("clevr", "product"), ("clevr-refexps", "godel"), ("clevr-rpm", "godel")]
)
def test_records_are_those_of_one_by_one(
    task: str, logic: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ["--config", f"configs/{task}.json", "--num_samples", "24", "--logic", logic]
    words += ["--vlm_options", '{"noise": 0.4}']
    together = records(tmp_path / "together", *words)
    monkeypatch.setattr(run, "fits", lambda config: False)
    alone = records(tmp_path / "alone", *words)
    assert [settled(r) for r in together] == [settled(r) for r in alone]
    assert list(together[-1]) == list(alone[-1]), "in the same order of fields"


def test_a_count_of_all_objects_is_shown_as_one_by_one() -> None:
    engine, picture = Engine(oracle="scene", detector=None), Scene.synthetic(5, seed=0)
    program = "count(Object, lambda x: red(x)) > count(Object, lambda y: object(y))"
    batch, evidence = Batch(engine.context), engine.evidence(picture)
    job = batch.job(program, picture, evidence, "auto")
    assert job is not None
    batch.in_order([job], [evidence], lambda at: None)
    (inside,) = Insides(engine.context).of([job])
    assert inside == inspect(engine, program, picture, False, "auto").as_dict()


def test_lazy_questions_on_many_pictures_share_their_rounds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    words = ["--config", "configs/clevr.json", "--num_samples", "40", "--schedule", "lazy"]
    words += ["--vlm_options", '{"noise": 0.2}']
    together = records(tmp_path / "together", *words)
    monkeypatch.setattr(run, "fits", lambda config: False)
    alone = records(tmp_path / "alone", *words)
    assert [settled(r) for r in together] == [settled(r) for r in alone], "calls, too"
    sent = json.loads((tmp_path / "together" / "results.json").read_text())["oracle_batches"]
    assert sent["samples"] == 40
    assert sent["rounds"] == sum(r["usage"]["oracle_rounds"] for r in alone)
    assert sent["batches"] < sent["rounds"] / 2
    asked = sum(r["usage"]["oracle_calls"] for r in alone)
    assert sent["unneeded"] < asked / 10


def test_times_add_up(tmp_path: Path) -> None:
    found = records(tmp_path / "run", "--config", "configs/clevr.json", "--num_samples", "20")
    results = json.loads((tmp_path / "run" / "results.json").read_text())
    assert results["seconds"] == pytest.approx(sum(r["seconds"] for r in found), abs=0.01)
    inside = sum(r["usage"]["inspect_ms"] for r in found) / 1000
    assert 0 < inside < results["seconds"], "looking inside is among a sample's seconds"


def test_what_does_not_go_together_goes_one_by_one() -> None:
    from neptune.config import make_config

    def fits(**fields: Any) -> bool:
        return batches.fits(make_config({"dataset": "clevr", "data_dir": "d", "vlm_model_name": "scene", **fields}))

    assert fits(schedule="all")
    assert not any(fits(**more) for more in ({"max_run_calls": 9}, {"max_oracle_calls": 9}, {"workers": 2}))
    assert not fits(logic="godel,product")


class Partial:
    """Answers by a rule; gives no evidence of some cells, fails at some words, and says what each cell cost."""

    name = "partial"

    def __init__(self, missing: str = "", wrong: str = "", broken_after: float = math.inf) -> None:
        self.missing, self.wrong, self.broken_after = missing, wrong, broken_after
        self.batches: list[int] = []

    def score(self, requests: Sequence[ScoreRequest]) -> list[Scores]:
        self.batches.append(len(requests))
        if len(self.batches) > self.broken_after:
            raise OracleFailedError("the device is gone")
        if self.wrong and any(self.wrong in r.question.text for r in requests):
            raise OracleError(f"nobody knows what {self.wrong} is")
        return [replace(self._scores(r), cost=Cost(prompt_tokens=len(r.objects))) for r in requests]

    def _scores(self, request: ScoreRequest) -> Scores:
        cells = [
            (7 * sum(ord(c) for c in request.question.text) + 5 * sum(o)) % 11 - 5 for o in request.objects.tolist()
        ]
        logits = np.array(cells, dtype=np.float32) / 2
        if self.missing and self.missing in request.question.text:
            logits[::2] = np.nan
        return Scores.of(logits)

    def query(self, requests: Sequence[QueryRequest]) -> list[list[str | None]]:
        raise NotImplementedError


def said(answer: Answer | None) -> dict[str, Any] | None:
    if answer is None:
        return None
    found = answer.to_dict()
    return found | {"usage": {k: v for k, v in found["usage"].items() if k not in TIMES}}


@pytest.mark.parametrize("oracle", [{}, {"missing": "box red"}, {"missing": "box small"}, {"wrong": "box blue"}])
def test_who_pays_for_what_is_as_one_by_one(oracle: dict[str, str]) -> None:
    worlds = [scene(), Scene.synthetic(3, seed=2), Scene.synthetic(6, seed=1)]
    asked = [(program, world) for program in PROGRAMS for world in worlds]

    def one(engine: Engine, at: int) -> Answer | None:
        try:
            return engine.run(*asked[at])
        except OracleError:
            return None

    engine = Engine(oracle=Partial(**oracle))
    expected = [one(engine, at) for at in range(len(asked))]

    together = Partial(**oracle)
    engine = Engine(oracle=together)
    batch, pictures = Batch(engine.context), [engine.evidence(world) for _, world in asked]
    jobs = [batch.job(*question, seen, "auto") for question, seen in zip(asked, pictures, strict=True)]
    alone: dict[int, Answer | None] = {}

    def by_itself(at: int) -> Answer | None:
        alone[at] = one(engine, at)
        return alone[at]

    batch.in_order(jobs, pictures, by_itself)
    found = [job.answer if job is not None and job.answer is not None else alone[at] for at, job in enumerate(jobs)]
    assert [said(a) for a in found] == [said(a) for a in expected]
    if not oracle:
        assert len(together.batches) <= 8, "many pictures are asked about at once"


def test_an_oracle_that_is_gone_ends_the_batch_and_keeps_what_was_asked() -> None:
    asked = [(program, scene()) for program in PROGRAMS]
    engine = Engine(oracle=Partial(broken_after=1))
    batch, pictures = Batch(engine.context), [engine.evidence(world) for _, world in asked]
    jobs = [batch.job(*question, seen, "auto") for question, seen in zip(asked, pictures, strict=True)]
    with pytest.raises(OracleFailedError):
        batch.in_order(jobs, pictures, lambda at: engine.run(*asked[at]))
    answered = [job is not None and job.answer is not None for job in jobs]
    assert answered[0]
    assert not answered[2], "it was to be run by itself, and the device was gone"
