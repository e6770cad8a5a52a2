"""Depth estimators through transformers: Depth Anything, ZoeDepth and Depth Pro, by name, id or folder.

What they are shown is made here, with Pillow: the processor of Depth Pro, and the post-processing of ZoeDepth, need
torchvision.
Sources: Depth Anything V2 (Yang et al. 2024), ZoeDepth (Bhat et al. 2023), Depth Pro (Bochkovskii et al. 2024).
"""

from __future__ import annotations

import math
import threading
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from neptune.errors import PerceptionError, PerceptionFailedError
from neptune.perception.checkpoints import (
    IMAGENET,
    MOST_SIDE,
    at_least_one,
    normalised,
    one_line,
    open_model,
    side_lengths,
)
from neptune.perception.device_failures import failures_said
from neptune.scene.boxes import FloatArray
from neptune.scene.identity import identity
from neptune.scene.picture import Picture
from neptune.scene.seen.depths import Depth

if TYPE_CHECKING:
    from PIL import Image

CLASSES = {
    "depth_anything": "DepthAnythingForDepthEstimation",
    "zoedepth": "ZoeDepthForDepthEstimation",
    "depth_pro": "DepthProForDepthEstimation",
}
"""``model_type`` of a checkpoint → the class of transformers that loads it."""
NAMES = Path(__file__).with_name("models.json")
LESS_MEMORY = 'Lower "batch_size", or use "dtype": "bfloat16" or "device": "cpu" in depth_options'
MOST_RATIO = 4
"""Longer strips are padded: models that keep the ratio of the sides would be shown a picture of any length."""
HALF = ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
SIDES = {"depth_anything": (518, 518), "zoedepth": (384, 512), "depth_pro": (1536, 1536)}
"""Height and width of what a model is shown, where its preprocessing says nothing."""


class TransformersDepth:
    """How far away all in a picture is: relative (0 the nearest, 1 the farthest), or in metres, as the model tells it.

    Parameters
    ----------
    model
        A short name (``depth_anything``, ``zoedepth``, ``depth_pro``), an id on the hub, a local folder; or a loaded
        ``(model, preprocessing)``, the second of which is the content of its ``preprocessor_config.json``.
    revision, device, dtype, local_files_only
        As of :class:`~neptune.perception.segment.transformers.TransformersSegmenter`.
    batch_size
        Pictures of one size at once, ≥ 1.

    Raises
    ------
    PerceptionError
        If an option is out of range, or the model can not be loaded or is of no known architecture.
    ConfigError
        If a GPU is asked for that is not there.
    MissingExtraError
        If transformers is not installed.
    """

    def __init__(
        self,
        model: str | tuple[Any, dict[str, Any]],
        revision: str | None = None,
        device: str = "auto",
        dtype: str = "auto",
        batch_size: int = 4,
        local_files_only: bool = False,
    ) -> None:
        self.batch_size = at_least_one(batch_size, "depth_options")
        opened = open_model(
            model,
            NAMES,
            CLASSES,
            "depth estimator",
            revision=revision,
            device=device,
            dtype=dtype,
            local_files_only=local_files_only,
        )
        self.name, self.model, self._said = opened.name, opened.model, opened.said
        self.architecture, self._fingerprint = opened.architecture, opened.weights
        self._sides = side_lengths(self._said, SIDES[self.architecture], "depth estimator")
        self._lock = threading.Lock()

    @property
    def identity(self) -> str:
        """All that decides a depth, as canonical JSON: the key of caches."""
        told = (
            "size",
            "image_mean",
            "image_std",
            "rescale_factor",
            "ensure_multiple_of",
            "keep_aspect_ratio",
            "do_pad",
        )
        return identity(
            "transformers-depth",
            version=1,
            architecture=self.architecture,
            weights=self._fingerprint,
            dtype=str(self.model.dtype),
            preprocessing={name: self._said.get(name) for name in told},
        )

    @property
    def unit(self) -> str:
        """``"metres"`` or ``"relative"``."""
        config = self.model.config
        if self.architecture == "depth_pro":  # without its model of the field of view, there is no scale
            metric = bool(config.use_fov_model)
        else:
            metric = self.architecture == "zoedepth" or config.depth_estimation_type == "metric"
        return "metres" if metric else "relative"

    def depth(self, pictures: Sequence[Picture]) -> list[Depth]:
        """Return the depth of each picture; those that are shown in one size go together.

        Raises
        ------
        PictureError
            If a picture can not be read.
        PerceptionError
            If the model fails on a picture.
        PerceptionFailedError
            If memory runs out, or the device fails.
        """
        shown = [self._shown(picture.image) for picture in pictures]
        by_size: dict[tuple[int, ...], list[int]] = {}
        for k, (pixels, _) in enumerate(shown):
            by_size.setdefault(pixels.shape, []).append(k)
        found: dict[int, Depth] = {}
        for places in by_size.values():
            for start in range(0, len(places), self.batch_size):
                part = places[start : start + self.batch_size]
                maps, views = self._told(np.stack([shown[k][0] for k in part]), pictures[part[0]])
                for k, told, view in zip(part, maps, views, strict=True):
                    values = _cut(told, shown[k][1])
                    if self.architecture == "depth_pro":
                        values = _metres(_proportioned(values, pictures[k].size), view)
                    found[k] = Depth.of(self._nearness(values), pictures[k].size, self.unit)
        return [found[k] for k in range(len(pictures))]

    def _told(self, pixels: FloatArray, first: Picture) -> tuple[FloatArray, list[float | None]]:
        """Return what the model says of pictures ``(B, 3, H, W)``: ``(B, h, w)``, and their fields of view."""
        import torch

        failing = failures_said(PerceptionFailedError, f"the depth estimator '{self.name}'", LESS_MEMORY)
        try:
            with self._lock, torch.inference_mode(), failing:
                given = torch.from_numpy(pixels).to(self.model.device, self.model.dtype)
                said = self.model(pixel_values=given)
                told: FloatArray = said.predicted_depth.float().cpu().numpy()
                view = getattr(said, "field_of_view", None)
                views = [None] * len(told) if view is None else view.float().reshape(-1).tolist()
        except (RuntimeError, ValueError, IndexError, KeyError, TypeError) as error:
            raise PerceptionError(
                f"The depth estimator '{self.name}' fails on this picture: {one_line(error)}", where=first.name
            ) from error
        return told, views

    def _nearness(self, told: FloatArray) -> FloatArray:
        """Return what the model says with small as near: without a scale, models tell how near things are."""
        if self.unit == "metres":
            return told
        low, high = float(told.min()), float(told.max())
        return (high - told) / max(high - low, 1e-12)

    def _shown(self, image: Image.Image) -> tuple[FloatArray, tuple[float, float, float, float]]:
        """Return a picture as the model is shown it, ``(3, H, W)``, and where the picture is in it, as shares."""
        if self.architecture == "depth_pro":
            return self._for_depth_pro(image), (0.0, 0.0, 1.0, 1.0)
        framed, (across, down) = _framed(image)
        if self.architecture == "zoedepth":
            pixels, (left, top) = self._for_zoe(framed)
        else:
            pixels, (left, top) = self._for_dpt(framed), (0.0, 0.0)
        return pixels, (left, top, left + across * (1 - 2 * left), top + down * (1 - 2 * top))

    def _for_dpt(self, image: Image.Image) -> FloatArray:
        """Return a picture in sides that are whole numbers of patches."""
        from PIL import Image

        multiple, keeps = int(self._said.get("ensure_multiple_of", 14)), bool(self._said.get("keep_aspect_ratio", True))
        height, width = _scaled(image.size, self._sides, keeps, multiple)
        filters = {2: Image.Resampling.BILINEAR, 3: Image.Resampling.BICUBIC}
        filter_ = filters.get(self._said.get("resample", 3), Image.Resampling.BICUBIC)
        return normalised(image.resize((width, height), filter_), self._said, *IMAGENET)

    def _for_depth_pro(self, image: Image.Image) -> FloatArray:
        """Return a picture in the model's sides, whatever their ratio was: normalised first, then scaled."""
        import torch

        channels = torch.from_numpy(normalised(image, self._said, *HALF))[None]
        scaled = torch.nn.functional.interpolate(channels, self._sides, mode="bilinear", align_corners=False)
        shown: FloatArray = scaled[0].numpy()
        return shown

    def _for_zoe(self, image: Image.Image) -> tuple[FloatArray, tuple[float, float]]:
        """Return a picture padded by its mirror image, then scaled; and the share of each side that is padding."""
        import torch

        pads = (0, 0)
        pixels = np.asarray(image, dtype=np.float32) * np.float32(self._said.get("rescale_factor", 1 / 255))
        if self._said.get("do_pad", True):
            pads = (int(math.sqrt(image.height / 2) * 3), int(math.sqrt(image.width / 2) * 3))
            # A picture smaller than its padding is mirrored again and again.
            pixels = np.pad(pixels, ((pads[0], pads[0]), (pads[1], pads[1]), (0, 0)), mode="reflect")
        high, wide = pixels.shape[:2]
        multiple, keeps = self._said.get("ensure_multiple_of", 32), bool(self._said.get("keep_aspect_ratio", True))
        height, width = _scaled((wide, high), self._sides, keeps, int(multiple) if multiple >= 1 else 32)
        channels = torch.from_numpy(pixels.transpose(2, 0, 1).copy())[None]
        scaled = torch.nn.functional.interpolate(channels, (height, width), mode="bilinear", align_corners=True)
        mean, std = (
            np.asarray(self._said.get(name, HALF[0]), dtype=np.float32)[:, None, None]
            for name in ("image_mean", "image_std")
        )
        return (scaled[0].numpy() - mean) / std, (pads[1] / wide, pads[0] / high)


def _framed(image: Image.Image) -> tuple[Image.Image, tuple[float, float]]:
    """Return an RGB picture as it may be scaled, at the top left, and the shares of the sides that it fills."""
    from PIL import Image

    least = max(2, math.ceil(max(image.size) / MOST_RATIO))
    width, height = max(image.width, least), max(image.height, least)
    if (width, height) == image.size:
        return image, (1.0, 1.0)
    frame = Image.new("RGB", (width, height))
    for x in range(0, width, image.width):  # its own copies, so that no edge of black is seen as a wall
        for y in range(0, height, image.height):
            frame.paste(image, (x, y))
    return frame, (image.width / width, image.height / height)


def _scaled(size: tuple[int, int], sides: tuple[int, int], keeps: bool, multiple: int) -> tuple[int, int]:
    """Return ``(height, width)`` to which a picture of ``(width, height)`` is scaled: about `sides`, in multiples."""
    down, across = sides[0] / size[1], sides[1] / size[0]
    if keeps:  # as little as possible
        down = across = across if abs(1 - across) < abs(1 - down) else down
    height, width = (max(multiple, round(s * f / multiple) * multiple) for s, f in ((size[1], down), (size[0], across)))
    shrink = max(height, width) / MOST_SIDE
    if shrink > 1:
        height, width = (max(multiple, int(side / shrink / multiple) * multiple) for side in (height, width))
    return height, width


def _proportioned(told: FloatArray, size: tuple[int, int]) -> FloatArray:
    """Return a square map in the ratio of a picture of ``(width, height)``; its longer side stays."""
    from PIL import Image

    shrink = max(told.shape) / max(size)
    width, height = (max(1, round(side * shrink)) for side in size)
    found: FloatArray = np.asarray(Image.fromarray(told).resize((width, height), Image.Resampling.BILINEAR))
    return found


def _metres(told: FloatArray, field_of_view: float | None) -> FloatArray:
    """Return depths in metres of inverse depths as of a focal length of one width; without a view, as they are.

    `field_of_view` is the angle over the picture's width, in degrees.
    """
    if field_of_view is None:
        return told
    scale = 2 * math.tan(0.5 * math.radians(field_of_view))
    metres: FloatArray = (1 / np.clip(told * scale, 1e-4, 1e4)).astype(np.float32)
    return metres


def _cut(told: FloatArray, where: tuple[float, float, float, float]) -> FloatArray:
    """Return the part of a map that is the picture's, given as shares."""
    height, width = told.shape
    left, top = min(round(where[0] * width), width - 1), min(round(where[1] * height), height - 1)
    right, bottom = max(left + 1, round(where[2] * width)), max(top + 1, round(where[3] * height))
    return told[top:bottom, left:right]


depth_anything = partial(TransformersDepth, "depth_anything")
zoedepth = partial(TransformersDepth, "zoedepth")
depth_pro = partial(TransformersDepth, "depth_pro")
