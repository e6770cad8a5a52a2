"""Tools from a picture to numbers: its histogram, its statistics."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageOps

_CHANNELS = {"red": 0, "green": 1, "blue": 2}


def histogram(image: Image.Image, channel: str, bins: float) -> list[int]:
    """Return how many pixels fall in each of so many equal steps of [0, 256)."""
    values = np.asarray(ImageOps.grayscale(image) if channel == "gray" else image.getchannel(_CHANNELS[channel]))
    counts, _ = np.histogram(values, bins=round(bins), range=(0, 256))
    found: list[int] = counts.tolist()
    return found


def statistics(image: Image.Image) -> dict[str, float]:
    """Return the size; of the brightness in [0, 255] mean, deviation, extremes and median; means by channel."""
    grey = np.asarray(ImageOps.grayscale(image))
    red, green, blue = np.asarray(image).reshape(-1, 3).mean(axis=0, dtype=np.float64).tolist()
    return {
        "width": image.width,
        "height": image.height,
        "mean": float(grey.mean(dtype=np.float64)),
        "deviation": float(grey.std(dtype=np.float64)),
        "least": int(grey.min()),
        "greatest": int(grey.max()),
        "median": float(np.median(grey)),
        "red": red,
        "green": green,
        "blue": blue,
    }
