"""Films made for tests: real H.264 or VP9 files of frames that are drawn."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

CODECS = {".mp4": "libx264", ".webm": "libvpx-vp9"}


def film(
    path: Path,
    draw: Callable[[float], Image.Image],
    seconds: float = 0.0,
    fps: float = 5,
    times: Iterable[float] | None = None,
) -> Path:
    """Write a film whose frame at a time is drawn; at `times`, where they are given, else at even steps."""
    av = pytest.importorskip("av", reason="the extra 'video' is not installed")
    shown = list(times) if times is not None else [k / fps for k in range(round(seconds * fps))]
    with av.open(str(path), "w") as container:
        stream = container.add_stream(CODECS[path.suffix], rate=Fraction(fps).limit_denominator(1000))
        first = draw(shown[0] if shown else 0.0)
        stream.width, stream.height, stream.pix_fmt = *first.size, "yuv420p"
        stream.time_base = stream.codec_context.time_base = Fraction(1, 1000)
        stream.codec_context.thread_count = 1
        stream.options = {"crf": "18", "g": "25", "preset": "ultrafast", "deadline": "realtime", "cpu-used": "8"}
        for t in shown:
            frame = av.VideoFrame.from_ndarray(np.asarray(draw(t).convert("RGB")), format="rgb24")
            frame.pts, frame.time_base = round(t * 1000), Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def grey(t: float, size: tuple[int, int] = (64, 48)) -> Image.Image:
    """Return a picture whose brightness tells the time: 4 steps a second."""
    return Image.new("RGB", size, (round(4 * t) % 256,) * 3)
