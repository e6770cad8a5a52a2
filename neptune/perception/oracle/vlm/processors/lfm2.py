"""What LFM2-VL is shown, made with Pillow and NumPy: its image processor in transformers needs torchvision.

A picture is scaled to so many patches as give at most `max_image_tokens`; one that has far more pixels is cut into
tiles besides, which are shown before the whole.
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
    "downsample_factor": 2,
    "do_image_splitting": True,
    "min_tiles": 2,
    "max_tiles": 10,
    "use_thumbnail": True,
    "min_image_tokens": 64,
    "max_image_tokens": 256,
    "encoder_patch_size": 16,
    "tile_size": 512,
    "max_pixels_tolerance": 2.0,
    "rescale_factor": 1 / 255,
    "image_mean": [0.5, 0.5, 0.5],
    "image_std": [0.5, 0.5, 0.5],
    "resample": 2,
}
"""The fields of its ``preprocessor_config.json``, as transformers takes them where it says nothing."""


INPUTS = ("pixel_values", "pixel_attention_mask", "spatial_shapes")


@cache
def image_processor() -> Any:
    """Return the class of an image processor of transformers with these fields, which takes RGB pictures."""
    return pillow.image_processor("Lfm2VlImageProcessor", DEFAULTS, INPUTS, _processed, "return_row_col_info")


def _processed(images: list[Image.Image], said: Any) -> dict[str, Any]:
    import torch

    made = [shown(image, said) for image in images]
    tiles = [tile for one in made for tile in one[0]]
    longest = max(_most_patches(said), *(len(patches) for patches, _ in tiles))
    pixels: Any = np.zeros((len(tiles), longest, tiles[0][0].shape[1]), dtype=np.float32)
    mask: Any = np.zeros((len(tiles), longest), dtype=np.int32)
    for k, (patches, _) in enumerate(tiles):
        pixels[k, : len(patches)], mask[k, : len(patches)] = patches, 1
    return {
        "pixel_values": torch.from_numpy(pixels),
        "pixel_attention_mask": torch.from_numpy(mask),
        "spatial_shapes": torch.tensor([grid for _, grid in tiles]),
        "image_rows": [one[1][0] for one in made],
        "image_cols": [one[1][1] for one in made],
        "image_sizes": [one[2] for one in made],
    }


Tile = tuple[Any, tuple[int, int]]
"""Patches ``(rows · columns, patch² · 3)`` of a picture, and ``(rows, columns)``."""


def shown(image: Image.Image, said: Any) -> tuple[list[Tile], tuple[int, int], list[int]]:
    """Return the tiles of an RGB picture, how many there are down and across, and ``[height, width]`` of the whole.

    `said` has the fields of :data:`DEFAULTS`.
    """
    from PIL import Image

    height, width = whole_size(image.height, image.width, said)

    def scaled(high: int, wide: int) -> Any:
        return pillow.normalised(image.resize((wide, high), Image.Resampling(said.resample)), said)

    side = said.encoder_patch_size
    if not (said.do_image_splitting and is_large(image.height, image.width, said)) or said.max_tiles == 1:
        return [pillow.patched(scaled(height, width), side)], (1, 1), [height, width]
    rows, columns = grid_of(image.height, image.width, said)
    tile = said.tile_size
    large = scaled(rows * tile, columns * tile)
    corners = [(y, x) for y in range(0, rows * tile, tile) for x in range(0, columns * tile, tile)]
    tiles = [large[y : y + tile, x : x + tile] for y, x in corners]
    if said.use_thumbnail and len(tiles) > 1:
        tiles.append(scaled(height, width))
    return [pillow.patched(tile, side) for tile in tiles], (rows, columns), [height, width]


def whole_size(height: int, width: int, said: Any) -> tuple[int, int]:
    """Return ``(height, width)`` to which a whole picture is scaled: its ratio about kept, its tokens within bounds."""
    step = said.encoder_patch_size * said.downsample_factor
    least, most = said.min_image_tokens * step**2, said.max_image_tokens * step**2
    high, wide = (max(step, round(side / step) * step) for side in (height, width))
    if high * wide > most:
        factor = math.sqrt(height * width / most)
        high, wide = (max(step, math.floor(side / factor / step) * step) for side in (height, width))
    elif high * wide < least:
        factor = math.sqrt(least / (height * width))
        high, wide = (math.ceil(side * factor / step) * step for side in (height, width))
    return high, wide


def is_large(height: int, width: int, said: Any) -> bool:
    """Tell whether a picture is cut into tiles."""
    step = said.encoder_patch_size * said.downsample_factor
    high, wide = (max(said.encoder_patch_size, round(side / step) * step) for side in (height, width))
    return bool(high * wide > said.max_image_tokens * step**2 * said.max_pixels_tolerance)


def grid_of(height: int, width: int, said: Any) -> tuple[int, int]:
    """Return how many tiles there are down and across: of the grids allowed the one whose ratio is the closest.

    Of equally close ones the larger one, where the picture has more than half its pixels.
    """
    least, most = said.min_tiles, said.max_tiles
    grids = {(w, h) for w in range(1, most + 1) for h in range(1, most + 1) if least <= w * h <= most}
    best, gap = (1, 1), math.inf
    for across, down in sorted(grids, key=lambda grid: grid[0] * grid[1]):
        now = abs(width / height - across / down)
        if now < gap or (now == gap and height * width > 0.5 * said.tile_size**2 * across * down):
            best, gap = (across, down), now
    return best[1], best[0]


def _most_patches(said: Any) -> int:
    """Return to how many patches each tile is padded."""
    of_tile = (said.tile_size // said.encoder_patch_size) ** 2 if said.do_image_splitting else 0
    return int(max(said.max_image_tokens * said.downsample_factor**2, of_tile))
