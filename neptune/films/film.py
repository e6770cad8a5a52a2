"""A film: its frames by number and by time, sampled evenly, the latest few in memory."""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from pathlib import Path
from typing import TypeAlias

import numpy as np
from PIL import Image

from neptune.errors import FilmError
from neptune.films.decoding import Decoder
from neptune.films.frame import Frame
from neptune.scene.decoding import KEPT_PIXELS, as_kept

FRAMES_HELD = 8
"""So many decoded frames of a film are in memory at once."""

FRAMES_PER_SECOND = 1.0
MOST_SAMPLED = 30
"""As programs over films are usually written: a frame a second, at most 30."""


class Film:
    """A film, seen as frames at even steps of time. Threads may share it.

    Parameters
    ----------
    source
        Its file: MP4, WebM, …, whatever FFmpeg decodes.
    frames_per_second
        How many frames a second are looked at, > 0.
    most_frames
        The most frames that are looked at, ≥ 1: of a longer film so many at even steps over all of it.

    Raises
    ------
    FilmError
        If the file is missing, damaged, or holds no moving pictures; later, if a frame can not be decoded.
    MissingExtraError
        If PyAV is not installed.

    Attributes
    ----------
    path : pathlib.Path
        Its file.
    size : tuple of int
        ``(width, height)`` in pixels.
    duration : float
        Seconds from the first frame to the end of the last.
    times : tuple of float
        When each frame that is looked at is shown, in seconds from the beginning, ascending.
    notes : tuple of str
        What answers about it should say: that it is cut off.
    """

    def __init__(
        self,
        source: str | os.PathLike[str],
        frames_per_second: float = FRAMES_PER_SECOND,
        most_frames: int | None = MOST_SAMPLED,
    ) -> None:
        if not frames_per_second > 0 or (most_frames is not None and most_frames < 1):
            raise FilmError(
                f"{frames_per_second:g} frames a second, at most {most_frames}, are none",
                expected="frames_per_second > 0 and most_frames ≥ 1",
            )
        self.path = Path(source)
        self._decoder: Decoder | None = (decoder := Decoder(self.path))
        self._lock = threading.Lock()
        self._held: OrderedDict[int, Image.Image] = OrderedDict()
        shown = decoder.times - decoder.times[0]
        self.size = decoder.size
        step = float(np.median(np.diff(shown))) if len(shown) > 1 else 0.0
        self.duration = float(shown[-1]) + step
        count = max(1, int(np.floor(self.duration * frames_per_second + 1e-6)))
        wanted = np.asarray(np.arange(count) / frames_per_second, dtype=np.float64)
        if most_frames is not None and count > most_frames:
            wanted = np.asarray(np.arange(most_frames) * (self.duration / most_frames), dtype=np.float64)
        # What is shown at a time is the last frame that began by then, however long each is shown.
        numbers = np.unique(np.maximum(np.searchsorted(shown, wanted + 1e-6, "right") - 1, 0))
        self._numbers = tuple(int(n) for n in numbers)
        self.times = tuple(float(shown[n]) for n in numbers)
        cut = decoder.missing()
        self.notes = () if cut is None else (f"the film is cut off: of {cut[1]:.1f} s it holds {cut[0]:.1f} s",)

    @property
    def name(self) -> str:
        """The name of its file."""
        return self.path.name

    def __len__(self) -> int:
        return len(self.times)

    def frame(self, index: int) -> Frame:
        """Return a frame that is looked at, by its place in `times`.

        Raises
        ------
        IndexError
            If there is none.
        """
        if not 0 <= index < len(self):
            raise IndexError(f"frame {index} of {len(self)}")
        number, seconds = self._numbers[index], self.times[index]
        return Frame(lambda: self._image(number), f"{self.name} at {seconds:.2f} s", seconds)

    def _image(self, number: int) -> Image.Image:
        with self._lock:
            found = self._held.pop(number, None)
            if found is None:
                while len(self._held) >= FRAMES_HELD:
                    self._held.popitem(last=False)
                if self._decoder is None:
                    self._decoder = Decoder(self.path)
                found, _ = as_kept(self._decoder.frame(number), self.name, KEPT_PIXELS)
            self._held[number] = found
            return found

    def close(self) -> None:
        """Close the file, and hold no frame; it is opened again when a frame is looked at."""
        with self._lock:
            self._held.clear()
            if self._decoder is not None:
                self._decoder.close()
            self._decoder = None

    def __enter__(self) -> Film:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Film({str(self.path)!r}, {len(self)} frames, {self.duration:.1f} s)"


FilmLike: TypeAlias = "Film | str | os.PathLike[str]"
"""A film, or its file."""
