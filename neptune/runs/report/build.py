"""Makes ``report.html`` from the records of a run: one file that needs no network.

Up to `EMBEDDED` samples their pictures are in the file too; beyond, it refers to them by their paths, and the page
loads one when its sample is looked at.
"""

from __future__ import annotations

import base64
import io
import json
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from jinja2 import Environment

from neptune.errors import PictureError
from neptune.html import RAMP
from neptune.runs.evaluate.summary import show_interval
from neptune.runs.record import REPORT, Record, jsonable, write_atomic
from neptune.runs.record.pictures import RecordedPictures
from neptune.runs.report.data import CHUNK, chunks, columns, packed, row_of
from neptune.scene.picture import Picture

EMBEDDED = 200
"""Up to this many samples the pictures are embedded."""

_WIDEST = 640
"""Embedded pictures are scaled down to this width in pixels."""

_STYLES = ("report.css",)
_SCRIPTS = ("base.js", "charts.js", "list.js", "sample.js", "main.js")


def write_report(
    folder: Path, records: Sequence[Record], results: Mapping[str, Any], pictures: RecordedPictures | None = None
) -> Path:
    """Write the report of a run and return its path.

    Parameters
    ----------
    folder
        The run folder.
    records
        The samples, in the order in which they are shown.
    results
        What `neptune.runs.evaluate.summary.summarise` returned.
    pictures
        Finds the pictures that records name; ``None``: anywhere.
    """
    embed = len(records) <= EMBEDDED
    found = pictures or RecordedPictures()
    shown: dict[str, str] = {}

    def picture(path: str) -> str:
        if path not in shown:
            file = found.file(path)
            shown[path] = "" if file is None else _embedded(file) if embed else _relative(file, folder)
        return shown[path]

    path = folder / REPORT
    write_atomic(path, page(folder.resolve().name, records, results, picture))
    return path


def page(
    title: str, records: Sequence[Record], results: Mapping[str, Any], picture: Callable[[str], str], live: bool = False
) -> str:
    """Return the page.

    Parameters
    ----------
    title
        The run's name.
    records, results
        As of :func:`write_report`.
    picture
        Gives the address, or the data, of a picture by its path; ``""``: not shown.
    live
        The page asks its server for more samples.
    """
    pictures: list[str] = []
    places: dict[str, int] = {}
    rows = []
    for record in records:
        row = row_of(record)
        if source := record.get("picture"):
            if source not in places:
                places[source] = len(pictures)
                pictures.append(picture(source))
            row["picture"] = places[source]
        rows.append(row)
    here = Path(__file__).parent
    template = _environment().from_string((here / "template.html").read_text(encoding="utf-8"))
    return template.render(
        title=title,
        results=results,
        style="\n".join((here / "page" / name).read_text(encoding="utf-8") for name in _STYLES),
        script="\n".join((here / "page" / name).read_text(encoding="utf-8") for name in _SCRIPTS),
        facts=script_json({"results": results, "ramp": RAMP, "chunk": CHUNK, "live": live, "title": title}),
        index=packed(columns(rows)),
        pictures=packed(pictures),
        chunks=chunks(records),
    )


def _environment() -> Environment:
    environment = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    environment.filters["percent"] = lambda x: "–" if x is None else f"{x:.1%}"
    environment.filters["range"] = show_interval
    environment.filters["count"] = lambda x: f"{x:,.0f}"
    return environment


def script_json(data: Any) -> str:
    """Return JSON that can stand in a <script>: no ``<``, and no line separators that old parsers stumble over."""
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
