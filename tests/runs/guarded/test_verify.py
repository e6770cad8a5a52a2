"""An answer put to the test: what is asked, what it costs, and what follows where it is heeded; off by default."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from neptune.answer import Answer
from neptune.config import Config, make_config
from neptune.config.validation import ConfigProblems
from neptune.engine import Engine
from neptune.errors import OracleError
from neptune.runs.guarded.verify import UNVERIFIED, verified
from neptune.runs.record import SAMPLES
from neptune.runs.runner.run import run_dataset
from neptune.scene import Scene
from neptune.scene.types import QueryRequest, ScoreRequest, Scores

DATA = Path(__file__).resolve().parents[3] / "examples" / "clevr"


class Verifier:
    """An oracle that knows which objects are meant, and keeps what it was asked."""

    name = "verifier"

    def __init__(self, right: Callable[[Sequence[int]], float]) -> None:
        self.right, self.asked = right, list[str]()

    def score(self, requests: Sequence[ScoreRequest]) -> list[Scores]:
        self.asked += [r.question.text for r in requests]
        return [Scores.of(np.array([self.right(row.tolist()) for row in r.objects])) for r in requests]

    def query(self, requests: Sequence[QueryRequest]) -> list[list[str | None]]:
        raise OracleError("nothing is asked openly")


def pointing(value: int = 0) -> Answer:
    return Answer(value, "object", scores=(0.9, 0.2, 0.8, 0.1), objects=(value,))


def test_the_marked_object_is_asked_about_and_the_next_likeliest_taken() -> None:
    oracle = Verifier(lambda row: 3.0 if row == [2] else -3.0)
    context, scene = Engine(oracle).context, Scene.synthetic(4, seed=1)
    answer, found = verified(context, "the cup on the left", scene, pointing(), "object 0", True)
    assert (answer.value, answer.objects) == (2, (2,))
    assert found["verified"]["instead_of"] == 0
    assert found["verified"]["calls"] == answer.usage.oracle_calls == 2
    assert set(oracle.asked) == {'is the object in the red box what this question means: "the cup on the left"?'}
    kept, said = verified(context, "the cup on the left", scene, pointing(), "object 0", False)
    assert kept.value == 0
    assert said["verified"]["probability"] < 0.5


def test_where_nothing_is_what_is_meant_no_answer_is_given() -> None:
    context, scene = Engine(Verifier(lambda row: -2.0)).context, Scene.synthetic(4, seed=1)
    answer, found = verified(context, "the cup", scene, pointing(), 0, True)
    assert answer.abstained
    assert answer.why == UNVERIFIED
    assert found["verified"]["calls"] == 3


@pytest.mark.parametrize(("logit", "given"), [(2.0, True), (-2.0, False)])
def test_another_answer_is_put_back_as_a_statement(logit: float, given: bool) -> None:
    oracle = Verifier(lambda row: logit)
    context, scene = Engine(oracle).context, Scene.synthetic(2, seed=1)
    answer, _ = verified(context, "How many cups are there?", scene, Answer(3, "number"), 3, True)
    assert answer.abstained is not given
    said = 'is this true of the picture: the answer to the question "How many cups are there?" is 3?'
    assert oracle.asked == [said]


def test_without_evidence_or_an_answer_nothing_changes() -> None:
    context, scene = Engine(Verifier(lambda row: float("nan"))).context, Scene.synthetic(4, seed=1)
    assert verified(context, "the cup", scene, pointing(), 0, True)[0].value == 0
    nothing = Answer(None, "nothing", abstained=True)
    assert verified(context, "the cup", scene, nothing, None, True) == (nothing, {})


def test_a_run_verifies_only_where_it_is_told_to(tmp_path: Path) -> None:
    fields = {"dataset": "clevr", "data_dir": str(DATA), "vlm_model_name": "random", "od_model": "scene"}
    fields |= {"num_samples": "4"}
    for verify in ("off", "heed"):
        config = Config(**(fields | {"num_samples": 4, "output_dir": str(tmp_path / verify), "verify": verify}))  # type: ignore[arg-type]
        run_dataset(config, "run")
    off, heed = (
        [json.loads(line) for line in (tmp_path / name / SAMPLES).read_text(encoding="utf-8").splitlines()]
        for name in ("off", "heed")
    )
    assert not any("verified" in r for r in off)
    answered = [(a, b) for a, b in zip(off, heed, strict=True) if a["outcome"] == "answered"]
    assert answered
    for before, after in answered:
        assert after["verified"]["calls"] >= 1
        assert after["usage"]["oracle_calls"] == before["usage"]["oracle_calls"] + after["verified"]["calls"]
        assert after["why"] in (None, UNVERIFIED)


def test_it_goes_with_no_certificate_and_no_bundle() -> None:
    with pytest.raises(ConfigProblems, match="'verify' does not go with 'bundle'"):
        make_config({"dataset": "clevr", "data_dir": str(DATA), "verify": "say", "bundle": "x.zip"}, "test")
