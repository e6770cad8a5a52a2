"""Makes ``report.html`` from the records of a run: one file that needs no network.

Up to `EMBEDDED` samples their pictures are in the file too; beyond, it refers to them by their paths, and the page
loads one when its sample is looked at.
"""

from __future__ import annotations

import base64
import io
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from neptune.errors import PictureError
from neptune.foreign import scrubbed
from neptune.runs.record import REPORT, Record
from neptune.runs.record.pictures import RecordedPictures
from neptune.runs.report.about import about
from neptune.runs.report.calls import each_with_calls
from neptune.runs.report.data import CHUNK, Columns, packed, row_of, sample_of
from neptune.runs.report.pages import REPORT_SCRIPTS, pieces_of
from neptune.saving import RESUME, replacing
from neptune.scene.picture import Picture

EMBEDDED = 200
"""Up to this many samples the pictures are embedded."""

_WIDEST = 640
"""Embedded pictures are scaled down to this width in pixels."""


def write_report(
    folder: Path, records: Sequence[Record], results: Mapping[str, Any], pictures: RecordedPictures | None = None
) -> Path:
    """Write the report of a run and return its path.

    Parameters
    ----------
    folder
        The run folder; its ``config.json`` says what was run, its ``exchanges.jsonl`` what a model was sent and said.
    records
        The samples, in the order in which they are shown.
    results
        What `neptune.runs.evaluate.summary.summarise` returned.
    pictures
        Finds the pictures that records name; ``None``: anywhere.
    """
    parts = ReportParts(folder, len(records), pictures)
    for record in each_with_calls(folder, records):
        parts.add(record)
    return write_parts(folder, parts, results)


def write_parts(folder: Path, parts: ReportParts, results: Mapping[str, Any]) -> Path:
    """Write the report of a run from what it shows of its samples, and return its path."""
    path = folder / REPORT
    pieces = parts.page(folder.resolve().name, results, about(folder, results))
    with replacing(path, f"{path.name} of the run", RESUME) as file:
        for piece in pieces:
            file.write(scrubbed(piece).encode("utf-8", "backslashreplace"))
    return path


class Pictures:
    """Addresses of pictures as a page in `folder` needs them: data where there are few, relative paths beyond.

    Parameters
    ----------
    folder
        Where the page lies.
    samples
        How many it shows.
    found
        Finds the pictures that records name; ``None``: anywhere.
    """

    def __init__(self, folder: Path, samples: int, found: RecordedPictures | None = None) -> None:
        self._folder, self._embed = folder, samples <= EMBEDDED
        self._found, self._known = found or RecordedPictures(), dict[str, str]()

    def __call__(self, path: str) -> str:
        """Return the address, or the data, of a picture; ``""`` where it can not be shown (its samples say so)."""
        if path not in self._known:
            file = self._found.file(path)
            self._known[path] = "" if file is None else self._shown(file)
        return self._known[path]

    def _shown(self, file: Path) -> str:
        return _embedded(file) if self._embed else _relative(file, self._folder)


class ReportParts:
    """What the page shows of the samples, taken from one record after the other: none is kept whole.

    Parameters
    ----------
    folder
        Where the page lies.
    samples
        How many it will show.
    pictures
        Finds the pictures that records name; ``None``: anywhere. Or gives the address, or the data, of a picture by its
        path; ``""``: not shown.
    """

    def __init__(
        self, folder: Path, samples: int, pictures: RecordedPictures | Callable[[str], str] | None = None
    ) -> None:
        self._folder = folder
        self._picture = pictures if callable(pictures) else Pictures(folder, samples, pictures)
        self._index = Columns()
        self._chunks, self._open = list[str](), list[dict[str, Any]]()
        self._pictures, self._places = list[str](), dict[str, int]()

    def add(self, record: Record) -> None:
        """Take what is shown of one more sample."""
        row = row_of(record)
        place_picture(row, record.get("picture"), self._picture, self._pictures, self._places)
        self._index.add(row)
        sample = sample_of(record)
        if "conversation" in sample:
            sample["conversation"] = self._talk(sample["conversation"])
        self._open.append(sample)
        if len(self._open) == CHUNK:
            self._pack()

    def _talk(self, talk: Mapping[str, Any]) -> dict[str, Any]:
        """Return a conversation with the places of its pictures among those of the page."""
        turns = [dict(t) for t in talk.get("turns") or () if isinstance(t, Mapping)]
        for turn in turns:
            shown = [dict(p) for p in turn.get("pictures") or () if isinstance(p, Mapping)]
            for shot in shown:
                place: dict[str, Any] = {}
                source = str(self._folder / "pictures" / f"{shot.get('sha256')}.png")
                if str(shot.get("sha256")).isalnum():
                    place_picture(place, source, self._picture, self._pictures, self._places)
                shot["at"] = place.get("picture")
            turn["pictures"] = shown
        return {**talk, "turns": turns}

    def _pack(self) -> None:
        if self._open:
            self._chunks.append(packed(self._open))
            self._open = []

    def page(
        self, title: str, results: Mapping[str, Any], about_it: Mapping[str, Any] | None = None, live: bool = False
    ) -> Iterator[str]:
        """Yield the page, piece by piece; see :func:`page`."""
        self._pack()
        results = _told_apart(results) | dict(results)
        return pieces_of(
            "report.html",
            REPORT_SCRIPTS,
            {"results": results, "chunk": CHUNK, "live": live, "title": title},
            title=title,
            results=results,
            about=about_it,
            pictures=packed(self._pictures),
            index=packed(self._index.table()),
            chunks=self._chunks,
        )


def page(
    title: str,
    records: Sequence[Record],
    results: Mapping[str, Any],
    picture: Callable[[str], str],
    about_it: Mapping[str, Any] | None = None,
    live: bool = False,
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
    about_it
        What was run, see :func:`neptune.runs.report.about.about`.
    live
        The page asks its server for more samples.
    """
    parts = ReportParts(Path(), len(records), picture)
    for record in records:
        parts.add(record)
    return "".join(parts.page(title, results, about_it, live))


def _told_apart(results: Mapping[str, Any]) -> dict[str, Any]:
    """Accuracy over what was answered, and what was not, for figures of before these were kept."""
    answered, n = results.get("answered") or 0, results.get("n") or 0
    given = answered - (results.get("unjudged") or 0)
    return {
        "accuracy_answered": results["correct"] / given if given > 0 and results.get("accuracy") is not None else None,
        "unanswered": n - answered - (results.get("errors") or 0) - (results.get("abstained") or 0),
    }


def place_pictures(
    rows: Sequence[dict[str, Any]], sources: Sequence[str | None], picture: Callable[[str], str]
) -> list[str]:
    """Give each row the place of its picture among those of the page, and return these, each once."""
    pictures: list[str] = []
    places: dict[str, int] = {}
    for row, source in zip(rows, sources, strict=True):
        place_picture(row, source, picture, pictures, places)
    return pictures


def place_picture(
    row: dict[str, Any], source: str | None, picture: Callable[[str], str], pictures: list[str], places: dict[str, int]
) -> None:
    """Give a row the place of its picture among those of the page, which it is added to where it is new."""
    if source:
        if source not in places:
            places[source] = len(pictures)
            pictures.append(picture(source))
        row["picture"] = places[source]


def _embedded(path: Path) -> str:
    """The picture as a JPEG data URI, or nothing where it can not be read."""
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
