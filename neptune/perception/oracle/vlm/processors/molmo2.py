"""What Molmo 2 is shown, without torchvision: its image processor in transformers needs it.

A picture is shown whole, small, and besides as square crops that overlap; each patch of the larger picture is read off
the crop in whose inside it lies. Numbers of patches, a few together, say of what each picture token is made.
"""

from __future__ import annotations

import math
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from neptune.perception.oracle.vlm.processors import pillow

if TYPE_CHECKING:
    from PIL import Image

DEFAULTS: dict[str, Any] = {
    "size": {"height": 378, "width": 378},
    "patch_size": 14,
    "pooling_size": [2, 2],
    "max_crops": 8,
    "overlap_margins": [4, 4],
    "rescale_factor": 1 / 255,
    "image_mean": [0.5, 0.5, 0.5],
    "image_std": [0.5, 0.5, 0.5],
    "resample": 2,
}
"""The fields of its ``preprocessor_config.json``, as transformers takes them where it says nothing."""

INPUTS = ("pixel_values", "image_token_pooling", "image_grids", "image_num_crops")

MODES = {0: "nearest-exact", 2: "bilinear", 3: "bicubic"}
"""Ways of scaling, by Pillow's numbers."""


@cache
def image_processor() -> Any:
    """Return the class of an image processor of transformers with these fields, which takes RGB pictures."""
    return pillow.image_processor("Molmo2ImageProcessor", DEFAULTS, INPUTS, _processed)


def _processed(images: list[Image.Image], said: Any) -> dict[str, Any]:
    import torch

    crops, pooling, grids, before = [], [], [], 0
    for image in images:
        pixels, patches, grid = shown(image, said)
        crops.append(pixels)
        pooling.append(np.where(patches >= 0, patches + before, patches))
        grids.append(grid)
        before += pixels.shape[0] * pixels.shape[1]
    return {
        "pixel_values": torch.from_numpy(np.concatenate(crops)),
        "image_token_pooling": torch.from_numpy(np.concatenate(pooling)),
        "image_grids": torch.tensor(grids),
        "image_num_crops": torch.tensor([len(pixels) for pixels in crops]),
    }


def shown(image: Image.Image, said: Any) -> tuple[Any, Any, list[int]]:
    """Return what an RGB picture is shown as.

    `said` has the fields of :data:`DEFAULTS`.

    Returns
    -------
    pixels : (1 + crops, patches of one, patch² · 3)
        The whole picture first.
    patches : (tokens, patches of one)
        The numbers of the patches of each token, those of all crops counted on; −1: none.
    grid : list of int
        Rows and columns of tokens of the whole picture, and of the crops.
    """
    side, step = said.size["height"], said.patch_size
    if side != said.size["width"]:
        raise ValueError(f"Molmo 2 looks at squares, and size is {dict(said.size)}")
    of_crop, (before, after) = side // step, said.overlap_margins
    inner = of_crop - before - after
    down, across = tiling(image.height - step * (before + after), image.width - step * (before + after), inner, said)
    high, wide = (n * inner + before + after for n in (down, across))
    canvas = scaled(image, high * step, wide * step, said)
    corners = [(y * inner * step, x * inner * step) for y in range(down) for x in range(across)]
    squares = [scaled(image, side, side, said), *(canvas[y : y + side, x : x + side] for y, x in corners)]
    pixels = np.stack([pillow.patched(square, step)[0] for square in squares])

    # Each patch of the canvas is taken from the crop in whose inside, or at the picture's edge, it lies.
    row, column = np.arange(high), np.arange(wide)
    y, x = ((k - before).clip(0) // inner for k in (row, column))
    y, x = y.clip(max=down - 1), x.clip(max=across - 1)
    inside = (row - y * inner)[:, None] * of_crop + (column - x * inner)
    large = ((y[:, None] * across + x) + 1) * of_crop**2 + inside
    whole, grid = pooled(np.arange(of_crop**2).reshape(of_crop, of_crop), said.pooling_size)
    parts, more = pooled(large, said.pooling_size)
    return pixels, np.concatenate([whole, parts]), [*grid, *more]


def scaled(image: Image.Image, high: int, wide: int, said: Any) -> Any:
    """Return a picture ``(high, wide, 3)``, each pixel read between its neighbours alone, and normalised."""
    import torch

    given = torch.from_numpy(np.array(image, dtype=np.float32)).permute(2, 0, 1)[None]
    mode = MODES[said.resample]
    even = {} if mode == "nearest-exact" else {"align_corners": False}
    made = torch.nn.functional.interpolate(given, (high, wide), mode=mode, **even).round().clamp(0, 255)
    return pillow.normalised(made[0].permute(1, 2, 0).numpy(), said)


def tiling(height: int, width: int, inner: int, said: Any) -> tuple[int, int]:
    """Return how many crops there are down and across: of those allowed the least that need no scaling down.

    Where all do, those that need the least of it. The picture's size is that without margins, in pixels; of a tiny one
    it is negative. Of equally good ones the smaller, and then the wider.
    """
    most, side = said.max_crops, inner * said.patch_size
    allowed = [(h, w) for h in range(1, most + 1) for w in range(1, most + 1) if h * w <= most]
    allowed.sort(key=lambda grid: (grid[0] * grid[1], grid[0]))
    with np.errstate(divide="ignore"):
        scales = (np.array(allowed, np.float32) * side / np.array([height, width], np.float32)).min(axis=1)
    if (scales < 1).all():
        return allowed[int(scales.argmax())]
    return allowed[int(np.where(scales < 1, np.inf, scales).argmin())]


def pooled(numbers: Any, size: Any) -> tuple[Any, list[int]]:
    """Return numbers of patches ``(rows, columns)`` by token ``(tokens, patches of one)``, −1 where there is none.

    And how many rows and columns of tokens these are.
    """
    rows, columns = (math.ceil(n / k) for n, k in zip(numbers.shape, size))
    missing = (rows * size[0] - numbers.shape[0], columns * size[1] - numbers.shape[1])
    padded = np.pad(numbers, [(n // 2, (n + 1) // 2) for n in missing], constant_values=-1)
    groups = padded.reshape(rows, size[0], columns, size[1]).transpose(0, 2, 1, 3)
    return groups.reshape(rows * columns, -1), [rows, columns]
