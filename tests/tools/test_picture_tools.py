"""Each picture tool against OpenCV's or Pillow's own result, and on every kind of picture."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from PIL import ExifTags, Image, ImageChops, ImageDraw, ImageEnhance, ImageFilter, ImageOps, ImageStat

from dsl.patches.functions import REQUIRED
from dsl.patches.tools import TOOLS
from neptune.errors import ConfigError, MissingExtraError
from neptune.scene.decoding import KEPT_PIXELS
from neptune.scene.picture import Picture
from neptune.scene.seen.masks import Mask as PixelMask
from neptune.tools import Made, Mask, Toolbox, ToolError, describe, pictures
from neptune.tools.toolbox import _DONE


def _photo(seed: int, size: tuple[int, int]) -> Image.Image:
    """Return a smooth random picture with shapes on it."""
    rng = np.random.default_rng(seed)
    small = rng.integers(0, 256, (4, 5, 3), dtype=np.uint8)
    image = Image.fromarray(small).resize(size, Image.Resampling.BICUBIC)
    draw = ImageDraw.Draw(image)
    for _ in range(4):
        x, y = rng.integers(0, size[0]), rng.integers(0, size[1])
        r, color = rng.integers(4, 30), tuple(int(c) for c in rng.integers(0, 256, 3))
        draw.ellipse((x - r, y - r, x + r, y + r), fill=color)
    return image


PHOTOS = [_photo(k, size) for k, size in enumerate([(120, 80), (80, 120), (97, 61), (64, 64), (200, 33)])]
BOX = (8.0, 6.0, 60.0, 30.0)


def _cv() -> Any:
    return pytest.importorskip("cv2", reason="the extra 'vision' is not installed")


def _canny(image: Image.Image) -> Any:
    cv2 = _cv()
    return cv2.Canny(np.asarray(image.convert("L")), 50, 150)


def _otsu(image: Image.Image) -> Any:
    cv2 = _cv()
    return cv2.threshold(np.asarray(image.convert("L")), 0, 255, cv2.THRESH_BINARY | cv2.THRESH_OTSU)[1]


def _grabcut(image: Image.Image) -> Any:
    cv2 = _cv()
    cv2.setRNGSeed(0)
    labels = np.zeros((image.height, image.width), np.uint8)
    x0, y0, x1, y1 = map(int, BOX)
    pixels = cv2.cvtColor(np.asarray(image), cv2.COLOR_RGB2BGR)
    rest = np.zeros((1, 65)), np.zeros((1, 65)), 5
    labels, *_ = cv2.grabCut(pixels, labels, (x0, y0, x1 - x0, y1 - y0), *rest, cv2.GC_INIT_WITH_RECT)
    return (labels % 2).astype(np.float32)


def _lined(image: Image.Image) -> Image.Image:
    shown = image.copy()
    ImageDraw.Draw(shown).line([(3, 4), (50, 20)], fill="blue", width=5)
    return shown


def _framed(image: Image.Image) -> Image.Image:
    shown = image.copy()
    ImageDraw.Draw(shown).rectangle((8, 6, 59, 29), outline="red", width=1)
    return shown


def _statistics(image: Image.Image) -> dict[str, float]:
    grey, colors = ImageStat.Stat(image.convert("L")), ImageStat.Stat(image)
    (low, high), (median,) = grey.extrema[0], (float(np.median(np.asarray(image.convert("L")))),)
    red, green, blue = colors.mean
    return {
        "width": image.width, "height": image.height, "mean": grey.mean[0], "deviation": grey.stddev[0],
        "least": low, "greatest": high, "median": median, "red": red, "green": green, "blue": blue,
    }  # fmt: skip


EXPECTED: dict[str, tuple[dict[str, Any], Callable[[Image.Image], Any]]] = {
    "crop": ({"box": BOX}, lambda i: i.crop((8, 6, 60, 30))),
    "zoom": ({"factor": 1.5}, lambda i: i.resize((int(i.width * 1.5), int(i.height * 1.5)), Image.Resampling.LANCZOS)),
    "rotate": ({"degrees": 30}, lambda i: i.rotate(30, Image.Resampling.BICUBIC, expand=True, fillcolor="white")),
    "flip": ({"axis": "vertical"}, ImageOps.flip),
    "contrast": ({"factor": 1.7}, lambda i: ImageEnhance.Contrast(i).enhance(1.7)),
    "equalize": ({}, ImageOps.equalize),
    "gray": ({}, lambda i: i.convert("L")),
    "threshold": ({}, _otsu),
    "blur": ({"radius": 3}, lambda i: i.filter(ImageFilter.GaussianBlur(3))),
    "edges": ({"low": 50, "high": 150}, _canny),
    "segment": ({"box": BOX}, _grabcut),
    "difference": ({}, lambda i: ImageChops.difference(i, ImageOps.mirror(i))),
    "mark": ({"box": BOX}, _framed),
    "draw_line": ({"start": (3, 4), "end": (50, 20), "color": "blue", "width": 5}, _lined),
    "histogram": ({"channel": "green", "bins": 256}, lambda i: i.getchannel("G").histogram()),
    "statistics": ({}, _statistics),
}


class Reader:
    """Reads what it is told."""

    def read(self, pictures: list[Picture]) -> list[tuple[Any, ...]]:
        from types import SimpleNamespace

        return [(SimpleNamespace(text=f"{p.size[0]}"), SimpleNamespace(text="STOP")) for p in pictures]


class Slope:
    """Sees a plane that is nearer at the left, at half of the resolution."""

    def depth(self, pictures: list[Picture]) -> list[Any]:
        from types import SimpleNamespace

        sizes = [((p.image.height + 1) // 2, (p.image.width + 1) // 2) for p in pictures]
        return [SimpleNamespace(map=np.tile(np.arange(w, dtype=np.float32) + 1, (h, 1))) for h, w in sizes]


def _plain(value: Any) -> Any:
    if isinstance(value, Image.Image):
        value = Picture(value)
    if isinstance(value, np.ndarray) and value.dtype == np.uint8:
        value = Picture(Image.fromarray(value))
    if isinstance(value, Picture):
        return value.pixels
    return value.full() if isinstance(value, Mask) else value


def _given(name: str, image: Image.Image) -> dict[str, Any]:
    given = dict(EXPECTED[name][0])
    return {**given, "other": Picture(ImageOps.mirror(image))} if name == "difference" else given


def test_the_table_the_functions_and_these_tests_name_the_same_tools() -> None:
    assert set(TOOLS) == {*_DONE, "segment", "read_text", "depth_map"}
    assert {*_DONE, "segment"} == set(EXPECTED)


@pytest.mark.parametrize("image", PHOTOS, ids=lambda i: f"{i.width}x{i.height}")
@pytest.mark.parametrize("name", EXPECTED)
def test_a_tool_does_what_the_library_does(name: str, image: Image.Image) -> None:
    expected = _plain(EXPECTED[name][1](image))
    found = _plain(Toolbox().apply(name, Picture(image), **_given(name, image)).value)
    if isinstance(expected, np.ndarray):
        np.testing.assert_array_equal(found, expected)
    else:
        assert found == pytest.approx(expected)


def _file(image: Image.Image, form: str = "PNG", **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, form, **options)
    return file.getvalue()


def _sixteen() -> bytes:
    return _file(Image.fromarray(np.linspace(0, 65535, 40 * 30).reshape(30, 40).astype(np.uint16)))


def _turned() -> Image.Exif:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    return exif


KINDS: dict[str, Any] = {
    "1x1": Image.new("RGB", (1, 1), "red"),
    "1x5000": _photo(7, (5000, 1)),
    "5000x1": _photo(8, (1, 5000)),
    "grey": PHOTOS[0].convert("L"),
    "alpha": Image.merge("RGBA", (*PHOTOS[1].split(), PHOTOS[1].getchannel("R"))),
    "16 bits": _sixteen(),
    "one color": Image.new("RGB", (50, 40), "white"),
    "palette": _file(PHOTOS[2].quantize(16), transparency=3),
    "four inks": _file(PHOTOS[3].convert("CMYK"), "JPEG"),
    "bits": _file(PHOTOS[4].convert("1"), "TIFF", compression="group4"),
    "on its side": _file(PHOTOS[0], "JPEG", exif=_turned()),
    "animated": _file(PHOTOS[1], "GIF", save_all=True, append_images=[ImageOps.mirror(PHOTOS[1])]),
}
DEFAULTS = {"Box": (0, 0, 1, 1), "Point": (0, 0), "Number": 30}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", TOOLS)
def test_every_tool_is_total(name: str, kind: str) -> None:
    if TOOLS[name].needs == "vision":
        _cv()
    picture = Picture(KINDS[kind])
    required = [p for p in TOOLS[name].parameters if p.default is REQUIRED]
    args = [picture if p.sorts == ("Picture",) else DEFAULTS[p.sorts[0]] for p in required]
    made = Toolbox(Reader(), Slope()).apply(name, picture, *args)
    if isinstance(made.value, Picture):
        width, height = made.value.size
        assert made.value.pixels.shape == (height, width, 3)
        assert 0 < width * height <= KEPT_PIXELS
    elif isinstance(made.value, Mask):
        assert made.value.size == picture.image.size
        assert 0 <= made.value.area <= made.value.size[0] * made.value.size[1]
        assert made.value.full().shape == made.value.size[::-1]
    else:
        assert made.value


@pytest.mark.parametrize("args", [("zoom", 32), ("zoom", 0.01), ("rotate", 45), ("rotate", 1)], ids=str)
@pytest.mark.parametrize("size", [(1, 100_000), (2500, 2500), (1, 1)], ids=str)
def test_results_are_bounded(args: tuple[Any, ...], size: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pictures, "MOST_PIXELS", 1_000_000)  # as at the real bound, and sooner done
    name, *given = args
    width, height = Toolbox().apply(name, Picture(Image.new("RGB", size, "gray")), *given).value.size
    assert 0 < width * height <= max(1_000_000, size[0] * size[1] if name == "zoom" else 0)


def test_boxes_of_a_large_picture_are_those_of_the_whole() -> None:
    image = Image.new("RGB", (8000, 4000), "white")
    image.paste("black", (6000, 3000, 8000, 4000))
    made = Toolbox().apply("crop", Picture(image), (6100, 3100, 7900, 3900))
    assert made.value.pixels.max() == 0
    assert Toolbox().apply("crop", Picture(image), (0, 0, 5900, 2900)).value.pixels.min() == 255


@pytest.mark.parametrize("name", TOOLS)
def test_numbers_and_choices_out_of_range_are_refused(name: str) -> None:
    tool, picture = TOOLS[name], Picture(PHOTOS[0])
    toolbox = Toolbox(Reader(), Slope())
    usual = {
        p.name: picture if p.sorts == ("Picture",) else DEFAULTS[p.sorts[0]]
        for p in tool.parameters
        if p.default is REQUIRED
    }
    for p in tool.parameters:
        wrong: list[Any] = [object(), [1], float("nan"), True]
        if p.low is not None and p.high is not None:
            wrong += [p.low - 1, p.high + 1, float("inf"), "1"]
        if p.choices:
            wrong += ["", "purple"]
        if p.sorts == ("Box",):
            wrong += [(0, 0, 1), (5, 5, 5, 9), (0, 0, float("inf"), 1), "box"]
        for value in wrong:
            with pytest.raises(ToolError, match=p.name):
                toolbox.apply(name, picture, **{**usual, p.name: value})
    with pytest.raises(ToolError, match=f"'{name}'"):
        toolbox.apply(name, picture, unknown=1, **usual)


def test_boxes_outside_and_unknown_tools_are_refused() -> None:
    picture = Picture(PHOTOS[0])
    with pytest.raises(ToolError, match="outside"):
        Toolbox().apply("crop", picture, (500, 0, 600, 10))
    with pytest.raises(ToolError, match="did you mean 'rotate'"):
        Toolbox().apply("rotat", picture, 3)
    with pytest.raises(ToolError, match="one size"):
        Toolbox().apply("difference", picture, Picture(PHOTOS[1]))
    with pytest.raises(ToolError, match="applied to a list"):
        Toolbox().apply("gray", Toolbox().apply("histogram", picture))
    for name in ("read_text", "depth_map"):
        with pytest.raises(ConfigError, match="none is configured"):
            Toolbox().apply(name, picture)


def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cv2", None)
    for name, tool in TOOLS.items():
        if tool.needs == "vision":
            with pytest.raises(MissingExtraError, match=r"neptune-reasoner\[vision\]"):
                Toolbox().apply(name, Picture(PHOTOS[0]), *([BOX] if name == "segment" else []))


def test_results_are_keyed_by_operation_arguments_and_parent() -> None:
    picture, again = Picture(PHOTOS[0]), Picture(PHOTOS[0].copy())
    toolbox = Toolbox()
    one = toolbox.apply("blur", toolbox.apply("rotate", picture, degrees=90), 3)
    assert [s.operation for s in one.history] == ["rotate", "blur"]
    assert one.key == toolbox.apply("blur", toolbox.apply("rotate", again, np.int64(90)), radius=3.0).key
    assert toolbox.hits == 2
    others = [
        toolbox.apply("blur", toolbox.apply("rotate", picture, 90), 4),
        toolbox.apply("blur", toolbox.apply("rotate", picture, 91), 3),
        toolbox.apply("rotate", toolbox.apply("blur", picture, 3), 90),
        toolbox.apply("blur", toolbox.apply("rotate", Picture(PHOTOS[1]), 90), 3),
        toolbox.apply("difference", picture, again),
        toolbox.apply("difference", picture, toolbox.apply("flip", picture)),
    ]
    assert len({one.key, Made(picture).key, *(m.key for m in others)}) == 8


def test_what_is_kept_is_bounded() -> None:
    toolbox = Toolbox(kept_bytes=100_000)
    for radius in range(20):
        toolbox.apply("blur", Picture(PHOTOS[0]), radius)
    assert toolbox._kept.currsize <= 100_000
    toolbox.apply("zoom", Picture(PHOTOS[0]), 8)  # too large to be kept
    assert toolbox._kept.currsize <= 100_000


def test_masks_are_those_of_perception() -> None:
    _cv()
    image = Image.new("RGB", (60, 40), "white")
    image.paste("black", (20, 10, 40, 30))
    mask = Toolbox().apply("segment", Picture(image), (15, 5, 45, 35)).value
    assert isinstance(mask, PixelMask)
    assert (mask.size, mask.area, mask.box) == ((60, 40), 400, (20, 10, 40, 30))
    assert mask.picture.pixels[15, 25].tolist() == [255, 255, 255]
    assert mask.picture.pixels[5, 5].tolist() == [0, 0, 0]
    nothing = PixelMask.of(np.zeros((3, 3)), (3, 3))
    assert (nothing.area, nothing.picture.pixels.max()) == (0, 0)


def test_masks_of_a_large_picture_are_measured_in_the_whole() -> None:
    _cv()
    image = Image.new("RGB", (8000, 4000), "white")
    image.paste("black", (4000, 2000, 6000, 3000))
    mask = Toolbox().apply("segment", Picture(image), (3800, 1800, 6200, 3200)).value
    assert mask.area == pytest.approx(2000 * 1000, rel=0.02)
    assert mask.box == pytest.approx((4000, 2000, 6000, 3000), abs=20)


def test_a_segmenter_of_the_run_cuts_things_out() -> None:
    asked: list[Any] = []

    class Boxes:
        def masks(self, requests: list[Any]) -> list[PixelMask]:
            asked.extend(requests)
            return [PixelMask.of(np.ones((4, 5)), requests[0].picture.image.size, (1, 2))]

    picture = Picture(PHOTOS[0])
    made = Toolbox(segmenter=Boxes()).apply("segment", picture, BOX)
    assert made.value.area == 20
    assert [(r.picture, r.box) for r in asked] == [(picture, BOX)]
    with pytest.raises(ToolError, match="outside"):
        Toolbox(segmenter=Boxes()).apply("segment", picture, (500, 0, 600, 10))


def test_nearness_and_words_come_from_whom_they_were_asked() -> None:
    toolbox = Toolbox(Reader(), Slope())
    assert toolbox.apply("read_text", Picture(PHOTOS[0])).value == ["120", "STOP"]
    shown = toolbox.apply("depth_map", Picture(PHOTOS[0])).value
    assert shown.size == (120, 80)
    assert (shown.pixels[0, 0, 0], shown.pixels[0, -1, 0]) == (255, 0)


def test_the_table_is_told_to_writers() -> None:
    told = describe()
    assert all(f"- {tool.signature} -> {tool.gives}: {tool.doc}" in told for tool in TOOLS.values())
    assert "factor: a number from 0.01 to 32" in told
