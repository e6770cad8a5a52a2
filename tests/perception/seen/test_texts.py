"""Words in pictures: comparing them, and the readers."""

from __future__ import annotations

import difflib
from types import SimpleNamespace

import numpy as np
import pytest
from helpers.perceived import sign
from PIL import Image

from neptune.errors import ConfigError, MissingExtraError, PerceptionError
from neptune.perception import registry
from neptune.perception.reading.tesseract import table_lines
from neptune.scene.picture import Picture
from neptune.scene.seen.texts import TextLine, belief, in_order, inside, joined, letters
from neptune.scene.types import TextReader


def line(text: str, x: float = 0, y: float = 0, sure: float = 1.0) -> TextLine:
    return TextLine(text, (x, y, x + 40, y + 10), sure)


@pytest.mark.parametrize(
    ("said", "words", "least", "most"),
    [
        (["STOP"], "stop", 1, 1),
        (["Stop!"], "STOP", 1, 1),
        (["please stop here"], "stop", 1, 1),
        (["PLEASE", "STOP"], "please stop", 1, 1),
        (["CAFÉ"], "cafe", 1, 1),
        (["EXIT"], "stop", 0, 0.3),
        (["SHOP"], "stop", 0.2, 0.5),
        (["INTERNATI0NAL"], "international", 0.5, 0.99),
        ([], "stop", 0, 0),
        ([], "", 0, 0),
        (["anything"], "", 1, 1),
    ],
)
def test_belief(said: list[str], words: str, least: float, most: float) -> None:
    assert least <= belief([line(text, y=20 * k) for k, text in enumerate(said)], words) <= most


def test_belief_is_no_surer_than_the_reader() -> None:
    assert belief([line("STOP", sure=0.7)], "stop") == pytest.approx(0.7)
    assert belief([line("PLEASE", sure=0.9), line("STOP", y=20, sure=0.6)], "please stop") == pytest.approx(0.6)


def test_lines_are_read_from_the_top_and_from_the_left() -> None:
    lines = [line("three", 0, 40), line("two", 60, 3), line("one", 0, 0)]
    assert joined(in_order(lines)) == "one two three"
    assert joined(inside(lines, (50, 0, 120, 20))) == "two"


@pytest.fixture(scope="module")
def rapid() -> TextReader:
    pytest.importorskip("rapidocr", reason="needs the extra 'ocr'")
    pytest.importorskip("onnxruntime", reason="needs the extra 'ocr'")
    return registry.text_reader("rapidocr")


@pytest.mark.parametrize(("height", "turn"), [(12, 180), (18, 0), (28, 45), (44, 270), (70, 15)])
def test_signs_are_read_however_they_are_turned(rapid: TextReader, height: int, turn: float) -> None:
    (found,) = rapid.read([sign("EXIT 42", height, turn)])
    assert difflib.SequenceMatcher(None, joined(found), "EXIT 42").ratio() > 0.9
    ((x0, y0, x1, y1),) = [one.box for one in found]
    assert x0 < 240 < x1
    assert y0 < 160 < y1
    assert 0.5 <= found[0].confidence <= 1


@pytest.mark.parametrize("size", [(1, 1), (900, 1)])
def test_a_picture_without_text_says_nothing(rapid: TextReader, size: tuple[int, int]) -> None:
    assert rapid.read([Picture(Image.new("RGB", size, "grey"))]) == [()]


def test_a_bent_line_is_found_whole_at_a_second_look(rapid: TextReader, monkeypatch: pytest.MonkeyPatch) -> None:
    """A photographed page: without the second look one of its seven lines is lost."""
    data = pytest.importorskip("skimage", reason="needs the extra 'sandbox'").data
    picture = Picture(data.page())
    (found,) = rapid.read([picture])
    said = letters(joined(found))
    assert letters("parts of the histogram of grey values") in said
    assert letters("are found at the two extreme") in said
    monkeypatch.setattr("neptune.perception.reading.rapid.SURE", 0.0)
    (once,) = rapid.read([picture])
    assert letters("are found at the two extreme") not in letters(joined(once))


def test_of_two_readings_the_one_with_more_sure_letters_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("rapidocr", reason="needs the extra 'ocr'")
    pytest.importorskip("onnxruntime", reason="needs the extra 'ocr'")
    looks: list[str] = []

    def says(name: str, text: str, sure: float):
        corners = np.array([[[0, 0], [40, 0], [40, 10], [0, 10]]], dtype=float)

        def answer(pixels: object) -> object:
            looks.append(name)
            return SimpleNamespace(txts=(text,), boxes=corners, scores=(sure,))

        return answer

    reader = registry.text_reader("rapidocr")
    picture = Picture(np.zeros((50, 60, 3), dtype=np.uint8))
    for first, second, expected, looked in [
        (("STOP", 0.9), ("STOP HERE", 0.9), "STOP", ["first"]),
        (("STOP", 0.7), ("STOP HERE", 0.9), "STOP HERE", ["first", "second"]),
        (("STOP", 0.7), ("ST", 0.99), "STOP", ["first", "second"]),
    ]:
        looks.clear()
        monkeypatch.setattr(reader, "_reader", says("first", *first))
        monkeypatch.setattr(reader, "_closer", says("second", *second), raising=False)
        ((line,),) = reader.read([picture])
        assert (line.text, looks) == (expected, looked)


def test_options_and_missing_extras(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match="did you mean 'rapidocr'"):
        registry.text_reader("rapidoc")
    with pytest.raises(ConfigError, match=r"expected one of rapidocr, tesseract$"):
        registry.text_reader("some/model")
    with pytest.raises(PerceptionError, match="threads is 0"):
        registry.text_reader("rapidocr", threads=0)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"neptune-reasoner\[ocr\]"):
        registry.text_reader("rapidocr")
    monkeypatch.setattr("shutil.which", lambda name: None)
    with pytest.raises(ConfigError, match="Tesseract is not installed"):
        registry.text_reader("tesseract")


def test_tesseract_by_a_program_that_answers_as_it_does(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = (
        "level\tpage_num\tblock_num\tpar_num\tline_num\tword_num\tleft\ttop\twidth\theight\tconf\ttext\n"
        "1\t1\t0\t0\t0\t0\t0\t0\t100\t50\t-1\t\n"
        "5\t1\t1\t1\t1\t1\t10\t5\t20\t10\t96.5\tNO\n5\t1\t1\t1\t1\t2\t35\t5\t40\t10\t90\tENTRY\n"
        "5\t1\t1\t1\t2\t1\t10\t25\t20\t10\t12\t|x\n"
    )
    ((text, corners, sure),) = table_lines(table, 0.5)
    assert (text, corners[0], corners[2], round(sure, 3)) == ("NO ENTRY", (10, 5), (75, 15), 0.932)
    program = tmp_path / "tesseract"
    program.write_text(
        f"#!{__import__('sys').executable}\nimport sys\n"
        f"print('tesseract 5.3.0') if '--version' in sys.argv else (sys.stdin.buffer.read(), print({table!r}))\n"
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    reader = registry.text_reader("tesseract")
    ((found,),) = reader.read([Picture(np.zeros((50, 100, 3), dtype=np.uint8))])
    assert (found.text, found.box) == ("NO ENTRY", (10, 5, 75, 15))
    assert "tesseract 5.3.0" in reader.identity  # type: ignore[attr-defined]
    program.write_text("#!/bin/sh\necho no such language >&2\nexit 1\n")
    with pytest.raises(PerceptionError, match="no such language"):
        reader.read([Picture(np.zeros((50, 100, 3), dtype=np.uint8))])
