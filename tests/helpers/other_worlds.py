"""Pictures of other worlds than CLEVR's, made on the fly: drawings, charts, noise; and changes of CLEVR's own."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image, ImageDraw, ImageEnhance


def drawing(seed: int) -> Image.Image:
    """Return flat shapes on a white, grey or coloured ground."""
    rng = np.random.default_rng([1, seed])
    grey = int(rng.integers(90, 170))
    ground = [(255, 255, 255), (grey, grey, grey), tuple(rng.integers(0, 256, 3).tolist())][seed % 3]
    image = Image.new("RGB", (480, 320), ground)
    draw = ImageDraw.Draw(image)
    for _ in range(int(rng.integers(2, 9))):
        x, y, side = int(rng.integers(0, 440)), int(rng.integers(0, 280)), int(rng.integers(15, 70))
        shape = (draw.rectangle, draw.ellipse)[int(rng.integers(2))]
        shape((x, y, x + side, y + side), fill=tuple(rng.integers(0, 256, 3).tolist()))
    return image


def noise(seed: int) -> Image.Image:
    """Return uniform, normal, grey normal, blotchy, or salt-and-pepper noise."""
    rng = np.random.default_rng([2, seed])
    width = float(rng.uniform(10, 60))
    coarse = rng.integers(0, 256, (int(rng.integers(4, 40)), int(rng.integers(4, 60)), 3)).astype(np.uint8)
    values = [
        lambda: rng.uniform(0, 255, (320, 480, 3)),
        lambda: rng.normal(128, width, (320, 480, 3)),
        lambda: rng.normal(115, width, (320, 480, 1)) * np.ones(3),
        lambda: np.asarray(Image.fromarray(coarse).resize((480, 320), Image.Resampling.BICUBIC)),
        lambda: np.where(rng.random((320, 480, 1)) < 0.1, rng.choice([0, 255], (320, 480, 1)), 115) * np.ones(3),
    ][seed % 5]()
    return Image.fromarray(np.asarray(values).clip(0, 255).astype(np.uint8))


def chart(seed: int) -> Image.Image:
    """Return lines, bars, dots, a heat map or a pie, as matplotlib draws them. Needs matplotlib."""
    from matplotlib.figure import Figure

    rng = np.random.default_rng([3, seed])
    figure = Figure(figsize=(4.8, 3.2), dpi=100)
    if seed % 10 > 6:
        figure.set_facecolor("0.5")
    axis = figure.subplots()
    [
        lambda: axis.plot(rng.normal(size=(50, 3)).cumsum(0)),
        lambda: axis.bar(range(8), rng.random(8)),
        lambda: axis.scatter(*rng.random((2, 60)), c=rng.random(60)),
        lambda: axis.imshow(rng.random((10, 10))),
        lambda: axis.pie(rng.random(5)),
    ][seed % 5]()
    kept = io.BytesIO()
    figure.savefig(kept, format="png")
    return Image.open(kept).convert("RGB")


def scaled(image: Image.Image, factor: float) -> Image.Image:
    """Return a picture with both sides multiplied."""
    size = round(image.width * factor), round(image.height * factor)
    return image.resize(size, Image.Resampling.BICUBIC)


def compressed(image: Image.Image, quality: int) -> Image.Image:
    """Return a picture as a JPEG of a quality shows it."""
    kept = io.BytesIO()
    image.save(kept, "JPEG", quality=quality)
    return Image.open(kept).convert("RGB")


def brighter(image: Image.Image, factor: float) -> Image.Image:
    """Return a picture with its values multiplied."""
    return ImageEnhance.Brightness(image).enhance(factor)
