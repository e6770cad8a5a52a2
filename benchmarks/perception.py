"""Figures of masks, depths and words: python benchmarks/perception.py --data_dir DATA/val [--parts masks depths words]

Masks: relative error of areas against CLEVR's visible pixels, and the overlap with drawn shapes. Depths: how often the
order of pairs is right, of the shipped head and of the lower edges of boxes. Words: the share of letters that are
right, of a scanned page and of drawn signs in five sizes, turned.
"""

from __future__ import annotations

import argparse
import difflib
import json
import sys
import time
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from helpers.perceived import shapes, sign

from neptune.perception import registry
from neptune.scene.picture import Picture
from neptune.scene.seen.masks import MaskRequest
from neptune.scene.seen.texts import joined, letters

SIZES, TURNS = (12, 18, 28, 44, 70), (0, 15, 45, 90)
SIGN = "STOP HERE 42"
PAGE = """Region-based segmentation Let us first determine markers of the coins and the background. These markers are
pixels that we can label unambiguously as either object or background. Here, the markers are found at the two extreme
parts of the histogram of grey values: >>> markers = np.zeros_like(coins)"""


def pictures(folder: Path, limit: int) -> list[tuple[Picture, list[dict[str, Any]]]]:
    scenes = json.loads((folder / "scenes.json").read_text(encoding="utf-8"))["scenes"][:limit]
    return [(Picture(folder / "images" / s["image_filename"]), s["objects"]) for s in scenes]


def masks(folder: Path, limit: int) -> None:
    drawn_picture, drawn = shapes()
    for name in ("grabcut", "watershed"):
        segmenter, errors, begun = registry.segmenter(name), [], time.process_time()
        for picture, things in pictures(folder, limit):
            found = segmenter.masks([MaskRequest(picture, tuple(t["bbox"])) for t in things])
            errors += [abs(m.area / t["visible_pixels"] - 1) for m, t in zip(found, things, strict=True)]
        took = (time.process_time() - begun) / len(errors)
        overlaps = []
        for mask, (_, exact) in zip(
            segmenter.masks([MaskRequest(drawn_picture, box) for box, _ in drawn]), drawn, strict=True
        ):
            inside = mask.full() >= 0.5
            overlaps.append((inside & exact).sum() / (inside | exact).sum())
        print(
            f"{name}: {len(errors)} objects, area off by {np.median(errors):.2%}, on average {np.mean(errors):.2%}, "
            f"{np.quantile(errors, 0.9):.2%} (9 of 10 below); drawn shapes: IoU {min(overlaps):.3f} to "
            f"{max(overlaps):.3f}; {1000 * took:.0f} ms an object"
        )


def depths(folder: Path, limit: int) -> None:
    estimator = registry.depth_estimator("embedded")
    right = {"far": [0, 0, 0], "near": [0, 0, 0]}
    for picture, things in pictures(folder, limit):
        (depth,) = estimator.depth([picture])
        values, _ = depth.at(np.array([t["bbox"] for t in things], dtype=np.float32))
        true, edges = [t["pixel_coords"][2] for t in things], [t["bbox"][3] for t in things]
        for a, b in combinations(range(len(true)), 2):
            gap = true[a] - true[b]
            row = right["far" if abs(gap) > 0.1 * min(true[a], true[b]) else "near"]
            row[0] += 1
            row[1] += bool((values[a] - values[b]) * gap > 0)
            row[2] += bool((edges[b] - edges[a]) * gap > 0)
    for name, (n, own, edge) in right.items():
        what = "more" if name == "far" else "less"
        print(f"pairs that differ by {what} than a tenth: {n}, order right {own / n:.2%}, lower edge {edge / n:.2%}")


def words(limit: int) -> None:
    from skimage import data

    reader = registry.text_reader("rapidocr")
    (page,) = reader.read([Picture(data.page())])
    print(f"the page: {len(page)} lines, letters right {share(joined(page), PAGE):.2%}")
    for turn in TURNS:
        rates = [share(joined(reader.read([sign(SIGN, size, turn, (640, 480))])[0]), SIGN) for size in SIZES[:limit]]
        print(f"signs turned by {turn}°, {SIZES} pixels high: letters right {', '.join(f'{r:.0%}' for r in rates)}")


def share(said: str, true: str) -> float:
    """Return the share of true letters that are read, in order."""
    matching = difflib.SequenceMatcher(None, letters(true), letters(said), False)
    return sum(m.size for m in matching.get_matching_blocks()) / len(letters(true))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data_dir", type=Path, default=Path("examples/clevr"), help="a folder in CLEVR's format")
    parser.add_argument("--limit", type=int, default=1000, help="at most so many pictures")
    parser.add_argument("--parts", nargs="+", default=["masks", "depths", "words"])
    given = parser.parse_args()
    if "masks" in given.parts:
        masks(given.data_dir, given.limit)
    if "depths" in given.parts:
        depths(given.data_dir, given.limit)
    if "words" in given.parts:
        words(given.limit)


if __name__ == "__main__":
    main()
