"""``--set``: what follows when something is changed, in ask, in a run, and of a recording, which asks nothing new."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from neptune.cli.command_line import main
from neptune.config import Config, make_config
from neptune.config.validation import ConfigProblems
from neptune.errors import ConfigError
from neptune.runs.guarded.edits import edits_of
from neptune.runs.record import SAMPLES
from neptune.runs.runner.replay import replay_bundle
from neptune.runs.runner.run import run_dataset
from neptune.scene import ATTRIBUTES

DATA = Path(__file__).resolve().parents[3] / "examples" / "clevr"


def config(folder: Path, **more: Any) -> Config:
    fields: dict[str, Any] = {"dataset": "clevr", "data_dir": str(DATA), "vlm_model_name": "scene", "od_model": "scene"}
    fields |= {"output_dir": str(folder), "inspect": "none", "num_samples": 12}
    return Config(**(fields | more))


def records(folder: Path) -> dict[str, dict[str, Any]]:
    lines = (folder / SAMPLES).read_text(encoding="utf-8").splitlines()
    return {r["id"]: r for r in map(json.loads, lines)}


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, dict[str, Any]]]:
    folder = tmp_path_factory.mktemp("plain")
    assert run_dataset(config(folder / "run", bundle=str(folder / "run.zip")), "run") == 0
    return folder / "run.zip", records(folder / "run")


def a_yes_or_no(found: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Return a record whose answer one word turns: the program is replaced by "is there a red thing?" of its scene."""
    return next(r for r in found.values() if r["answer"] in ("yes", "no") and "exists" in (r["program"] or ""))


def test_a_recording_answers_what_follows_and_the_others_stay(
    plain: tuple[Path, dict[str, dict[str, Any]]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, before = plain
    counted = next(r for r in before.values() if isinstance(r["answer"], int) and "count" in r["program"])
    name = counted["id"]
    asked = [w for w in ("red", "cube", "sphere", "metal", "rubber", "large", "small") if f"{w}(" in counted["program"]]
    changes = [f"{name}: {word}({k})=0" for word in asked for k in range(len(counted["boxes"]))]
    assert replay_bundle(str(path), str(tmp_path / "again"), changed=changes) == 0
    after = records(tmp_path / "again")
    assert after[name]["changed"]
    assert after[name]["before"] == counted["answer"]
    assert after[name]["usage"]["oracle_calls"] == 0
    assert [r for k, r in after.items() if k != name and "changed" in r] == []
    said = capsys.readouterr().out
    assert "1 samples run again with something changed, nothing asked" in said
    if after[name]["answer"] != counted["answer"]:
        assert f"changed: {name}: {counted['answer']} is now {after[name]['answer']}" in said


def test_a_word_that_was_never_asked_is_missing_evidence_in_a_recording_and_asked_in_a_run(
    plain: tuple[Path, dict[str, dict[str, Any]]], tmp_path: Path
) -> None:
    path, before = plain
    reds = [r for r in before.values() if "red(" in str(r["program"])]
    record = reds[0]
    words = [w for values in ATTRIBUTES.values() for w in values]
    change = [f"{k}: word({w})=unseen_{w}" for k, r in before.items() for w in words if f"{w}(" in str(r["program"])]
    assert replay_bundle(str(path), str(tmp_path / "again"), changed=change) == 0
    again = [r for r in records(tmp_path / "again").values() if "changed" in r]
    assert all("unseen_" in r["program"] for r in again)
    unknown = [r for r in again if r["error"] or r["abstained"]]
    assert unknown  # where it matters, it is not made up
    assert any(r["guarantee"] == "none" for r in unknown)
    run_dataset(config(tmp_path / "run", set=[f"{record['id']}: word(red)=blue"]), "run")
    ran = records(tmp_path / "run")[record["id"]]
    assert "blue(" in ran["program"]
    assert ran["before"] == record["answer"]
    assert ran["error"] is None


def test_in_a_run_boxes_and_scores_are_changed_for_one_sample_alone(
    plain: tuple[Path, dict[str, dict[str, Any]]], tmp_path: Path
) -> None:
    _, before = plain
    name = next(k for k, r in before.items() if len(r["boxes"]) > 1)
    run_dataset(config(tmp_path / "run", set=[f"{name}: box(0)=1,2,30,40"], inspect="values"), "run")
    after = records(tmp_path / "run")
    assert after[name]["boxes"][0] == [1.0, 2.0, 30.0, 40.0]
    assert after[name]["boxes"][1:] == before[name]["boxes"][1:]
    assert {k for k, r in after.items() if "changed" in r} == {name}
    assert after[name]["before"] == before[name]["answer"]


def test_ask_says_what_was_and_what_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    picture = next((DATA / "images").iterdir())
    words = ["ask", str(picture), "--program", "exists(Object, lambda x: red(x))", "--output_dir", str(tmp_path / "a")]
    assert main([*words, "--set", *(f"red({k})=0" for k in range(2))]) == 0
    said = capsys.readouterr().out
    assert "Before: " in said
    (record,) = records(tmp_path / "a").values()
    assert record["changed"] == ["red(0)=0", "red(1)=0"]
    assert record["before"] in ("yes", "no")
    assert main([*words, "--set", "red(99)=0"]) == 2
    assert "no objects of the scene" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"task": "induce", "set": ["red(0)=1"]}, "'set' does not go with task induce"),
        ({"set": ["red(0)=1"], "bundle": "x.zip"}, "replay it with --set"),
    ],
)
def test_fields_that_do_not_go_together_are_named(fields: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigProblems, match=said):
        make_config({"dataset": "clevr", "data_dir": str(DATA)} | fields, "test")


def test_changes_for_no_sample_of_the_run_are_refused(
    plain: tuple[Path, dict[str, dict[str, Any]]], tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match="No sample"):
        replay_bundle(str(plain[0]), str(tmp_path / "x"), changed=["nobody: red(0)=1"])
    with pytest.raises(ConfigError, match="changes nothing"):
        edits_of(["clevr-1: red(0)"])
