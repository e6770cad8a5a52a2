"""Programs by question, read from a file: NePTune's plain format, ``{"question": "program", …}``, also gzipped."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from neptune.errors import DatasetError

MOST_BYTES = 256_000_000
"""Of a file of programs, after decompression: about a million programs."""


def normal_question(question: str) -> str:
    """Return the question as it is looked up: lower case, single spaces, no punctuation at the end."""
    return " ".join(question.split()).casefold().rstrip(" .?!:;…")


class ProgramCache:
    """A read-only map from a question to its program.

    Parameters
    ----------
    programs
        Question → program text. Questions that differ only in case, spaces or final punctuation are one; the
        first wins.
    source
        What errors call it.
    """

    def __init__(self, programs: Mapping[str, str], source: str = "program cache") -> None:
        self.source = source
        self._programs: dict[str, str] = {}
        for question, program in programs.items():
            self._programs.setdefault(normal_question(question), program)

    def __len__(self) -> int:
        return len(self._programs)

    @staticmethod
    def load(path: str | Path) -> ProgramCache:
        """Read a JSON file; one whose name ends in ``.gz`` is decompressed.

        Values are programs, or lists of programs, of which the first is taken.

        Raises
        ------
        DatasetError
            If the file is missing, unreadable, or not an object of texts.
        """
        return ProgramCache({q: _program(q, p, str(path)) for q, p in read_object(Path(path)).items()}, str(path))

    def get(self, question: str) -> str | None:
        """Return the program of a question, or ``None``."""
        return self._programs.get(normal_question(question))


def read_object(path: Path) -> dict[str, Any]:
    """Return the object of a JSON file; one whose name ends in ``.gz`` is decompressed.

    Raises
    ------
    DatasetError
        If the file is missing, unreadable, or not an object.
    """
    try:
        data = json.loads(_content(path).decode("utf-8"))
    except FileNotFoundError:
        raise DatasetError(
            "The program cache does not exist", where=str(path), hint="Check program_cache_address"
        ) from None
    except (OSError, EOFError, zlib.error, ValueError, RecursionError, MemoryError) as error:
        said = " ".join(str(error).split())[:200]
        raise DatasetError(
            f"The program cache can not be read: {said}", where=str(path), expected='JSON: {"question": "program", …}'
        ) from error
    if not isinstance(data, dict):
        raise DatasetError(
            "The program cache is not a JSON object", where=str(path), expected='{"question": "program", …}'
        )
    return data


def _content(path: Path) -> bytes:
    """Return the bytes of a file, decompressed, of which there may be no more than :data:`MOST_BYTES`."""
    with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
        content = file.read(MOST_BYTES + 1)
    if len(content) > MOST_BYTES:
        raise ValueError(f"it holds more than {MOST_BYTES:,} bytes")
    return content


def _program(question: str, value: Any, where: str) -> str:
    if isinstance(value, list) and value:
        value = value[0]
    if not isinstance(value, str):
        raise DatasetError(
            f"The program of {question[:60]!r} is not text", where=where, expected='{"question": "program", …}'
        )
    return value
