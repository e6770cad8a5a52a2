"""The detector of drawings: exact boxes, each panel read alone, and other pictures known for what they are."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest
from helpers import drawings
from PIL import Image

from neptune.errors import DetectorError
from neptune.perception import registry
from neptune.perception.detect.regions import RegionDetector, regions
from neptune.scene.picture import Picture

ROOT = Path(__file__).resolve().parents[3]


def found(image: Image.Image) -> list[list[float]]:
    return RegionDetector().detect(Picture(image)).boxes.tolist()


def truth(boxes: list[list[drawings.Thing]]) -> list[list[float]]:
    return [
        [o["x_loc"] + 150 * k, o["y_loc"], o["x_loc"] + 150 * k + o["size"], o["y_loc"] + o["size"]]
        for k, things in enumerate(boxes)
        for o in things
    ]


@pytest.mark.parametrize("seed", range(12))
def test_each_shape_has_its_box(seed: int) -> None:
    rng = random.Random(seed)
    boxes = [drawings.box(rng) for _ in range(3)]
    seen, wanted = found(drawings.drawn(boxes)), truth(boxes)
    assert len(seen) == len(wanted)
    for box in wanted:
        nearest = min(seen, key=lambda b: sum(abs(p - q) for p, q in zip(b, box, strict=True)))
        assert max(abs(p - q) for p, q in zip(nearest, box, strict=True)) <= 1, "but for the tip of a triangle"


@pytest.mark.parametrize("seed", range(5))
def test_panels_in_another_order_give_the_same_boxes_elsewhere(seed: int) -> None:
    rng = random.Random(100 + seed)
    boxes = [drawings.box(rng) for _ in range(3)]

    def by_panel(order: list[int]) -> dict[int, list[list[float]]]:
        seen = found(drawings.drawn([boxes[i] for i in order]))
        return {
            i: [[x0 - 150 * k, y0, x1 - 150 * k, y1] for x0, y0, x1, y1 in seen if x0 // 150 == k]
            for k, i in enumerate(order)
        }

    order = [0, 1, 2]
    rng.shuffle(order)
    assert by_panel(order) == by_panel([0, 1, 2])


def test_equal_shapes_one_pixel_apart_are_two_and_other_colours_side_by_side_are_two() -> None:
    one = {"x_loc": 40, "y_loc": 80, "size": 20, "type": "square", "color": "Black"}
    assert len(found(drawings.drawn([[one, one | {"y_loc": 59}], [], []]))) == 2
    assert len(found(drawings.drawn([[one, one | {"x_loc": 60, "color": "Yellow"}], [], []]))) == 2


def test_other_colours_other_panels_and_no_panels() -> None:
    picture = Image.new("RGB", (200, 60), (255, 255, 255))
    picture.paste((200, 0, 90), (10, 10, 30, 40))
    picture.paste((0, 80, 0), (100, 0, 130, 25))
    assert sorted(found(picture)) == [[10, 10, 30, 40], [100, 0, 130, 25]]
    assert found(Image.new("RGB", (64, 64), (3, 3, 3))) == []
    assert found(Image.new("RGB", (1, 1))) == []
    noise = np.random.default_rng(0).integers(0, 255, (40, 50, 3), dtype=np.uint8)
    assert regions(noise) == []


def test_photographs_and_renderings_are_out_of_its_domain() -> None:
    detector = RegionDetector()
    for path in sorted((ROOT / "examples/clevr/images").iterdir())[:6]:
        domain = detector.detect(Picture(path)).domain
        assert domain is not None
        assert domain.outside
    for path in sorted((ROOT / "examples/nlvr/images/dev").rglob("*.png"))[:6]:
        domain = detector.detect(Picture(path)).domain
        assert domain is not None
        assert not domain.outside


def test_it_is_found_by_name_and_checks_its_option() -> None:
    assert registry.detector("regions").name == "regions"
    with pytest.raises(DetectorError, match="least_area is 0"):
        registry.detector("regions", least_area=0)
    picture = Picture(
        drawings.drawn([[{"x_loc": 0, "y_loc": 0, "size": 10, "type": "square", "color": "Black"}], [], []])
    )
    assert len(registry.detector("regions", least_area=101).detect(picture).boxes) == 0
