"""Regions of other pictures: frames of films, and what picture tools make; each is looked at by its own pixels."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.made_films import film
from PIL import Image, ImageDraw

from dsl.errors import ProgramError
from neptune import Engine
from neptune.films import Film
from neptune.scene import Scene
from neptune.scene.boxes import Detections, Place
from neptune.scene.picture import Picture
from neptune.scene.types import ScoreRequest, Scores
from neptune.tools import Toolbox

COLORS = {"red": 0, "green": 1, "blue": 2}


class Colors:
    """Sees of which primary colour the middle of a box is, or all of a picture; it keeps what it was asked."""

    name = "colors"

    def __init__(self) -> None:
        self.asked: list[tuple[str, str]] = []

    def score(self, requests: Sequence[ScoreRequest]) -> list[Scores]:
        return [self._scored(r) for r in requests]

    def query(self, requests: Sequence[Any]) -> list[list[str | None]]:
        found = []
        for r in requests:
            shown = [self._mean(r, row) for row in r.objects] or [self._mean(r, ())]
            found.append([max(COLORS, key=lambda c: m[COLORS[c]]) for m in shown])
        return found

    def _scored(self, r: ScoreRequest) -> Scores:
        self.asked += [(r.question.text, r.scene.name)] * len(r.objects)
        text = r.question.text.replace("in the red box", "")
        color = next((c for c in COLORS if c in text), None)
        means = [self._mean(r, row) for row in r.objects]
        return Scores.of(np.array([5.0 if color and m[COLORS[color]] > m.sum() / 2 else -5.0 for m in means]))

    def _mean(self, r: Any, row: Sequence[int]) -> Any:
        pixels = r.scene.picture.pixels.astype(float)
        if len(row):
            x0, y0, x1, y1 = r.scene.boxes[row[0]]
            x, y = int((x0 + x1) / 2), int((y0 + y1) / 2)
            pixels = pixels[max(0, y - 2) : y + 2, max(0, x - 2) : x + 2]
        return pixels.reshape(-1, 3).mean(axis=0)


class Blobs:
    """Finds the boxes of what is not white, left to right."""

    name, open_vocabulary = "blobs", False

    def detect(self, picture: Picture, labels: Sequence[str] = ()) -> Detections:
        from scipy import ndimage

        found = ndimage.find_objects(ndimage.label(picture.pixels.min(axis=2) < 128)[0])
        boxes = [(c.start, r.start, c.stop, r.stop) for r, c in found if r.stop - r.start > 3]
        made = np.array(sorted(boxes), np.float32).reshape(-1, 4)
        return Detections(made, np.ones(len(boxes), np.float32), ("",) * len(boxes))


def drawn(*discs: tuple[str, float, float], size: tuple[int, int] = (160, 96)) -> Image.Image:
    image = Image.new("RGB", size, "white")
    for color, x, y in discs:
        shown = {"red": (220, 20, 20), "green": (20, 180, 20), "blue": (20, 20, 220)}[color]
        ImageDraw.Draw(image).ellipse((x - 12, y - 12, x + 12, y + 12), fill=shown)
    return image


def engine(**options: Any) -> tuple[Engine, Colors]:
    oracle = Colors()
    return Engine(oracle=oracle, detector=Blobs(), vocabulary=None, **options), oracle


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a film of 12 s: a green disc; a red one from the sixth second to the ninth, a blue one in the last two."""

    def draw(t: float) -> Image.Image:
        more = [("red", 30 + 8 * (t - 6), 30)] if 6 <= t < 9 else [("blue", 120, 60)] if t >= 10 else []
        return drawn(("green", 80, 50), *more)

    return film(tmp_path_factory.mktemp("films") / "x.mp4", draw, 12, fps=5)


FILM_PROGRAMS = {
    "for frame in video_segment.frame_iterator():\n        if frame.exists('red'):\n            return 'yes'\n"
    "    return 'no'": "yes",
    "return len([f for f in video_segment.frame_iterator() if f.exists('red')])": 3,
    "return video_segment.num_frames": 12,
    "part = video_segment.trim(4, 8)\n    return [part.num_frames, part.start, part.end]": [4, 4, 8],
    "part = video_segment.trim(-5, 99)\n    return part.num_frames": 12,
    "part = video_segment.trim(4).trim(1, 3)\n    return [part.start, part.end]": [5, 7],
    "return VideoSegment(video, 6, 9).frame_from_index(0).find('red')[0].horizontal_center < 60": True,
    "return video_segment.frame_from_index(-1).exists('blue')": True,
    "return video_segment.frame_from_index(99).exists('blue')": True,
    "return video_segment.frame_from_index(0).exists('blue')": False,
    "return video_segment.frame_from_index(7).find('red')[0].simple_query('which color is it?')": "red",
    "first = None\n    for i, f in enumerate(video_segment.frame_iterator()):\n        if f.exists('blue'):\n"
    "            first = i\n            break\n    return first": 10,
    "return video_segment.frame_from_index(7).rotate(180).find('red')[0].lower > 10": True,
}


@pytest.mark.parametrize("schedule", ["all", "lazy"])
@pytest.mark.parametrize("body", FILM_PROGRAMS)
def test_programs_over_films(body: str, schedule: str, clip: Path) -> None:
    made, _ = engine(schedule=schedule)
    head = "def execute_command(video, possible_answers, question):\n    video_segment = VideoSegment(video)\n    "
    program = f"{head}{body}\n"
    answer = made.ask_film(clip, program=program)
    assert answer.value == FILM_PROGRAMS[body], answer.notes


def test_a_part_without_frames_is_not_there(clip: Path) -> None:
    program = "return VideoSegment(video, 5, 3).num_frames"
    answer = engine()[0].ask_film(clip, program=program)
    assert (answer.value, bool(answer.presuppositions)) == (12, True)
    assert engine(missing_region="abstain")[0].ask_film(clip, program=program).abstained


def test_few_frames_are_held_whatever_a_program_looks_at(clip: Path) -> None:
    with Film(clip) as held:
        engine()[0].ask_film(
            held, program="return len([f for f in VideoSegment(video).frame_iterator() if f.exists('red')])"
        )
        assert len(held._held) <= 8


def test_a_film_is_asked_for_where_there_is_none() -> None:
    with pytest.raises(ProgramError, match="a picture is asked about"):
        engine()[0].run("return VideoSegment(video).num_frames", Scene(np.zeros((0, 4)), (9, 9)))


class Says:
    """A language model that says one thing."""

    name = "says"

    def __init__(self, reply: str) -> None:
        self.reply, self.asked = reply, ""

    def answer(self, question: str, long: bool) -> str:
        self.asked = question
        return self.reply


@pytest.mark.parametrize(
    ("reply", "chosen"),
    [("2", "a cat"), ("1.", "a dog"), ("A cat.", "a cat"), ("It is a dog, I think", "a dog"), ("cats", "a cat")],
)
def test_select_answer(reply: str, chosen: str, clip: Path) -> None:
    says = Says(reply)
    program = (
        "info = {'red frames': len([f for f in VideoSegment(video).frame_iterator() if f.exists('red')])}\n"
        "return VideoSegment(video).select_answer(info, query, ['a dog', 'a cat'])"
    )
    answer = engine(knowledge=says)[0].ask_film(clip, question="Who is it?", program=program)
    assert answer.value == chosen
    assert "red frames: 3" in says.asked
    assert "Who is it?" in says.asked
    assert any("names no option" in n for n in answer.notes) == (reply == "cats")


SCENE = drawn(("red", 30, 30), ("blue", 120, 60))
TOOL_PROGRAMS = {
    "return whole.flip().find('red')[0].horizontal_center > 80": True,
    "return whole.flip('vertical').find('red')[0].vertical_center < 48": True,
    "return [whole.rotate(90).width, whole.rotate(90).height]": [96, 160],
    "return whole.zoom(2).find('blue')[0].left > 200": True,
    "return whole.gray().exists('red')": False,
    "return whole.find('red')[0].zoom(3).exists('red')": True,
    "return len(whole.mark(whole.find('red')[0], 'A', 'green').find('red'))": 1,
    "return whole.difference(whole).statistics()['greatest']": 0,
    "return whole.difference(whole.flip()).statistics()['greatest'] > 50": True,
    "return sum(whole.histogram('red', 4))": 160 * 96,
    "a = whole.find('red')[0]\n    b = whole.find('blue')[0]\n"
    "    return whole.draw_line(a, b, 'black', 3).statistics()['mean'] < whole.statistics()['mean']": True,
    "return whole.crop(0, 0, 80, 96).contrast(1).width": 90,
    "return whole.contrast(1.5).mask_area() > 0": True,
    "return whole.zoom(2).find('red')[0].mask_area() > 1.5 * whole.find('red')[0].mask_area()": True,
}


@pytest.mark.parametrize("body", TOOL_PROGRAMS)
def test_picture_tools_are_methods_of_regions(body: str) -> None:
    if "mask" in body:
        pytest.importorskip("cv2", reason="the extra 'vision' is not installed")
    made, _ = engine()
    answer = made.run(
        f"def execute_command(image):\n    whole = ImagePatch(image)\n    {body}\n", made.scene(Picture(SCENE))
    )
    assert answer.value == TOOL_PROGRAMS[body], answer.notes


@pytest.mark.parametrize(
    ("program", "said"),
    [
        ("return ImagePatch(image).zoom(100).width", "factor"),
        ("return ImagePatch(image).flip('sideways').width", "axis"),
        ("return ImagePatch(image).zoom('much').width", "number"),
        ("p = ImagePatch(image)\nreturn p.mark(p.flip().find('red')[0]).width", "another picture"),
        ("return ImagePatch(image).sharpen().width", "sharpen"),
    ],
)
def test_what_is_wrong_with_a_tool_is_said(program: str, said: str) -> None:
    made, _ = engine()
    with pytest.raises(Exception, match=said) as found:
        made.run(program, made.scene(Picture(SCENE)))
    assert type(found.value).__name__ in ("ProgramError", "ToolError")


def test_a_scene_without_a_picture_has_none_that_tools_could_change() -> None:
    with pytest.raises(Exception, match="no picture") as found:
        Engine(oracle="scene").run("return ImagePatch(image).flip().exists('cube')", Scene.synthetic(3))
    assert type(found.value).__name__ == "ToolError"


def test_places_of_different_pictures_differ() -> None:
    box = (0.0, 0.0, 5.0, 5.0)
    one, other = (Place(box, (("frame", (k,)),), (5, 5)) for k in (1, 2))
    assert one != other
    assert one != box
    assert box != one
    assert one == Place(box, (("frame", (1,)),), (9, 9))
    assert len({one, other, box, Place(box, (("frame", (1,)),), (5, 5))}) == 3
    assert repr(one) != repr(other)


def test_what_is_asked_of_a_made_picture_is_replayed(tmp_path: Path) -> None:
    program = "return ImagePatch(image).flip().find('red')[0].horizontal_center > 80"
    picture = Picture(SCENE)
    made = Engine(oracle=Colors(), detector=Blobs(), vocabulary=None, record=tmp_path / "said.jsonl")
    first = made.run(program, made.scene(picture))
    replay = Engine(
        oracle="replay", oracle_options={"path": str(tmp_path / "said.jsonl")}, detector=Blobs(), vocabulary=None
    )
    again = replay.run(program, replay.scene(picture))
    assert (again.value, again.probability) == (first.value, first.probability)
    assert Toolbox().apply("flip", picture).value.size == picture.size
