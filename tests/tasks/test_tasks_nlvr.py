"""NLVR: sentences about drawings of three boxes, in the official format, good records and bad ones."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers import drawings

from neptune import tasks
from neptune.answer import Answer
from neptune.errors import DatasetError
from neptune.runs.evaluate.summary import summarise

ROOT = Path(__file__).resolve().parents[2]
SAMPLE = ROOT / "examples/nlvr"

ONE = {"x_loc": 40, "y_loc": 80, "size": 20, "type": "square", "color": "#0099ff"}
TWO = ONE | {"y_loc": 59, "color": "Black"}
ROUND = {"x_loc": 70, "y_loc": 0, "size": 30, "type": "circle", "color": "Yellow"}


def line(identifier: str = "12-0", label: Any = "true", boxes: Any = None, **more: Any) -> dict[str, Any]:
    boxes = [[ONE], [ONE, TWO], [TWO]] if boxes is None else boxes
    return drawings.record(boxes, identifier, "There is a blue block.", None) | {"label": label} | more


def load(folder: Path, name: str = "nlvr", **options: Any) -> tasks.Task:
    return tasks.load(name, folder, **options)


def test_a_record_becomes_a_scene_with_its_boxes(tmp_path: Path) -> None:
    drawings.write(tmp_path, "dev", [line(), line("12-1", "false", [[ROUND], [ONE], [TWO, ROUND]])])
    first, second = load(tmp_path).samples
    assert (first.question, first.expected, first.family, first.group) == (
        "There is a blue block.",
        True,
        "tower",
        "12",
    )
    assert (second.expected, second.family, second.group) == (False, "scatter", "12")
    truth = first.truth()
    assert truth.kinds == ("Object",) * 4 + ("Box",) * 3
    assert truth.attributes["color"][:4] == ("blue", "blue", "black", "black")
    assert truth.attributes["size"][:4] == ("medium",) * 4
    assert truth.boxes.tolist()[:2] == [[40, 80, 60, 100], [190, 80, 210, 100]]
    assert truth.boxes.tolist()[4:] == [[0, 0, 100, 100], [150, 0, 250, 100], [300, 0, 400, 100]]
    assert first.picture is not None
    assert first.picture.size == (400, 100)


def test_six_pictures_have_their_boxes_in_six_orders(tmp_path: Path) -> None:
    rng = random.Random(5)
    boxes = [drawings.box(rng) for _ in range(3)]
    drawings.write(tmp_path, "dev", [line("9-0", boxes=boxes)])
    samples = load(tmp_path, "nlvr-pictures").samples
    assert [s.extra["order"] for s in samples] == list(range(6))
    assert len({s.id for s in samples}) == 6
    for sample in samples:
        assert sample.picture is not None
        pixels = np.asarray(sample.picture.image.convert("RGB"))
        things = zip(sample.truth().boxes, sample.truth().attributes["color"], sample.truth().kinds, strict=True)
        for (x0, y0, x1, y1), color, kind in things:
            if kind == "Object":
                shown = tuple(pixels[int(y0 + y1) // 2, int(x0 + x1) // 2].tolist())
                assert shown == {"yellow": (255, 255, 0), "black": (0, 0, 0), "blue": (0, 153, 255)}[color]


def test_both_layouts_and_a_folder_without_pictures_are_read(tmp_path: Path) -> None:
    drawings.write(tmp_path / "flat", "dev", [line()], pictures=False)
    sample = load(tmp_path / "flat").samples[0]
    assert sample.picture is None
    assert len(sample.truth()) == 7
    official = tmp_path / "nlvr"
    drawings.write(official / "dev", "dev", [line()], pictures=False)
    drawings.write(official / "test", "test", [line(), line("13-0")], pictures=False)
    (official / "dev/images/0").mkdir(parents=True)
    drawings.drawn(line()["structured_rep"]).save(official / "dev/images/0/dev-12-0-0.png")
    assert len(load(official, split="test").samples) == 2
    picture = load(official, split="dev").samples[0].picture
    assert picture is not None
    assert picture.size == (400, 100)
    with pytest.raises(DatasetError, match="splits dev, test"):
        load(official)
    with pytest.raises(DatasetError, match=r"no devv\.json") as caught:
        load(official, split="devv")
    assert "did you mean 'dev'" in caught.value.hint


def test_labels_may_be_hidden_in_test_and_nowhere_else(tmp_path: Path) -> None:
    hidden = {k: v for k, v in line().items() if k != "label"}
    drawings.write(tmp_path, "test", [hidden], pictures=False)
    sample = load(tmp_path, split="test").samples[0]
    sample.check()
    assert sample.expected is None
    drawings.write(tmp_path / "b", "dev", [line(), hidden], pictures=False)
    with pytest.raises(DatasetError, match="no field 'label'"):
        load(tmp_path / "b").samples[1].check()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"sentence": 3}, "'sentence' is 3"),
        ({"identifier": ["a"]}, "'identifier'"),
        ({"label": "maybe"}, "label is"),
        ({"directory": "../../secret"}, "secret"),
        ({"identifier": "../../../../x-0"}, r"x-0"),
    ],
)
def test_a_bad_record_is_its_own_samples_problem(tmp_path: Path, change: dict[str, Any], said: str) -> None:
    drawings.write(tmp_path, "dev", [line(), line("14-0")], pictures=False)
    (tmp_path / "images").mkdir()
    lines = [json.dumps(line() | change), json.dumps(line("14-0")), "{not json", "[1, 2]"]
    (tmp_path / "dev.json").write_text("\n".join(lines), encoding="utf-8")
    bad, good, broken, other = load(tmp_path).samples
    with pytest.raises(DatasetError, match=said):
        bad.check()
    good.check()
    with pytest.raises(DatasetError, match="no JSON"):
        broken.check()
    with pytest.raises(DatasetError):
        other.check()


@pytest.mark.parametrize(
    ("boxes", "said"),
    [
        ([[ONE], [ONE]], "three lists"),
        ([[ONE], [ONE], "no"], "three lists"),
        ([[ONE | {"color": "Mauve"}], [], []], "Mauve"),
        ([[ONE | {"type": "star"}], [], []], "star"),
        ([[ONE | {"size": 25}], [], []], "25"),
        ([[ONE | {"x_loc": 90}], [], []], "inside its box"),
        ([[ONE | {"x_loc": "left"}], [], []], "x_loc"),
        ([[3], [], []], "object"),
    ],
)
def test_a_bad_structure_leaves_picture_and_label(tmp_path: Path, boxes: Any, said: str) -> None:
    drawings.write(tmp_path, "dev", [line(boxes=boxes)], pictures=False)
    sample = load(tmp_path).samples[0]
    sample.check()
    assert sample.expected is True
    with pytest.raises(DatasetError, match=said):
        sample.truth()


def test_empty_boxes_are_boxes_all_the_same(tmp_path: Path) -> None:
    drawings.write(tmp_path, "dev", [line(boxes=[[], [], []])], pictures=False)
    assert load(tmp_path).samples[0].truth().kinds == ("Box",) * 3


def test_only_a_truth_is_right(tmp_path: Path) -> None:
    drawings.write(tmp_path, "dev", [line(), line("12-1", "false")], pictures=False)
    task = load(tmp_path)
    yes, no = task.samples
    assert task.judge(yes, Answer(True, "truth", 0.9)) is True
    assert task.judge(yes, Answer(False, "truth", 0.9)) is False
    assert task.judge(no, Answer(False, "truth", 0.9)) is True
    assert task.judge(no, Answer(0, "number", 0.9)) is False
    assert (task.show_expected(yes), task.show_expected(no)) == ("yes", "no")


def test_consistency_is_the_share_of_sentences_right_about_all_their_pictures() -> None:
    def row(group: str, correct: bool | None, **more: Any) -> dict[str, Any]:
        return {"id": "x", "dataset": "nlvr", "family": "tower", "correct": correct, "group": group, **more}

    rows = [row("1", True), row("1", True), row("2", True), row("2", False), row("3", True)]
    found = summarise(rows, {"nlvr": 5})
    assert (found["groups"], found["consistency"]) == (3, 2 / 3)
    assert found["by_dataset"]["nlvr"]["consistency"] == 2 / 3
    rows.append(row("3", None, abstained=False))
    assert summarise(rows, {"nlvr": 6})["consistency"] == 2 / 3, "what can not be judged breaks no group"
    rows.append(row("1", False, abstained=True))
    assert summarise(rows, {"nlvr": 7})["consistency"] == 1 / 3, "an abstention is not right"
    rows.append(row("3", False, error="x", error_kind="PictureError"))
    assert summarise(rows, {"nlvr": 8})["consistency"] == 0
    twice = [row("1", True), row("1", False) | {"dataset": "other"}]
    assert summarise(twice, {"nlvr": 1, "other": 1})["consistency"] == 1 / 2, "groups are those of one dataset"
    assert "consistency" not in summarise([{**row("", True)}], {"nlvr": 1})


def test_the_shipped_sample_says_where_it_comes_from_and_under_which_licence() -> None:
    task = load(SAMPLE)
    assert len(task.samples) == 16
    assert {s.family for s in task.samples} == {"tower", "scatter"}
    for sample in load(SAMPLE, "nlvr-pictures").samples:
        sample.check()
        assert sample.picture is not None
        assert sample.picture.size == (400, 100)
    for readme in (SAMPLE / "README.md", ROOT / "programs/README.md"):
        text = readme.read_text(encoding="utf-8")
        assert "Suhr" in text
        assert "creativecommons.org/licenses/by/4.0" in text
