"""Tools from a picture to a picture, by Pillow. Each takes an RGB image, and gives one within bounds."""

from __future__ import annotations

import math

from PIL import Image, ImageChops, ImageDraw, ImageEnhance, ImageFilter, ImageFont, ImageOps

from neptune.errors import ToolError
from neptune.scene.decoding import KEPT_PIXELS, MAX_SIDE

MOST_PIXELS = KEPT_PIXELS
"""Of a result; a larger one is made smaller, as every picture is."""

Box = tuple[float, float, float, float]
Point = tuple[float, float]


def crop(image: Image.Image, box: Box) -> Image.Image:
    """Return the part of a picture in a box, cut to what lies inside, every pixel that the box touches.

    Raises
    ------
    ToolError
        If nothing of the box lies inside.
    """
    x0, y0 = max(0, math.floor(box[0])), max(0, math.floor(box[1]))
    x1, y1 = min(image.width, math.ceil(box[2])), min(image.height, math.ceil(box[3]))
    if x0 >= x1 or y0 >= y1:
        raise ToolError(
            f"The box {[round(v, 2) for v in box]} lies outside the picture",
            where="crop",
            expected=f"a box inside {image.width}×{image.height} pixels",
        )
    return image.crop((x0, y0, x1, y1))


def zoom(image: Image.Image, factor: float) -> Image.Image:
    """Return a picture scaled by a factor, or by as much as keeps the result within bounds."""
    factor = min(factor, max(1.0, _room(image.size)))
    size = max(1, int(image.width * factor + 1e-6)), max(1, int(image.height * factor + 1e-6))
    return image.resize(size, Image.Resampling.LANCZOS)


def rotate(image: Image.Image, degrees: float) -> Image.Image:
    """Return a picture turned counter-clockwise, all of it, on white; smaller where it would not fit the bounds."""
    angle = math.radians(degrees)
    across, along = abs(math.cos(angle)), abs(math.sin(angle))
    turned = image.width * across + image.height * along, image.width * along + image.height * across
    room = _room(turned, 4)  # Pillow rounds outwards, and a side of one pixel does not shrink
    if room < 1:
        image = image.resize((max(1, int(image.width * room)), max(1, int(image.height * room))))
    return image.rotate(degrees, Image.Resampling.BICUBIC, expand=True, fillcolor=(255, 255, 255))


def _room(size: tuple[float, float], more: float = 0) -> float:
    """Return by how much a picture of this size may grow, if each side then gets so many pixels more."""
    a, b = max(size[0], 1.0), max(size[1], 1.0)
    # (a r + more)(b r + more) = MOST_PIXELS
    linear = more * (a + b)
    by_area = (math.sqrt(linear**2 + 4 * a * b * (MOST_PIXELS - more**2)) - linear) / (2 * a * b)
    return min(by_area, (MAX_SIDE - more) / max(a, b))


def flip(image: Image.Image, axis: str) -> Image.Image:
    """Return a picture mirrored."""
    return ImageOps.mirror(image) if axis == "horizontal" else ImageOps.flip(image)


def contrast(image: Image.Image, factor: float) -> Image.Image:
    """Return a picture with its distance from the mean grey multiplied."""
    return ImageEnhance.Contrast(image).enhance(factor)


def equalize(image: Image.Image) -> Image.Image:
    """Return a picture with the histogram of each channel made flat."""
    return ImageOps.equalize(image)


def gray(image: Image.Image) -> Image.Image:
    """Return a picture's brightness (ITU-R 601-2)."""
    return ImageOps.grayscale(image)


def blur(image: Image.Image, radius: float) -> Image.Image:
    """Return a picture blurred by a Gaussian."""
    return image.filter(ImageFilter.GaussianBlur(radius))


def difference(image: Image.Image, other: Image.Image) -> Image.Image:
    """Return the absolute difference of two pictures, channel by channel.

    Raises
    ------
    ToolError
        If they differ in size.
    """
    if image.size != other.size:
        sizes = " and ".join(f"{w}×{h}" for w, h in (image.size, other.size))
        raise ToolError(
            f"The pictures have {sizes} pixels", where="difference", expected="two pictures of one size",
            hint="crop or zoom one of them first",
        )  # fmt: skip
    return ImageChops.difference(image, other)


def mark(image: Image.Image, box: Box, label: str, color: str) -> Image.Image:
    """Return a picture with a frame around a box, and a label at its upper left corner."""
    shown = image.copy()
    draw = ImageDraw.Draw(shown)
    width = max(1, round(max(image.size) / 300))
    draw.rectangle(_inside(box, image.size), outline=color, width=width)
    if label:
        font = ImageFont.load_default(max(10, min(40, round(max(image.size) / 40))))
        x, y0 = _inside(box, image.size)[:2]
        left, top, right, bottom = draw.textbbox((0, 0), label, font=font)
        y = max(0.0, y0 - (bottom - top) - 2 * width)
        draw.rectangle((x, y, x + right - left + 2 * width, y + bottom - top + 2 * width), fill=color)
        ink = "white" if color in ("red", "blue", "magenta", "black") else "black"
        draw.text((x + width - left, y + width - top), label, fill=ink, font=font)
    return shown


def _inside(box: Box, size: tuple[int, int]) -> tuple[int, int, int, int]:
    """Return a box as the pixels that a frame is drawn on; sides far outside stay just outside."""
    limits = (size[0], size[1], size[0], size[1])
    x0, y0, x1, y1 = (round(max(-m, min(2 * m, v))) for v, m in zip(box, limits, strict=True))
    return x0, y0, max(x0, x1 - 1), max(y0, y1 - 1)


def draw_line(image: Image.Image, start: Point, end: Point, color: str, width: float) -> Image.Image:
    """Return a picture with a line between two points, which may lie outside."""
    shown = image.copy()
    ImageDraw.Draw(shown).line([_near(start), _near(end)], fill=color, width=round(width))
    return shown


def _near(point: Point) -> Point:
    most = float(10 * MAX_SIDE)  # beyond it Pillow's coordinates overflow
    return max(-most, min(most, point[0])), max(-most, min(most, point[1]))
