"""Right and wrong answers of each task."""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from neptune import tasks
from neptune.answer import Answer
from neptune.errors import DatasetError
from neptune.scene import Scene
from neptune.tasks.base import Sample, Task
from neptune.tasks.clevr.puzzle import satisfies

EXAMPLES = Path(__file__).resolve().parents[2] / "examples" / "clevr"


def first(task: Task, **wanted: Any) -> Sample:
    """Return the first sample whose fields are as wanted."""
    return next(s for s in task.samples if all(getattr(s, k) == v for k, v in wanted.items()))


def scene_of(sample: Sample, order: list[int] | None = None) -> Scene:
    """Return the sample's scene, its true boxes in any order, unannotated, as a detector gives it."""
    boxes = sample.truth().boxes
    return Scene(boxes if order is None else boxes[order], (480, 320))


@pytest.mark.parametrize(
    ("expected", "right", "wrong"),
    [
        (
            "yes",
            [Answer(True, "truth"), Answer(np.True_, "truth"), Answer("Yes", "text")],
            [
                Answer(False, "truth"),
                Answer(1, "number"),
                Answer(0, "object"),
                Answer(None, "nothing"),
                Answer(True, "truth", abstained=True),
            ],
        ),
        ("no", [Answer(False, "truth")], [Answer(True, "truth"), Answer(0, "number"), Answer([], "list")]),
        (
            "2",
            [Answer(2, "number"), Answer(2.0, "number"), Answer(np.int64(2), "number")],
            [Answer(3, "number"), Answer(2.5, "number"), Answer(True, "truth"), Answer(2, "object")],
        ),
        (
            "metal",
            [Answer("metal", "text"), Answer(" Metal", "text")],
            [Answer("rubber", "text"), Answer("metallic", "text"), Answer(["metal"], "list")],
        ),
    ],
)
def test_clevr(expected: str, right: list[Answer], wrong: list[Answer]) -> None:
    task = tasks.load("clevr", EXAMPLES)
    sample = first(task, expected=expected)
    assert all(task.judge(sample, answer) is True for answer in right)
    assert all(task.judge(sample, answer) is False for answer in wrong)
    assert task.show_answer(sample, right[0]) == task.show_expected(sample)


def test_refexps_are_judged_by_boxes_not_by_indices() -> None:
    task = tasks.load("clevr-refexps", EXAMPLES)
    for sample in task.samples:
        n = len(sample.truth())
        order = list(range(n))[::-1]
        scene = scene_of(sample, order)
        for box in range(n):
            assert task.judge(sample, Answer(box, "object"), scene) == (order[box] == sample.expected)


def test_refexps_need_half_of_the_union() -> None:
    task = tasks.load("clevr-refexps", EXAMPLES)
    sample = task.samples[0]
    x0, y0, x1, y1 = sample.truth().boxes[sample.expected]
    for share, right in ((0.51, True), (0.5, True), (0.49, False)):
        scene = Scene(np.array([[x0, y0, x0 + share * (x1 - x0), y1]]), (480, 320))
        assert task.judge(sample, Answer(0, "object"), scene) is right
    scene = scene_of(sample)
    other = (sample.expected + 1) % len(scene)
    for answer in (
        Answer(other, "object"),
        Answer(len(scene), "object"),
        Answer(-1, "object"),
        Answer(None, "object"),
        Answer(sample.expected, "number"),
        Answer([sample.expected, other], "objects"),
        Answer(True, "truth"),
        Answer(sample.expected, "object", abstained=True),
    ):
        assert not task.judge(sample, answer, scene)
    assert task.judge(sample, Answer([sample.expected], "objects"), scene)
    assert task.show_answer(sample, Answer(sample.expected, "object"), scene) == task.show_expected(sample)
    assert task.show_answer(sample, Answer(other, "object")) == {"object": other}
    assert task.show_answer(sample, Answer(False, "truth"), scene) == "no"
    with pytest.raises(DatasetError, match="scene"):
        task.judge(sample, Answer(0, "object"))


def witness(boxes: Any) -> tuple[tuple[str, int], ...]:
    return tuple((f"x{i}", int(box)) for i, box in enumerate(boxes, start=1))


def test_the_labels_of_the_puzzles_are_right() -> None:
    for sample in tasks.load("clevr-puzzle", EXAMPLES).samples:
        truth, descriptions = sample.truth(), sample.extra["descriptions"]
        assert len(descriptions) == 4
        fitting = [[o for o in range(len(truth)) if satisfies([o], [words], [], truth)] for words in descriptions]
        found = any(
            satisfies(objects, descriptions, sample.extra["relations"], truth)
            for objects in itertools.product(*fitting)
        )
        assert found == sample.expected


def test_puzzles_are_right_with_any_objects_that_fit() -> None:
    task = tasks.load("clevr-puzzle", EXAMPLES)
    several = 0
    for sample in (s for s in task.samples if s.expected):
        truth = sample.truth()
        # The dataset's puzzles have one solution; without two of the relations they have several.
        descriptions, relations = sample.extra["descriptions"], sample.extra["relations"][:1]
        sample = replace(sample, extra={**sample.extra, "relations": relations})
        order = list(range(len(truth)))[::-1]
        scene = scene_of(sample, order)
        solution = [order.index(o) for o in sample.extra["solution"]]
        answer = Answer(True, "truth", witness=witness(solution))
        assert task.judge(sample, answer, scene) is True
        assert task.show_answer(sample, answer, scene) == {"answer": "yes", "objects": solution}
        assert task.show_expected(sample) == {"answer": "yes", "objects": sample.extra["solution"]}
        # Change one object: right exactly where the changed objects fit, by hand.
        for position, box in itertools.product(range(4), range(len(truth))):
            changed = [*solution]
            changed[position] = box
            objects = [order[b] for b in changed]
            fits = all(truth.relations[name][objects[a - 1], objects[b - 1]] for a, b, name in relations)
            for words, o in zip(descriptions, objects, strict=True):
                fits &= set(words) <= {values[o] for values in truth.attributes.values()}
            assert task.judge(sample, Answer(True, "truth", witness=witness(changed)), scene) == fits
            several += fits and changed != solution
    assert several, "no puzzle had a second solution"


def test_puzzles_with_wrong_witnesses_are_wrong() -> None:
    task = tasks.load("clevr-puzzle", EXAMPLES)
    sample = first(task, expected=True)
    scene, solution = scene_of(sample), sample.extra["solution"]
    a, b, _ = sample.extra["relations"][0]
    swapped = list(solution)
    swapped[a - 1], swapped[b - 1] = solution[b - 1], solution[a - 1]
    for boxes in (swapped, solution[:3], [], [99, *solution[1:]], [-1, *solution[1:]]):
        assert not task.judge(sample, Answer(True, "truth", witness=witness(boxes)), scene)
    assert task.judge(sample, Answer(True, "truth", witness=witness([*solution, 0])), scene)
    right = witness(solution)
    assert not task.judge(sample, Answer(False, "truth", witness=right), scene)
    assert not task.judge(sample, Answer(1, "number", witness=right), scene)
    assert not task.judge(sample, Answer(True, "truth", witness=right, abstained=True), scene)
    with pytest.raises(DatasetError, match="scene"):
        task.judge(sample, Answer(True, "truth", witness=right))
    # A box that shows no object is no object.
    moved = np.array(scene.boxes)
    moved[solution[0]] = [0, 0, 3, 3]
    assert not task.judge(sample, Answer(True, "truth", witness=right), Scene(moved, (480, 320)))


def test_puzzles_without_solution_need_only_no() -> None:
    task = tasks.load("clevr-puzzle", EXAMPLES)
    sample = first(task, expected=False)
    assert task.judge(sample, Answer(False, "truth"))
    assert not task.judge(sample, Answer(True, "truth", witness=witness([0, 1, 2, 0])), scene_of(sample))
    assert task.show_expected(sample) == task.show_answer(sample, Answer(False, "truth"))


def test_rpm() -> None:
    task = tasks.load("clevr-rpm", EXAMPLES)
    for sample in task.samples:
        words = str(sample.extra["target"]).split()
        truth = sample.truth()
        shown = any(set(words) <= {values[o] for values in truth.attributes.values()} for o in range(len(truth)))
        assert shown == sample.expected
        assert task.judge(sample, Answer(shown, "truth"))
        assert not task.judge(sample, Answer(not shown, "truth"))
        assert not task.judge(sample, Answer(shown, "truth", abstained=True))
        assert not task.judge(sample, Answer(int(shown), "number"))
        assert task.show_expected(sample) == task.show_answer(sample, Answer(shown, "truth"))
