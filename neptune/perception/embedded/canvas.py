"""Pictures as tensors of one size, and square crops around boxes."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from neptune.perception.embedded.said import on_canvas
from neptune.perception.embedded.sizes import CONTEXT, CROP, HEIGHT, SMALLEST, WIDTH, geometry_of
from neptune.scene.picture import Picture


def to_canvas(picture: Picture) -> tuple[Tensor, tuple[float, float]]:
    """Return a picture on the canvas.

    Returns
    -------
    tuple
        The pixels, uint8, shape ``(3, HEIGHT, WIDTH)``, and the factors ``(x, y)`` that take the picture's
        pixel coordinates to the canvas.

    Raises
    ------
    PictureError
        If the picture can not be read.
    """
    pixels, factors = on_canvas(picture)
    return torch.from_numpy(pixels).permute(2, 0, 1).contiguous(), factors


def scaled(boxes: np.ndarray, factors: tuple[float, float]) -> Tensor:
    """Return boxes ``(N, 4)`` multiplied by ``(x, y)`` factors, as a float32 tensor."""
    fx, fy = factors
    return torch.from_numpy(np.asarray(boxes, dtype=np.float32).reshape(-1, 4)) * torch.tensor([fx, fy, fx, fy])


def to_float(pixels: Tensor) -> Tensor:
    """Return uint8 pixels as float32, centred: ``(p / 255 - 0.45) / 0.2``; CLEVR's background is grey."""
    return pixels.float().div_(255.0 * 0.2).sub_(0.45 / 0.2)


def crops(pictures: Tensor, boxes: list[Tensor]) -> Tensor:
    """Cut a square around each box, and mark which pixels the box covers.

    Parameters
    ----------
    pictures
        ``(B, 3, HEIGHT, WIDTH)`` float32, from :func:`to_float`.
    boxes
        For each of the B pictures its boxes, ``(n, 4)`` canvas pixels.

    Returns
    -------
    Tensor
        ``(sum n, 4, CROP, CROP)``: colour, and 1 inside the box, 0 outside.
    """
    # Large regions are read from a half-size copy: bilinear sampling alone would alias.
    half = functional.avg_pool2d(pictures, 2)
    steps = (torch.arange(CROP, device=pictures.device) + 0.5) / CROP - 0.5
    found = []
    for index, box in enumerate(boxes):
        if not len(box):
            continue
        centre = (box[:, :2] + box[:, 2:]) / 2
        side = ((box[:, 2:] - box[:, :2]).amax(1) * CONTEXT).clamp(min=SMALLEST)
        xs = centre[:, 0:1] + side[:, None] * steps
        ys = centre[:, 1:2] + side[:, None] * steps
        grid = torch.stack(
            [
                (xs * (2 / WIDTH) - 1)[:, None, :].expand(-1, CROP, -1),
                (ys * (2 / HEIGHT) - 1)[:, :, None].expand(-1, -1, CROP),
            ],
            dim=-1,
        )
        inside_x = (xs >= box[:, 0:1]) & (xs <= box[:, 2:3])
        inside_y = (ys >= box[:, 1:2]) & (ys <= box[:, 3:4])
        mask = (inside_y[:, :, None] & inside_x[:, None, :])[:, None].float()
        large = side > 1.5 * CROP
        colour = torch.empty(len(box), 3, CROP, CROP, device=pictures.device)
        for source, chosen in ((pictures, ~large), (half, large)):
            if bool(chosen.any()):
                colour[chosen] = _sample(source[index : index + 1], grid[chosen])
        found.append(torch.cat([colour, mask], dim=1))
    if not found:
        return torch.zeros(0, 4, CROP, CROP, device=pictures.device)
    return torch.cat(found)


def _sample(picture: Tensor, grid: Tensor) -> Tensor:
    """Read one picture ``(1, 3, H, W)`` at grids ``(n, CROP, CROP, 2)``: ``(n, 3, CROP, CROP)``."""
    n = len(grid)
    flat = functional.grid_sample(
        picture, grid.reshape(1, n * CROP, CROP, 2), mode="bilinear", padding_mode="border", align_corners=False
    )
    return flat.reshape(3, n, CROP, CROP).transpose(0, 1)


def geometry(boxes: Tensor) -> Tensor:
    """Return ten numbers of order one for each box ``(N, 4)``: where it is and how large, ``(N, 10)``."""
    return torch.stack(geometry_of(*boxes.unbind(1), log=lambda side: torch.log(side.clamp(min=1) / 60)), dim=1)
