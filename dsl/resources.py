"""Finds the data files of the language: beside the package in a checkout, inside it in a wheel."""

from __future__ import annotations

from pathlib import Path

_HERE = Path(__file__).resolve().parent


def find(room: str, name: str) -> Path:
    """Return the path of the file `name` in `room` (``"grammars"`` or ``"prompts"``).

    A checkout has the rooms beside ``dsl/``; a wheel has them under ``dsl/data`` and ``neptune/data``.

    Raises
    ------
    FileNotFoundError
        If the file is in none of these places; the message lists them.
    """
    roots = [_HERE.parent / room, _HERE / "data" / room, _HERE.parent / "neptune" / "data" / room]
    for root in roots:
        path = root / name
        if path.is_file():
            return path
    raise FileNotFoundError(f"{room}/{name} is in none of {', '.join(str(r) for r in roots)}")


def grammar() -> str:
    """Return the text of ``grammars/neptune.lark``."""
    return find("grammars", "neptune.lark").read_text(encoding="utf-8")
