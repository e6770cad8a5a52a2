"""The detector that ships with the project: finds the objects of rendered CLEVR scenes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from neptune.errors import DetectorError, DetectorFailedError
from neptune.perception.checkpoints import device_of
from neptune.perception.device_failures import failures_said
from neptune.scene.picture import Picture
from neptune.scene.types import Detections


class EmbeddedDetector:
    """A small trained network (see :mod:`neptune.perception.embedded`); it does not tell classes apart.

    Of every picture it also says how far it is from those that it was trained on (`Detections.domain`). A picture takes
    about 25 ms on one CPU core.

    Parameters
    ----------
    weights
        A safetensors file written by ``task: train``; ``None``: the shipped one (rendered CLEVR scenes).
    device
        ``"cpu"``, ``"cuda"`` or ``"auto"`` (CUDA where there is one).
    threshold
        Boxes of a lower score are left out, in [0, 1]; ``None``: the threshold chosen on held-out pictures.
    inside
        The same of a box nine tenths of which a better one covers, where it is more than `threshold`.

    Raises
    ------
    DetectorError
        If the weights can not be read, or a threshold is out of range.
    """

    name = "embedded"
    open_vocabulary = False

    def __init__(
        self,
        weights: str | Path | None = None,
        device: str = "auto",
        threshold: float | None = None,
        inside: float | None = None,
    ) -> None:
        import torch

        from neptune.perception.embedded.detector_net import Thresholds
        from neptune.perception.embedded.store import load

        self._device = torch.device(device_of(device))
        self.module, self.about = load("detector", weights, self._device, DetectorError)
        for option, value in (("threshold", threshold), ("inside", inside)):
            if value is not None and not 0 <= value <= 1:
                raise DetectorError(f"{option} is {value}", where="detector 'embedded'", expected="a number in [0, 1]")
        self.thresholds = Thresholds(
            float(self.about["threshold"] if threshold is None else threshold),
            float(self.about.get("inside", 0.0) if inside is None else inside),  # weights of before have none
        )

    def detect(self, picture: Picture, labels: Sequence[str] = ()) -> Detections:
        """Find the objects of a picture; `labels` are ignored.

        Returns
        -------
        Detections
            Boxes of the visible pixels, in the picture's own pixels, best first; none where nothing is found, as in a
            picture of one colour. Out of domain they mean little.

        Raises
        ------
        PictureError
            If the picture can not be read.
        DetectorFailedError
            If memory runs out, or the device fails.
        """
        import torch

        from neptune.perception.embedded.canvas import to_canvas, to_float
        from neptune.perception.embedded.detector_net import decode
        from neptune.perception.embedded.domain import is_blank, judged, pooled

        pixels, (fx, fy) = to_canvas(picture)
        by = "the detector 'embedded'"
        if is_blank(pixels):
            nothing = np.zeros((0, 4), dtype=np.float32)
            return Detections(nothing, nothing[:, 0], (), judged(0.0, by, self.about))
        said = failures_said(DetectorFailedError, "the detector 'embedded'", 'Use "device": "cpu" in od_options')
        with torch.inference_mode(), said:
            canvas = to_float(pixels[None].to(self._device)).contiguous(memory_format=torch.channels_last)
            seen = self.module.seen(canvas)
            centres, sides = self.module.found(*seen)
            (found,) = decode(centres, sides, self.thresholds)
            known = self.module.domain
            domain = judged(known(pooled(*seen)), by, self.about) if known.fitted else None
        boxes = found.boxes / np.array([fx, fy, fx, fy], dtype=np.float32)
        return Detections(boxes.astype(np.float32), found.scores, found.labels, domain)
