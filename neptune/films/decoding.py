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
from neptune.films.display import Display
from neptune.scene.decoding import check_size

MOST_FRAMES = 10_000_000
"""Of a film: two days at 60 frames a second."""

READ = "a film such as MP4 (H.264) or WebM (VP9)"

MISSED, MISSED_SHARE = 2.0, 0.05
"""Seconds at a film's end, and the share of it, that may be missing without a word."""

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

    _frames: Iterator[Any] | None
    _begun: int | None
    """The time of the first frame since the last jump."""

    def __init__(self, path: Path) -> None:
        self._path, self._av = path, pyav(str(path))
        if not path.is_file():
            what = "is no regular file" if path.exists() else "does not exist"
            raise FilmError(f"The film {what}", where=str(path), hint="Check the path")
        if not path.stat().st_size:
            raise FilmError("The film's file is empty", where=str(path))
        self._open()
        try:
            self._base = float(self._stream.time_base)
            self.times, self._keys = self._read()
            context = self._stream.codec_context
            self._display = Display.of(self._stream, self._first())
            self.size: tuple[int, int] = self._display.size(context.width, context.height)
            check_size(self.size, path.name, "film")
        except Exception:
            self._container.close()
            raise

    def close(self) -> None:
        """Close the file."""
        self._frames = None
        self._container.close()

    def missing(self) -> tuple[float, float] | None:
        """Return how many seconds the file holds, and how many its header says; ``None`` where they agree."""
        began = float(self.times[0])
        said = (self._stream.duration or 0) * self._base
        if not said and len(self._container.streams) == 1:
            said = (self._container.duration or 0) / self._av.time_base
        said -= max(began, 0.0)  # of some kinds of files it is the time of the end
        held = self._ends * self._base - began
        return (held, said) if said - held > max(MISSED, said * MISSED_SHARE) else None

    def frame(self, index: int) -> Image.Image:
        """Return a frame by its number, in the order in which frames are shown, as it is meant to be shown.

        Of one that is damaged the next that can be decoded.

        Raises
        ------
        FilmError
            If there is none.
        """
        where = f"{self._path}, {self.times[index] - self.times[0]:.2f} s"
        with self._failures("decoded", where):
            found = self._found(index)
            if found is None:
                raise FilmError("The film ends before this frame can be decoded", where=where, hint="It may be damaged")
            return self._display.shown(found.to_image())

    def _open(self) -> None:
        """Open the file at its beginning."""
        self._frames = None
        self._here, self._begun = -1, None
        with self._failures("opened"):
            self._container = self._av.open(str(self._path), metadata_errors="ignore")
        try:
            cover = self._av.stream.Disposition.attached_pic  # a song's picture is no film
            films = [stream for stream in self._container.streams.video if not stream.disposition & cover]
            if not films:
                raise FilmError("The file holds no film: it has no moving pictures", where=str(self._path))
            self._stream = films[0]
            self._stream.thread_type = "NONE"  # frames of other threads would be more frames in memory
            context = self._stream.codec_context
            if not (context.width and context.height):
                raise FilmError(
                    "The film says no size of its pictures",
                    where=str(self._path),
                    expected=READ,
                    hint="It may be damaged, or of a kind that is not read (animated WebP is not)",
                )
            check_size((context.width, context.height), self._path.name, "film")
        except Exception:
            self._container.close()
            raise

    def _first(self) -> Any:
        """Return the first frame that can be decoded; ``None`` if there is none."""
        try:
            self._jump(0 if len(self._keys) else None)
            return next(self._frames or iter(()), None)
        except self._av.error.FFmpegError:
            return None
        finally:
            self._frames = None

    def _found(self, index: int) -> Any:
        """Decode on until a frame, or from a key frame before it."""
        nearest = None
        if self._frames is not None and self._here < index <= self._here + STEPS_AHEAD:
            nearest, exact = self._reached(index)
            if exact:
                return nearest
        for place in self._places(index):
            self._jump(place)
            found, exact = self._reached(index)
            if exact:
                return found
            nearest = nearest or found
            if place is not None and self._begun is not None and self._begun <= self._keys[place, 0]:
                break  # it was begun where it was meant to be: the frame itself is damaged
        return nearest

    def _places(self, index: int) -> Iterator[int | None]:
        """Yield key frames to begin at, further and further back; at last ``None``, the film's beginning.

        Some kinds of files are not cut at key frames: a jump lands behind the one that was meant.
        """
        last = int(np.searchsorted(self._keys[:, 0], self._shown[index], "right")) - 1
        back = 0
        while last - back >= 0:
            yield last - back
            back = 2 * back or 1
        yield None

    def _reached(self, index: int) -> tuple[Any, bool]:
        """Return the frame of a number, or the next that can be decoded; and whether it is that frame."""
        assert self._frames is not None
        wanted = self.times[index]
        before, after = (self._gap(k) / 2 for k in (index, index + 1))
        for frame in self._frames:
            if frame.pts is None:
                continue
            self._begun = frame.pts if self._begun is None else self._begun
            seconds = frame.pts * self._base
            self._here = int(np.searchsorted(self.times, seconds + 1e-9, "right")) - 1
            if seconds >= wanted - before:
                return frame, seconds < wanted + after
        self._frames = None
        return None, False

    def _gap(self, index: int) -> float:
        """Return the seconds between a frame and the one before it."""
        return float(self.times[index] - self.times[index - 1]) if 0 < index < len(self.times) else 1.0

    def _jump(self, key: int | None) -> None:
        """Begin to decode at a key frame, by its number; ``None``: at the film's beginning."""
        if key is None:
            self._container.close()
            self._open()
        else:
            self._container.seek(int(self._keys[key, 1]), stream=self._stream, backward=True)
        self._frames = self._container.decode(self._stream)
        self._here, self._begun = -1, None

    def _read(self) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """Return when each frame is shown, in seconds, in order; and of key frames when each is shown and decoded.

        Packets are read, nothing is decoded. What a film's edit list leaves out is not shown.
        """
        shown: list[int] = []
        keys: list[tuple[int, int]] = []
        untimed, self._ends = 0, 0
        with self._failures("read"):
            for packet in self._container.demux(self._stream):
                if not packet.size:
                    continue
                if packet.pts is None:
                    untimed += 1
                    continue
                if packet.is_corrupt:  # the last one of a file that is cut off
                    continue
                self._ends = max(self._ends, packet.pts + (packet.duration or 0))
                if packet.is_keyframe:
                    keys.append((packet.pts, packet.pts if packet.dts is None else min(packet.pts, packet.dts)))
                if not packet.is_discard:
                    shown.append(packet.pts)
                if len(shown) > MOST_FRAMES:
                    raise FilmError(f"The film has more than {MOST_FRAMES:,} frames", where=str(self._path))
        if not shown and untimed:
            raise FilmError(
                "Nothing says when the film's frames are shown",
                where=str(self._path),
                expected=READ,
                hint="Put it into a container: ffmpeg -i FILM -c copy film.mp4",
            )
        if not shown:
            raise FilmError("The film has no frames", where=str(self._path), hint="It may be damaged, or cut off")
        self._shown = np.unique(np.array(shown, dtype=np.int64))
        # A film of which nothing is marked as a key frame is begun at its beginning.
        ordered = np.array(sorted(set(keys)), dtype=np.int64).reshape(-1, 2)
        return np.asarray(self._shown * self._base, dtype=np.float64), ordered

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
                expected=READ,
                hint="Play it in a film viewer to see whether the file is damaged",
            ) from error
