"""The picture tools, as data: their names, arguments with sorts and ranges, what they give, one line of help each.

A tool takes a picture, which is not named among its arguments, and gives a picture, a mask, numbers or texts. Boxes are
``[x0, y0, x1, y1]``, points ``[x, y]``, in pixels from the picture's top left corner. What each does is in
`neptune.tools`; methods of regions, prompts and the page of the tools are made from this table.
"""

from __future__ import annotations

from dsl.patches.functions import DICT, MASK, PICTURE, TEXTS, Function
from dsl.patches.functions import function as _f
from dsl.patches.functions import named as _named

NUMBERS = "List[Number]"
COLORS = ("red", "green", "blue", "yellow", "cyan", "magenta", "black", "white")
_COLOR = f"color: Text[{'/'.join(COLORS)}] = red"

TOOLS: dict[str, Function] = _named(
    _f("crop", "box: Box", PICTURE, "the part of the picture in a box"),
    _f("zoom", "factor: Number[0.01..32] = 2", PICTURE, "the picture enlarged, or made smaller by a factor below 1"),
    _f("rotate", "degrees: Number[-360..360]", PICTURE, "the picture turned counter-clockwise, on a white ground"),
    _f("flip", "axis: Text[horizontal/vertical] = horizontal", PICTURE, "the picture mirrored, or turned upside down"),
    _f("contrast", "factor: Number[0..20] = 2", PICTURE, "the picture with more contrast, or less by a factor below 1"),
    _f("equalize", "", PICTURE, "the picture with its brightness spread over the whole range"),
    _f("gray", "", PICTURE, "the picture in shades of grey"),
    _f("threshold", "level: Number[0..255] | Nothing = None", PICTURE,
       "white where the picture is brighter than the level, else black; without a level, Otsu's", "vision"),
    _f("blur", "radius: Number[0..200] = 2", PICTURE, "the picture blurred by a Gaussian of this radius in pixels"),
    _f("edges", "low: Number[0..2000] = 100, high: Number[0..2000] = 200", PICTURE,
       "the edges of the picture, white on black (Canny)", "vision"),
    _f("segment", "box: Box", MASK, "the mask of the thing in a box (GrabCut)", "vision"),
    _f("difference", "other: Picture", PICTURE, "how much two pictures of one size differ at each pixel"),
    _f("mark", f'box: Box, label: Text = "", {_COLOR}', PICTURE, "the picture with a box drawn on it, and a label"),
    _f("draw_line", f"start: Point, end: Point, {_COLOR}, width: Number[1..100] = 3", PICTURE,
       "the picture with a line drawn on it"),
    _f("histogram", "channel: Text[gray/red/green/blue] = gray, bins: Number[1..256] = 16", NUMBERS,
       "how many pixels fall in each of so many equal steps of brightness"),
    _f("statistics", "", DICT, "width and height; mean, deviation, least, greatest and median brightness"),
    _f("read_text", "", TEXTS, "the texts that stand in the picture", "text"),
    _f("depth_map", "", PICTURE, "how far away each pixel is: near is bright", "depth"),
)  # fmt: skip
"""Tools by name."""
