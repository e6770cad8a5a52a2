"""Pictures that were made to harm: no other program is started, memory stays bounded, each is one line."""

from __future__ import annotations

import contextlib
import io
import os
import shutil
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from neptune.errors import PictureError
from neptune.scene import decoding
from neptune.scene.picture import Picture

ROOT = Path(__file__).resolve().parents[2]
EPS = b"""%!PS-Adobe-3.0 EPSF-3.0
%%BoundingBox: 0 0 10 10
%%EndComments
showpage
%%EOF
"""
OTHERS = {
    "eps": EPS,
    "html": b"<html><script>alert(1)</script></html>",
    "svg": b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>',
    "xpm": b'/* XPM */\nstatic char *a[] = {"1 1 1 1", "a c #ff0000", "a"};\n',
    "xbm": b"#define a_width 8\n#define a_height 1\nstatic char a_bits[] = { 0x01 };\n",
    "pdf": b"%PDF-1.4\n%%EOF\n",
    "nothing": b"",
    "noise": bytes(range(256)) * 4,
}
SAVED = ("ICO", "TGA", "PCX", "SGI", "IM", "DDS", "ICNS", "QOI", "MSP", "SPIDER", "JPEG2000", "BLP", "DIB")


@pytest.fixture
def ghostscript(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A program called ``gs`` that leaves a trace when it is started."""
    trace = tmp_path / "started"
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "gs").write_text(f"#!/bin/sh\ntouch {trace}\nexit 1\n")
    (folder / "gs").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    return trace


@pytest.mark.skipif(os.name == "nt", reason="the program that is not to be started is a shell script")
def test_a_postscript_file_starts_nothing(tmp_path: Path, ghostscript: Path) -> None:
    for name in ("a.png", "a.eps", "a.jpg"):
        (tmp_path / name).write_bytes(EPS)
        with pytest.raises(PictureError, match="can not be read"):
            _ = Picture(tmp_path / name).image
    assert not ghostscript.exists()


@pytest.mark.parametrize("kind", OTHERS)
@pytest.mark.parametrize("ending", ["png", "kind"])
def test_what_is_no_picture_of_the_list(kind: str, ending: str, tmp_path: Path) -> None:
    path = tmp_path / f"a.{kind if ending == 'kind' else ending}"
    path.write_bytes(OTHERS[kind])
    with pytest.raises(PictureError, match=r"can not be read.*PNG, JPEG, WEBP") as caught:
        _ = Picture(path).size
    assert path.name in caught.value.one_line()


@pytest.mark.parametrize("form", SAVED)
def test_formats_that_are_not_on_the_list(form: str, tmp_path: Path) -> None:
    buffer = io.BytesIO()
    mode = {"MSP": "1", "BLP": "P", "SPIDER": "F"}.get(form, "RGB")
    try:
        Image.new(mode, (16, 16)).save(buffer, form)
    except (KeyError, OSError):
        pytest.skip("this build of Pillow does not write it")
    (tmp_path / "a.png").write_bytes(buffer.getvalue())
    with pytest.raises(PictureError, match="can not be read"):
        _ = Picture(tmp_path / "a.png").image


@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "PPM", "AVIF", "MPO"])
def test_formats_that_are_on_it(form: str, tmp_path: Path) -> None:
    if form == "AVIF" and "AVIF" not in Image.registered_extensions().values():
        pytest.skip("this build of Pillow has no AVIF")
    path = tmp_path / "a.bin"  # a name says nothing
    Image.new("RGB", (16, 12), (0, 0, 255)).save(path, form)
    assert Picture(path).size == (16, 12)
    assert Picture(path).pixels[6, 8, 2] > 240


def png_header(size: tuple[int, int], bits: int = 8, colour: int = 2) -> bytes:
    """The beginning of a PNG that claims a size and holds one row's worth of data at most."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return len(body).to_bytes(4, "big") + kind + body + zlib.crc32(kind + body).to_bytes(4, "big")

    head = size[0].to_bytes(4, "big") + size[1].to_bytes(4, "big") + bytes([bits, colour, 0, 0, 0])
    body = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"\0" * 9)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


def webp(side: int) -> bytes:
    """A small file of a large picture of one colour: a lossless WebP of 16 × 16, told to be of another size."""
    buffer = io.BytesIO()
    Image.new("RGB", (16, 16), "red").save(buffer, "WEBP", lossless=True)
    content = bytearray(buffer.getvalue())
    at = content.index(b"VP8L") + 9
    content[at : at + 4] = ((side - 1) | (side - 1) << 14).to_bytes(4, "little")
    return bytes(content)


BOMBS = {
    "png of 178 megapixels": png_header((13_341, 13_341)),
    "png of 16 bits": png_header((13_341, 13_341), 16, 0),
    "png with one side": png_header((150_000, 100)),
    "png of the largest numbers": png_header((2**31 - 1, 2**31 - 1)),
    "webp of 170 megapixels": webp(13_000),
    "webp of 50 megapixels": webp(7_000),
    "ppm": b"P6 13341 13341 255\n" + b"\0" * 40,
    "ppm of 16 bits": b"P5 13341 13341 65535\n" + b"\0" * 40,
    "ppm of a digit too many": b"P6 " + b"9" * 5_000 + b" 1 255\n",
    "gif": b"GIF89a" + (13_000).to_bytes(2, "little") * 2 + b"\x80\0\0\0\0\0\xff\xff\xff,\0\0\0\0"
    + (13_000).to_bytes(2, "little") * 2 + b"\0\x02\x02D\x01\0;",
    "bmp": b"BM" + (90).to_bytes(4, "little") + bytes(4) + (54).to_bytes(4, "little") + (40).to_bytes(4, "little")
    + (13_000).to_bytes(4, "little") * 2 + b"\x01\0\x18\0" + bytes(24) + bytes(30),
}  # fmt: skip
MEASURE = """
import resource, sys, time
from pathlib import Path
from neptune.errors import PictureError
from neptune.scene.picture import Picture
unit = 1 if sys.platform == "darwin" else 1024
before, begun = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
for path in sorted(Path(sys.argv[1]).iterdir()):
    try:
        Picture(path).image
        print(path.name, "was read")
    except PictureError as error:
        print(path.name, "PictureError")
    print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * unit // 1_000_000)
print(int(time.process_time() - begun))
"""


def test_a_few_bytes_take_little_memory_and_time(tmp_path: Path) -> None:
    for number, content in enumerate(BOMBS.values()):
        assert len(content) < 6_000
        (tmp_path / f"{number:02}.png").write_bytes(content)
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, str(tmp_path)], capture_output=True, text=True, cwd=ROOT, timeout=120
    )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert [line.split(maxsplit=1)[1] for line in lines[:-1:2]] == ["PictureError"] * len(BOMBS), done.stdout
    assert max(int(line) for line in lines[1:-1:2]) < 100, done.stdout  # megabytes
    assert int(lines[-1]) < 10
    assert done.stderr == ""


def test_sixteen_bits_of_a_large_picture_are_scaled_in_bands(tmp_path: Path) -> None:
    """50 megapixels: 100 MB as they lie, 50 MB scaled, and what is kept; at once they took 18 bytes a pixel."""
    rng = np.random.default_rng(0)
    Image.fromarray(rng.integers(0, 65536, (5_000, 10_000), dtype=np.uint16)).save(tmp_path / "a.tiff")
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, str(tmp_path)], capture_output=True, text=True, cwd=ROOT, timeout=120
    )
    assert done.stdout.splitlines()[0] == "a.tiff was read"
    assert int(done.stdout.splitlines()[1]) < 350


def test_want_of_memory_is_an_error_of_the_picture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")

    def none(self: Image.Image, *words: object) -> None:
        raise MemoryError

    monkeypatch.setattr(Image.Image, "convert", none)
    with pytest.raises(PictureError, match="more memory") as caught:
        _ = Picture(tmp_path / "a.png").image
    assert "a.png" in caught.value.one_line()


def test_a_file_of_many_bytes_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    monkeypatch.setattr(decoding, "MAX_BYTES", 20)
    with pytest.raises(PictureError, match="bytes"):
        _ = Picture(tmp_path / "a.png").image


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes on this system")
def test_a_pipe_or_a_folder_is_no_picture(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.png")  # opening it would wait for ever
    (tmp_path / "folder.png").mkdir()
    for name in ("pipe.png", "folder.png"):
        with pytest.raises(PictureError, match="no regular file"):
            _ = Picture(tmp_path / name).image


def test_what_is_behind_transparent_pixels_is_white_in_every_mode(tmp_path: Path) -> None:
    """The left half is opaque black; the right half is transparent, over a colour that was never meant to be seen."""
    rgba = np.zeros((4, 8, 4), np.uint8)
    rgba[:, :4, 3] = 255
    rgba[:, 4:, :3] = (9, 200, 9)
    image = Image.fromarray(rgba)
    grey = image.convert("LA")
    palette = Image.fromarray(np.repeat([[0] * 4 + [1] * 4], 4, axis=0).astype(np.uint8)).convert("P")
    palette.putpalette([0, 0, 0, 9, 200, 9])
    keyed = Image.fromarray(rgba[..., :3].copy())
    sixteen = Image.fromarray(np.repeat([[0] * 4 + [700] * 4], 4, axis=0).astype(np.uint16))
    made = {"rgba.png": {}, "rgba.webp": {"lossless": True}, "rgba.tiff": {}}
    for name, options in made.items():
        image.save(tmp_path / name, **options)
    grey.save(tmp_path / "la.png")
    palette.save(tmp_path / "p.png", transparency=1)
    palette.save(tmp_path / "p.gif", transparency=1)
    palette.save(tmp_path / "alphas.png", transparency=bytes([255, 0]))
    keyed.save(tmp_path / "rgb.png", transparency=(9, 200, 9))
    sixteen.save(tmp_path / "sixteen.png", transparency=700)
    sources: list[Path | Image.Image] = [*sorted(tmp_path.iterdir())]
    assert len(sources) == 9
    for source in [*sources, image, grey]:
        pixels = Picture(source).pixels
        assert pixels.shape == (4, 8, 3)
        assert (pixels[:, :4] == 0).all(), source
        assert (pixels[:, 4:] == 255).all(), source


def test_half_transparent_is_half_white_and_large_pictures_are_no_exception(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("neptune.scene.picture.KEPT_PIXELS", 1_000)
    monkeypatch.setattr(decoding, "_BAND", 700)
    Image.new("RGBA", (100, 50), (0, 0, 0, 128)).save(tmp_path / "a.png")
    pixels = Picture(tmp_path / "a.png").pixels
    assert pixels.shape == (22, 44, 3)
    assert abs(pixels.astype(int) - 127).max() <= 1


def test_every_cut_and_every_flipped_byte_is_a_picture_or_a_picture_error(tmp_path: Path, full: bool) -> None:
    """Structural noise: of each format a small picture, cut at many places and with bytes changed."""
    rng = np.random.default_rng(1)
    noise = Image.fromarray(rng.integers(0, 256, (12, 16, 3), dtype=np.uint8))
    path = tmp_path / "a.png"
    for form in ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "PPM"):
        buffer = io.BytesIO()
        noise.save(buffer, form)
        good = buffer.getvalue()
        for _ in range(300 if full else 25):
            content = bytearray(good)
            if rng.random() < 0.3:
                content = content[: int(rng.integers(len(good)))]
            for at in rng.integers(len(good), size=int(rng.integers(1, 6))):
                if at < len(content):
                    content[at] = int(rng.integers(256))
            path.write_bytes(bytes(content))
            with contextlib.suppress(PictureError):
                assert Picture(path).pixels.size
    shutil.rmtree(tmp_path)
