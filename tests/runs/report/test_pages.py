"""What the pages say: what was run, kinds of error, two runs side by side, a folder of runs; all of it as text."""

from __future__ import annotations

import base64
import json
import re
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from neptune.cli import main
from neptune.errors import ConfigError
from neptune.runs.evaluate.summary import summarise
from neptune.runs.record import CONFIG, META, RESULTS, SAMPLES
from neptune.runs.report import index, pair, write_report
from neptune.runs.report.about import about
from neptune.runs.report.data import faults_of, packed, row_of, sample_of, state_of

EVIL = "</script><script>alert(1)</script><img src=x onerror=alert(1)>"


def record(number: int, **fields: Any) -> dict[str, Any]:
    return {
        "id": f"s{number}",
        "dataset": "clevr",
        "family": "count",
        "question": f"How many? {EVIL}",
        "program": "1",
        "answer": 3,
        "expected": 3,
        "correct": True,
        "probability": 0.9,
        "usage": {"oracle_calls": 2},
        "seconds": 0.1,
        **fields,
    }


def run(folder: Path, records: list[dict[str, Any]], **config: Any) -> Path:
    """A run folder as a run leaves it."""
    folder.mkdir(parents=True)
    meta = {
        "name": folder.name,
        "started": "2026-11-29T12:48:38+0000",
        "git_commit": "0123456789abcdef0123+",
        "versions": {"python": "3.11.7", "neptune-reasoner": "9.8.7"},
        "hashes": {"prompts/visual/mark.json": "ab" * 32, "data_dir/questions.json": "cd" * 32},
        "prompt_hashes": {"clevr": "ef" * 32},
    }
    fields = {"dataset": "clevr", "data_dir": "data", "num_samples": 5, "vlm_model_name": "openai", "logic": "godel"}
    fields |= {"schedule": "all", "seed": 7, "output_dir": str(folder), "code_gen_provider": "gold"}
    (folder / CONFIG).write_text(json.dumps({**fields, **config, META: meta}))
    (folder / SAMPLES).write_text("".join(json.dumps(r) + "\n" for r in records))
    results = summarise(records, {"clevr": len(records)})
    (folder / RESULTS).write_text(json.dumps(results))
    write_report(folder, records, results)
    return folder


def self_contained(path: Path) -> str:
    """Return a page, which loads nothing and in which nothing foreign has become markup."""
    page = path.read_text(encoding="utf-8")
    assert EVIL not in page
    assert "<img src=x" not in page
    assert not re.findall(r"(?:https?:)?//[a-z0-9-]+\.[a-z]", page.replace(r'"http:/" + "/www.w3.org', ""))
    assert "@import" not in page
    assert "url(" not in page
    addresses = re.findall(r"<[a-z]+[^<>]*\s(?:src|href|action)=\"?([^\"\s>]*)", page.partition("<script>")[0])
    assert addresses == ["data:,"]
    return page


# --- what was run ---


def test_the_first_screen_says_what_was_run(tmp_path: Path) -> None:
    options = {"model": "Qwen/Qwen2-VL-2B", "base_url": "http://me:secret@localhost:8000/v1"}
    folder = run(tmp_path / f"a <b> {EVIL[:8].replace('/', '')}", [record(0)], vlm_options=options)
    page = self_contained(folder / "report.html")
    before_charts = page.partition('id="charts"')[0]
    for said in (
        "What was run",
        "Qwen/Qwen2-VL-2B",
        "the first 5 of each",
        "9.8.7",
        "0123456789ab, with files changed",
    ):
        assert said in before_charts, said
    for said in ("visual/mark.json", "abababababab", "as asked: clevr", "questions.json", "cdcdcdcdcdcd", "godel"):
        assert said in before_charts, said
    assert "--config" in before_charts
    assert "config.json" in before_charts
    assert "secret" not in page
    assert "everything that a program mentions" in page


def test_the_command_repeats_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import shlex

    root = Path(__file__).resolve().parents[3]
    monkeypatch.chdir(tmp_path)
    given = ["--config", str(root / "configs/clevr.json"), "--data_dir", str(root / "examples/clevr")]
    given += ["--num_samples", "2", "--vlm_model_name", "scene", "--od_model", "scene", "--inspect", "none"]
    assert main([*given, "--output_dir", "my run"]) == 0
    said = about(Path("my run"))
    assert said is not None
    words = shlex.split(said["command"])
    assert words[:2] == ["python", "run.py"]
    assert main(words[2:]) == 0
    answers = [[json.loads(line)["answer"] for line in (Path(f) / SAMPLES).open()] for f in ("my run", "my run-again")]
    assert answers[0] == answers[1]


def test_a_folder_without_a_config_has_a_report_all_the_same(tmp_path: Path) -> None:
    page = write_report(tmp_path, [record(0)], summarise([record(0)], {"clevr": 1})).read_text(encoding="utf-8")
    assert "What was run" not in page
    for torn in ("{torn", "[1]"):
        (tmp_path / CONFIG).write_text(torn)
        assert about(tmp_path) is None
    odd = {key: [1] for key in ("hashes", "prompt_hashes", "versions", "resumed", "started", "git_commit")}
    fields = dict.fromkeys(("dataset", "num_samples", "vlm_options", "max_oracle_calls", "schedule", "output_dir"), "x")
    (tmp_path / CONFIG).write_text(json.dumps({**fields, META: odd}))
    assert about(tmp_path) is not None


# --- outcomes and kinds of error ---


@pytest.mark.parametrize(
    ("fields", "state", "faults"),
    [
        ({}, "right", []),
        ({"correct": False, "answer": 4}, "wrong", ["wrong: too many"]),
        ({"correct": False, "answer": 2}, "wrong", ["wrong: too few"]),
        ({"correct": False, "answer": "yes", "expected": "no"}, "wrong", ["wrong: yes, not no"]),
        ({"correct": False, "answer": False, "expected": True}, "wrong", ["wrong: no, not yes"]),
        ({"correct": False, "answer": "red", "expected": "blue"}, "wrong", ["wrong: another answer"]),
        ({"correct": False, "answer": {"object": 1}, "iou": 0.1}, "wrong", ["wrong: the box overlaps too little"]),
        ({"correct": False, "error": "x", "error_kind": "OracleError"}, "error", ["error: OracleError"]),
        ({"abstained": True}, "abstained", ["abstained: missing evidence"]),
        ({"abstained": True, "why": "budget"}, "abstained", ["abstained: budget"]),
        (
            {"abstained": True, "why": "presupposition", "presuppositions": ["the cube"]},
            "abstained",
            ["abstained: presupposition", "nothing fits a description"],
        ),
        ({"out_of_domain": "the picture is unlike"}, "right", ["out of domain"]),
        ({"ambiguous": ["the sphere"]}, "right", ["several fit a description"]),
        ({"tie": True}, "right", ["a tie"]),
        ({"settled": False}, "abstained", ["abstained: budget"]),
        (
            {"blame": {"blame": "oracle"}, "correct": False, "answer": 4},
            "wrong",
            ["wrong: too many", "to blame: oracle"],
        ),
        ({"judge": {"right": False}}, "right", ["the judge disagrees"]),
        ({"oracle_failures": {"timeout": 3}}, "right", ["calls that failed"]),
        ({"expected": None, "correct": None}, "unjudged", []),
    ],
)
def test_what_is_the_matter_with_a_sample(fields: dict[str, Any], state: str, faults: list[str]) -> None:
    assert state_of(record(0, **fields)) == state
    assert faults_of(record(0, **fields)) == faults


def test_a_foreign_record_of_odd_types_makes_a_page(tmp_path: Path) -> None:
    odd = dict.fromkeys(("blame", "judge", "usage", "flip", "notes", "presuppositions", "trace", "plan", "lines"), "x")
    odd |= {"oracle_failures": [1], "calls": 3, "ambiguous": 4}
    assert row_of(record(0, **odd))["calls"] == 0
    assert not odd.keys() & sample_of(record(0, **odd)).keys()


def test_both_accuracies_and_what_is_not_answered_are_said(tmp_path: Path) -> None:
    rows = [record(0), record(1, correct=False, answer=5), record(2, abstained=True, correct=False)]
    results = summarise(rows, {"clevr": 5})
    page = write_report(tmp_path, rows, results).read_text(encoding="utf-8")
    tile = {k: re.search(rf'id="t-{k}">([^<]*)<', page)[1] for k in ("accuracy", "answered", "abstained", "unanswered")}  # type: ignore[index]
    assert tile == {"accuracy": "20.0%", "answered": "50.0%", "abstained": "1", "unanswered": "2"}


# --- two runs side by side ---


def test_two_runs_side_by_side(tmp_path: Path) -> None:
    first = [record(0), record(1, correct=False, answer=5), record(2), record(3)]
    second = [record(0, correct=False, answer=EVIL), record(1), record(2), record(4)]
    a, b = run(tmp_path / "a", first), run(tmp_path / "b & c", second, logic="product")
    path = pair.build(a, b)
    assert path == b / "compare-with-a.html"
    page = self_contained(path)
    for said in ("66.7% → 66.7%", "Only in the first run: 1 samples", "&#34;godel&#34;", "&#34;product&#34;"):
        assert said in page, said
    assert pair.build(b, a, tmp_path / "other.html") == tmp_path / "other.html"
    with pytest.raises(ConfigError, match="no sample in common"):
        pair.build(a, run(tmp_path / "d", [record(9)]))
    with pytest.raises(ConfigError, match="holds no run"):
        pair.build(a, tmp_path)


# --- a folder of runs ---


def test_a_page_over_a_folder_of_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(tmp_path / "runs" / "a", [record(0), record(1, correct=False, answer=5)])
    run(tmp_path / "runs" / "deep" / f"b {EVIL[1:7].replace('/', '')}", [record(0)], vlm_model_name=EVIL)
    killed = run(tmp_path / "runs" / "killed", [record(0)])
    (killed / RESULTS).unlink()
    torn = run(tmp_path / "runs" / "torn", [record(0)])
    (torn / RESULTS).write_text("{")
    (tmp_path / "runs" / "no run").mkdir()
    (tmp_path / "runs" / "no run" / CONFIG).write_text("[1]")
    page = self_contained(index.build(tmp_path / "runs"))
    rows = {r["run"]: r for r in json.loads(re.search(r'id="facts">(.*?)</script>', page)[1])["runs"]}  # type: ignore[index]
    assert len(rows) == 4
    assert rows["a"]["accuracy"] == 0.5
    assert rows["a"]["link"] == "a/report.html"
    assert rows["a"]["trouble"] == ""
    assert "no results" in rows["killed"]["trouble"]
    assert "can not be read" in rows["torn"]["trouble"]
    assert main(["report", str(tmp_path / "runs")]) == 0
    assert capsys.readouterr().out == f"{tmp_path / 'runs' / 'index.html'}\n"
    (tmp_path / "empty").mkdir()
    assert main(["report", str(tmp_path / "empty")]) == 2
    assert "holds no run" in capsys.readouterr().err


@given(st.lists(st.none() | st.floats(0, 1) | st.integers(0, 1) | st.sampled_from([1e-6, 0.999999, 0.0005])))
def test_scores_are_shown_with_three_digits(scores: list[float | None]) -> None:
    rounded = [None if score is None else round(float(score), 3) for score in scores]
    shown = sample_of(record(0, scores=tuple(scores), trace=[{"value": None, "scores": scores}, {"line": 0}]))
    assert shown.get("scores", []) == rounded
    assert shown["trace"] == [{"scores": rounded}, {"line": 0}]


@pytest.mark.parametrize(
    ("data", "shown"),
    [
        (
            {"p": [1.0, 0.1, 1e-7, float("nan"), float("-inf"), None, True]},
            {"p": [1.0, 0.1, 1e-7, None, None, None, True]},
        ),
        ({"words": "é\u2028</script>", "of": (1, 2**70)}, {"words": "é\u2028</script>", "of": [1, 2**70]}),
        ([np.float32(0.5), np.arange(2)], [0.5, [0, 1]]),
        (["half a character: \ud800"], ["half a character: \ud800"]),
    ],
)
def test_what_is_packed_is_json(data: Any, shown: Any) -> None:
    text = zlib.decompress(base64.b64decode(packed(data))).decode("utf-8")
    assert json.loads(text, parse_constant=lambda word: pytest.fail(f"{word} is no JSON")) == shown
