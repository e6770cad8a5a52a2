"""What a record keeps of masks, depths and words, and what a report shows of them."""

from __future__ import annotations

import base64
import io
import json
from pathlib import Path

import numpy as np
from helpers.perceived import EXAMPLES, Models, shapes
from PIL import Image

from neptune.cli import main
from neptune.perception.percepts.percepts import Percepts
from neptune.perception.percepts.shown import HEAT, heat, overlay, shown
from neptune.scene.picture import Picture
from neptune.scene.seen.depths import Depth
from neptune.scene.seen.masks import Mask
from neptune.scene.seen.texts import TextLine


def opened(address: str) -> Image.Image:
    head, _, content = address.partition(",")
    assert head == "data:image/png;base64"
    return Image.open(io.BytesIO(base64.b64decode(content)))


def test_only_what_was_asked_is_shown() -> None:
    models, (picture, drawn) = Models([TextLine("A", (1.0, 2.0, 3.0, 4.0), 0.9)]), shapes()
    percepts = Percepts(models, models, models)
    assert shown(percepts, None) == shown(percepts, picture) == {}
    percepts.masks(picture, [box for box, _ in drawn])
    found = shown(percepts, picture)["seen"]
    assert list(found) == ["masks"]
    alpha = np.asarray(opened(found["masks"]))[:, :, 3]
    assert alpha.shape == (200, 300)
    assert {0, 255} == set(np.unique(alpha).tolist())
    percepts.depth(picture)
    percepts.read(picture)
    found = shown(percepts, picture)["seen"]
    assert found["texts"] == [["A", [1.0, 2.0, 3.0, 4.0], 0.9]]
    assert (found["near"], found["far"], found["unit"]) == (0.0, 10.0, "metres")
    assert opened(found["depth"]).size[0] <= 300
    assert len(json.dumps(found)) < 30_000
    assert shown(percepts, Picture(picture.pixels.copy())) == {}  # another picture is not hashed for this
    assert models.asked == {"masks": [4], "depth": [1], "read": [1]}


def test_near_is_bright_and_each_mask_has_its_colour() -> None:
    depth = Depth(np.array([[1.0, 5.0]], dtype=np.float32), (2, 1))
    assert [heat(depth).getpixel((x, 0)) for x in (0, 1)] == [HEAT[-1], HEAT[0]]
    masks = [Mask.of(np.ones((2, 2)), (8, 4), (2 * k, 0)) for k in range(3)]
    drawn = np.asarray(overlay(masks))
    assert len({tuple(drawn[0, 2 * k]) for k in range(3)}) == 3
    assert drawn[3, 7, 3] == 0


def test_a_question_about_masks_and_depths_is_shown_in_its_report(tmp_path: Path) -> None:
    picture = EXAMPLES / "images" / "CLEVR_val_000004.png"
    program = "point(Object, lambda x: forall(Object, lambda y: nearer(x, y)))"
    words = [
        "--config",
        str(EXAMPLES.parents[1] / "configs" / "ask.json"),
        "--image",
        str(picture),
        "--program",
        program,
        "--output_dir",
        str(tmp_path / "run"),
    ]
    assert main(words) == 0
    (line,) = (tmp_path / "run" / "samples.jsonl").read_text().splitlines()
    seen = json.loads(line)["seen"]
    assert seen["unit"] == "CLEVR units"
    opened(seen["depth"])
    assert (tmp_path / "run" / "report.html").is_file()
