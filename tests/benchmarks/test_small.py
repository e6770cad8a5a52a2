"""The benchmark of small scenes compares what is the same: all its columns answer as the engine does."""

from __future__ import annotations

import dataclasses

import pytest
import small


@pytest.mark.parametrize("name", small.PROGRAMS)
def test_every_column_answers_as_the_engine(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(small, "BATCH", 8)
    found = small.row(name, 6, 1, with_klay=False)
    assert set(found) == {"program", "n", *small.COLUMNS} - {"klay"}
    assert all(found[column] > 0 for column in set(small.COLUMNS) - {"klay"})
    assert "–" in small.line(found)


def test_another_answer_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(small, "BATCH", 8)
    right = small.PROGRAMS["count"]
    monkeypatch.setitem(small.PROGRAMS, "count", dataclasses.replace(right, hand=lambda s: right.hand(s) + 1))
    with pytest.raises(SystemExit, match="by hand"):
        small.row("count", 6, 1, with_klay=False)


def test_klay_answers_as_the_engine() -> None:
    pytest.importorskip("klay", reason="needs klaycircuits")
    assert "klay" in small.row("puzzle of 4", 6, 1, with_klay=True)
