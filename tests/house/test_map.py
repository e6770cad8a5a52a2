"""The map names every room, and nothing that is not there."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
MAP = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
ROOMS = sorted(
    path.parent.relative_to(ROOT).as_posix() for top in ("dsl", "neptune") for path in (ROOT / top).rglob("__init__.py")
)
MOST_FILES, MOST_LINES = 12, 400


def rows() -> list[tuple[list[str], str]]:
    """Return the rooms that each row of a table begins with, and what it says they hold."""
    found = []
    for line in MAP.splitlines():
        cells = line.split("|")
        if len(cells) == 4 and cells[1].strip().startswith("`"):
            found.append((re.findall(r"`([\w./]+)/`", cells[1]), cells[2]))
    return found


def test_every_room_stands_on_the_map() -> None:
    named = {room for rooms, _ in rows() for room in rooms}
    holds_rooms_only = {"neptune/runs"}
    assert set(ROOMS) - named == holds_rooms_only
    assert all((ROOT / room).is_dir() for room in named)


def test_every_file_that_the_map_names_is_there() -> None:
    for rooms, holds in rows():
        if rooms[0] not in ROOMS:
            continue
        for name in re.findall(r"`([a-z_]+)`", holds):
            assert any((ROOT / room / f"{name}.py").is_file() for room in rooms), f"{rooms}: {name}"


def test_rooms_and_files_are_small() -> None:
    for room in ROOMS:
        files = list((ROOT / room).glob("*.py"))
        assert len(files) <= MOST_FILES, f"{room} has {len(files)} files"
        for file in files:
            assert len(file.read_text(encoding="utf-8").splitlines()) <= MOST_LINES, file
