"""PyAV (the extra `video`): the times of a film's frames, and the frame that is shown at a time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from neptune.errors import FilmError, MissingExtraError
from neptune.scene.decoding import check_size

MOST_FRAMES = 10_000_000
"""Of a film: two days at 60 frames a second."""

STEPS_AHEAD = 300
"""A frame at most so many ahead is reached by decoding on; one further ahead, or behind, by a jump."""


def pyav(where: str) -> Any:
    """Return the module `av`.

    Raises
    ------
    MissingExtraError
        If PyAV is not installed.
    """
    try:
        import av
    except ImportError as error:
        raise MissingExtraError(
            "PyAV is not installed; films are read with it",
            where=where,
            hint='Install it: pip install "neptune-reasoner[video]"',
        ) from error
    av.logging.set_level(av.logging.PANIC)  # what a damaged film makes FFmpeg say is said in errors
    return av


class Decoder:
    """One film, open: read forward, or after a jump.

    Parameters
    ----------
    path
        Its file.

    Raises
    ------
    FilmError
        If it can not be opened, or holds no pictures.
    MissingExtraError
        If PyAV is not installed.
    """

    def __init__(self, path: Path) -> None:
        self._path, self._av = path, pyav(str(path))
        if not path.is_file():
            what = "is no regular file" if path.exists() else "does not exist"
            raise FilmError(f"The film {what}", where=str(path), hint="Check the path")
        if not path.stat().st_size:
            raise FilmError("The film's file is empty", where=str(path))
        with self._failures("opened"):
            self._container = self._av.open(str(path), metadata_errors="ignore")
        try:
            self._stream = next(iter(self._container.streams.video), None)
            if self._stream is None:
                raise FilmError("The file holds no film: it has no moving pictures", where=str(path))
            self._stream.thread_type = "NONE"  # frames of other threads would be more frames in memory
            self.size: tuple[int, int] = self._stream.codec_context.width, self._stream.codec_context.height
            if not all(self.size):
                raise FilmError("The film says no size of its pictures", where=str(path), hint="It may be damaged")
            check_size(self.size, path.name, "film")
            self._base = float(self._stream.time_base)
            self.times = self._times()
        except Exception:
            self._container.close()
            raise
        self._frames: Iterator[Any] | None = None
        self._here = self._next = -1

    def close(self) -> None:
        """Close the file."""
        self._frames = None
        self._container.close()

    def frame(self, index: int) -> Image.Image:
        """Return a frame by its number, in the order in which frames are shown.

        Raises
        ------
        FilmError
            If it can not be decoded.
        """
        where = f"{self._path}, {self.times[index] - self.times[0]:.2f} s"
        with self._failures("decoded", where):
            if self._frames is None or not self._here < index <= self._here + STEPS_AHEAD:
                self._jump(index)
            found = self._reached(index)
        if found is None:
            raise FilmError("The film ends before this frame can be decoded", where=where, hint="It may be damaged")
        image: Image.Image = found.to_image()
        return image

    def _reached(self, index: int) -> Any:
        """Decode on until the frame; the one nearest to its time, if that can not be decoded."""
        assert self._frames is not None
        wanted = self.times[index]
        half = self._gap(index) / 2
        for frame in self._frames:
            if frame.pts is None:
                continue
            self._here = int(np.searchsorted(self.times, frame.pts * self._base + 1e-9, "right")) - 1
            if frame.pts * self._base >= wanted - half:
                return frame
        self._frames = None
        return None

    def _gap(self, index: int) -> float:
        """Return the seconds between a frame and the one before it."""
        return float(self.times[index] - self.times[index - 1]) if index else 1.0

    def _jump(self, index: int) -> None:
        """Begin to decode at the key frame before a frame."""
        self._container.seek(round(self.times[index] / self._base), stream=self._stream, backward=True)
        self._frames = self._container.decode(self._stream)
        self._here = -1

    def _times(self) -> NDArray[np.float64]:
        """Return when each frame is shown, in seconds, in order; packets are read, nothing is decoded."""
        found = []
        with self._failures("read"):
            for packet in self._container.demux(self._stream):
                if packet.pts is not None and packet.size:
                    found.append(packet.pts)
                if len(found) > MOST_FRAMES:
                    raise FilmError(f"The film has more than {MOST_FRAMES:,} frames", where=str(self._path))
        if not found:
            raise FilmError("The film has no frames", where=str(self._path), hint="It may be damaged, or cut off")
        return np.asarray(np.unique(np.array(found, dtype=np.int64)) * self._base, dtype=np.float64)

    @contextmanager
    def _failures(self, done: str, where: str = "") -> Iterator[None]:
        """Turn what FFmpeg says of a damaged film into an error that names it."""
        try:
            yield
        except (self._av.error.FFmpegError, ValueError, EOFError, OSError) as error:
            said = getattr(error, "strerror", None) or str(error) or type(error).__name__
            raise FilmError(
                f"The film can not be {done}: {said}",
                where=where or str(self._path),
                expected="a film such as MP4 (H.264) or WebM (VP9)",
                hint="Play it in a film viewer to see whether the file is damaged",
            ) from error
