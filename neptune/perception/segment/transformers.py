"""Segmenters through transformers: SAM and SAM 2, by name, id or folder; a box says what is meant.

What they are shown is made here, with Pillow: the processor of SAM 2 needs torchvision.
Sources: Segment Anything (Kirillov et al. 2023), SAM 2 (Ravi et al. 2024).
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from neptune.errors import PerceptionError, PerceptionFailedError
from neptune.perception.checkpoints import IMAGENET, at_least_one, normalised, one_line, open_model, side_lengths
from neptune.perception.device_failures import failures_said
from neptune.scene.boxes import FloatArray
from neptune.scene.identity import identity
from neptune.scene.picture import Picture
from neptune.scene.seen.masks import Mask, MaskRequest

if TYPE_CHECKING:
    from PIL import Image

CLASSES = {"sam": "SamModel", "sam_hq": "SamHQModel", "sam2": "Sam2Model", "sam2_video": "Sam2Model"}
"""``model_type`` of a checkpoint → the class of transformers that loads it."""
NAMES = Path(__file__).with_name("models.json")
LESS_MEMORY = 'Lower "batch_size", or use "dtype": "bfloat16" or "device": "cpu" in segment_options'


class TransformersSegmenter:
    """The mask of what is in a box, by SAM or SAM 2; words are not heeded.

    Parameters
    ----------
    model
        A short name (``sam``, ``sam2``), an id on the hub, a local folder; or a loaded ``(model, preprocessing)``,
        the second of which is the content of its ``preprocessor_config.json``.
    revision
        Of the id: a branch, tag or commit; by default that of the short name, else the newest.
    device
        ``"cpu"``, ``"cuda"``, ``"cuda:1"`` or ``"auto"`` (a GPU where there is one).
    dtype
        ``"auto"`` (float32), ``"float32"``, ``"bfloat16"`` or ``"float16"``.
    batch_size
        Boxes of one picture at once, ≥ 1. The picture itself is looked at once.
    local_files_only
        Take the model from this machine, ask no hub.

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
        batch_size: int = 64,
        local_files_only: bool = False,
    ) -> None:
        self.batch_size = at_least_one(batch_size, "segment_options")
        opened = open_model(
            model,
            NAMES,
            CLASSES,
            "segmenter",
            revision=revision,
            device=device,
            dtype=dtype,
            local_files_only=local_files_only,
        )
        self.name, self.model, self._said = opened.name, opened.model, opened.said
        self.architecture, self._fingerprint = opened.architecture, opened.weights
        self._sides = side_lengths(self._said, (1024, 1024), "segmenter")
        self._lock = threading.Lock()

    @property
    def identity(self) -> str:
        """All that decides a mask, as canonical JSON: the key of caches."""
        return identity(
            "transformers-masks",
            version=1,
            architecture=self.architecture,
            weights=self._fingerprint,
            dtype=str(self.model.dtype),
            preprocessing={k: self._said.get(k) for k in ("size", "image_mean", "image_std", "rescale_factor")},
        )

    def masks(self, requests: Sequence[MaskRequest]) -> list[Mask]:
        """Return the mask of what is in each box, soft by the model's own probabilities.

        Raises
        ------
        PictureError
            If a picture can not be read.
        PerceptionError
            If the model fails on a picture.
        PerceptionFailedError
            If memory runs out, or the device fails.
        """
        by_picture: dict[int, list[int]] = {}
        for k, request in enumerate(requests):
            by_picture.setdefault(id(request.picture), []).append(k)
        found: dict[int, Mask] = {}
        for places in by_picture.values():
            picture = requests[places[0]].picture
            boxes = np.array([requests[k].box for k in places], dtype=np.float32)
            found |= dict(zip(places, self._of_picture(picture, boxes), strict=True))
        return [found[k] for k in range(len(requests))]

    def _of_picture(self, picture: Picture, boxes: FloatArray) -> list[Mask]:
        import torch

        image, scale = picture.image, picture.scale
        pixels, (height, width) = self._shown(image)
        inside = np.clip(boxes * np.array([*scale, *scale]), 0, [image.width, image.height] * 2)
        prompts = inside * np.array([width / image.width, height / image.height] * 2)
        failing = failures_said(PerceptionFailedError, f"the segmenter '{self.name}'", LESS_MEMORY)
        made: list[Mask] = []
        try:
            with self._lock, torch.inference_mode(), failing:
                embedded = self._look(torch.from_numpy(pixels)[None].to(self.model.device, self.model.dtype))
                for start in range(0, len(boxes), self.batch_size):
                    part = torch.from_numpy(prompts[None, start : start + self.batch_size].astype(np.float32))
                    made += self._cut(embedded, part, (height, width), image, scale, inside[start:])
        except (RuntimeError, ValueError, IndexError, KeyError, TypeError) as error:
            raise PerceptionError(
                f"The segmenter '{self.name}' fails on this picture: {one_line(error)}",
                where=f"{picture.name}, {image.width}×{image.height} pixels, {len(boxes)} boxes",
            ) from error
        return made

    def _look(self, pixels: Any) -> dict[str, Any]:
        """Return what the model sees in a picture, as it is given again for its boxes."""
        found = self.model.get_image_embeddings(pixels)
        if self.architecture == "sam_hq":
            embeddings, intermediate = found
            return {"image_embeddings": embeddings, "intermediate_embeddings": intermediate}
        return {"image_embeddings": found}

    def _cut(
        self,
        embedded: dict[str, Any],
        prompts: Any,
        shown: tuple[int, int],
        image: Image.Image,
        scale: tuple[float, float],
        inside: FloatArray,
    ) -> list[Mask]:
        """Return the masks of boxes `prompts` ``(1, n, 4)``, given in pixels of what the model is shown."""
        from torch.nn import functional

        said = self.model(
            **embedded, input_boxes=prompts.to(self.model.device, self.model.dtype), multimask_output=False
        )
        # Logits (1, n, 1, h, w) of what was shown, padding included; the picture lies at the top left.
        logits = functional.interpolate(said.pred_masks[0].float(), self._sides, mode="bilinear", align_corners=False)
        scores = said.iou_scores[0, :, 0].float().clamp(0, 1).tolist()
        made = []
        for k, (one, score) in enumerate(zip(logits, scores, strict=True)):
            cut = one[None, :, : shown[0], : shown[1]]
            whole = functional.interpolate(cut, (image.height, image.width), mode="bilinear", align_corners=False)
            levels = whole[0, 0].sigmoid().cpu().numpy()
            levels[levels < LEAST] = 0
            x0, y0, x1, y1 = inside[k]
            if x0 >= x1 or y0 >= y1:
                levels[:] = 0  # nothing of the picture is in the box
            made.append(Mask.of(levels, image.size, (0, 0), scale, score))
        return made

    def _shown(self, image: Image.Image) -> tuple[FloatArray, tuple[int, int]]:
        """Return a picture as the model is shown it, ``(3, H, W)``, and the part of it that is the picture.

        SAM keeps the ratio of the sides, and pads; SAM 2 does not.
        """
        from PIL import Image

        height, width = self._sides
        if self.architecture in ("sam", "sam_hq"):
            factor = max(self._sides) / max(image.size)
            height, width = (max(1, int(side * factor + 0.5)) for side in (image.height, image.width))
        made = normalised(image.resize((width, height), Image.Resampling.BILINEAR), self._said, *IMAGENET)
        padded = np.zeros((3, *self._sides), dtype=np.float32)
        padded[:, :height, :width] = made
        return padded, (height, width)


LEAST = 0.05
"""Pixels of a lower probability are none of a thing's: of every mask there would be a little everywhere."""

sam = partial(TransformersSegmenter, "sam")
sam2 = partial(TransformersSegmenter, "sam2")
