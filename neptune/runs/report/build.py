"""Makes ``report.html`` from the records of a run: a file that needs no network.

Up to `EMBEDDED` samples their pictures are in the file too; beyond, it refers to them by their paths, and the page
loads one when its sample is looked at. Of more than `PAGED` samples, most of the data lies beside the page.
"""

from __future__ import annotations

import base64
import io
import os
from collections.abc import Callable, Iterator, Mapping, MutableMapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from cachetools import LRUCache

from neptune.errors import PictureError
from neptune.foreign import scrubbed
from neptune.runs.record import REPORT, Record
from neptune.runs.record.pictures import RecordedPictures
from neptune.runs.report.about import about
from neptune.runs.report.calls import each_with_calls
from neptune.runs.report.data import (
    CHUNK,
    FIRST,
    PAGED,
    PAGED_CHUNK,
    Beside,
    Columns,
    forget_pages,
    packed,
    row_of,
    sample_of,
)
from neptune.runs.report.pages import REPORT_SCRIPTS, pieces_of
from neptune.saving import RESUME, replacing
from neptune.scene.picture import Picture

EMBEDDED = 200
"""Up to this many samples the pictures are embedded."""

PLACES_KEPT = 4096
"""Of data beside the page: so many pictures are known to be there already. Another's address is written once more."""

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
    parts = ReportParts(folder, len(records), pictures, beside=True)
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
    parts.replaced()
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
        self._found = found or RecordedPictures()
        self._known: MutableMapping[str, str] = LRUCache(PLACES_KEPT)

    def __call__(self, path: str) -> str:
        """Return the address, or the data, of a picture; ``""`` where it can not be shown (its samples say so)."""
        known = self._known.get(path)
        if known is None:
            file = self._found.file(path)
            known = self._known[path] = "" if file is None else self._shown(file)
        return known

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
    beside
        Whether data may lie beside the page, where there are more than :data:`PAGED` samples.
    """

    def __init__(
        self,
        folder: Path,
        samples: int,
        pictures: RecordedPictures | Callable[[str], str] | None = None,
        *,
        beside: bool = False,
    ) -> None:
        self._picture = pictures if callable(pictures) else Pictures(folder, samples, pictures)
        self._folder, self._samples = folder, samples
        self._beside = Beside(folder) if beside and samples > PAGED else None
        self._chunk = CHUNK if self._beside is None else PAGED_CHUNK
        self._index, self._rows, self._blocks = Columns(), 0, 0
        self._first: tuple[str, str] | None = None
        self._chunks, self._chunk_count, self._open = list[str](), 0, list[dict[str, Any]]()
        self._pictures, self._picture_count = list[str](), 0
        self._places: MutableMapping[str, int] = {} if self._beside is None else LRUCache(PLACES_KEPT)

    def add(self, record: Record) -> None:
        """Take what is shown of one more sample.

        Raises
        ------
        WriteError
            If what lies beside the page can not be written.
        """
        row = row_of(record)
        if source := record.get("picture"):
            row["picture"] = self._place(source)
        self._index.add(row)
        sample = sample_of(record)
        if "conversation" in sample:
            sample["conversation"] = self._talk(sample["conversation"])
        self._open.append(sample)
        self._rows += 1
        if len(self._open) == self._chunk:
            self._pack()
        if self._beside is not None and self._rows == (min(FIRST, PAGED) if self._first is None else PAGED):
            self._pack_index()

    def _place(self, source: str) -> int:
        place = self._places.get(source)
        if place is None:
            place = self._places[source] = self._picture_count
            self._picture_count += 1
            self._pictures.append(self._picture(source))
        return place

    def _talk(self, talk: Mapping[str, Any]) -> dict[str, Any]:
        """Return a conversation with the places of its pictures among those of the page."""
        turns = [dict(t) for t in talk.get("turns") or () if isinstance(t, Mapping)]
        for turn in turns:
            shown = [dict(p) for p in turn.get("pictures") or () if isinstance(p, Mapping)]
            for shot in shown:
                source = str(self._folder / "pictures" / f"{shot.get('sha256')}.png")
                shot["at"] = self._place(source) if str(shot.get("sha256")).isalnum() else None
            turn["pictures"] = shown
        return {**talk, "turns": turns}

    def _pack(self) -> None:
        if self._open:
            text = packed(self._open)
            if self._beside is None:
                self._chunks.append(text)
            else:
                self._beside.put(f"chunk-{self._chunk_count}", text)
            self._chunk_count += 1
            self._open = []

    def _pack_index(self) -> None:
        """Pack the rows of the index, and the pictures that are new with them: the first in the page."""
        table = self._index.table()
        if self._first is None:
            self._first = packed(table), packed(self._pictures)
        elif self._rows and self._beside is not None:
            self._beside.put(f"index-{self._blocks}", packed({"index": table, "pictures": self._pictures}))
        else:
            return
        self._blocks += 1
        self._index, self._rows, self._pictures = Columns(), 0, []

    def replaced(self) -> None:
        """Take away what lies beside the page that this one has replaced."""
        if self._beside is not None:
            self._beside.alone()
        else:
            forget_pages(self._folder)

    def page(
        self, title: str, results: Mapping[str, Any], about_it: Mapping[str, Any] | None = None, live: bool = False
    ) -> Iterator[str]:
        """Yield the page, piece by piece; see :func:`page`."""
        self._pack()
        self._pack_index()
        assert self._first is not None
        index, pictures = self._first
        beside: dict[str, Any] = {}
        if self._beside is not None:
            beside = {"beside": self._beside.name, "blocks": self._blocks, "samples": self._samples}
        results = _told_apart(results) | dict(results)
        return pieces_of(
            "report.html",
            REPORT_SCRIPTS,
            {"results": results, "chunk": self._chunk, "live": live, "title": title} | beside,
            title=title,
            results=results,
            about=about_it,
            pictures=pictures,
            index=index,
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
