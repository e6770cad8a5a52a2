"""CLEVR's questions as programs over regions, by the templates of the benchmark: right wherever boxes can tell."""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from neptune import Engine
from neptune.perception.percepts.percepts import Percepts
from neptune.scene import Annotation, Scene

ROOT = Path(__file__).resolve().parents[3]
SAMPLE = ROOT / "examples" / "clevr"


@pytest.fixture
def templates(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    return importlib.import_module("patches_clevr")


@pytest.fixture(scope="module")
def engine() -> Engine:
    return Engine(oracle="scene", schedule="lazy", percepts=Percepts(depth="scene"))


def said(engine: Engine, program: str, scene: Scene) -> str:
    answer = engine.run(program, scene)
    return {True: "yes", False: "no"}[answer.value] if answer.kind == "truth" else str(answer.value)


def test_questions_without_left_and_right_are_answered_as_clevr_does(templates: ModuleType, engine: Engine) -> None:
    scenes = {s["image_filename"]: s for s in json.loads((SAMPLE / "scenes.json").read_text())["scenes"]}
    questions = json.loads((SAMPLE / "questions.json").read_text())["questions"]
    counted = {"none": 0, "depth": 0}
    for question in questions[::4]:
        sides = templates.sides_of(question["program"])
        if sides & {"left", "right"}:
            continue
        counted["depth" if sides else "none"] += 1
        scene = Scene.from_annotation(Annotation.from_clevr(scenes[question["image_filename"]]))
        program = templates.program_of(question["program"])
        assert said(engine, program, scene) == str(question["answer"]), question["question"]
    assert min(counted.values()) >= 5


def test_a_pair_whose_boxes_disagree_with_the_ground_is_told_by_depth(templates: ModuleType, engine: Engine) -> None:
    # Further away on the ground, and yet lower in the picture: a large ball beside a small one.
    def thing(color: str, box: list[int], depth: float) -> dict[str, Any]:
        return {
            "color": color, "size": "large", "material": "rubber", "shape": "sphere", "bbox": box,
            "pixel_coords": [0, 0, depth],
        }  # fmt: skip

    record = {
        "objects": [thing("green", [69, 76, 134, 118], 11.5), thing("purple", [165, 66, 226, 126], 12.2)],
        "relationships": {"left": [[], [0]], "right": [[1], []], "front": [[], [0]], "behind": [[1], []]},
    }
    scene = Scene.from_annotation(Annotation.from_clevr(record))
    assert np.argmax(scene.boxes[:, 3]) == 1  # the lower edge would say that purple is in front
    nodes = [
        {"type": "scene", "inputs": [], "value_inputs": []},
        {"type": "filter_color", "inputs": [0], "value_inputs": ["green"]},
        {"type": "unique", "inputs": [1], "value_inputs": []},
        {"type": "relate", "inputs": [2], "value_inputs": ["behind"]},
        {"type": "unique", "inputs": [3], "value_inputs": []},
        {"type": "query_color", "inputs": [4], "value_inputs": []},
    ]
    assert said(engine, templates.program_of(nodes), scene) == "purple"
