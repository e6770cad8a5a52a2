"""OK-VQA, NExT-QA and GQA's normalised match: official formats, good records and bad ones, and what counts as right."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest
from helpers.dataset_makers import picture, write
from helpers.made_films import film, grey

from neptune import tasks
from neptune.answer import Answer
from neptune.cli import main
from neptune.errors import DatasetError, NeptuneError
from neptune.runs.evaluate.summary import summarise
from neptune.tasks.vqa.normalised import normalised

# --- words ---


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ("The red car.", "red car"), ("an  Apple", "apple"), ("Two", "2"), ("1,000", "1000"), ("3.5", "3.5"),
        ("don't know", "dont know"), ("fire-hydrant", "fire hydrant"), ("yes!", "yes"), ("", ""), ("A", ""),
        ("new york, usa", "new york usa"),
    ],
)  # fmt: skip
def test_answers_are_normalised(given: str, found: str) -> None:
    assert normalised(given) == found
    assert normalised(found) == found


def test_gqa_by_normalised_match(tmp_path: Path) -> None:
    question = {"question": "What is it?", "imageId": "1", "answer": "fire hydrant", "types": {"structural": "query"}}
    write(tmp_path / "testdev_balanced_questions.json", {"1": question})
    (plain,), (sample,) = (tasks.load(name, tmp_path).samples for name in ("gqa", "gqa-normalised"))
    strict, loose = tasks.load("gqa", tmp_path), tasks.load("gqa-normalised", tmp_path)
    said = Answer("The fire-hydrant.", "text")
    assert (strict.judge(plain, said), loose.judge(sample, said)) == (False, True)
    assert loose.judge(sample, Answer("hydrant", "text")) is False
    assert loose.judge(sample, Answer(None, "nothing", abstained=True)) is False


# --- OK-VQA ---


def okvqa(root: Path, answers: Any = None, question: Any = None, name: str = "val2014") -> tasks.Task:
    asked = {"image_id": 42, "question": "What sport is this?", "question_id": 420} | (question or {})
    content = {"questions": [asked]}
    write(root / f"OpenEnded_mscoco_{name}_questions.json", content)
    given = answers if answers is not None else ["surfing"] * 6 + ["surf"] * 2 + ["The Sea", "two"]
    listed = [{"answer": a, "answer_id": k, "raw_answer": a} for k, a in enumerate(given)]
    record = {"question_id": 420, "image_id": 42, "answers": listed, "question_type": "sport", "answer_type": "other"}
    write(root / f"mscoco_{name}_annotations.json", {"annotations": [record]})
    picture(root / "images" / name / "COCO_val2014_000000000042.jpg")
    return tasks.load("okvqa", root)


def test_okvqa(tmp_path: Path) -> None:
    task = okvqa(tmp_path)
    (sample,) = task.samples
    sample.check()
    assert (sample.question, sample.family, sample.extra["question_id"]) == ("What sport is this?", "sport", 420)
    assert sample.picture is not None
    assert sample.picture.size == (100, 80)
    assert len(task.show_expected(sample)) == 10


@pytest.mark.parametrize(
    ("said", "soft", "right"),
    [("Surfing.", 1.0, True), ("a surf", 0.6, False), ("sea", 0.3, False), ("golf", 0, False)],
)
def test_okvqa_is_judged_by_ten_people(tmp_path: Path, said: str, soft: float, right: bool) -> None:
    task = okvqa(tmp_path)
    (sample,) = task.samples
    answer = Answer(said, "text")
    assert task.measures(sample, answer) == {"vqa_accuracy": pytest.approx(soft)}
    assert task.judge(sample, answer) is right
    nothing = Answer(None, "nothing", abstained=True)
    assert (task.measures(sample, nothing)["vqa_accuracy"], task.judge(sample, nothing)) == (0, False)


@pytest.mark.parametrize(
    "change", [{"question": None}, {"question_id": [1]}, {"image_id": None}, {"image_id": "../x"}, {"question_id": 9}]
)
def test_a_bad_question_of_okvqa_is_its_own_problem(tmp_path: Path, change: dict[str, Any]) -> None:
    (sample,) = okvqa(tmp_path, question=change).samples
    with pytest.raises(NeptuneError) as found:
        sample.check()
    assert "record 0" in found.value.one_line()


@pytest.mark.parametrize("answers", [[], [3], [None]])
def test_bad_answers_of_okvqa_are_its_own_problem(tmp_path: Path, answers: Any) -> None:
    (sample,) = okvqa(tmp_path, answers).samples
    with pytest.raises(DatasetError):
        sample.check()


def test_splits_of_okvqa(tmp_path: Path) -> None:
    okvqa(tmp_path)
    assert len(tasks.load("okvqa", tmp_path, split="val").samples) == 1
    write(tmp_path / "OpenEnded_mscoco_train2014_questions.json", {"questions": []})
    with pytest.raises(DatasetError, match="the splits"):
        tasks.load("okvqa", tmp_path)
    with pytest.raises(DatasetError, match="no split 'test'"):
        tasks.load("okvqa", tmp_path, split="test")
    (tmp_path / "mscoco_val2014_annotations.json").unlink()
    task = tasks.load("okvqa", tmp_path, split="val2014")
    (sample,) = task.samples
    sample.check()
    assert task.judge(sample, Answer("x", "text")) is None


# --- NExT-QA ---

ROW = {
    "video": "4010", "frame_count": "369", "width": "640", "height": "480", "question": "why did the boy jump",
    "answer": "3", "qid": "6", "type": "CW",
    "a0": "to eat", "a1": "fall", "a2": "a dog", "a3": "for fun", "a4": "two cats",
}  # fmt: skip


def nextqa(root: Path, *rows: dict[str, Any], columns: list[str] | None = None) -> tasks.Task:
    root.mkdir(exist_ok=True)
    with (root / "val.csv").open("w", newline="") as file:
        table = csv.DictWriter(file, columns or list(ROW), extrasaction="ignore")
        table.writeheader()
        table.writerows(rows or [ROW])
    return tasks.load("nextqa", root)


def test_nextqa(tmp_path: Path) -> None:
    write(tmp_path / "map_vid_vidorID.json", {"4010": "1104/4010"})
    (tmp_path / "videos" / "1104").mkdir(parents=True)
    (tmp_path / "videos" / "1104" / "4010.mp4").write_bytes(b"")
    task = nextqa(tmp_path, ROW, ROW | {"type": "TN", "qid": "7"}, ROW | {"type": "DO"})
    first, second, third = task.samples
    first.check()
    assert (first.question, first.expected) == ("why did the boy jump?", "for fun")
    assert [s.family for s in (first, second, third)] == ["causal", "temporal", "descriptive"]
    assert first.film == tmp_path / "videos" / "1104" / "4010.mp4"
    assert first.extra["choices"] == ["to eat", "fall", "a dog", "for fun", "two cats"]
    for said, right in {"for fun": True, "For fun.": True, "3": True, "0": False, "to eat": False, "x": False}.items():
        assert task.judge(first, Answer(said, "text")) is right
    assert task.judge(first, Answer(3, "number")) is True
    assert task.judge(first, Answer(None, "nothing", abstained=True)) is False


@pytest.mark.parametrize(
    "change",
    [{"answer": "5"}, {"answer": "x"}, {"question": ""}, {"a2": " "}, {"video": "../../x"}, {"type": ""}, {"qid": ""}],
)
def test_a_bad_row_of_nextqa_is_its_own_problem(tmp_path: Path, change: dict[str, str]) -> None:
    good, bad = nextqa(tmp_path, ROW, ROW | change).samples
    good.check()
    with pytest.raises(NeptuneError) as found:
        bad.check()
    assert "record 1" in found.value.one_line()


def test_tables_of_nextqa_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="no column 'a4'"):
        nextqa(tmp_path, columns=list(ROW)[:-1])
    (tmp_path / "val.csv").write_bytes(b"\xff\xfe\x00video")
    with pytest.raises(DatasetError, match=r"can not be read|no column"):
        tasks.load("nextqa", tmp_path)
    with pytest.raises(DatasetError, match=r"does not exist.*one of val"):
        tasks.load("nextqa", tmp_path, split="test")


def test_a_run_over_films(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "data" / "videos").mkdir(parents=True)
    film(tmp_path / "data" / "videos" / "4010.mp4", grey, 4, fps=2)
    nextqa(tmp_path / "data", ROW, ROW | {"video": "none", "question": "how many frames"})
    programs = {
        "why did the boy jump?": "def execute_command(video, possible_answers, question):\n"
        "    return possible_answers[VideoSegment(video).num_frames - 1]",
        "how many frames?": "return VideoSegment(video).num_frames",
    }
    write(tmp_path / "programs.json", programs)
    run = tmp_path / "run"
    words = ["--dataset", "nextqa", "--data_dir", str(tmp_path / "data"), "--vlm_model_name", "random"]
    words += ["--code_gen_provider", "cache", "--program_cache_address", str(tmp_path / "programs.json")]
    write(tmp_path / "config.json", {"output_dir": str(run), "code_gen_dialect": "patches", "inspect": "none"})
    assert main(["--config", str(tmp_path / "config.json"), *words]) == 2  # one film is missing
    good, missing = [json.loads(line) for line in (run / "samples.jsonl").read_text().splitlines()]
    assert (good["answer"], good["correct"], good["error"]) == ("for fun", True, None)
    assert "does not exist" in missing["error"]


def test_overlaps_are_counted_at_two_thresholds() -> None:
    records = [
        {"id": k, "dataset": "refcoco", "family": "all", "correct": iou >= 0.5, "iou": iou, "abstained": False}
        for k, iou in enumerate([0.4, 0.6, 0.7, 0.9])
    ]
    found = summarise(records, {"refcoco": 4})["by_dataset"]["refcoco"]  # type: ignore[arg-type]
    assert (found["iou_accuracy"], found["iou_accuracy_70"]) == (0.75, 0.5)


@pytest.mark.parametrize("name", ["okvqa", "nextqa", "gqa-normalised"])
def test_a_dry_run_says_where_to_get_it(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(tmp_path / "config.json", {"dataset": name, "data_dir": str(tmp_path / "none"), "output_dir": str(tmp_path)})
    assert main(["--config", str(tmp_path / "config.json"), "--dry_run"]) == 2
    said = capsys.readouterr().out
    assert "download" in said
    assert "https://" in said
