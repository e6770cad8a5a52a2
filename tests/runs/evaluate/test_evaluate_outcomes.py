"""What is not answered is neither right nor wrong: interrupted, a server gone, a budget spent, abstentions, errors."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neptune.cli import main
from neptune.engine.session.batch import Batch
from neptune.errors import OracleFailedError
from neptune.runs.evaluate.attribution import summarise_attribution
from neptune.runs.evaluate.compare import compare, paired
from neptune.runs.evaluate.judge import summarise_judge
from neptune.runs.evaluate.logics import summarise_logics
from neptune.runs.evaluate.summary import summarise
from neptune.runs.evaluate.tables import print_results
from neptune.runs.record.folder import first_cut_short
from neptune.runs.record.outcome import outcome_of, why_of
from neptune.runs.report import index, pair, write_report
from neptune.runs.report.data import state_of

ROOT = Path(__file__).resolve().parents[3]
WORDS = ["--config", "configs/clevr.json", "--od_model", "scene", "--vlm_model_name", "scene"]


@pytest.fixture(autouse=True)
def _in_checkout(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)


def record(i: int, **more: Any) -> dict[str, Any]:
    return {"id": str(i), "dataset": "d", "family": "f", "correct": True, "picture": f"{i}.png"} | more


KINDS: dict[str, dict[str, Any]] = {
    "right": {},
    "wrong": {"correct": False},
    "missing": {"correct": False, "abstained": True, "settled": False},
    "presupposition": {"correct": False, "abstained": True, "why": "presupposition"},
    "budget": {"correct": False, "settled": False, "guess_right": True},
    "no guess": {"correct": False, "abstained": True, "settled": False, "why": "budget"},
    "old budget": {"correct": True, "settled": False},
    "error": {"correct": False, "error": "x", "error_kind": "PictureError"},
    "unknown": {"correct": None},
    "unknown error": {"correct": None, "error": "x"},
}


@pytest.mark.parametrize(
    ("kind", "outcome", "why", "state"),
    [
        ("right", "answered", None, "right"),
        ("wrong", "answered", None, "wrong"),
        ("missing", "abstained", "missing evidence", "abstained"),
        ("presupposition", "abstained", "presupposition", "abstained"),
        ("budget", "abstained", "budget", "abstained"),
        ("no guess", "abstained", "budget", "abstained"),
        ("old budget", "abstained", "budget", "abstained"),
        ("error", "error", None, "error"),
        ("unknown", "answered", None, "unjudged"),
        ("unknown error", "error", None, "error"),
    ],
)
def test_what_became_of_a_sample(kind: str, outcome: str, why: str | None, state: str) -> None:
    row = record(0, **KINDS[kind])
    assert (outcome_of(row), why_of(row), state_of(row)) == (outcome, why, state)
    assert first_cut_short([row | {"usage": {"oracle_calls": 5}}], 5) == (0 if why == "budget" else 1)


@settings(deadline=None)
@given(st.lists(st.sampled_from(sorted(KINDS)), max_size=30), st.integers(0, 10))
def test_every_sample_is_one_of_four(kinds: list[str], missing: int) -> None:
    rows = [record(i, **KINDS[kind]) for i, kind in enumerate(kinds)]
    n = len(rows) + missing
    found = summarise(rows, {"d": n})
    for figures in (found, found["by_dataset"]["d"]):
        parts = [figures[k] for k in ("answered", "abstained", "errors", "unanswered")]
        assert sum(parts) == figures["n"] == n
        assert figures["unanswered"] == missing
        right, wrong = kinds.count("right"), kinds.count("wrong")
        unjudged = kinds.count("unknown") + kinds.count("unknown error")
        assert figures["correct"] == right
        assert figures["accuracy"] == (right / (n - unjudged) if n > unjudged else None)
        assert figures["accuracy_answered"] == (right / (right + wrong) if right + wrong else None)
        assert (figures["interval_answered"] is None) == (right + wrong == 0)
        assert sum(figures.get("abstained_by_why", {}).values()) == figures["abstained"]


def test_two_runs_are_compared_over_what_is_known_and_over_what_both_answered(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first = [record(i, **KINDS[kind]) for i, kind in enumerate(["right", "wrong", "right", "unknown"])]
    second = [record(i, **KINDS[kind]) for i, kind in enumerate(["right", "right", "budget", "unknown"])]
    found = paired(list(zip(first, second, strict=True)))
    assert (found.both, found.only_first, found.only_second, found.neither, found.unjudged) == (1, 1, 1, 0, 1)
    both = found.answered
    assert (both.both, both.only_first, both.only_second, both.neither) == (1, 0, 1, 0)
    for name, rows in (("a", first), ("b", second)):
        (tmp_path / name).mkdir()
        lines = "".join(json.dumps(row | {"question": "q", "answer": "yes"}) + "\n" for row in rows)
        (tmp_path / name / "samples.jsonl").write_text(lines)
    assert compare(tmp_path / "a", tmp_path / "b") == 0
    said = capsys.readouterr().out
    assert "Over the 2 samples that both have answered: +50.00%" in said
    assert "abstained (budget)" in said
    assert "Of 1 samples no right answer is known" in said
    assert "Clopper–Pearson" in said


def test_a_judge_is_not_told_of_what_is_not_answered() -> None:
    kinds = ["right", "wrong", "missing", "budget", "error", "unknown"]
    rows = [record(i, **KINDS[kind]) for i, kind in enumerate(kinds)]
    rows[1]["judge"] = {"right": True, "model": "m"}
    found = summarise_judge(rows, 7)
    assert found["right"] == 2
    assert found["accuracy"] == 2 / 6, "of all whose right answer is known"
    assert found["accuracy_answered"] == 1.0


def test_blame_says_what_it_is_for() -> None:
    rows = [record(i, **KINDS[kind]) for i, kind in enumerate(["right", "wrong", "missing", "budget", "error"])]
    rows[1]["blame"] = {"blame": "logic", "shares": dict.fromkeys(("detector", "oracle", "program", "logic"), 0.25)}
    rows[1]["blame"]["mended_by"] = []
    found = summarise_attribution(rows)
    assert found["outcomes"] == {"answered": 1, "abstained": 2, "error": 1}


# --- whole runs ---


def results(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "results.json").read_text())
    return found


def rows_of(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "samples.jsonl").read_text().splitlines()]


def failing(monkeypatch: pytest.MonkeyPatch, after: int, error: Callable[[], BaseException]) -> None:
    """Let the run fail after so many samples: the first ones are batches of one."""
    whole, calls = Batch.in_order, []

    def in_order(self: Batch, *arguments: Any) -> Any:
        calls.append(1)
        if len(calls) > after:
            raise error()
        return whole(self, *arguments)

    monkeypatch.setattr(Batch, "in_order", in_order)


def test_a_budget_that_is_spent(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = [*WORDS, "--num_samples", "12", "--output_dir"]
    assert main([*words, str(tmp_path / "run"), "--max_run_calls", "400"]) == 0
    rows, found = rows_of(tmp_path / "run"), results(tmp_path / "run")
    cut = [row for row in rows if not row["settled"]]
    assert cut
    for row in cut:
        assert (row["outcome"], row["why"], row["correct"]) == ("abstained", "budget", False)
        assert isinstance(row["guess_right"], bool)
        assert row["answer"] is not None, "the guess is kept"
    assert found["abstained"] == len(cut)
    assert found["abstained_by_why"] == {"budget": len(cut)}
    assert found["accuracy_answered"] == 1.0
    assert found["accuracy"] == (12 - len(cut)) / 12
    said = capsys.readouterr().out
    assert f"{len(cut)} abstained: {len(cut)} budget" in said
    assert "of answered" in said


@pytest.mark.parametrize(
    ("error", "why", "code"),
    [
        (KeyboardInterrupt, "interrupted", 130),
        (lambda: OracleFailedError("The server is gone", where="http://x"), "The server is gone (http://x)", 2),
    ],
    ids=["interrupted", "server gone"],
)
def test_a_run_that_ends_early(
    error: Callable[[], BaseException],
    why: str,
    code: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    words = [*WORDS, "--num_samples", "10", "--output_dir", str(tmp_path / "run")]
    failing(monkeypatch, 4, error)
    assert main(words) == code
    found = results(tmp_path / "run")
    assert (found["answered"], found["unanswered"], found["errors"]) == (4, 6, 0)
    assert found["unanswered_why"] == why
    assert (found["accuracy"], found["accuracy_answered"]) == (0.4, 1.0)
    assert found["interval"] is None
    assert found["interval_answered"][1] == 1.0
    assert f"6 of 10 samples are unanswered: {why}" in capsys.readouterr().out
    monkeypatch.undo()
    monkeypatch.chdir(ROOT)
    assert main(words) == 0
    found = results(tmp_path / "run")
    assert (found["answered"], found["unanswered"], found["unanswered_why"]) == (10, 0, None)


def test_a_run_that_fails_at_its_first_sample_leaves_no_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [*WORDS, "--num_samples", "3", "--output_dir", str(tmp_path / "new" / "run")]
    failing(monkeypatch, 0, lambda: OracleFailedError("The server is gone"))
    assert main(words) == 2
    assert "error: The server is gone" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_several_logics_on_one_recording_leave_out_what_was_not_recorded(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [*WORDS, "--schedule", "lazy", "--num_samples", "40", "--output_dir"]
    assert main([*words, str(tmp_path / "a"), "--vlm_options", '{"noise": 1.0}']) == 0
    again = ["--config", str(tmp_path / "a" / "config.json"), "--output_dir", str(tmp_path / "b")]
    again += ["--logic", "godel,product,lukasiewicz", "--vlm_model_name", "replay", "--vlm_options"]
    capsys.readouterr()
    assert main([*again, json.dumps({"path": str(tmp_path / "a" / "evidence.jsonl")})]) == 0
    logics, rows = results(tmp_path / "b")["logics"], rows_of(tmp_path / "b")
    lacking = [r for r in rows if any(row.get("error_kind") == "NotRecordedError" for row in r["logics"].values())]
    assert lacking, "another logic asks something else"
    for name, figures in logics.items():
        assert figures["n"] == 40 - len(lacking)
        assert figures["left_out"] == len(lacking)
        assert figures["errors"] == 0, "what was not recorded is no error of a logic"
        assert figures["not_recorded"] == sum(r["logics"][name].get("error_kind") is not None for r in rows)
    kept = [r for r in rows if r not in lacking]
    for name, figures in logics.items():
        assert figures["correct"] == sum(r["logics"][name]["correct"] for r in kept)
        assert figures["lost"] == sum(r["logics"]["godel"]["correct"] > r["logics"][name]["correct"] for r in kept)
    assert f"{len(lacking)} samples are left out of this table, for all logics" in capsys.readouterr().out


def test_a_first_logic_that_was_not_recorded_is_left_out_too() -> None:
    good = {name: {"answer": "yes", "correct": True, "probability": 0.9, "oracle_calls": 0} for name in ("a", "b")}
    rows = [record(0, logics=good), record(1, correct=False, error="x", error_kind="NotRecordedError")]
    rows.append(record(2, correct=False, error="x", error_kind="PictureError"))
    found = summarise_logics(rows)
    assert [found[name]["n"] for name in "ab"] == [2, 2]
    assert (found["a"]["left_out"], found["a"]["not_recorded"], found["b"]["not_recorded"]) == (1, 1, 0)


def test_the_kind_of_interval_is_named_wherever_one_is_shown(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [record(i, correct=i % 3 > 0, question="q", answer="yes") for i in range(30)]
    found = summarise(rows, {"d": 30})
    name = found["interval_method"]
    assert "Clopper–Pearson" in name
    print_results(found)
    assert name in capsys.readouterr().out
    for run in ("a", "b"):
        (tmp_path / run).mkdir()
        (tmp_path / run / "samples.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        (tmp_path / run / "results.json").write_text(json.dumps(found))
        (tmp_path / run / "config.json").write_text('{"_run": {}}')
        assert name in write_report(tmp_path / run, rows, found).read_text(encoding="utf-8")
    assert compare(tmp_path / "a", tmp_path / "b") == 0
    assert name in capsys.readouterr().out
    assert name in pair.build(tmp_path / "a", tmp_path / "b").read_text(encoding="utf-8")
    assert name in index.build(tmp_path).read_text(encoding="utf-8")
