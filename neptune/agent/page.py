"""The page of a conversation: turns, code with what came of it, pictures that open, where time and money went."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from neptune.agent.journal import PICTURES
from neptune.foreign import scrubbed
from neptune.saving import replacing

PAGE = "report.html"
TEMPLATE = Path(__file__).with_name("page.html")


def write_page(folder: Path, record: Mapping[str, Any], name: str | Path = PAGE) -> Path:
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
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    talk = record["conversation"]
    empty = {"values": {}, "text": "", "error": "", "notes": [], "pictures": [], "oracle_calls": 0}
    talk = {**talk, "turns": [{**empty, **turn} for turn in talk["turns"]]}
    total = max(sum(t["seconds"]["model"] + t["seconds"]["program"] for t in talk["turns"]), 1e-9)
    shown = {p["sha256"] for t in talk["turns"] for p in t.get("pictures", ())}
    first = [{"history": [], **p} for p in record["pictures"] if p["sha256"] not in shown]
    environment = Environment(loader=FileSystemLoader(TEMPLATE.parent), autoescape=True, undefined=StrictUndefined)
    page = environment.get_template(TEMPLATE.name).render(
        record=record, talk=talk, total=total, first=first, data=lambda sha: _data(folder, sha)
    )
    path = folder / name
    with replacing(path, "The page of the conversation") as file:
        file.write(scrubbed(page).encode("utf-8", "backslashreplace"))
    return path


def _data(folder: Path, sha: str) -> str:
    """Return a picture of the conversation as an address that holds it."""
    path = folder / PICTURES / f"{sha}.png"
    if not sha.isalnum() or not path.is_file():
        return ""
    return f"data:image/png;base64,{base64.b64encode(path.read_bytes()).decode()}"
