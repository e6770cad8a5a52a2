"""A folder of pictures with a file of questions: lines, ids, and what is known of the right answer."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from neptune import tasks
from neptune.answer import Answer
from neptune.config import make_config
from neptune.errors import DatasetError
from neptune.runs.runner.run import run_dataset
from neptune.scene import Scene

POINTED = Answer(0, "object", 0.9)
SCENE = Scene(np.array([[10, 10, 50, 41]], dtype=np.float32), (100, 80))


@pytest.fixture(autouse=True)
def picture(tmp_path: Path) -> None:
    Image.new("RGB", (100, 80), (90, 120, 30)).save(tmp_path / "a.jpg")


def test_a_folder_of_pictures(tmp_path: Path) -> None:
    lines = [
        {"image": "a.jpg", "question": "How many?", "answer": 3, "family": "count", "program": "count(Object)"},
        {"image": "a.jpg", "question": "Any?", "answer": True},
        {"image": "a.jpg", "question": "the left one", "box": [10, 10, 50, 40], "boxes": [[10, 10, 50, 40]]},
        {"image": "a.jpg", "question": "What is it?", "answer": ["sofa", "couch"]},
        {"image": "a.jpg", "question": "And this?"},
        {"image": "../a.jpg", "question": "x"},
        {"image": "a.jpg", "queston": "x"},
        {"image": "a.jpg", "question": "x", "box": [10, 10, 10, 40]},
        {"image": "a.jpg", "question": "x", "answer": {}},
    ]
    text = "\n".join([*map(json.dumps, lines), "{torn"])
    (tmp_path / "mine.jsonl").write_text(text)
    task = tasks.load("folder", tmp_path)
    count, yes, box, word, open_, *bad = task.samples
    assert count.gold() == "count(Object)"
    assert task.judge(count, Answer(3, "number")) is True
    assert task.judge(count, Answer(True, "truth")) is False
    assert task.judge(yes, Answer(True, "truth")) is True
    assert task.show_expected(yes) == "yes"
    assert task.judge(box, POINTED, SCENE) is True
    assert task.measures(box, POINTED, SCENE)["iou"] > 0.9
    assert task.measures(count, Answer(3, "number")) == {}
    assert task.judge(word, Answer("Couch", "text")) is True
    assert task.judge(open_, Answer("sofa", "text")) is None
    words = ("picture's name", "unknown field 'queston'", "The box is", "The answer is", "no JSON")
    for sample, said in zip(bad, words, strict=True):
        with pytest.raises(DatasetError, match=said):
            sample.check()
    (tmp_path / "other.jsonl").write_text(text)
    with pytest.raises(DatasetError, match=r"no questions\.jsonl.*mine\.jsonl, other\.jsonl"):
        tasks.load("folder", tmp_path)
    assert len(tasks.load("folder", tmp_path, split="other").samples) == len(lines) + 1


def asked(folder: Path, *lines: dict[str, object]) -> tasks.Task:
    text = "\n".join(json.dumps({"image": "a.jpg", "question": "x"} | line) for line in lines)
    (folder / "questions.jsonl").write_text(text)
    return tasks.load("folder", folder)


def test_a_line_may_name_itself_and_an_id_belongs_to_one_line(tmp_path: Path) -> None:
    given = ({"id": "z"}, {}, {"id": 7}, {"id": "z"}, {"id": "folder-000001"}, {"id": "folder-000005"})
    samples = list(asked(tmp_path, *given).samples)
    ids = ["z", "folder-000001", "7", "folder-000003", "folder-000004", "folder-000005"]
    assert [s.id for s in samples] == ids
    for sample, said in ((samples[3], "line 1 already"), (samples[4], "line 2 already")):
        with pytest.raises(DatasetError, match=said):
            sample.check()
    for sample in (samples[0], samples[1], samples[2], samples[5]):
        sample.check()


def test_a_bad_line_is_named_by_its_number_in_the_file(tmp_path: Path) -> None:
    (tmp_path / "questions.jsonl").write_text('\n{"image": "a.jpg", "question": "x"}\n\n{"image": }\n')
    _, bad = tasks.load("folder", tmp_path).samples
    with pytest.raises(DatasetError, match=r"no JSON: Expecting value, column 11 \(questions.jsonl, line 4\)"):
        bad.check()


def test_where_nobody_knows_what_is_right_an_error_is_not_wrong(tmp_path: Path) -> None:
    line = {"program": "count(Object)", "boxes": [[10, 10, 50, 41]]}
    asked(
        tmp_path,
        line | {"answer": 1},
        line | {"answer": 2},
        line,
        line | {"program": "exists(Object, lambda x: zebra(x))"},  # the oracle of the truth knows no such thing
    )
    fields = {"dataset": "folder", "data_dir": str(tmp_path), "output_dir": str(tmp_path / "run")}
    seers = {"vlm_model_name": "scene", "od_model": "scene", "vocabulary": None}
    run_dataset(make_config(fields | seers), "folder")
    rows = [json.loads(r) for r in (tmp_path / "run" / "samples.jsonl").read_text().splitlines()]
    assert [r["correct"] for r in rows] == [True, False, None, None]
    assert rows[3]["error"]
    results = json.loads((tmp_path / "run" / "results.json").read_text())
    assert (results["accuracy"], results["unjudged"]) == (0.5, 2)
