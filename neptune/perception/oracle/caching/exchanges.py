"""What a model was sent and what it said, word by word, for a reader who wants to know: ``exchanges.jsonl``.

The record that replay reads (``evidence.jsonl``) has scores; this file has the prompt as the model got it and the raw
reply. It is for reading alone, and bounded: a run of a million calls keeps the first ones.
"""

from __future__ import annotations

import io
import json
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from neptune.errors import OracleFailedError
from neptune.foreign import scrubbed
from neptune.saving import append_whole
from neptune.scene.identity import scene_digest
from neptune.scene.types import QueryRequest, ScoreRequest

EXCHANGES = "exchanges.jsonl"
"""The file's name in a run folder."""

MOST_BYTES = 64_000_000
"""No more is written into the file."""

LONGEST = 4_000
"""Longer prompts and replies are cut to so many characters."""


class Exchanges:
    """Appends exchanges to a file. Threads may share it.

    Parameters
    ----------
    path
        The file; made with the first exchange.
    most_bytes
        The file does not grow beyond this.
    """

    def __init__(self, path: str | Path, most_bytes: int = MOST_BYTES) -> None:
        self.path, self.most_bytes = Path(path), most_bytes
        self._lock = threading.Lock()

    def add(
        self, request: ScoreRequest | QueryRequest, row: int, prompt: str, picture: str, replies: Sequence[str]
    ) -> None:
        """Keep what came of one cell.

        Parameters
        ----------
        request, row
            The request, and the row of its objects.
        prompt
            The words, as they were sent.
        picture
            What was sent as a picture, in words (``"480 × 320 pixels, png"``); ``""``: none.
        replies
            Each raw reply, or why there was none.

        Raises
        ------
        OracleFailedError
            If the file can not be written.
        """
        line: dict[str, Any] = {
            "kind": "score" if isinstance(request, ScoreRequest) else "query",
            "scene": scene_digest(request.scene),
            "question": request.question.text,
            "objects": [int(i) for i in request.objects[row]],
            "prompt": cut(prompt),
            "picture": picture,
            "replies": [cut(reply) for reply in replies],
        }
        self.write((scrubbed(json.dumps(line, ensure_ascii=False)) + "\n").encode("utf-8", "backslashreplace"))

    def write(self, text: bytes) -> None:
        """Add a line to the file, where it fits.

        Raises
        ------
        OracleFailedError
            If the file can not be written.
        """
        try:
            with self._lock, io.FileIO(self.path, "ab") as file:
                if file.seek(0, io.SEEK_END) + len(text) <= self.most_bytes:
                    append_whole(file, text)
        except OSError as error:
            raise OracleFailedError(
                f"What the model said can not be kept: {error.strerror or error}",
                where=str(self.path),
                hint="Make room, or choose another record_oracle (null: none); the same command resumes",
            ) from error


@runtime_checkable
class KeepsExchanges(Protocol):
    """An oracle that talks to a model, and keeps what is said where it is told to."""

    exchanges: Exchanges | None


def cut(text: str) -> str:
    """Return a text, cut to :data:`LONGEST` characters with a note of how many are left out."""
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}… ({len(text) - LONGEST:,} more characters)"
