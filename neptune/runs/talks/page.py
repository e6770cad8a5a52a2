"""The page of a conversation: turns, code with what came of it, pictures that open, where time and money went."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from neptune.agent.journal import PICTURES
from neptune.agent.shots import Clue
from neptune.foreign import scrubbed
from neptune.runs.report.pages import TALK_SCRIPTS, render
from neptune.saving import replacing

PAGE = "report.html"


def write_page(folder: Path, record: Mapping[str, Any], name: str | Path = PAGE, back: str = "") -> Path:
    """Write the page of a conversation, one file that needs no network, and return its path.

    Parameters
    ----------
    folder
        Where its pictures are, and the page will be.
    record
        ``question``, ``answer``, ``probability``, ``pictures`` and ``conversation``, as
        :func:`neptune.agent.conversation.as_record` says.
    name
        The page's place below the folder.
    back
        Where the report of its run stands, from there; ``""``: it is of no run.
    """
    talk = record["conversation"]
    empty = {"values": {}, "text": "", "error": "", "notes": [], "pictures": [], "oracle_calls": 0, "note": ""}
    talk = {**talk, "turns": [{**empty, **turn} for turn in talk["turns"]]}
    total = max(sum(t["seconds"]["model"] + t["seconds"]["program"] for t in talk["turns"]), 1e-9)
    shown = {p["sha256"] for t in talk["turns"] for p in t.get("pictures", ())}
    first = [{"history": [], **p} for p in record["pictures"] if p["sha256"] not in shown]
    page = render(
        "conversation.html", TALK_SCRIPTS, {"title": str(record["question"])}, title=str(record["question"]),
        record=record, talk=talk, total=total, first=first, back=back, data=lambda sha: _data(folder, sha),
    )  # fmt: skip
    path = folder / name
    with replacing(path, "The page of the conversation") as file:
        file.write(scrubbed(page).encode("utf-8", "backslashreplace"))
    return path


def keep_pictures(folder: Path, clues: Sequence[Clue]) -> list[dict[str, Any]]:
    """Write pictures below a folder, each once, by the hash of its file, and return what a record says of them."""
    for clue in clues:
        path = folder / PICTURES / f"{clue.digest}.png"
        if not path.is_file():
            with replacing(path, "A picture of the conversation") as file:
                file.write(clue.png)
    return [{"name": c.name, "sha256": c.digest, "size": list(c.picture.size)} for c in clues]


def _data(folder: Path, sha: str) -> str:
    """Return a picture of the conversation as an address that holds it."""
    path = folder / PICTURES / f"{sha}.png"
    if not sha.isalnum() or not path.is_file():
        return ""
    return f"data:image/png;base64,{base64.b64encode(path.read_bytes()).decode()}"
