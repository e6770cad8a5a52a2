"""Words read by RapidOCR: PaddleOCR's networks on ONNX Runtime. Their weights are in the package; Apache-2.0."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from functools import cached_property
from importlib import import_module
from importlib.metadata import version
from typing import Any

import numpy as np

from neptune.errors import PerceptionError, PerceptionFailedError
from neptune.perception.checkpoints import need, one_line
from neptune.perception.reading.lines import framed, lines
from neptune.scene.identity import identity
from neptune.scene.picture import Picture
from neptune.scene.seen.texts import Reading, letters

EXTRA = "neptune-reasoner[ocr]"
SURE = 0.8
"""Where a line has a lower confidence, the picture is looked at once more."""
CLOSER = {"Det.thresh": 0.2, "Det.box_thresh": 0.3}
"""How: pixels of a lower probability count as text, so that a bent line is found whole; by default 0.3 and 0.5."""


class RapidReader:
    """Finds lines of text, however they are turned, and reads them: Latin letters and Chinese.

    A picture in which a line is read unsurely is read a second time, with lines found from fainter traces; of the two
    readings the one with more letters that are sure stays.

    Parameters
    ----------
    least_confidence
        Lines of a lower confidence are left out, in [0, 1].
    threads
        CPU threads, ≥ 1.

    Raises
    ------
    PerceptionError
        If an option is out of range, or the networks can not be loaded.
    MissingExtraError
        If RapidOCR or ONNX Runtime is not installed.
    """

    name = "rapidocr"

    def __init__(self, least_confidence: float = 0.5, threads: int = 1) -> None:
        where = "reader 'rapidocr'"
        if not 0 <= least_confidence <= 1:
            raise PerceptionError(f"least_confidence is {least_confidence}", where=where, expected="a number in [0, 1]")
        if threads < 1:
            raise PerceptionError(f"threads is {threads}", where=where, expected="at least 1")
        need("rapidocr", EXTRA)
        need("onnxruntime", EXTRA)
        self.least_confidence = least_confidence
        engine = "EngineConfig.onnxruntime"
        self._parameters = {
            "Global.log_level": "critical",
            "Global.text_score": least_confidence,
            f"{engine}.intra_op_num_threads": threads,
            f"{engine}.inter_op_num_threads": 1,
        }
        self._reader = self._made()
        self._lock = threading.Lock()

    @cached_property
    def _closer(self) -> Any:
        """What looks a second time; most pictures need none."""
        return self._made(**CLOSER)

    def _made(self, **parameters: float) -> Any:
        rapid: Any = import_module("rapidocr")
        try:
            return rapid.RapidOCR(params=self._parameters | parameters)
        except Exception as error:
            said = f"RapidOCR can not be started: {one_line(error)}"
            raise PerceptionError(said, where="reader 'rapidocr'") from error

    @property
    def identity(self) -> str:
        """All that decides what is read, as canonical JSON: the key of caches."""
        return identity(
            "rapidocr",
            version=version("rapidocr"),
            runtime=version("onnxruntime"),
            least_confidence=self.least_confidence,
            again=[SURE, CLOSER],
        )

    def read(self, pictures: Sequence[Picture]) -> list[Reading]:
        """Read the words in pictures; where there are none, nothing.

        Raises
        ------
        PictureError
            If a picture can not be read.
        PerceptionFailedError
            If a network fails.
        """
        return [self._read(picture) for picture in pictures]

    def _read(self, picture: Picture) -> Reading:
        pixels = np.ascontiguousarray(np.asarray(framed(picture.image))[:, :, ::-1])  # as OpenCV has them: BGR
        try:
            with self._lock:
                reading = _lines(picture, self._reader(pixels))
                if any(line.confidence < SURE for line in reading):
                    again = _lines(picture, self._closer(pixels))
                    reading = max(reading, again, key=sure_letters)  # of equals the first
        except PerceptionError:
            raise
        except Exception as error:
            said = f"The reader 'rapidocr' fails: {one_line(error)}"
            raise PerceptionFailedError(said, where=picture.name) from error
        return reading


def sure_letters(reading: Reading) -> float:
    """Return how many letters a reading has, each counted as far as it is sure."""
    return sum(line.confidence * len(letters(line.text)) for line in reading)


def _lines(picture: Picture, found: Any) -> Reading:
    """Return what RapidOCR found as lines of a picture."""
    if found.txts is None or found.boxes is None:
        return ()
    return lines(picture, zip(found.txts, found.boxes.tolist(), found.scores, strict=True))
