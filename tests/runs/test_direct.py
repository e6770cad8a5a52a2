"""``task: direct``: a model answers the question as it stands, and is judged as an engine is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from neptune import Engine, Scene
from neptune.answer import Answer
from neptune.cli import main
from neptune.config import make_config
from neptune.config.validation import ConfigProblems
from neptune.perception.detect.nothing import NoDetector
from neptune.runs.direct.task import Direct, asked, asks_yes_or_no, program_of, understood
from neptune.runs.evaluate.side_by_side import figures, side_by_side
from neptune.scene.types import QueryRequest, ScoreRequest, Scores
from neptune.tasks import load

SAMPLE = Path(__file__).resolve().parents[2] / "examples" / "clevr"


@pytest.mark.parametrize(
    ("question", "yes"),
    [
        ("Is there a red cube?", True),
        ("Are there more cubes than spheres?", True),
        ("There is a cube; is it red?", True),
        ("There is a big ball. Does it have the same size as the cube?", True),
        ("Do the ball and the blue object have the same size?", True),
        ("What color is the cube?", False),
        ("How many cubes are there?", False),
        ("There is a cube; what is its color?", False),
        ("The ball is what color?", False),
        ("Is it red or blue?", False),
        ("", False),
        ("?", False),
    ],
)
def test_which_questions_are_answered_by_yes_or_no(question: str, yes: bool) -> None:
    assert asks_yes_or_no(question) is yes
    assert asked(question).startswith(question)
    assert ("yes or no" in asked(question)) is yes


def test_the_kinds_of_all_questions_of_clevr() -> None:
    records = json.loads((SAMPLE / "questions.json").read_text())["questions"]
    assert all(asks_yes_or_no(r["question"]) == (r["answer"] in ("yes", "no")) for r in records)


@pytest.mark.parametrize(
    "question", ['Is "it" red?', "Was \\ it 'red'?", "How many\nred things – viele?", "What's {x}?"]
)
def test_the_program_asks_the_question_itself(question: str) -> None:
    heard: list[str] = []

    class Listening:
        name = "listening"

        def score(self, requests: list[ScoreRequest]) -> list[Scores]:
            heard.extend(r.question.text for r in requests)
            assert all(r.question.arity == 0 for r in requests)
            return [Scores.of([1.0] * len(r.objects)) for r in requests]  # type: ignore[arg-type]

        def query(self, requests: list[QueryRequest]) -> list[list[str | None]]:
            heard.extend(r.question.text for r in requests)
            return [["2"] for _ in requests]

    engine = Engine(Listening(), NoDetector())  # type: ignore[arg-type]
    answer = engine.run(program_of(question), Scene([], (10, 10)))
    assert " ".join(heard[0].split()) == " ".join(question.split())
    assert len(heard) == 1
    assert answer.kind in ("truth", "text")
    assert (answer.probability is not None) == (answer.kind == "truth")


@pytest.mark.parametrize(
    ("said", "kind", "value"),
    [
        ("Yes.", "truth", True),
        ("no", "truth", False),
        ("3", "number", 3),
        ("light blue", "text", "light blue"),
        ("(1, 2.5, 30, 40)", "region", [1.0, 2.5, 30.0, 40.0]),
        ("[1, 2, 3, 4]", "region", [1.0, 2.0, 3.0, 4.0]),
        ("three", "text", "three"),
    ],
)
def test_words_are_understood(said: str, kind: str, value: Any) -> None:
    found = understood(Answer(said, "text"))
    assert (found.kind, found.value) == (kind, value)
    assert understood(Answer("yes", "text", abstained=True)).kind == "text"


def test_it_is_judged_as_the_dataset_does() -> None:
    task = Direct(load("clevr", SAMPLE, 4))
    sample = task.samples[0]
    assert sample.program == program_of(sample.question)
    assert task.judge(sample, Answer("0", "text")) is True
    assert task.judge(sample, Answer("1", "text")) is False
    pointing = Direct(load("clevr-refexps", SAMPLE, 1))
    first = pointing.samples[0]
    box = pointing.show_expected(first)["box"]
    answer = Answer("(" + ", ".join(map(str, box)) + ")", "text")
    assert pointing.judge(first, answer) is True
    assert pointing.measures(first, answer)["iou"] > 0.99
    assert pointing.judge(first, Answer("the red one", "text"), Scene([], (10, 10))) is False


def test_a_run_and_its_resumption(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    words = ["run", "clevr", "--task", "direct", "--vlm_model_name", "random", "--output_dir", str(out)]
    assert main([*words, "--num_samples", "6"]) == 0
    assert main([*words, "--num_samples", "9"]) == 0
    assert "Resuming: 6 samples are there" in capsys.readouterr().err
    records = [json.loads(line) for line in (out / "samples.jsonl").read_text().splitlines()]
    assert len(records) == 9
    assert all(r["boxes"] == [] and r["usage"]["oracle_calls"] == 1 and r["error"] is None for r in records)
    assert {r["answer"] for r in records if r["kind"] == "truth"} <= {"yes", "no"}
    assert (out / "report.html").is_file()
    assert main([*words[:-1], str(tmp_path / "none"), "--estimate"]) == 0
    assert "one call of the oracle each" in capsys.readouterr().out
    assert not (tmp_path / "none").exists()


def test_it_needs_a_dataset() -> None:
    with pytest.raises(ConfigProblems, match="'dataset' is not given; task direct answers one of"):
        make_config({"task": "direct"})


def test_engine_student_and_base_stand_side_by_side(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    common = ["run", "clevr", "--num_samples", "12", "--od_model", "scene", "--output_dir"]
    folders = [str(tmp_path / name) for name in ("engine", "student", "base")]
    assert main([*common, folders[0], "--vlm_model_name", "scene"]) == 0
    for folder, seed in zip(folders[1:], (1, 2), strict=True):
        words = ["--task", "direct", "--vlm_model_name", "random", f"--vlm_options.seed={seed}"]
        assert main([*common, folder, *words]) == 0
    capsys.readouterr()
    assert main(["compare", *folders]) == 0
    printed = capsys.readouterr().out
    assert "Side by side, 12 samples" in printed
    assert "100.00%" in printed
    assert printed.count("McNemar") == 2
    found = side_by_side([Path(f) for f in folders])
    assert [row["calls"] for row in found[1:]] == [1, 1]
    assert found[0]["accuracy"] == 1
    assert found[0]["ece"] < 0.01 < found[1]["ece"]
    assert found[0]["told"] == 12 > found[1]["told"]


def test_figures_of_no_known_probability() -> None:
    found = figures([{"id": "a", "dataset": "d", "correct": True, "abstained": False, "seconds": 2.0, "usage": {}}])
    assert (found["ece"], found["brier"], found["told"], found["accuracy"], found["seconds"]) == (None, None, 0, 1, 2)
