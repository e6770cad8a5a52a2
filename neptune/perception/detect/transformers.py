"""Detectors of any words through transformers: Grounding DINO, LLMDet, OWLv2, Florence-2, SAM 3, by name, id or folder.

>>> detector = TransformersDetector("dino", threshold=0.3)                  # doctest: +SKIP
>>> detector.detect(Picture("street.jpg"), ["person", "fire hydrant"])      # doctest: +SKIP
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

from neptune.errors import DetectorError, DetectorFailedError
from neptune.perception.checkpoints import one_line, open_model, preprocessing_of
from neptune.perception.detect.boxes import tidy
from neptune.perception.detect.families import FAMILIES, Concepts, Family
from neptune.perception.detect.shown import shown
from neptune.perception.device_failures import failures_said
from neptune.perception.sam3 import Worded, tokenizer_of
from neptune.scene.identity import identity
from neptune.scene.picture import Picture
from neptune.scene.types import Detections

PLAIN_LABEL = 60
"""Characters of a label; a longer one is no noun."""
NAMES = Path(__file__).with_name("models.json")
"""Short name → ``id revision architecture verified``."""
LESS_MEMORY = 'Use a smaller model, "dtype": "bfloat16" or "device": "cpu" in od_options'


class TransformersDetector:
    """Finds the objects that labels name.

    Parameters
    ----------
    model
        A short name (``dino``, ``florence``, ``owlv2``, ``llmdet``, ``sam3``), an id on the hub, a local folder; or a
        loaded ``(model, processor)``, the second of which is of SAM 3 a :class:`~neptune.perception.sam3.Worded`.
    revision
        Of the id: a branch, tag or commit; by default that of the short name, else the newest.
    device
        ``"cpu"``, ``"cuda"``, ``"cuda:1"`` or ``"auto"`` (a GPU where there is one).
    dtype
        ``"auto"`` (float32), ``"float32"``, ``"bfloat16"`` or ``"float16"``.
    threshold
        Boxes of a lower score are left out, in [0, 1]; by default 0.25 for Grounding DINO, 0.2 for OWLv2, 0.3 for
        SAM 3. Florence-2
        gives no scores and takes none.
    text_threshold
        Grounding DINO: words of a lower score are left out of a box's label, in [0, 1].
    nms
        Of boxes that overlap by a larger IoU the best one is kept, in [0, 1]; 1 keeps all.
    max_boxes
        The most boxes, the best ones. Relations cost the square of it.
    prompt
        What is asked of a label, with ``{label}``; by default the architecture's own.
    local_files_only
        Take the model from this machine, ask no hub.

    Raises
    ------
    DetectorError
        If an option is out of range, or the model can not be loaded or is of no known architecture.
    ConfigError
        If a GPU is asked for that is not there.
    MissingExtraError
        If transformers is not installed.
    """

    open_vocabulary = True

    def __init__(
        self,
        model: str | tuple[Any, Any],
        revision: str | None = None,
        device: str = "auto",
        dtype: str = "auto",
        threshold: float | None = None,
        text_threshold: float = 0.25,
        nms: float = 0.5,
        max_boxes: int = 100,
        prompt: str | None = None,
        local_files_only: bool = False,
    ) -> None:
        opened = open_model(
            model,
            NAMES,
            {name: family.auto for name, family in FAMILIES.items()},
            "detector",
            revision=revision,
            device=device,
            dtype=dtype,
            local_files_only=local_files_only,
            beside=_processor,
            error=DetectorError,
        )
        self.name, self.architecture = opened.name, opened.architecture
        kind = FAMILIES[self.architecture]
        if threshold is not None and not kind.scored:
            raise DetectorError(
                f"The detector '{self.name}' gives no scores, so 'threshold' has no meaning",
                where="od_options",
                hint="Leave it out; max_boxes limits the number of boxes",
            )
        self.nms, self.max_boxes = _unit("nms", nms), max_boxes
        if max_boxes < 1:
            raise DetectorError(f"max_boxes is {max_boxes}", where="od_options", expected="a number of boxes ≥ 1")
        self.family: Family = kind(
            opened.model,
            opened.said,
            _unit("threshold", kind.thresholds if threshold is None else threshold),
            _unit("text_threshold", text_threshold),
            _template(prompt if prompt is not None else kind.prompts),
        )
        self._fingerprint = opened.weights
        self._lock = threading.Lock()

    @property
    def identity(self) -> str:
        """All that decides what is found, as canonical JSON: the key of caches."""
        return identity(
            "transformers",
            architecture=self.architecture,
            weights=self._fingerprint,
            dtype=str(self.family.model.dtype),
            threshold=self.family.threshold,
            text_threshold=self.family.text_threshold,
            nms=self.nms,
            max_boxes=self.max_boxes,
            prompt=self.family.prompt,
        )

    def detect(self, picture: Picture, labels: Sequence[str] = ()) -> Detections:
        """Find the objects of a picture that labels name.

        Returns
        -------
        Detections
            Boxes inside the picture, best first, each with the label that it answers to (``""`` where that is not
            clear); none where nothing is found.

        Raises
        ------
        DetectorError
            If there is no label, or the model fails on this picture.
        DetectorFailedError
            If memory runs out for a single label, or the device fails: the next picture would fare no better.
        PictureError
            If the picture can not be read, or has too many pixels.
        """
        import torch

        wanted = _checked(labels, self.name)
        image = picture.image
        frame, (across, down) = shown(image)
        failing = failures_said(DetectorFailedError, f"the detector '{self.name}'", LESS_MEMORY)
        try:
            with self._lock, torch.inference_mode(), failing:  # one picture at a time on a device
                boxes, scores, said = self.family.find(frame, wanted)
        except (RuntimeError, ValueError, IndexError, KeyError, TypeError, ZeroDivisionError) as error:
            raise DetectorError(
                f"The detector '{self.name}' fails on this picture: {one_line(error)}",
                where=f"{picture.name}, {image.width}×{image.height} pixels, {len(wanted)} labels",
            ) from error
        width, height = picture.size  # of a large photo, `image` is a reduced copy
        scale = (width / across, height / down) * 2
        return tidy(boxes * scale, scores, said, picture.size, nms=self.nms, max_boxes=self.max_boxes)


dino = partial(TransformersDetector, "dino")
florence = partial(TransformersDetector, "florence")
owlv2 = partial(TransformersDetector, "owlv2")
llmdet = partial(TransformersDetector, "llmdet")
sam3 = partial(TransformersDetector, "sam3")


def _processor(source: str, hub: Mapping[str, Any]) -> Any:
    """Load the processor; without torchvision, with the image processor that Pillow alone is enough for."""
    transformers = import_module("transformers")
    architecture = str(transformers.AutoConfig.from_pretrained(source, **hub).model_type)
    if FAMILIES[architecture] is Concepts:  # whose image processor needs torchvision
        return Worded(preprocessing_of(source, hub, "detector"), tokenizer_of(source, hub))
    auto = transformers.AutoProcessor
    try:
        return auto.from_pretrained(source, backend="pil", **hub)
    except TypeError:  # a processor that knows no backends
        return auto.from_pretrained(source, **hub)


def _checked(labels: Sequence[str], name: str) -> list[str]:
    if isinstance(labels, str):
        labels = [labels]
    wanted = list(dict.fromkeys(" ".join(label.split()) for label in labels))
    if not wanted or "" in wanted:
        raise DetectorError(
            f"The detector '{name}' is given no label to look for",
            expected="at least one noun",
            hint="Give labels, e.g. ['object']",
        )
    long = [label for label in wanted if len(label) > PLAIN_LABEL]
    if long:
        raise DetectorError(
            f"A label has {len(long[0])} characters: '{long[0][:40]}…'", expected=f"at most {PLAIN_LABEL}"
        )
    return wanted


def _unit(option: str, value: float) -> float:
    if not 0 <= value <= 1:
        raise DetectorError(f"{option} is {value}", where="od_options", expected="a number in [0, 1]")
    return float(value)


def _template(prompt: str) -> str:
    try:
        shown = prompt.format(label="cat")
    except (KeyError, IndexError, ValueError):
        shown = ""
    if "cat" not in shown:
        raise DetectorError(f"The prompt is '{prompt}'", where="od_options", expected="a text with {label} in it")
    return prompt
