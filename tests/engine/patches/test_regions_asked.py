"""What programs over regions ask: recorded, replayed, of detectors of any words, of a language model, how much."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from helpers.four_objects import scene
from PIL import Image

from neptune.answer import Answer
from neptune.engine import Engine
from neptune.engine.analysis.cost_bound import cost_bound
from neptune.errors import ConfigError, NotRecordedError
from neptune.runs.record.describe import describe_answer
from neptune.scene import Scene
from neptune.scene.picture import Picture
from neptune.scene.types import Detections, QueryRequest, ScoreRequest, Scores


def program(body: str) -> str:
    lines = "\n".join(f"    {line}" for line in body.splitlines())
    return f"def execute_command(image):\n    image_patch = ImagePatch(image)\n{lines}\n"


ASKS = program(
    'part = image_patch.crop(100, 100, 300, 250)\nif part.verify_property("corner", "dusty"):\n'
    '    return part.simple_query("What is it like?")\n'
    'return image_patch.find("cube")[0].best_text_match(["old", "new"])'
)


def test_a_record_of_regions_is_replayed(tmp_path: Path) -> None:
    path = tmp_path / "answers.jsonl"
    made = Scene.synthetic(5, seed=2)
    said = Engine(oracle="random", vocabulary=None, record=path).run(ASKS, made)
    again = Engine(oracle="replay", oracle_options={"path": path}, vocabulary=None)
    assert again.run(ASKS, Scene.synthetic(5, seed=2)).value == said.value
    other = ASKS.replace("100, 100", "120, 100")
    with pytest.raises(NotRecordedError):
        again.run(other, Scene.synthetic(5, seed=2))


def test_a_region_gets_answers_of_its_own() -> None:
    engine = Engine(oracle="random", vocabulary=None)
    places = [f"ImagePatch(image, {x}, 10, {x + 60}, 90)" for x in range(0, 400, 40)]
    body = 'return [p.simple_query("Is it dusty?") == "yes" for p in [' + ", ".join(places) + "]]"
    answer = engine.run(program(body), Scene.synthetic(3))
    assert len(set(answer.value)) == 2
    assert answer.usage.oracle_calls == len(places)


class Knows:
    name = "knows"

    def __init__(self) -> None:
        self.asked: list[tuple[str, bool]] = []

    def answer(self, question: str, long: bool) -> str:
        self.asked.append((question, long))
        return "Paris"


def test_knowledge_is_asked_and_missed(tmp_path: Path) -> None:
    knows = Knows()
    body = 'return llm_query("Capital of France?", long_answer=False)'
    engine = Engine(oracle="random", vocabulary=None, knowledge=knows)
    assert engine.run(program(body), Scene.synthetic(2)).value == "Paris"
    assert knows.asked == [("Capital of France?", False)]
    with pytest.raises(ConfigError, match="knowledge_model_name"):
        Engine(oracle="random", vocabulary=None).run(program(body), Scene.synthetic(2))


class Model:
    """A language model as an oracle."""

    name, identity = "model", "model"

    def __init__(self) -> None:
        self.calls = 0

    def score(self, requests: Sequence[ScoreRequest]) -> list[Scores]:
        raise AssertionError

    def query(self, requests: Sequence[QueryRequest]) -> list[list[str | None]]:
        self.calls += len(requests)
        return [[f"about {r.question.text}"] for r in requests]


def test_knowledge_is_cached_recorded_and_replayed(tmp_path: Path) -> None:
    model, record, cache = Model(), tmp_path / "answers.jsonl", tmp_path / "cache.sqlite"
    body = program('a = image_patch.llm_query("Who?")\nreturn a + llm_query("Who?")')
    first = Engine(oracle="random", vocabulary=None, knowledge=model, record=record, cache=cache)
    said = first.run(body, Scene.synthetic(2)).value
    assert said.count("Who?") == 2
    assert model.calls == 1
    second = Engine(oracle="random", vocabulary=None, knowledge=model, cache=cache)
    assert second.run(body, Scene.synthetic(2)).value == said
    assert model.calls == 1
    again = Engine(oracle="replay", oracle_options={"path": record}, vocabulary=None)
    assert again.run(body, Scene.synthetic(2)).value == said


class AnyWords:
    """Finds two dogs, the better one on the right, and nothing else."""

    name, open_vocabulary = "any words", True

    def __init__(self) -> None:
        self.sought: list[tuple[str, ...]] = []

    def detect(self, picture: Picture, labels: Sequence[str] = ()) -> Detections:
        self.sought.append(tuple(labels))
        boxes = [[60, 10, 90, 40], [10, 10, 40, 40]] if "dog" in labels else []
        return Detections(np.array(boxes, np.float32).reshape(-1, 4), np.array([0.9, 0.6], np.float32)[: len(boxes)])


def test_a_detector_of_any_words_is_asked_for_each_noun_once(tmp_path: Path) -> None:
    detector, record = AnyWords(), tmp_path / "answers.jsonl"
    engine = Engine(oracle="random", detector=detector, vocabulary=None, record=record)
    made = engine.scene(Picture(Image.new("RGB", (100, 50))))
    body = program(
        'dogs = image_patch.find("dog")\nhalf = ImagePatch(image, 50, 0, 100, 50)\n'
        'return [len(dogs), len(image_patch.find("cat")), len(half.find("dog")), dogs[0].left, dogs[0].upper]'
    )
    assert engine.run(body, made).value == [2, 0, 1, 60.0, 40.0]
    engine.run(body, made)
    assert detector.sought.count(("dog",)) == detector.sought.count(("cat",)) == 1
    again = Engine(oracle="replay", oracle_options={"path": record}, vocabulary=None)
    assert again.run(body, made).value == [2, 0, 1, 60.0, 40.0]


def test_what_is_asked_stays_within_the_bound() -> None:
    body = program(
        'for p in image_patch.find("dog"):\n    if p.verify_property("dog", "wet"):\n        return "yes"\n'
        'return image_patch.simple_query("What is it?")'
    )
    made = Scene.synthetic(6, seed=1)
    engine = Engine(oracle="random", vocabulary=None)
    bound = cost_bound(engine.context, body, len(made))
    assert bound.followed
    assert engine.run(body, made).usage.oracle_calls <= bound.calls
    assert not cost_bound(engine.context, body.replace('"wet"', 'f"wet {len([])}"'), 6).followed
    assert not cost_bound(
        engine.context, body.replace("image_patch.simple", "image_patch.crop(1, 1, 9, 9).simple"), 6
    ).followed


def test_explain_asks_nothing() -> None:
    said = str(Engine(oracle="random", vocabulary=None).explain(program('return len(image_patch.find("dog")) > 1'), 3))
    assert "dog" in said
    assert "made up" in said


def test_records_show_regions_and_variables() -> None:
    answer: Answer = Engine(oracle="scene").run(program('c = image_patch.find("blue cube")[0]\nreturn c'), scene())
    shown = describe_answer(answer)
    assert shown["regions"] == [[140.0, 100.0, 170.0, 130.0]]
    assert shown["variables"][-1] == {
        "line": 3, "name": "c", "value": "object 2 (left 140, lower 190, right 170, upper 220)",
        "boxes": [[140.0, 100.0, 170.0, 130.0]],
    }  # fmt: skip


def test_many_regions_meet_their_limit() -> None:
    from dsl import LimitError, Limits

    body = program("n = 0\nfor i in range(100):\n    n = n + ImagePatch(image, 0, 0, 50 + i, 50).width\nreturn n")
    engine = Engine(oracle="random", vocabulary=None, limits=Limits(regions=50))
    with pytest.raises(LimitError, match="regions"):
        engine.run(body, Scene.synthetic(2))
