"""Makes ``report.html`` from the records of a run: one file that needs no network.

Samples are data in the page, drawn by its script as they come into view, so that thousands of them stay
usable. Up to `EMBEDDED` samples their pictures are in the file too; beyond, it refers to them by their paths.
"""

from __future__ import annotations

import base64
import io
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from jinja2 import Environment

from neptune.errors import PictureError
from neptune.evaluate.summary import show_interval
from neptune.picture import Picture
from neptune.record import REPORT, Record, jsonable, write_atomic
from neptune.report.colors import RAMP

EMBEDDED = 200
"""Up to this many samples the pictures are embedded."""

_WIDEST = 640
"""Embedded pictures are scaled down to this width in pixels."""

_SHOWN = [
    "id",
    "dataset",
    "family",
    "question",
    "program",
    "answer",
    "expected",
    "correct",
    "probability",
    "bounds",
    "error",
    "kind",
    "objects",
    "scores",
    "boxes",
    "size",
    "notes",
    "trace",
    "tie",
    "abstained",
    "presuppositions",
    "usage",
    "seconds",
    "iou",
    "blame",
    "judge",
    "logics",
]
"""The fields of a record that the page shows."""


def write_report(folder: Path, records: Sequence[Record], results: Mapping[str, Any]) -> Path:
    """Write the report of a run and return its path.

    Parameters
    ----------
    folder
        The run folder.
    records
        The samples, in the order in which they are shown.
    results
        What `neptune.record.summarise` returned.
    """
    path = folder / REPORT
    embed = len(records) <= EMBEDDED
    pictures: list[str] = []
    places: dict[str, int] = {}
    samples = []
    for record in records:
        sample = {name: record.get(name) for name in _SHOWN if record.get(name) not in (None, [], "", {})}
        sample["correct"] = record.get("correct") is True
        if source := record.get("picture"):
            if source not in places:
                places[source] = len(pictures)
                pictures.append(_embedded(Path(source)) if embed else _relative(Path(source), folder))
            sample["picture"] = places[source]
        samples.append(sample)
    template = _environment().from_string(
        (Path(__file__).parent / "template.html").read_text(encoding="utf-8")
    )
    page = template.render(
        title=folder.resolve().name,
        results=results,
        several=len(results["by_dataset"]) > 1,
        data=_script_json({"samples": samples, "pictures": pictures, "ramp": RAMP}),
    )
    write_atomic(path, page)
    return path


def _environment() -> Environment:
    environment = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    environment.filters["percent"] = lambda x: "–" if x is None else f"{x:.1%}"
    environment.filters["range"] = show_interval
    environment.filters["count"] = lambda x: f"{x:,.0f}"
    return environment


def _script_json(data: Any) -> str:
    """JSON that can stand in a <script>: no ``<``, and no line separators that old parsers stumble over."""
    text = json.dumps(jsonable(data), ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


def _embedded(path: Path) -> str:
    """The picture as a JPEG data URI, or nothing where it can not be read (its samples say so)."""
    try:
        image = Picture(path).image
    except PictureError:
        return ""
    if image.width > _WIDEST:
        image = image.resize((_WIDEST, max(1, round(image.height * _WIDEST / image.width))))
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=85)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")


def _relative(path: Path, folder: Path) -> str:
    return quote(Path(os.path.relpath(path.resolve(), folder.resolve())).as_posix())
