"""Labels of boxes keep clear of one another, in annotated pictures as on the page; their text can be read."""

from __future__ import annotations

import itertools
import random

import numpy as np
import pytest
from PIL import Image

from neptune.html import ink_on, score_color, scores_html
from neptune.runs.report.annotate import annotate
from neptune.runs.report.labels import place_labels


def crowd(rng: random.Random, n: int, size: tuple[int, int]) -> list[list[float]]:
    """Boxes that overlap, some of them alike, some beyond the edge."""
    boxes = []
    for _ in range(n):
        x, y = rng.uniform(0, size[0] - 10), rng.uniform(0, size[1] - 10)
        boxes.append([x, y, min(x + rng.uniform(4, 120), size[0]), min(y + rng.uniform(4, 90), size[1])])
    return boxes + boxes[: n // 3]


@pytest.mark.parametrize("seed", range(40))
def test_no_two_labels_overlap_and_none_leaves_the_picture(seed: int) -> None:
    rng = random.Random(seed)
    size = (480, 320)
    boxes = crowd(rng, rng.randint(1, 25), size)
    sizes = [(rng.uniform(8, 66), 16.0) for _ in boxes]
    order = rng.sample(range(len(boxes)), len(boxes))
    places = place_labels(boxes, sizes, size, order)
    assert None not in places, "there is room for all of them"
    for x, y, w, h in places:  # type: ignore[misc]
        assert x >= 0
        assert y >= 0
        assert x + w <= size[0]
        assert y + h <= size[1]
    for (a, b, c, d), (x, y, w, h) in itertools.combinations(places, 2):  # type: ignore[misc]
        assert x >= a + c or a >= x + w or y >= b + d or b >= y + h


def test_the_first_label_sits_on_its_box_and_what_has_no_room_has_no_place() -> None:
    assert place_labels([[100, 100, 150, 150]], [(40, 16)], (480, 320), [0]) == [(100, 84, 40, 16)]
    places = place_labels([[0, 0, 9, 9]] * 30, [(50, 16)] * 30, (60, 40), range(30))
    assert 0 < sum(p is not None for p in places) <= 2


@pytest.mark.parametrize("score", [k / 20 for k in range(21)])
def test_text_on_every_colour_of_the_ramp_can_be_read(score: float) -> None:
    """At least 4.5 to 1 (WCAG 2.1, AA)."""

    def light(color: tuple[int, int, int]) -> float:
        parts = [v / 255 for v in color]
        linear = [v / 12.92 if v <= 0.03928 else ((v + 0.055) / 1.055) ** 2.4 for v in parts]
        return float(np.dot(linear, [0.2126, 0.7152, 0.0722]))

    a, b = sorted((light(score_color(score)), light(ink_on(score_color(score)))), reverse=True)
    assert (a + 0.05) / (b + 0.05) >= 4.5


def test_squares_say_their_object_and_score_without_pointing() -> None:
    shown = scores_html([0.0, 0.536, 1.0])
    for index, text in enumerate(("0", ".54", "1")):
        assert f">{index}</small>{text}</span>" in shown


def test_an_annotated_picture_of_a_crowd_has_every_number() -> None:
    image = Image.new("RGB", (480, 320), "white")
    boxes = crowd(random.Random(1), 18, image.size)
    drawn = annotate(
        image, boxes, [0.5] * len(boxes), [0], "How many?", "18", ["Nothing in the picture fits: the cube"]
    )
    plain = annotate(image, boxes, [0.5] * len(boxes), [0], "How many?", "18")
    assert drawn.height > plain.height, "what the answer rests on is said below it"
    assert drawn.width == image.width
