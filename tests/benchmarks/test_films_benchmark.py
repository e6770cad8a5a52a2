"""The benchmark of films: films with one witness somewhere, and a run that goes on where it stopped."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def films() -> Any:
    spec = importlib.util.spec_from_file_location("benchmark_of_films", ROOT / "benchmarks" / "films.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_witness_is_shown_in_a_row_and_the_same_in_every_run(films: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(films, "moved", lambda path, t: Image.new("L", (1, 1), 255 if path == "yes" else 0))
    known = {True: ["yes"], False: ["no", "never"]}
    starts = set()
    for k in range(6):
        shown = [image.getpixel((0, 0)) for image in films.film_of(k, True, known)]
        assert len(shown) == films.SECONDS
        start = shown.index(255)
        assert [n for n, value in enumerate(shown) if value] == [*range(start, start + films.SHOWN)]
        assert shown == [image.getpixel((0, 0)) for image in films.film_of(k, True, known)]
        assert not any(image.getpixel((0, 0)) for image in films.film_of(k, False, known))
        starts.add(start)
    assert len(starts) > 3


def test_it_goes_on_where_it_stopped(films: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[bool] = []

    def answers(path: Path, witness: bool) -> dict[str, Any]:
        asked.append(witness)
        if len(asked) == 3:
            raise KeyboardInterrupt
        seen = {films.EVERY: (60, 400), films.IN_ORDER: (30, 200), films.COARSE: (6, 40)}
        ways = seen if witness else {films.COARSE: (60, 400)}
        return {name: {"right": True, "frames": frames, "calls": calls} for name, (frames, calls) in ways.items()}

    monkeypatch.setattr(films, "truths", lambda: {True: [], False: []})
    monkeypatch.setattr(films, "film_of", lambda *given: [])
    monkeypatch.setattr(films, "write", lambda *given: None)
    monkeypatch.setattr(films, "asked", answers)
    kept = tmp_path / "films.jsonl"
    with pytest.raises(KeyboardInterrupt):
        films.frames(2, kept)
    assert [json.loads(line)["witness"] for line in kept.read_text().splitlines()] == [True, False]
    found = films.frames(2, kept)
    assert asked == [True, False, True, True, False], "the third is asked anew, the others are not"
    with_witness = found["2 films with a witness"]
    assert with_witness[films.IN_ORDER] == {
        "right": 2,
        "frames": [30, 30],
        "share of frames": 0.5,
        "share of calls": 0.5,
    }
    assert with_witness[films.COARSE]["share of calls"] == 0.1
    assert found["2 films without"] == {films.COARSE: {"right": 2, "frames": [60, 60], "share of frames": 1.0}}
    films.frames(2, kept)
    assert len(asked) == 5
