"""Films made for tests: real H.264 or VP9 files of frames that are drawn."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

CODECS = {".mp4": "libx264", ".webm": "libvpx-vp9", ".ts": "libx264", ".flv": "libx264", ".mkv": "libx264"}


def film(
    path: Path,
    draw: Callable[[float], Image.Image],
    seconds: float = 0.0,
    fps: float = 5,
    times: Iterable[float] | None = None,
    *,
    codec: str | None = None,
    pixels: str = "yuv420p",
    options: Mapping[str, str] | None = None,
    container: Mapping[str, str] | None = None,
    aspect: Fraction | None = None,
) -> Path:
    """Write a film whose frame at a time is drawn; at `times`, where they are given, else at even steps.

    `codec` and `pixels` (their format), `options` of the encoder and of the `container`, and the `aspect` of a pixel
    are as FFmpeg names them.
    """
    av = pytest.importorskip("av", reason="the extra 'video' is not installed")
    shown = list(times) if times is not None else [k / fps for k in range(round(seconds * fps))]
    with av.open(str(path), "w", options=dict(container or {})) as made:
        stream = made.add_stream(codec or CODECS[path.suffix], rate=Fraction(fps).limit_denominator(1000))
        first = draw(shown[0] if shown else 0.0)
        stream.width, stream.height, stream.pix_fmt = *first.size, pixels
        stream.time_base = stream.codec_context.time_base = Fraction(1, 1000)
        stream.codec_context.thread_count = 1
        usual = {"crf": "18", "g": "25", "preset": "ultrafast", "deadline": "realtime", "cpu-used": "8"}
        stream.options = {**usual, **(options or {})}
        if aspect is not None:
            stream.codec_context.sample_aspect_ratio = aspect
        for t in shown:
            frame = av.VideoFrame.from_ndarray(np.asarray(draw(t).convert("RGB")), format="rgb24")
            frame.pts, frame.time_base = round(t * 1000), Fraction(1, 1000)
            made.mux(stream.encode(frame))
        made.mux(stream.encode())
    return path


def grey(t: float, size: tuple[int, int] = (64, 48)) -> Image.Image:
    """Return a picture whose brightness tells the time: 4 steps a second."""
    return Image.new("RGB", size, (round(4 * t) % 256,) * 3)
