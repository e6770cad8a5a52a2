"""Segmenters through transformers: SAM, SAM 2 and SAM 3, by name, id or folder; a box says what is meant, and words.

What they are shown is made here, with Pillow: the processors of SAM 2 and SAM 3 need torchvision.
Sources: Segment Anything (Kirillov et al. 2023), SAM 2 (Ravi et al. 2024), SAM 3 (Carion et al. 2025).
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from neptune.errors import PerceptionError, PerceptionFailedError
from neptune.perception.checkpoints import (
    IMAGENET,
    at_least_one,
    hub_options,
    normalised,
    one_line,
    open_model,
    short_names,
    side_lengths,
)
from neptune.perception.device_failures import failures_said
from neptune.perception.sam3 import ANYTHING, SIDES, Sam3, scores, tokenizer_of
from neptune.scene.boxes import FloatArray, iou
from neptune.scene.identity import identity
from neptune.scene.picture import Picture
from neptune.scene.seen.masks import Mask, MaskRequest

if TYPE_CHECKING:
    from PIL import Image

CLASSES = {
    "sam": "SamModel",
    "sam_hq": "SamHQModel",
    "sam2": "Sam2Model",
    "sam2_video": "Sam2Model",
    "sam3": "Sam3Model",
    "sam3_video": "Sam3Model",
}
"""``model_type`` of a checkpoint → the class of transformers that loads it."""
NAMES = Path(__file__).with_name("models.json")
LESS_MEMORY = 'Lower "batch_size", or use "dtype": "bfloat16" or "device": "cpu" in segment_options'


class TransformersSegmenter:
    """The mask of what is in a box, by SAM, SAM 2 or SAM 3; only SAM 3 heeds words.

    Parameters
    ----------
    model
        A short name (``sam``, ``sam2``, ``sam3``), an id on the hub, a local folder; or a loaded ``(model,
        preprocessing)``, the second of which is the content of its ``preprocessor_config.json``; of SAM 3
        ``(model, preprocessing, tokenizer)``.
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
        model: str | tuple[Any, dict[str, Any]] | tuple[Any, dict[str, Any], Any],
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
        self._sides = side_lengths(self._said, SIDES if self.architecture == "sam3" else (1024, 1024), "segmenter")
        self._worded: Sam3 | None = None
        if self.architecture == "sam3":
            hub = hub_options(revision or short_names(NAMES).get(self.name, {}).get("revision"), local_files_only)
            tokenizer: Any = tokenizer_of(opened.source, hub) if opened.source is not None else model[-1]
            self._worded = Sam3(self.model, self._said, tokenizer)
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

        SAM 3 finds all that a request's words name (without words: objects); the mask is that of the thing whose box
        overlaps the request's the most, and a mask of nothing where none does.

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
            words = [" ".join(requests[k].words.split()) or ANYTHING for k in places]
            found |= dict(zip(places, self._of_picture(picture, boxes, words), strict=True))
        return [found[k] for k in range(len(requests))]

    def _of_picture(self, picture: Picture, boxes: FloatArray, words: Sequence[str]) -> list[Mask]:
        import torch

        image, scale = picture.image, picture.scale
        inside = np.clip(boxes * np.array([*scale, *scale]), 0, [image.width, image.height] * 2)
        failing = failures_said(PerceptionFailedError, f"the segmenter '{self.name}'", LESS_MEMORY)
        try:
            with self._lock, torch.inference_mode(), failing:
                if self._worded is not None:
                    return self._named(self._worded, image, scale, inside, words)
                return self._prompted(image, scale, inside)
        except (RuntimeError, ValueError, IndexError, KeyError, TypeError) as error:
            raise PerceptionError(
                f"The segmenter '{self.name}' fails on this picture: {one_line(error)}",
                where=f"{picture.name}, {image.width}×{image.height} pixels, {len(boxes)} boxes",
            ) from error

    def _prompted(self, image: Image.Image, scale: tuple[float, float], inside: FloatArray) -> list[Mask]:
        """Return the masks of boxes, given in pixels of the picture: each is a prompt of its own."""
        import torch

        pixels, (height, width) = self._shown(image)
        prompts = inside * np.array([width / image.width, height / image.height] * 2)
        embedded = self._look(torch.from_numpy(pixels)[None].to(self.model.device, self.model.dtype))
        made: list[Mask] = []
        for start in range(0, len(inside), self.batch_size):
            part = torch.from_numpy(prompts[None, start : start + self.batch_size].astype(np.float32))
            made += self._cut(embedded, part, (height, width), image, scale, inside[start:])
        return made

    def _named(
        self, model: Sam3, image: Image.Image, scale: tuple[float, float], inside: FloatArray, words: Sequence[str]
    ) -> list[Mask]:
        """Return for each box the mask of the thing, of those that its words name, whose box overlaps it the most."""
        seen, different = model.look(image), list(dict.fromkeys(words))
        made: dict[int, Mask] = {}
        for start in range(0, len(different), self.batch_size):
            part = different[start : start + self.batch_size]
            said = model.find(seen, part)
            sure = scores(said).cpu().numpy()
            found = said.pred_boxes.float().cpu().numpy() * np.array([image.width, image.height] * 2)
            for row, name in enumerate(part):
                for k in (k for k, told in enumerate(words) if told == name):
                    shares = iou(inside[k], found[row])[0]
                    best = int(shares.argmax())
                    mask, score = np.zeros((0, 0), dtype=np.float32), 0.0
                    if shares[best] > 0:
                        mask, score = _levels(said.pred_masks[row, best], image), float(sure[row, best])
                    made[k] = Mask.of(mask, image.size, (0, 0), scale, score)
        return [made[k] for k in range(len(words))]

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
            levels = _levels(one[0, : shown[0], : shown[1]], image)
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


def _levels(logits: Any, image: Image.Image) -> FloatArray:
    """Return the probabilities of a picture's pixels, ``(height, width)``, by the logits of a smaller copy of it."""
    from torch.nn import functional

    size = (image.height, image.width)
    whole = functional.interpolate(logits.float()[None, None], size, mode="bilinear", align_corners=False)
    levels: FloatArray = whole[0, 0].sigmoid().cpu().numpy()
    levels[levels < LEAST] = 0
    return levels


sam = partial(TransformersSegmenter, "sam")
sam2 = partial(TransformersSegmenter, "sam2")
sam3 = partial(TransformersSegmenter, "sam3")
