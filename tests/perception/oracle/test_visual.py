"""Visual prompts: what is drawn, cut out and said, and what is wrong with a box or a picture."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from neptune.errors import ConfigError, OracleError
from neptune.perception.oracle.canvas import MIN_SIDE, Canvases, canvas_of
from neptune.perception.oracle.visual import FORMS, VisualForm
from neptune.scene import Scene
from neptune.scene.picture import Picture
from neptune.scene.types import Question

RED, GREEN = (255, 0, 0), (0, 255, 0)
BALL = Question("is the object in the red box a ball?", 1)
LEFT = Question("is the object in the red box left of the object in the green box?", 2)


def scene(boxes: list[list[float]], width: int = 200, height: int = 100) -> Scene:
    picture = Picture(Image.new("RGB", (width, height), (90, 90, 90)))
    return Scene(np.array(boxes, dtype=np.float32), (width, height), picture)


TWO = scene([[20, 30, 60, 70], [120, 20, 180, 90]])


def bounds(image: Image.Image, color: tuple[int, int, int]) -> tuple[int, int, int, int]:
    """Leftmost, topmost, rightmost and bottommost pixel of a colour."""
    rows, columns = np.nonzero((np.asarray(image) == color).all(-1))
    return columns.min(), rows.min(), columns.max(), rows.max()


def test_mark_draws_the_first_red_and_the_second_green_around_the_boxes() -> None:
    image = VisualForm.load("mark", {"width": 2}).picture(canvas_of(TWO), (0, 1))
    assert bounds(image, RED) == (18, 28, 61, 71)
    assert bounds(image, GREEN) == (118, 18, 181, 91)
    inside = np.asarray(image)[30:70, 20:60]
    assert (inside == 90).all(), "the object itself is not painted over"
    assert (np.asarray(canvas_of(TWO).image) == 90).all()


def test_coinciding_boxes_are_both_seen() -> None:
    image = VisualForm.load("mark").picture(canvas_of(scene([[20, 30, 60, 70]] * 2)), (0, 1))
    (left, *_), (outer, *_) = bounds(image, RED), bounds(image, GREEN)
    assert outer < left


def test_labels_are_drawn() -> None:
    plain, labelled = (VisualForm.load("mark", {"label": v}).picture(canvas_of(TWO), (0,)) for v in (False, True))
    assert (np.asarray(labelled) == RED).all(-1).sum() > (np.asarray(plain) == RED).all(-1).sum()


def test_crop_cuts_out_with_margin_and_minimum_size() -> None:
    form = VisualForm.load("crop", {"margin": 0.5, "min_size": 8})
    assert form.picture(canvas_of(TWO), (0,)).size == (80, 80)
    assert form.picture(canvas_of(scene([[50, 50, 52, 52]])), (0,)).size == (8, 8)
    assert "the object in the red box, cut out" in form.text(BALL, canvas_of(TWO), (0,), "score")
    both = form.picture(canvas_of(TWO), (0, 1))
    assert bounds(both, RED)[0] < bounds(both, GREEN)[0], "two objects are told apart by their boxes"


def test_mark_and_crop_does_both() -> None:
    image = VisualForm.load("mark+crop", {"margin": 0.25, "min_size": 8}).picture(canvas_of(TWO), (0,))
    assert image.size == (60, 60)
    assert (np.asarray(image) == RED).all(-1).any()


def test_coordinates_leave_the_picture_and_say_the_boxes() -> None:
    form, canvas = VisualForm.load("coordinates"), canvas_of(TWO)
    assert form.picture(canvas, (0, 1)) is canvas.image
    text = form.text(LEFT, canvas, (0, 1), "score")
    assert text.startswith(form.intro)
    assert "The red box is [100, 300, 300, 700]. The green box is [600, 200, 900, 900]. Is the object" in text
    assert text.endswith("Answer with yes or no.")


@pytest.mark.parametrize("name", FORMS)
def test_a_question_about_the_picture_shows_all_of_it(name: str) -> None:
    form, canvas = VisualForm.load(name), canvas_of(TWO)
    assert form.picture(canvas, ()) is canvas.image
    text = form.text(Question("is it dark?", 0), canvas, (), "score")
    assert text == form.intro + "Is it dark? Answer with yes or no."


def test_choices_are_said() -> None:
    question = Question("what color is the object in the red box?", 1)
    text = VisualForm.load().text(question, canvas_of(TWO), (0,), "query", ("red", "blue"))
    assert text == "What color is the object in the red box? Answer with one of these: red, blue."


@pytest.mark.parametrize("name", FORMS)
@pytest.mark.parametrize(
    ("box", "problem"),
    [([300, 0, 400, 50], "lies outside the picture"), ([20, 20, 20, 60], "has no area"), ([9, 9, 3, 3], "has no")],
)
def test_a_box_that_shows_nothing_is_an_error(name: str, box: list[float], problem: str) -> None:
    canvas = canvas_of(scene([box]))
    with pytest.raises(OracleError, match=problem):
        VisualForm.load(name).picture(canvas, (0,))


def test_a_box_that_sticks_out_is_clipped() -> None:
    canvas = canvas_of(scene([[-50, -10, 60, 70]]))
    assert canvas.box(0) == (0, 0, 60, 70)
    for name in FORMS:
        VisualForm.load(name).picture(canvas, (0,))


@pytest.mark.parametrize(("width", "height"), [(1, 1), (3, 1000), (4000, 1), (3000, 2000)])
def test_any_picture_can_be_shown(width: int, height: int) -> None:
    canvas = canvas_of(scene([[0, 0, width, height]], width, height), max_pixels=100_000)
    image = canvas.image
    assert min(image.size) >= MIN_SIDE
    assert image.width * image.height <= 110_000
    assert max(image.size) <= 51 * min(image.size)
    assert canvas.box(0) == pytest.approx((0, 0, *canvas.content))
    assert VisualForm.load("mark").picture(canvas, (0,)).size == image.size


def test_a_scene_without_a_picture_is_an_error() -> None:
    with pytest.raises(OracleError, match="no picture"):
        canvas_of(Scene.synthetic(3))


def test_a_canvas_is_made_once() -> None:
    canvases = Canvases(kept=1)
    first = canvases.of(TWO)
    assert canvases.of(TWO) is first
    canvases.of(scene([[0, 0, 9, 9]]))
    assert canvases.of(TWO) is not first


@pytest.mark.parametrize(
    ("name", "options", "problem"),
    [
        ("marks", {}, "did you mean 'mark'"),
        ("mark", {"margin": 1}, "no option 'margin'"),
        ("mark", {"widht": 1}, "did you mean 'width'"),
        ("mark", {"width": 0}, "an integer from 1 to 64"),
        ("mark", {"width": 2.5}, "an integer"),
        ("mark", {"label": 1}, "true or false"),
        ("crop", {"margin": "big"}, "a number from 0 to 10"),
    ],
)
def test_a_wrong_option_teaches(name: str, options: dict[str, object], problem: str) -> None:
    with pytest.raises(ConfigError, match=problem):
        VisualForm.load(name, options)


def test_more_objects_than_colours_is_an_error() -> None:
    form, canvas = VisualForm.load(), canvas_of(scene([[10 * k, 0, 10 * k + 9, 9] for k in range(6)]))
    with pytest.raises(OracleError, match="at most 5 objects"):
        form.picture(canvas, range(6))


def test_the_identity_holds_what_changes_the_prompt() -> None:
    plain, wide = VisualForm.load("mark"), VisualForm.load("mark", {"width": 5})
    assert plain.identity == VisualForm.load("mark").identity
    assert plain.identity != wide.identity
