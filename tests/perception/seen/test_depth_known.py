"""The depth estimator that knows: exact in annotated scenes, with or without a picture."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dsl.percepts import Percept
from neptune import Engine
from neptune.errors import DatasetError, PerceptionError
from neptune.perception import registry
from neptune.perception.percepts.percepts import Percepts
from neptune.scene import Annotation, Scene
from neptune.scene.picture import Picture
from neptune.scene.seen.depths import LONGEST
from neptune.scene.types import DepthEstimator, Question, ScoreRequest

NEARER = Percept("depth", "nearer")
SAMPLE = Path(__file__).resolve().parents[3] / "examples" / "clevr"


def records() -> list[dict[str, Any]]:
    return list(json.loads((SAMPLE / "scenes.json").read_text(encoding="utf-8"))["scenes"])


@pytest.fixture(scope="module")
def engine() -> Engine:
    return Engine(oracle="scene", percepts=Percepts(depth="scene"))


def test_it_is_the_depth_of_the_annotation() -> None:
    estimator = registry.depth_estimator("scene")
    assert isinstance(estimator, DepthEstimator)
    for record in records()[:5]:
        true = [o["pixel_coords"][2] for o in record["objects"]]
        scene = Scene.from_annotation(Annotation.from_clevr(record))
        (depth,) = estimator.of_scenes([scene])  # type: ignore[attr-defined]
        values, spreads = depth.at(scene.boxes)
        np.testing.assert_allclose(values, true, rtol=1e-6)
        assert (spreads > 0).all()
        assert max(depth.map.shape) <= LONGEST
        assert depth.map.min() == pytest.approx(min(true))


@pytest.mark.parametrize("made", ["the sample", "made scenes"])
def test_nearer_is_in_front_wherever_boxes_lie(engine: Engine, made: str) -> None:
    if made == "the sample":
        scenes = [Scene.from_annotation(Annotation.from_clevr(record)) for record in records()[:12]]
    else:
        scenes = [Scene.synthetic(6, seed=k) for k in range(12)]
    lower = 0
    for scene in scenes:
        assert scene.annotation is not None
        front = scene.annotation.relations["front"]
        edges = scene.boxes[:, 3]
        lower += int(((edges[:, None] > edges[None, :]) != front).sum())
        for k, x in enumerate(np.argsort(scene.boxes[:, 0] + scene.boxes[:, 2], kind="stable")):  # as find orders them
            program = (
                f'xs = ImagePatch(image).find("object")\nx = xs[{k}]\n'
                "return [p for p in xs if p.compute_depth() < x.compute_depth()]"
            )
            assert sorted(engine.run(program, scene).value) == np.flatnonzero(front[:, x]).tolist()
        pairs = np.argwhere(~np.eye(len(scene), dtype=bool))
        question = Question(NEARER.question, 2, NEARER.name, percept=NEARER)
        (said,) = engine.oracle.score([ScoreRequest(scene, question, pairs)])
        assert ((said.logits > 0) == front[pairs[:, 0], pairs[:, 1]]).all()
        assert np.abs(said.logits).min() > 10
    assert lower > 0 or made != "the sample", "the lower edges of boxes tell it as well: these scenes show nothing"


def test_of_a_box_that_shows_nothing_it_is_not_known(engine: Engine) -> None:
    scene = Scene.from_annotation(Annotation.from_clevr(records()[0]))
    empty = replace(scene, boxes=np.array([[0, 0, 9, 9], scene.boxes[0]], dtype=np.float32), scores=None)
    asked = engine.run("xs = ImagePatch(image).find('object')\nreturn xs[0].compute_depth()", empty)
    assert asked.abstained


def test_without_depths_it_says_what_is_missing(engine: Engine) -> None:
    record = records()[0]
    bare = record | {"objects": [{k: v for k, v in o.items() if k != "pixel_coords"} for o in record["objects"]]}
    known = Annotation.from_clevr(bare)
    assert known.depths is None
    with pytest.raises(PerceptionError, match=r"needs a scene whose annotation.*pixel_coords.*embedded"):
        engine.run("exists(Object, lambda x: depth(x) < 8)", Scene.from_annotation(known))
    with pytest.raises(PerceptionError, match="nothing of a picture"):
        registry.depth_estimator("scene").depth([Picture(SAMPLE / "images" / record["image_filename"])])


@pytest.mark.parametrize("coords", [[1, 2], [1, 2, -3.0], [1, 2, float("nan")], [1, 2, "far"], None, [1, 2, [3]]])
def test_depths_that_are_none_are_an_error_of_the_scene(coords: object) -> None:
    record = records()[0]
    objects = [dict(o) for o in record["objects"]]
    objects[-1]["pixel_coords"] = coords
    with pytest.raises(DatasetError, match="malformed"):
        Annotation.from_clevr(record | {"objects": objects})


def test_looking_at_a_picture_without_one_is_an_error_as_ever() -> None:
    from neptune.errors import OracleError

    with pytest.raises(OracleError, match="has none"):
        Engine(oracle="scene").run("exists(Object, lambda x: depth(x) < 8)", Scene.synthetic(3, seed=0))
