"""Changes to training pictures that keep their annotation true: mirroring, colours, zoom, and new occlusions.

Occlusion is what the networks find hard, and there is little of it in a thousand pictures. CLEVR's camera
hardly moves, so an object of one picture can be put into another at its own place, in front of what is
behind it: its outline is where the picture differs from the empty scene (the median of many pictures).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from neptune.learn.train.data import ClevrFolder, Example
from neptune.perception.embedded.sizes import HEIGHT, WIDTH


class Paster:
    """Puts whole objects of some pictures of a folder into others, where they hide a part of an object.

    Parameters
    ----------
    folder
        The pictures.
    training
        Indices of those that objects may be taken from.
    share
        Probability that a picture is changed.
    """

    def __init__(self, folder: ClevrFolder, training: Sequence[int], share: float = 0.6) -> None:
        self.folder, self.share = folder, share
        sample = [folder.pixels(i) for i in training[:: max(1, len(training) // 80)]]
        self.empty = torch.stack(sample).median(0).values.numpy().astype(np.float32)
        donors = [(i, j) for i in training for j in _alone(folder.examples[i])]
        self.donors = np.array(donors, dtype=np.int64).reshape(-1, 2)
        boxes = [folder.examples[i].boxes[j].numpy() for i, j in donors]
        self.boxes = np.array(boxes, dtype=np.float32).reshape(-1, 4)
        places = [folder.examples[i].places[j].numpy() for i, j in donors]
        self.places = np.array(places, dtype=np.float32).reshape(-1, 2)

    def crowd(self, index: int, rng: np.random.Generator) -> tuple[Tensor, Example]:
        """Return picture `index` and its annotation, perhaps with objects added.

        The picture is uint8, ``(3, HEIGHT, WIDTH)``.
        """
        pixels, example = self.folder.pixels(index), self.folder.examples[index]
        if not len(self.donors) or not len(example.boxes) or rng.random() >= self.share:
            return pixels, example
        if not bool(torch.isfinite(example.places).all()):
            return pixels, example
        for _ in range(int(rng.integers(1, 4))):
            pixels, example = self._added(pixels, example, rng)
        return pixels, example

    def _added(self, pixels: Tensor, example: Example, rng: np.random.Generator) -> tuple[Tensor, Example]:
        """Add one object in front of a random one, or return the arguments where none fits."""
        boxes = example.boxes.numpy()
        hidden = boxes[int(rng.integers(len(boxes)))]
        low = np.maximum(self.boxes[:, :2], hidden[:2])
        high = np.minimum(self.boxes[:, 2:], hidden[2:])
        covered = np.clip(high - low, 0, None).prod(1) / (hidden[2:] - hidden[:2]).prod()
        fitting = (covered > 0.2) & (covered < 0.9) & (self.boxes[:, 3] > hidden[3] + 2)
        for other in boxes:  # nothing may stand in front of what is added
            touching = (np.minimum(self.boxes[:, 2:], other[2:]) > np.maximum(self.boxes[:, :2], other[:2])).all(1)
            fitting &= ~(touching & (self.boxes[:, 3] <= other[3]))
        # Two things are never in one place; NaN (no coordinates) compares false: such donors are not used.
        away = np.linalg.norm(self.places[:, None] - example.places.numpy()[None], axis=-1)
        fitting &= (away > 0.8).all(1)
        candidates = np.flatnonzero(fitting)
        if not len(candidates):
            return pixels, example
        chosen = int(rng.choice(candidates))
        source, number = self.donors[chosen]
        donor = self.folder.examples[source]
        taken = self.folder.pixels(int(source))
        outline = self._outline(taken, donor, self.boxes[chosen])
        if outline.sum() < 0.4 * (self.boxes[chosen][2:] - self.boxes[chosen][:2]).prod():
            return pixels, example
        new_boxes = example.boxes.clone()
        for i, box in enumerate(boxes):
            if (np.minimum(self.boxes[chosen][2:], box[2:]) <= np.maximum(self.boxes[chosen][:2], box[:2])).any():
                continue
            own = self._outline(pixels, example, box)
            seen = own & ~outline
            if seen.sum() < max(200, 0.12 * own.sum()):
                return pixels, example
            if seen.sum() < own.sum():
                rows, columns = np.nonzero(seen)
                bounds = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
                new_boxes[i] = torch.tensor(bounds, dtype=torch.float32)
        mixed = torch.where(torch.from_numpy(outline), taken, pixels)
        places = torch.cat([example.places, donor.places[number : number + 1]])
        gaps = places[:, None] - places[None, :]
        order = torch.where(gaps.abs() > 0.2, torch.sign(gaps), torch.zeros(()))
        old = len(boxes)
        order[:old, :old] = example.order
        attributes = torch.cat([example.attributes, donor.attributes[number : number + 1]])
        added = torch.cat([new_boxes, donor.boxes[number : number + 1]])
        return mixed, Example(example.path, added, attributes, order, places)

    def _outline(self, pixels: Tensor, example: Example, box: NDArray[np.float32]) -> NDArray[np.bool_]:
        """Return where in a box the picture is not the empty scene, without holes: ``(HEIGHT, WIDTH)``."""
        x0, y0, x1, y1 = (int(v) for v in (*np.floor(box[:2]), *np.ceil(box[2:])))
        image = pixels[:, y0:y1, x0:x1].numpy().astype(np.float32)
        empty = self.empty[:, y0:y1, x0:x1]
        # The lamps differ from picture to picture: match the brightness along the box's top edge first.
        edge = slice(max(0, y0 - 4), y0) if y0 >= 2 else slice(y1, y1 + 4)
        around = pixels[:, edge, x0:x1].numpy().astype(np.float32)
        ratio = float(np.median(around)) / max(1.0, float(np.median(self.empty[:, edge, x0:x1])))
        gain = min(1.15, max(0.85, ratio))
        differs = np.abs(image - empty * gain).max(0) > 14
        # A cube's, ball's or cylinder's outline is convex: fill rows and columns between their ends.
        filled = _between(differs, 1) & _between(differs, 0)
        whole = np.zeros((HEIGHT, WIDTH), dtype=bool)
        whole[y0:y1, x0:x1] = filled
        return whole


def _between(mask: NDArray[np.bool_], axis: int) -> NDArray[np.bool_]:
    """Fill each line along `axis` from its first to its last true cell."""
    after = np.maximum.accumulate(mask, axis)
    before = np.flip(np.maximum.accumulate(np.flip(mask, axis), axis), axis)
    return after & before


def _alone(example: Example) -> list[int]:
    """Return the objects whose box touches no other and not the picture's edge: they are seen whole."""
    boxes = example.boxes
    touching = (
        torch.minimum(boxes[:, None, 2:], boxes[None, :, 2:]) > torch.maximum(boxes[:, None, :2], boxes[None, :, :2])
    ).all(2)
    inside = (boxes[:, 0] > 1) & (boxes[:, 1] > 1) & (boxes[:, 2] < WIDTH - 1) & (boxes[:, 3] < HEIGHT - 1)
    return torch.nonzero((touching.sum(1) == 1) & inside)[:, 0].tolist()


def mirrored(boxes: Tensor) -> Tensor:
    """Return boxes ``(N, 4)`` as they are after the picture was flipped left to right."""
    return torch.stack([WIDTH - boxes[:, 2], boxes[:, 1], WIDTH - boxes[:, 0], boxes[:, 3]], 1)


def recoloured(pixels: Tensor, generator: torch.Generator, amount: float = 0.1) -> Tensor:
    """Change brightness, tint and noise of float pixels ``(3, H, W)`` a little."""
    gain = 1 + (torch.rand(3, 1, 1, generator=generator) - 0.5) * amount
    gain = gain * (1 + (torch.rand(1, generator=generator) - 0.5) * 2 * amount)
    shift = (torch.rand(1, generator=generator) - 0.5) * 3 * amount
    noise = float(torch.rand(1, generator=generator)) * amount
    return pixels * gain + shift + torch.randn(pixels.shape, generator=generator) * noise


def zoomed(pixels: Tensor, boxes: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Shift and scale a picture ``(3, HEIGHT, WIDTH)`` and its boxes a little.

    Where an object would leave the picture, nothing is changed.
    """
    scale = math.exp((float(torch.rand(1, generator=generator)) - 0.5) * 0.3)
    shift_x = (float(torch.rand(1, generator=generator)) - 0.5) * 40
    shift_y = (float(torch.rand(1, generator=generator)) - 0.5) * 30
    theta = torch.tensor(
        [[[1 / scale, 0, -2 * shift_x / WIDTH / scale], [0, 1 / scale, -2 * shift_y / HEIGHT / scale]]]
    )
    grid = functional.affine_grid(theta, [1, 3, HEIGHT, WIDTH], align_corners=False)
    moved = functional.grid_sample(pixels[None], grid, padding_mode="reflection", align_corners=False)[0]
    middle = torch.tensor([WIDTH / 2, HEIGHT / 2] * 2)
    new = (boxes - middle) * scale + middle + torch.tensor([shift_x, shift_y] * 2)
    whole = (new[:, 2:] - new[:, :2]).prod(1)
    new = torch.stack([new[:, i].clamp(0, (WIDTH, HEIGHT)[i % 2]) for i in range(4)], 1)
    if len(new) and bool(((new[:, 2:] - new[:, :2]).prod(1) < 0.95 * whole).any()):
        return pixels, boxes  # an object would be cut, and its reflection would be an object without a box
    return moved, new
