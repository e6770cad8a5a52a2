"""VLMsAreBlind: rows as they are published, rows that are not, and what counts as the right answer."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from neptune.answer import Answer
from neptune.errors import NeptuneError
from neptune.tasks import load
from neptune.tasks.detail.blind import same


def png() -> bytes:
    kept = io.BytesIO()
    Image.new("RGB", (30, 20), "white").save(kept, "PNG")
    return kept.getvalue()


def row(**changed: Any) -> dict[str, Any]:
    return {
        "image": {"bytes": png(), "path": None}, "task": "Counting Grid - Blank Grids",
        "prompt": "Count the number of rows and columns and answer with numbers in curly brackets.",
        "groundtruth": "4,5", "metadata": "{}",
    } | changed  # fmt: skip


def samples(rows: list[Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    (tmp_path / "valid-00000.parquet").write_bytes(b"")
    monkeypatch.setattr("neptune.tasks.detail.blind.rows", lambda *_: rows)
    return load("vlmsareblind", tmp_path)


def test_a_row_is_read_as_it_is_published(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    task = samples([row()], tmp_path, monkeypatch)
    (sample,) = task.samples
    sample.check()
    assert (sample.family, task.show_expected(sample)) == ("Counting Grid - Blank Grids", "4,5")
    assert sample.picture is not None
    assert sample.picture.size == (30, 20)
    assert task.judge(sample, Answer("rows={4} columns={5}", "text"))
    assert task.judge(sample, Answer([4, 5], "list"))


BAD: dict[str, Any] = {
    "no row": None,
    "a list": [1],
    "a text": "row",
    "nothing in it": {},
    "no question": row(prompt=None),
    "a question of numbers": row(prompt=3),
    "a question without words": row(prompt="  "),
    "a question without end": row(prompt="x" * 100_000),
    "no picture": row(image=None),
    "a picture without bytes": row(image={"bytes": None, "path": None}),
    "bytes that are none": row(image={"bytes": b"GIF89a", "path": None}),
    "a picture of this machine": row(image={"bytes": None, "path": "/etc/hostname"}),
    "a picture beside the folder": row(image={"bytes": None, "path": "../other.png"}),
    "a picture that is a number": row(image=7),
    "an answer that is a list": row(groundtruth=["4", "5"]),
    "an answer that is empty": row(groundtruth=" "),
    "an answer that is no number": row(groundtruth=float("nan")),
    "an answer that is an object": row(groundtruth={"rows": 4}),
}


@pytest.mark.parametrize("bad", BAD.values(), ids=BAD.keys())
def test_a_bad_row_is_its_own_samples_problem(bad: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Image.new("RGB", (5, 5)).save(tmp_path.parent / "other.png")
    found = samples([row(), bad, row(groundtruth="2")], tmp_path, monkeypatch).samples
    assert [s.problem is None for s in found] == [True, False, True]


def test_a_picture_at_an_address_is_not_fetched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (sample,) = samples([row(image={"bytes": None, "path": "http://127.0.0.1:9/x.png"})], tmp_path, monkeypatch).samples
    assert sample.problem is not None or sample.picture is not None
    if sample.picture is not None:
        with pytest.raises(NeptuneError):
            _ = sample.picture.image


ODD: dict[str, Any] = {"no kind": row(task=None), "a kind of numbers": row(task=3), "a long kind": row(task="k" * 999)}


@pytest.mark.parametrize("odd", ODD.values(), ids=ODD.keys())
def test_a_kind_that_is_odd_harms_nothing(odd: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (sample,) = samples([odd], tmp_path, monkeypatch).samples
    sample.check()
    assert 0 < len(sample.family) <= 80


SAME = [
    ("rows={4} columns={5}", "4,5", True), ("{4}{5}", "4,5", True), ("(4, 5)", "4,5", True), ("4 x 5", "4,5", True),
    ("four rows and five columns", "4,5", True), ("{5}{4}", "4,5", False), ("{4}", "4,5", False),
    ("45", "4,5", False),
    ("{2}", "2", True), ("2", "2", True), ("2.0", "2", True), ("two", "2", True), ("They cross two times.", "2", True),
    ("2 or 3", "2", False), ("It is {2}, not 3.", "2", True), ("12", "2", False), ("none", "2", False),
    ("", "2", False), ("Yes", "Yes", True), ("yes.", "Yes", True), ("True", "Yes", True), ("No", "Yes", False),
    ("Yes, the circles touch", "Yes", True), ("yes or no", "Yes", False), ("yesterday", "Yes", False),
    ("{o}", "o", True), ("O", "o", True), ("The letter is o.", "o", True), ("a letter o", "o", True),
    ("{a}", "a", True), ("It is a", "a", True), ("the letters o and p", "o", False), ("word", "o", False),
]  # fmt: skip


@pytest.mark.parametrize(("said", "truth", "right"), SAME)
def test_the_kind_of_the_right_answer_decides_what_is_the_same(said: str, truth: str, right: bool) -> None:
    assert same(said, truth) is right
