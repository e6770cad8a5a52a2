"""Films: frames by time, few in memory, errors that say what is wrong."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from helpers.made_films import film, grey
from PIL import Image

from neptune.errors import FilmError, MissingExtraError
from neptune.films import Film
from neptune.films.film import FRAMES_HELD

av = pytest.importorskip("av", reason="the extra 'video' is not installed")


def seen(frame: Image.Image) -> float:
    """Return the time that a frame of `grey` shows, within a quarter of a second."""
    return float(np.asarray(frame).mean()) / 4


@pytest.mark.parametrize("suffix", [".mp4", ".webm"])
def test_frames_are_those_of_their_time_in_any_order(tmp_path: Path, suffix: str) -> None:
    with Film(film(tmp_path / f"x{suffix}", grey, 20)) as made:
        assert len(made) == 20
        assert made.duration == pytest.approx(20, abs=0.1)
        assert made.times == pytest.approx(range(20), abs=0.05)
        for k in [0, 7, 3, 19, 18, 4, 5, 0]:
            assert seen(made.frame(k).image) == pytest.approx(made.times[k], abs=0.6)
            assert made.frame(k).size == (64, 48)


def test_a_long_film_is_seen_at_even_steps_and_few_frames_are_held(tmp_path: Path) -> None:
    path = film(tmp_path / "x.mp4", grey, 60, fps=2)
    with Film(path) as made:
        assert made.times == pytest.approx(range(0, 60, 2), abs=0.01)
        digests = {made.frame(k).digest for k in range(len(made))}
        assert len(digests) == 30
        assert len(made._held) == FRAMES_HELD
    with Film(path, 2, None) as made:
        assert len(made) == 120
    with Film(path, frames_per_second=100, most_frames=None) as made:
        assert len(made) == 120  # no frame is looked at twice


def test_a_variable_frame_rate_is_read_by_time(tmp_path: Path) -> None:
    times = [0, 0.1, 0.2, 0.3, 4.5, 4.6, 9.7, 9.8, 9.9]
    with Film(film(tmp_path / "x.mp4", grey, times=times, fps=10)) as made:
        assert made.times == pytest.approx([0, 0.3, 4.6], abs=0.01)
        assert [seen(made.frame(k).image) for k in range(3)] == pytest.approx(made.times, abs=0.6)


def test_one_frame_is_a_film(tmp_path: Path) -> None:
    with Film(film(tmp_path / "x.mp4", grey, times=[0])) as made:
        assert (len(made), made.times) == (1, (0.0,))
        assert made.frame(0).image.size == (64, 48)


def _damaged(path: Path, kind: str) -> Path:
    content = path.read_bytes()
    made = path.with_name(f"{kind}.mp4")
    if kind == "empty":
        made.write_bytes(b"")
    elif kind == "text":
        made.write_text("no film at all\n" * 50)
    elif kind == "cut off":
        made.write_bytes(content[: len(content) // 2])
    elif kind == "a picture's text":
        made.write_bytes(b"\x89PNG\r\n\x1a\n" + b"\0" * 100)
    return made


@pytest.mark.parametrize("kind", ["empty", "text", "cut off", "a picture's text", "missing", "folder"])
def test_what_is_no_film_is_an_error_that_names_it(tmp_path: Path, kind: str) -> None:
    path = _damaged(film(tmp_path / "x.mp4", grey, 5), kind)
    if kind == "folder":
        path.mkdir()
    with pytest.raises(FilmError, match="film") as found:
        Film(path)
    assert path.name in found.value.where


def test_a_film_damaged_inside_costs_a_clear_error_or_a_frame(tmp_path: Path) -> None:
    path = film(tmp_path / "x.mp4", lambda t: grey(t, (320, 240)), 20)
    content = bytearray(path.read_bytes())
    rng = np.random.default_rng(0)
    for place in rng.integers(len(content) // 4, len(content) // 2, 200):
        content[place] = rng.integers(256)
    path.write_bytes(content)
    said, looked = "x.mp4", 0
    try:
        with Film(path) as made:
            for looked in range(len(made)):
                made.frame(looked).image.load()
    except FilmError as error:
        said = error.where
    assert "x.mp4" in said
    assert looked >= 3  # what lies before the damage is seen


def test_a_sound_is_no_film(tmp_path: Path) -> None:
    path = tmp_path / "x.wav"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), format="s16", layout="mono")
        frame.sample_rate = 8000
        container.mux(stream.encode(frame))
        container.mux(stream.encode())
    with pytest.raises(FilmError, match="no moving pictures"):
        Film(path)


def test_a_rate_that_is_none_is_refused(tmp_path: Path) -> None:
    path = film(tmp_path / "x.mp4", grey, 2)
    for arguments in ({"frames_per_second": 0}, {"frames_per_second": float("nan")}, {"most_frames": 0}):
        with pytest.raises(FilmError, match="expected frames_per_second > 0"):
            Film(path, **arguments)


def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(MissingExtraError, match=r"neptune-reasoner\[video\]"):
        Film(tmp_path / "x.mp4")
