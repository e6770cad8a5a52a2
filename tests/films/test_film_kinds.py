"""Films as cameras, editors and browsers make them: each frame is the one of its time, shown as viewers show it."""

from __future__ import annotations

import struct
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.made_films import film, grey
from PIL import Image

from neptune import Engine
from neptune.errors import FilmError
from neptune.films import Film
from neptune.films.display import Display

av = pytest.importorskip("av", reason="the extra 'video' is not installed")

NOISE = np.random.default_rng(0).integers(0, 40, (90, 120, 3), dtype=np.uint8)


def noisy(t: float) -> Image.Image:
    """Return a picture that takes many bytes, and whose brightness tells the time: 8 steps a second."""
    return Image.fromarray(np.roll(NOISE, round(7 * t), 1) + np.uint8(8 * round(t)))


def drawn(size: tuple[int, int]) -> Callable[[float], Image.Image]:
    return lambda t: grey(4 * t, size)  # 16 steps a second


KINDS: dict[str, tuple[str, dict[str, Any]]] = {
    "B-frames": ("x.mp4", {"options": {"bf": "3", "g": "30", "preset": "medium"}}),
    "open groups": ("x.mp4", {"options": {"bf": "3", "g": "5", "preset": "medium", "x264-params": "open-gop=1"}}),
    "10 bits": ("x.mp4", {"pixels": "yuv420p10le"}),
    "colour whole": ("x.mp4", {"pixels": "yuv444p", "size": (65, 49)}),
    "odd sides": ("x.webm", {"size": (65, 49)}),
    "one pixel": ("x.mkv", {"codec": "ffv1", "size": (1, 1)}),
    "a strip": ("x.mp4", {"size": (3000, 2)}),
    "grey of 16 bits": ("x.mkv", {"codec": "ffv1", "pixels": "gray16le"}),
    "transparent": ("x.webm", {"pixels": "yuva420p"}),
    "in pieces": ("x.mp4", {"options": {"g": "2"}, "container": {"movflags": "frag_keyframe+empty_moov"}}),
    "a broadcast": ("x.ts", {"options": {"bf": "2", "g": "5", "preset": "medium"}}),
    "a broadcast with one key frame": ("x.ts", {"options": {"bf": "2", "g": "99", "preset": "medium"}}),
    "flash": ("x.flv", {}),
    "photos": ("x.avi", {"codec": "mjpeg", "pixels": "yuvj420p"}),
    "animated GIF": ("x.gif", {"codec": "gif", "pixels": "gray"}),
    "starts late": ("x.mp4", {"start": 1000}),
    "starts late, other container": ("x.mkv", {"start": 1000}),
    "starts before 0": ("x.mkv", {"start": -3}),
}


@pytest.mark.parametrize("kind", KINDS)
def test_each_frame_is_that_of_its_time_in_any_order(tmp_path: Path, kind: str) -> None:
    name, given = KINDS[kind]
    given = dict(given)
    start, size = given.pop("start", 0), given.pop("size", (64, 48))
    draw = drawn(size)
    path = film(tmp_path / name, lambda t: draw(t - start), times=range(start, start + 10), fps=1, **given)
    with Film(path, 1, None) as made:
        assert made.size == size
        assert made.times == pytest.approx(range(10), abs=0.05)
        assert made.notes == ()
        for k in [*reversed(range(10)), 0, 1, 2, 8, 9]:  # backwards each frame is a jump
            image = made.frame(k).image
            assert image.size == size
            assert np.asarray(image).mean() / 16 == pytest.approx(k, abs=0.3), f"frame {k}"


def test_what_an_edit_list_leaves_out_is_not_shown(tmp_path: Path) -> None:
    """An MP4 that begins before 0 is one of which an editor has cut away the beginning."""
    draw = drawn((64, 48))
    path = film(tmp_path / "x.mp4", lambda t: draw(t + 3), times=range(-3, 7), fps=1, options={"bf": "2"})
    with Film(path, 1, None) as made:
        assert made.times == pytest.approx(range(7), abs=0.05)
        greys = [np.asarray(made.frame(k).image).mean() / 16 for k in range(7)]
    assert greys == pytest.approx(range(3, 10), abs=0.3)


# --- as it is meant to be shown -------------------------------------------------------------------------

ONE = 1 << 16
TURNS = {
    "as stored": (ONE, 0, 0, ONE, "upper left", (64, 48)),
    "a quarter clockwise": (0, ONE, -ONE, 0, "upper right", (48, 64)),
    "a quarter the other way": (0, -ONE, ONE, 0, "lower left", (48, 64)),
    "upside down": (-ONE, 0, 0, -ONE, "lower right", (64, 48)),
    "mirrored": (-ONE, 0, 0, ONE, "upper right", (64, 48)),
    "mirrored upside down": (ONE, 0, 0, -ONE, "lower left", (64, 48)),
    "mirrored and turned": (0, ONE, ONE, 0, "upper left", (48, 64)),
    "mirrored and turned back": (0, -ONE, -ONE, 0, "lower right", (48, 64)),
}
"""The matrix ``a b c d`` of an MP4's track, by which ``x' = a x + c y, y' = b x + d y``; and where the corner goes."""


def cornered(t: float) -> Image.Image:
    """Return a black picture whose upper left quarter is white."""
    image = Image.new("RGB", (64, 48), "black")
    image.paste("white", (0, 0, 32, 24))
    return image


def turned(path: Path, matrix: tuple[int, int, int, int]) -> Path:
    """Write another matrix into the header of an MP4's track."""
    content = bytearray(path.read_bytes())
    at = content.index(b"tkhd") + 4 + 4 + 20 + 8 + 8  # version, times and numbers, reserved, layer to reserved
    assert struct.unpack(">9i", content[at : at + 36]) == (ONE, 0, 0, 0, ONE, 0, 0, 0, 1 << 30)
    a, b, c, d = matrix
    content[at : at + 36] = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30)
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("kind", TURNS)
def test_a_film_is_seen_as_its_camera_was_held(tmp_path: Path, kind: str) -> None:
    *matrix, corner, size = TURNS[kind]
    with Film(turned(film(tmp_path / "x.mp4", cornered, 3, fps=1), tuple(matrix))) as made:  # type: ignore[arg-type]
        assert made.size == size
        quarters = np.asarray(made.frame(1).image.convert("L").resize((2, 2), Image.Resampling.BOX))
    words = np.array([["upper left", "upper right"], ["lower left", "lower right"]])
    assert words[quarters > 128].tolist() == [corner]


@pytest.mark.parametrize(
    ("aspect", "size"), [((2, 1), (128, 48)), ((1, 2), (64, 96)), ((16, 15), (68, 48)), ((1, 1), (64, 48))]
)
def test_pixels_that_are_not_square_are_stretched(
    tmp_path: Path, aspect: tuple[int, int], size: tuple[int, int]
) -> None:
    with Film(film(tmp_path / "x.mp4", cornered, 2, fps=1, aspect=Fraction(*aspect))) as made:
        assert made.size == made.frame(0).size == made.frame(1).image.size == size
        quarters = np.asarray(made.frame(1).image.convert("L").resize((2, 2), Image.Resampling.BOX))
        assert (quarters > 128).tolist() == [[True, False], [False, False]]


def test_pixels_are_stretched_before_a_film_is_turned(tmp_path: Path) -> None:
    path = film(tmp_path / "x.mp4", cornered, 2, fps=1, aspect=Fraction(2, 1))
    with Film(turned(path, (0, ONE, -ONE, 0))) as made:
        assert made.size == made.frame(0).size == (48, 128)


def test_a_pixel_of_no_sensible_shape_is_taken_for_square() -> None:
    from types import SimpleNamespace

    for ratio in (Fraction(1, 1000), Fraction(1000, 1), None, 0):
        assert Display.of(SimpleNamespace(sample_aspect_ratio=ratio), None) == Display()


# --- cut off, or something else -------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["x.mkv", "x.webm", "x.ts", "x.flv", "x.mp4"])
def test_of_a_film_that_is_cut_off_what_is_there_is_seen(tmp_path: Path, name: str) -> None:
    """As a download that broke off leaves it; of an MP4 the header must stand first."""
    container = {"movflags": "faststart"} if name == "x.mp4" else None
    path = film(tmp_path / name, noisy, times=range(20), fps=1, options={"g": "5"}, container=container)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) * 6 // 10])
    with Film(path, 1, None) as made:
        assert 9 <= len(made) <= 13
        greys = [np.asarray(made.frame(k).image).mean() - NOISE.mean() for k in range(len(made))]
        # Of a broadcast the last frame, half of which is missing, can not be told from a whole one.
        assert greys[:-1] == pytest.approx([8 * k for k in range(len(made) - 1)], abs=3)
        told = [] if name == "x.ts" else ["cut off"]  # a broadcast never says how long it is
        assert [note.split("the film is ")[1].split(":")[0] for note in made.notes] == told


def test_an_answer_about_a_film_that_is_cut_off_says_so(tmp_path: Path) -> None:
    path = film(tmp_path / "x.mp4", noisy, times=range(20), fps=1, container={"movflags": "faststart"})
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    engine = Engine(out_of_domain="answer")
    over_regions = (
        "def execute_command(video, possible_answers, question):\n    return VideoSegment(video).num_frames\n"
    )
    for program in ("some_frame(exists(Object, lambda x: red(x)))", over_regions):
        notes = engine.ask_film(path, program=program).notes
        assert any("the film is cut off: of 20.0 s it holds" in note for note in notes)


def test_a_song_with_a_cover_is_no_film(tmp_path: Path) -> None:
    path = tmp_path / "x.mp4"
    with av.open(str(path), "w") as container:
        sound, cover = container.add_stream("aac", rate=8000), container.add_stream("mjpeg", rate=1)
        cover.width, cover.height, cover.pix_fmt = 64, 48, "yuvj420p"
        cover.disposition = av.stream.Disposition.attached_pic
        container.mux(cover.encode(av.VideoFrame.from_ndarray(np.asarray(grey(3)), format="rgb24")))
        container.mux(cover.encode())
        for k in range(10):
            frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
            frame.sample_rate, frame.pts = 8000, 1024 * k
            container.mux(sound.encode(frame))
        container.mux(sound.encode())
    with pytest.raises(FilmError, match="no moving pictures"):
        Film(path)


def test_frames_without_times_are_an_error_that_says_how_to_mend_it(tmp_path: Path) -> None:
    with pytest.raises(FilmError, match=r"when the film's frames are shown.*ffmpeg -i FILM -c copy"):
        Film(film(tmp_path / "x.h264", grey, 5, codec="libx264"))


def test_an_animated_webp_is_an_error_that_names_the_kind(tmp_path: Path) -> None:
    path = tmp_path / "x.webp"
    grey(0).save(path, save_all=True, append_images=[grey(t) for t in range(1, 5)], duration=1000)
    with pytest.raises(FilmError, match="animated WebP"):
        Film(path)


def test_a_damaged_frame_costs_no_more_than_its_group(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The next frame that can be decoded stands in for it, and the film is not begun anew for it."""
    draw = drawn((64, 48))
    path = film(tmp_path / "x.mkv", draw, times=range(15), fps=1, options={"g": "5"})
    with Film(path, 1, None) as made:
        decoder = made._decoder
        assert decoder is not None
        jumps: list[int | None] = []
        jump = decoder._jump
        monkeypatch.setattr(decoder, "_jump", lambda key: (jumps.append(key), jump(key))[1])
        decode = decoder._container.decode

        def without(stream: Any) -> Any:
            return (frame for frame in decode(stream) if frame.pts != 7000)

        class Container:
            def __getattr__(self, name: str) -> Any:
                return getattr(container, name)

            decode = staticmethod(without)

        container, decoder._container = decoder._container, Container()
        assert np.asarray(made.frame(7).image).mean() / 16 == pytest.approx(8, abs=0.3)
        assert jumps == [1]
