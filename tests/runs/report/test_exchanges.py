"""Raw prompts and replies: kept by oracles that talk to a model, bounded, and shown with the samples they belong to."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from helpers.fault_oracle_server import answers
from helpers.fault_server import fails, serving
from helpers.openai_asked import RED, no_waits, noise, ones, oracle
from helpers.vlm_scenes import make, requests, scene

from neptune.engine import Engine
from neptune.errors import OracleFailedError
from neptune.perception.oracle.caching.exchanges import EXCHANGES, LONGEST, Exchanges, cut
from neptune.perception.oracle.caching.replay import RECORD
from neptune.runs.report import calls
from neptune.scene.identity import scene_digest
from neptune.scene.types import QueryRequest, Question, ScoreRequest


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    no_waits(monkeypatch)


def kept(folder: Path) -> list[dict]:
    return [json.loads(line) for line in (folder / EXCHANGES).read_text(encoding="utf-8").splitlines()]


def test_a_server_oracle_keeps_prompts_and_raw_replies_in_a_run_folder(tmp_path: Path) -> None:
    pytest.importorskip("openai", reason="openai is not installed: make setup")
    of = noise()
    with (
        serving(lambda request, n: answers(request)) as server,
        Engine(oracle(server), None, record=tmp_path / RECORD) as e,
    ):
        e.oracle.score([ones(of)])
        e.oracle.query([QueryRequest(of, Question("what color is it?", 1, "color"), np.array([[0]]), ("red", "blue"))])
    rows = kept(tmp_path)
    assert len(rows) == len(server.requests) == 6
    scores = [row for row in rows if row["kind"] == "score"]
    assert sorted(row["objects"] for row in scores) == [[k] for k in range(5)]
    assert {row["prompt"] for row in scores} == {"Is the object in the red box red? Answer with yes or no."}
    assert {row["picture"] for row in rows} == {"120 × 80 pixels, png"}
    (reply,) = json.loads(scores[0]["replies"][0])
    assert len(reply["logprobs"]["content"][0]["top_logprobs"]) == 5
    (asked,) = [row for row in rows if row["kind"] == "query"]
    assert json.loads(asked["replies"][0])[0]["message"]["content"] in ("It is red.", "**Blue**")


def test_what_failed_says_why(tmp_path: Path) -> None:
    pytest.importorskip("openai", reason="openai is not installed: make setup")
    with serving(lambda request, n: answers(request) if n < 3 else fails(500)) as server:
        asked = oracle(server, retries=0, concurrency=1)
        asked.exchanges = Exchanges(tmp_path / EXCHANGES)
        asked.score([ones(noise())])
    assert any(reply.startswith("no evidence: ") for row in kept(tmp_path) for reply in row["replies"])


def test_a_local_model_keeps_them_too(tmp_path: Path) -> None:
    asked = make("qwen2_vl")
    asked.exchanges = Exchanges(tmp_path / EXCHANGES)
    wanted = requests(scene())
    asked.score(wanted)
    rows = kept(tmp_path)
    assert len(rows) == sum(len(r.objects) for r in wanted)
    assert all("log P(yes)" in row["replies"][0] for row in rows)
    assert all(wanted[0].scene is not None and row["prompt"] for row in rows)


def test_nothing_is_kept_without_a_run_folder(tmp_path: Path) -> None:
    pytest.importorskip("openai", reason="openai is not installed: make setup")
    with serving(lambda request, n: answers(request)) as server:
        one = oracle(server)
        for record in (None, tmp_path / "answers.jsonl"):
            with Engine(one, None, record=record) as engine:
                engine.oracle.score([ones(noise())])
    assert not (tmp_path / EXCHANGES).exists()


def test_the_file_is_bounded_and_long_texts_are_cut(tmp_path: Path) -> None:
    request = ScoreRequest(noise(), RED, np.arange(5)[:, None])
    few = Exchanges(tmp_path / EXCHANGES, most_bytes=1_000)
    for row in range(5):
        few.add(request, row, "p" * 200, "", ["r"])
    assert (tmp_path / EXCHANGES).stat().st_size <= 1_000
    assert 0 < len(kept(tmp_path)) < 5
    assert len(cut("x" * 2 * LONGEST)) < LONGEST + 40
    assert cut("x" * 2 * LONGEST).endswith(f"… ({LONGEST:,} more characters)")
    with pytest.raises(OracleFailedError, match="can not be kept"):
        Exchanges(tmp_path / "nowhere" / EXCHANGES).add(request, 0, "", "", [])


def test_samples_show_those_of_their_scene_and_questions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    of = noise()
    book = Exchanges(tmp_path / EXCHANGES)
    for question in (RED, Question("is the object in the red box blue?", 1)):
        for row in range(5):
            book.add(ScoreRequest(of, question, np.arange(5)[:, None]), row, "prompt", "a picture", [f"reply {row}"])
    with (tmp_path / EXCHANGES).open("ab") as file:
        file.write(b'{"torn": ')
    mine = {"id": "a", "scene": scene_digest(of), "plan": [{"question": RED.text}, {"text": "all of"}]}
    shown, other = calls.with_calls(tmp_path, [mine, {"id": "b", "scene": "another"}])
    assert [c["objects"] for c in shown["calls"]] == [[k] for k in range(5)]
    assert {c["question"] for c in shown["calls"]} == {RED.text}
    assert "calls" not in other
    monkeypatch.setattr(calls, "MOST_EACH", 2)
    (cut_short,) = calls.with_calls(tmp_path, [mine])
    assert (len(cut_short["calls"]), cut_short["calls_left_out"]) == (2, 3)
    assert calls.with_calls(tmp_path / "nowhere", [mine]) == [mine]
