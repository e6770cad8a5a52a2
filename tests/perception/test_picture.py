"""Pictures: read late, upright, large ones reduced with the whole one's coordinates; one line for what is none."""

from __future__ import annotations

import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import ExifTags, Image

from neptune.errors import ConfigError, PictureError
from neptune.perception.oracle.canvas import canvas_of
from neptune.scene import Scene
from neptune.scene.picture import KEPT_PIXELS, MAX_PIXELS, Picture

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def photo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A JPEG of 100 megapixels, blue, with one red square."""
    path = tmp_path_factory.mktemp("photo") / "large.jpg"
    image = Image.new("RGB", (12_500, 8_000), (0, 0, 200))
    image.paste((200, 0, 0), (5_000, 2_000, 7_000, 4_000))
    image.save(path, quality=50)
    return path


def test_a_photo_of_100_megapixels_is_kept_reduced_with_its_own_coordinates(photo: Path) -> None:
    picture = Picture(photo)
    assert picture.size == (12_500, 8_000)
    assert 0.99 * KEPT_PIXELS < picture.image.width * picture.image.height <= KEPT_PIXELS
    assert picture.pixels.shape == (picture.image.height, picture.image.width, 3)
    scene = Scene(np.array([[5_000, 2_000, 7_000, 4_000]]), picture.size, picture)
    canvas = canvas_of(scene)
    shown = canvas.image.crop([round(v) for v in canvas.box(0)])  # type: ignore[arg-type]
    red, _, blue = np.asarray(shown).reshape(-1, 3).mean(axis=0)
    assert red > 190 > 10 > blue  # the box cuts out the square and nothing else
    red, _, blue = np.asarray(canvas.image).reshape(-1, 3).mean(axis=0)
    assert red == pytest.approx(200 * 4 / 100, abs=2)


def test_it_is_never_in_memory_as_a_whole(photo: Path) -> None:
    """Decoded at a half: its pixels take 100 MB, and 64 MB when kept; decoded as a whole they would take 400 MB."""
    code = (
        "import resource, sys\n"
        "from neptune.scene.picture import Picture\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "Picture(sys.argv[1]).image\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(photo)], capture_output=True, text=True, check=True, cwd=ROOT
    )
    unit = 1 if sys.platform == "darwin" else 1024
    assert int(done.stdout) * unit < 300e6
    assert done.stderr == ""  # no warning of Pillow's either


@pytest.mark.parametrize("mode", ["RGB", "P", "L", "RGBA", "1", "I;16"])
def test_large_pictures_of_any_mode(mode: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("neptune.scene.picture.KEPT_PIXELS", 1_000)
    path = tmp_path / "large.png"
    Image.new(mode, (100, 50)).save(path)
    picture = Picture(path)
    assert (picture.size, picture.image.size, picture.image.mode) == ((100, 50), (44, 22), "RGB")
    assert picture.scale == (0.44, 0.44)


def test_pictures_in_memory_are_kept_reduced_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("neptune.scene.picture.KEPT_PIXELS", 1_000)
    for source in (np.zeros((50, 100, 3), dtype=np.uint8), Image.new("RGB", (100, 50))):
        assert (Picture(source).size, Picture(source).image.size) == ((100, 50), (44, 22))
    strip = Picture(Image.new("RGB", (100_000, 1)))
    assert (strip.size, strip.image.size) == ((100_000, 1), (10_000, 1))


def test_the_size_is_part_of_the_identity(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("neptune.scene.picture.KEPT_PIXELS", 1_000)
    one, two = (Picture(Image.new("RGB", size)) for size in ((100, 50), (200, 100)))
    assert one.image.size == two.image.size
    assert one.digest != two.digest


def test_too_many_pixels_are_one_line_and_the_limit_can_be_set(
    photo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert MAX_PIXELS >= 100_000_000
    monkeypatch.setenv("NEPTUNE_MAX_PIXELS", "99999999")
    with pytest.raises(PictureError, match="100,000,000 pixels") as caught:
        _ = Picture(photo).image
    assert "NEPTUNE_MAX_PIXELS" in caught.value.one_line()
    assert "large.jpg" in caught.value.one_line()
    monkeypatch.delenv("NEPTUNE_MAX_PIXELS")
    huge = tmp_path / "huge.png"
    header = Image.new("1", (8, 8))
    header.save(huge)
    content = bytearray(huge.read_bytes())
    content[16:24] = (20_000).to_bytes(4, "big") * 2  # 400 megapixels, says the header
    content[29:33] = zlib.crc32(bytes(content[12:29])).to_bytes(4, "big")
    huge.write_bytes(bytes(content))
    with pytest.raises(PictureError, match="pixels") as caught:
        _ = Picture(huge).image
    assert "NEPTUNE_MAX_PIXELS" in caught.value.one_line()
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", Image.MAX_IMAGE_PIXELS)  # is put back after the test
    monkeypatch.setenv("NEPTUNE_MAX_PIXELS", "500000000")
    with pytest.raises(PictureError, match="can not be read"):  # it is opened now, and has no such pixels
        _ = Picture(huge).image


@pytest.mark.parametrize("given", ["", "0", "-3", "1e9", "lots"])
def test_a_limit_that_is_none(given: str, photo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NEPTUNE_MAX_PIXELS", given)
    with pytest.raises(ConfigError, match="NEPTUNE_MAX_PIXELS is"):
        _ = Picture(photo).image


@pytest.mark.parametrize("kept", [KEPT_PIXELS, 200], ids=["whole", "reduced"])
@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_a_photo_is_seen_upright(
    form: str, orientation: int, kept: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The picture's upper left quarter is red; what a camera of each orientation stores shows it there again."""
    monkeypatch.setattr("neptune.scene.picture.KEPT_PIXELS", kept)
    upright = np.zeros((20, 40, 3), np.uint8)
    upright[:10, :20, 0] = 255
    # How each orientation's rows and columns lie in the file (TIFF 6.0, "Orientation").
    stored = {
        1: upright,
        2: upright[:, ::-1],
        3: upright[::-1, ::-1],
        4: upright[::-1],
        5: upright.transpose(1, 0, 2),
        6: upright.transpose(1, 0, 2)[::-1],
        7: upright.transpose(1, 0, 2)[::-1, ::-1],
        8: upright.transpose(1, 0, 2)[:, ::-1],
    }[orientation]
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    path = tmp_path / f"photo.{form.lower()}"
    Image.fromarray(np.ascontiguousarray(stored)).save(path, form, exif=exif)
    picture = Picture(path)
    assert picture.size == (40, 20)
    assert picture.image.width / picture.image.height == pytest.approx(2, rel=0.1)
    small = np.asarray(picture.image.resize((4, 2), Image.Resampling.BOX))[..., 0]
    assert (small > 128).tolist() == [[True, True, False, False], [False] * 4]


@pytest.mark.parametrize("form", ["PNG", "TIFF"])
@pytest.mark.parametrize("kept", [KEPT_PIXELS, 200], ids=["whole", "reduced"])
def test_sixteen_bits_of_grey_are_scaled(form: str, kept: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("neptune.scene.picture.KEPT_PIXELS", kept)
    eight = np.repeat(np.arange(0, 200, 10, dtype=np.uint8)[:, None], 40, axis=1)
    paths = [tmp_path / f"{bits}.{form}" for bits in (8, 16)]
    for path, values in zip(paths, (eight, eight.astype(np.uint16) * 257)):
        exif = Image.Exif()
        exif[ExifTags.Base.Orientation] = 3
        Image.fromarray(values).save(path, form, exif=exif)
    found = [Picture(path).pixels.astype(int) for path in paths]
    assert abs(found[0] - found[1]).max() <= 1
    assert found[0][0].max() > found[0][-1].max(), "upside down"


@pytest.mark.parametrize("values", [np.full((9, 9), 70_000, np.int32), np.full((9, 9), 0.5, np.float32)])
def test_grey_values_of_no_known_range_are_refused(values: np.ndarray, tmp_path: Path) -> None:
    Image.fromarray(values).save(tmp_path / "a.tiff")
    with pytest.raises(PictureError, match="32 bits"):
        Picture(tmp_path / "a.tiff").image.load()


def test_a_damaged_exif_block_costs_nothing_but_the_orientation(tmp_path: Path) -> None:
    damaged = (b"junk", b"Exif\0\0junkjunkjunk", b"Exif\0\0II*\0\x08\0\0\0\xff\xff", b"Exif\0\0II*\0\xff\xff\xff\xff")
    for number, exif in enumerate(damaged):
        for form in ("JPEG", "PNG", "WEBP"):
            Image.new("RGB", (40, 20), "red").save(tmp_path / f"{number}.{form.lower()}", form, exif=exif)
    code = (
        "import sys; from pathlib import Path; from neptune.scene.picture import Picture\n"
        "for path in Path(sys.argv[1]).iterdir(): print(Picture(path).size, Picture(path).image.size)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, tmp_path], capture_output=True, text=True, cwd=ROOT, timeout=60, check=False
    )
    assert done.stderr == ""
    assert done.stdout.splitlines() == ["(40, 20) (40, 20)"] * 12


@pytest.mark.parametrize(
    "mode", ["1", "L", "LA", "La", "P", "PA", "RGB", "RGBA", "RGBa", "RGBX", "CMYK", "YCbCr", "HSV", "LAB", "I;16B"]
)
def test_pictures_in_memory_may_be_of_any_mode(mode: str) -> None:
    """Their darker half stays darker, whatever numbers say it."""
    grey = Image.new("L", (8, 4), 20)
    grey.paste(230, (4, 0, 8, 4))
    ways = {
        "La": lambda: grey.convert("LA").convert("La"),
        "RGBa": lambda: grey.convert("RGBA").convert("RGBa"),
        "LAB": lambda: Image.merge("LAB", [grey, *(Image.new("L", grey.size, 128) for _ in "ab")]),
        "PA": lambda: grey.convert("P").convert("PA"),
        "I;16B": lambda: Image.frombytes("I;16B", grey.size, (np.asarray(grey).astype(">u2") * 257).tobytes()),
    }
    image = ways[mode]() if mode in ways else grey.convert("RGB").convert(mode)
    assert image.mode == mode
    pixels = Picture(image).pixels.mean(axis=(0, 2))
    assert pixels[:4].mean() < 60
    assert pixels[4:].mean() > 200
