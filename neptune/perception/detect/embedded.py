"""The detector that ships with the project: finds the objects of rendered CLEVR scenes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from neptune.errors import DetectorError, DetectorFailedError
from neptune.perception.checkpoints import device_of, without_torch
from neptune.perception.device_failures import failures_said
from neptune.scene.picture import Picture
from neptune.scene.types import Detections

if TYPE_CHECKING:
    from neptune.perception.embedded.light.networks import Detector as Network


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
    runtime
        ``"torch"``, or ``"numpy"``: on the processor, for values to within some 1e-6 of those of torch. It is slower a
        picture, but loading torch takes seconds.

    Raises
    ------
    DetectorError
        If the weights can not be read, a threshold is out of range, or a GPU is asked for without torch.
    """

    name = "embedded"
    open_vocabulary = False

    def __init__(
        self,
        weights: str | Path | None = None,
        device: str = "auto",
        threshold: float | None = None,
        inside: float | None = None,
        runtime: str = "torch",
    ) -> None:
        from neptune.perception.embedded.said import Thresholds

        self._light: Network | None = None
        if without_torch(runtime, device, DetectorError, "detector 'embedded'"):
            from neptune.perception.embedded.light.networks import Detector
            from neptune.perception.embedded.light.weights import read

            arrays, self.about = read("detector", weights, DetectorError)
            self._light = Detector(arrays)
        else:
            import torch

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
        from neptune.perception.embedded.said import is_blank, judged, on_canvas

        pixels, (fx, fy) = on_canvas(picture)
        by = "the detector 'embedded'"
        if is_blank(pixels):
            nothing = np.zeros((0, 4), dtype=np.float32)
            return Detections(nothing, nothing[:, 0], (), judged(0.0, by, self.about))
        found, score = self._by_torch(pixels) if self._light is None else self._light.found(pixels, self.thresholds)
        domain = None if score is None else judged(score, by, self.about)
        boxes = found.boxes / np.array([fx, fy, fx, fy], dtype=np.float32)
        return Detections(boxes.astype(np.float32), found.scores, found.labels, domain)

    def _by_torch(self, pixels: NDArray[np.uint8]) -> tuple[Detections, float | None]:
        """Return the boxes on the canvas, and how far the picture is from those of training, if that can be told."""
        import torch

        from neptune.perception.embedded.canvas import to_float
        from neptune.perception.embedded.detector_net import decode
        from neptune.perception.embedded.domain import pooled

        said = failures_said(DetectorFailedError, "the detector 'embedded'", 'Use "device": "cpu" in od_options')
        with torch.inference_mode(), said:
            shown = torch.from_numpy(pixels).permute(2, 0, 1).contiguous()[None].to(self._device)
            seen = self.module.seen(to_float(shown).contiguous(memory_format=torch.channels_last))
            centres, sides = self.module.found(*seen)
            (found,) = decode(centres, sides, self.thresholds)
            known = self.module.domain
            return found, float(known(pooled(*seen))) if known.fitted else None
