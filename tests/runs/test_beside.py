"""``agree: direct`` and ``consistency``: another model beside the run, and its questions in other words."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import dsl
from dsl.vocabulary import Vocabulary
from neptune.cli import main
from neptune.config import make_config
from neptune.config.validation import ConfigProblems
from neptune.engine import Engine
from neptune.runs.direct import beside as beside_module
from neptune.runs.direct.beside import same_answer
from neptune.runs.direct.reworded import variants
from neptune.runs.direct.task import asks_yes_or_no
from neptune.runs.evaluate.after import summarise_beside, summarise_variants
from neptune.runs.evaluate.side_by_side import side_by_side
from neptune.runs.report.data import faults_of
from neptune.writer.writer import Writer

SAMPLE = Path(__file__).resolve().parents[2] / "examples" / "clevr"
ENGINE = ["run", "clevr", "--num_samples", "8", "--od_model", "scene", "--vlm_model_name", "scene"]
BESIDE = ["--agree", "direct", "--agree_model_name", "random"]


def rows(folder: Path, name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / f"{name}.jsonl").read_text().splitlines()]


def test_the_record_says_where_the_model_beside_differs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    assert main([*ENGINE, *BESIDE, "--output_dir", str(out)]) == 0
    printed = capsys.readouterr().out
    records, said = rows(out, "samples"), rows(out, "beside")
    assert [r["id"] for r in said] == [r["id"] for r in records]
    assert all(r["correct"] for r in records)  # the run's answers are its own
    for record, row in zip(records, said, strict=True):
        assert row["calls"] == 1
        assert row["model"] == "random"
        if row["outcome"] == "answered":
            assert row["agrees"] is (row["answer"] == record["answer"])
        else:
            assert row["agrees"] is None
    results = json.loads((out / "results.json").read_text())["beside"]
    assert results["asked"] == 8
    assert results["agree"] + results["differ"] == results["compared"] > 0
    assert results["run_right"] == [results["differ"]] * 2
    assert f"another to {results['differ']}" in printed
    assert "Beside it random" in (out / "report.html").read_text()
    assert "agree" not in json.loads((out / "config.json").read_text())


def test_what_the_model_beside_said_is_not_asked_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "out"
    words = [*ENGINE, "--output_dir", str(out)]
    assert main([*words, *BESIDE]) == 0
    before = (out / "beside.jsonl").read_text()
    (out / "beside.jsonl").write_text("".join(before.splitlines(keepends=True)[:5]) + before.splitlines()[5][:20])
    asked: list[str] = []
    original = beside_module._row
    monkeypatch.setattr(beside_module, "_row", lambda c, m, r, s: asked.append(r["id"]) or original(c, m, r, s))
    assert main([*words, *BESIDE]) == 0
    assert len(asked) == 3  # killed in the sixth: that and what follows
    assert [r["id"] for r in rows(out, "beside")] == [json.loads(x)["id"] for x in before.splitlines()]
    assert main([*words, *BESIDE]) == 0
    assert len(asked) == 3
    assert main([*words, *BESIDE, "--agree_options.seed", "3"]) == 0
    assert len(asked) == 11  # another model


def test_a_fault_to_filter_by() -> None:
    record = {"answer": "yes", "correct": True, "outcome": "answered", "abstained": False}
    assert faults_of(record | {"beside": {"agrees": False}}) == ["the model beside disagrees"]
    assert faults_of(record | {"beside": {"agrees": True}}) == []
    assert faults_of(record | {"variants": {"reworded": {"holds": False}}}) == ["not so in other words"]
    assert faults_of(record | {"variants": {"negated": {"holds": False}}}) == ["its negation is answered alike"]
    assert faults_of(record | {"variants": {"negated": {"holds": None}}, "beside": {"agrees": None}}) == []


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("yes", "yes", True),
        ("yes", "no", False),
        (2, "2", True),
        (2.0, 2, True),
        (True, "yes", True),
        ("A red cube", "red  cube.", True),
        ("red", "blue", False),
        ({"box": [0, 0, 10, 10]}, [0, 0, 10, 9], True),
        ({"box": [0, 0, 10, 10]}, [5, 5, 15, 15], False),
        ({"box": [0, 0, 10, 10]}, "the cube", False),
        ([1, 2], [2, 1], False),
    ],
)
def test_which_answers_are_the_same(one: Any, other: Any, same: bool) -> None:
    assert same_answer(one, other) is same
    assert same_answer(other, one) is same


def test_figures_count_only_what_is_known() -> None:
    def row(agrees: bool | None, correct: bool | None, theirs: bool | None) -> dict[str, Any]:
        said = {"agrees": agrees, "correct": theirs, "seconds": 0.5, "calls": 1, "model": "m"}
        return {"correct": correct, "beside": said}

    records = [row(True, True, True), row(False, True, False), row(False, None, None), row(None, True, False), {}]
    found = summarise_beside(records)
    assert (found["asked"], found["compared"], found["agree"], found["differ"]) == (4, 3, 1, 2)
    assert (found["right_where_agreed"], found["run_right"], found["beside_right"]) == ([1, 1], [1, 1], [0, 1])
    assert found["accuracy"] == pytest.approx(1 / 3)
    assert (found["seconds"], found["calls"]) == (0.5, 1)
    assert summarise_beside([{}]) == summarise_variants([{}]) == {}


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"agree": "direct"}, "'agree_model_name' is not given"),
        ({"agree": "direct", "agree_model_name": "randon"}, "'agree_model_name' is 'randon'; did you mean 'random'"),
        ({"agree_model_name": "random"}, "'agree_model_name' does nothing without agree; add --agree direct"),
        ({"consistency": True}, "'consistency' needs programs of questions that are in no file"),
    ],
)
def test_what_a_config_must_say(given: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigProblems, match=said.replace("(", r"\(")):
        make_config({"dataset": "clevr", "data_dir": str(SAMPLE)} | given)


def test_tasks_that_have_no_answers_to_compare() -> None:
    with pytest.raises(ConfigProblems, match="'consistency' does not go with task certify"):
        make_config({"dataset": "clevr", "data_dir": str(SAMPLE), "task": "certify", "consistency": True})


# --- in other words ---


def test_variants_of_clevr_mean_what_they_should() -> None:
    """On annotated scenes a rewording has the same answer, and a negation the opposite one; few questions lack one."""
    from neptune import tasks

    task = tasks.load("clevr", SAMPLE)
    vocabulary = Vocabulary.load("clevr")
    writer, engine = Writer.embedded(vocabulary), Engine(oracle="scene", detector="scene")
    asked = lacking = yes_or_no = negated = 0
    for sample in task.samples[:120]:
        found = variants(sample.question, vocabulary)
        asked += 1
        lacking += "reworded" not in found
        if asks_yes_or_no(sample.question):
            yes_or_no += 1
            negated += "negated" in found
        else:
            assert "negated" not in found
        scene = engine.scene(sample.picture, sample.truth())
        for kind, text in found.items():
            assert text != sample.question
            answer = engine.run(writer.write(text, "clevr").program, scene)
            said = task.show_answer(sample, answer, scene)
            opposite = {"yes": "no", "no": "yes"}.get(str(sample.expected))
            assert str(said) == str(opposite if kind == "negated" else sample.expected), text
    assert asked == 120
    assert lacking <= 2
    assert negated >= 0.95 * yes_or_no > 10


@pytest.mark.parametrize(
    ("question", "reworded", "negated"),
    [
        ("Is there a dog on the sofa?", "Can you see a dog on the sofa?", "Is there no dog on the sofa?"),
        ("Are there any people?", "Can you see any people?", "Are there no people?"),
        ("How many zebras are there?", "What number of zebras are there?", None),
        ("There is a bus; what color is it?", "What is the color of the bus?", None),
        ("Who wears the large hat?", "Who wears the big hat?", None),
        ("Who is it?", None, None),
        ("", None, None),
    ],
)
def test_questions_of_other_worlds(question: str, reworded: str | None, negated: str | None) -> None:
    found = variants(question, None)
    assert (found.get("reworded"), found.get("negated")) == (reworded, negated)
    clevr = Vocabulary.load("clevr")
    assert variants(question, clevr) == found  # the reader does not understand these


def test_a_wording_that_is_read_otherwise_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    from neptune.runs.direct import reworded as module

    clevr = Vocabulary.load("clevr")
    question = "Are there any red cubes?"
    monkeypatch.setattr(
        module, "_candidates", lambda q, kind: iter(["Are there any blue cubes?", "Is there a red box?"])
    )
    found = variants(question, clevr)
    assert "negated" not in found
    assert found.get("reworded") in (None, "Is there a red box?")
    read = Writer.embedded(clevr).write(question, "clevr").program
    assert dsl.parse(read)


def test_the_engine_is_consistent_and_a_guess_is_not(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    engine, guess = tmp_path / "engine", tmp_path / "guess"
    consistent = ["--consistency", "true"]
    assert main([*ENGINE, "--code_gen_provider", "embedded", *consistent, "--output_dir", str(engine)]) == 0
    direct = ["run", "clevr", "--num_samples", "8", "--task", "direct", "--vlm_model_name", "random"]
    assert main([*direct, *consistent, "--output_dir", str(guess)]) == 0
    capsys.readouterr()
    mine, theirs = side_by_side([engine, guess])
    printed = capsys.readouterr().out
    assert "reworded" in printed
    assert "negated" in printed
    assert mine["variants"]["reworded"]["share"] == mine["variants"]["negated"]["share"] == 1.0
    assert mine["variants"]["reworded"]["compared"] == 8
    assert theirs["variants"]["reworded"]["share"] < 1.0
    records, said = rows(engine, "samples"), rows(engine, "variants")
    assert len(records) == len(said) == 8  # variants are no samples
    assert json.loads((engine / "results.json").read_text())["n"] == 8
    assert "Asked in other words" in (engine / "report.html").read_text()
    before = (engine / "variants.jsonl").read_bytes()
    assert main([*ENGINE, "--code_gen_provider", "embedded", *consistent, "--output_dir", str(engine)]) == 0
    assert (engine / "variants.jsonl").read_bytes() == before
