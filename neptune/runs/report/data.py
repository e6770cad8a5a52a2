"""The samples of a run as the page takes them: an index of all, in columns, and the samples themselves in chunks.

Both are JSON, deflated, in base64: the page inflates the index when it opens (what the list and the charts need), and
a chunk when one of its samples is looked at. Of more than :data:`PAGED` samples, all but the first part of the index
lies in files beside the page, which it reads when it is open: 100,000 samples open as fast as 1,000.
"""

from __future__ import annotations

import base64
import json
import re
import secrets
import shutil
import zlib
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Any

import orjson

from neptune.runs.evaluate.summary import IOU
from neptune.runs.record import Record
from neptune.runs.record.files import compact
from neptune.runs.record.outcome import ANSWERED, outcome_of, why_of
from neptune.saving import RESUME, write_error

CHUNK = 100
"""Samples inflated together."""

PAGED = 5_000
"""Of more samples only the first part of the index is in the page; the rest, in parts of so many, and the samples lie
beside it."""

FIRST = 1_000
"""Samples in the first part: a page of any number of samples opens as one of so many."""

PAGED_CHUNK = 500
"""Samples in a file beside the page."""

PAGES = "report-pages"
"""The folder of these files, beside the page."""

LEVEL = 2
"""Of deflating: a page two thirds larger than at its best, in a ninth of the time."""

ROUNDED_KEPT = 1 << 14
"""Scores that are known with three digits: few differ, and looking one up is faster than rounding it."""

_FIELDS: dict[str, list[str]] = json.loads(Path(__file__).with_name("fields.json").read_text(encoding="utf-8"))
_INDEX, _SAMPLE = _FIELDS["index"], _FIELDS["sample"]
"""The columns of the index, and what else the page shows of a sample."""

_CODED, _CODED_LISTS = ("dataset", "family", "state"), ("faults",)
"""Columns of texts that repeat, and of lists of such."""


def state_of(record: Mapping[str, Any]) -> str:
    """Return ``right``, ``wrong``, ``error``, ``abstained``, or ``unjudged`` where no right answer is known."""
    if (outcome := outcome_of(record)) != ANSWERED:
        return outcome
    if record.get("correct") is None:
        return "unjudged"
    return "right" if record["correct"] else "wrong"


def faults_of(record: Mapping[str, Any], state: str | None = None) -> list[str]:
    """Return what is the matter with a sample, in words that the page filters by: kinds of error, and of doubt.

    `state` is its :func:`state_of`, where that is known.
    """
    state, found = state or state_of(record), []
    if state == "error":
        found.append(f"error: {record.get('error_kind') or 'unknown'}")
    if state == "abstained":
        found.append(f"abstained: {why_of(record) or 'missing evidence'}")
    if state == "wrong":
        found.append(_slip(record))
    culprit = _inside(record, "blame").get("blame")
    if culprit:
        found.append(f"to blame: {culprit}")
    verdict = _inside(record, "judge").get("right")
    if verdict is not None and record.get("correct") is not None and bool(verdict) != bool(record["correct"]):
        found.append("the judge disagrees")
    if _inside(record, "beside").get("agrees") is False:
        found.append("the model beside disagrees")
    said = _inside(record, "variants")
    for kind, words in (("reworded", "not so in other words"), ("negated", "its negation is answered alike")):
        if isinstance(said.get(kind), Mapping) and said[kind].get("holds") is False:
            found.append(words)
    if record.get("presuppositions"):
        found.append("nothing fits a description")
    if record.get("ambiguous"):
        found.append("several fit a description")
    if record.get("out_of_domain"):
        found.append("out of domain")
    if record.get("tie"):
        found.append("a tie")
    if record.get("oracle_failures"):
        found.append("calls that failed")
    return found


def _slip(record: Mapping[str, Any]) -> str:
    """How a wrong answer differs from the right one."""
    answer, expected = record.get("answer"), record.get("expected")
    if record.get("iou") is not None:
        return "wrong: the box overlaps too little" if record["iou"] < IOU else "wrong: another object"
    words = {str(answer).lower(), str(expected).lower()}
    if words <= {"yes", "no", "true", "false"}:
        return f"wrong: {_plain(answer)}, not {_plain(expected)}"
    try:
        return "wrong: too many" if float(answer) > float(expected) else "wrong: too few"  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return "wrong: another answer"


def _inside(record: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = record.get(name)
    return value if isinstance(value, Mapping) else {}


def _plain(value: Any) -> str:
    return {"true": "yes", "false": "no"}.get(str(value).lower(), str(value).lower())


def doubt_of(record: Mapping[str, Any], state: str | None = None) -> float | None:
    """Return 1 minus the probability of the answer given, in [0, 1]; of bounds the lower one; ``None``: not known.

    `state` is its :func:`state_of`, where that is known.
    """
    if (state or state_of(record)) == "abstained":
        return None
    p = record.get("probability")
    if p is None:
        bounds = record.get("bounds")
        p = bounds[0] if bounds else None
    return None if p is None else round(1.0 - float(p), 4)


def row_of(record: Record) -> dict[str, Any]:
    """Return a sample's row of the index."""
    usage, flip, state = _inside(record, "usage"), _inside(record, "flip"), state_of(record)
    return {name: record.get(name) for name in _INDEX} | {
        "id": str(record.get("id")),
        "family": record.get("family") or "",
        "state": state,
        "doubt": doubt_of(record, state),
        "calls": usage.get("oracle_calls", 0),
        "flip": flip.get("at_most"),
        "faults": faults_of(record, state),
    }


_LISTS = {"notes", "presuppositions", "ambiguous", "objects", "trace", "plan", "lines", "boxes", "scores"}
_LISTS |= {"regions", "variables", "program_notes", "oracle_remarks", "calls", "programs", "witness"}
_LISTS |= {"answer_set", "answer_chances", "changed"}
_OBJECTS = {"judge", "blame", "beside", "variants", "flip", "usage", "oracle_failures", "seen", "verified", "tests"}
_OBJECTS |= {"conversation", "dispute"}
_TAKEN = {
    name: frozenset({list} if name in _LISTS else {dict} if name in _OBJECTS else {str, bool, int, float, list, dict})
    for name in _SAMPLE
}
"""For each name that is shown, the types of JSON that the page takes there: a record may be somebody else's file."""
_NUMBERS = (int, float)
"""Shown though they are false: a 0 says something, an empty list does not."""


def sample_of(record: Record) -> dict[str, Any]:
    """Return what the page shows of a sample beyond its row; scores with three digits."""
    sample: dict[str, Any] = {
        name: value
        for name, value in record.items()
        if name in _TAKEN
        and (value or isinstance(value, _NUMBERS))
        and (type(value) in _TAKEN[name] or _fits(name, value))
    }
    if "scores" in sample:
        sample["scores"] = _short(sample["scores"])
    if "trace" in sample:
        sample["trace"] = [_step(step) for step in sample["trace"]]
    return sample


def _fits(name: str, value: Any) -> bool:
    """Whether a value of another type than JSON's is of the kind that the page takes."""
    if name in _LISTS:
        return isinstance(value, Sequence) and not isinstance(value, str)
    return isinstance(value, Mapping) if name in _OBJECTS else True


def _step(step: Mapping[str, Any]) -> dict[str, Any]:
    shown = {name: value for name, value in step.items() if value is not None}
    if "scores" in shown:
        shown["scores"] = _short(shown["scores"])
    return shown


class Columns:
    """Rows of the index as columns."""

    def __init__(self) -> None:
        self._values: dict[str, list[Any]] = {name: [] for name in (*_INDEX, "picture")}

    def add(self, row: Mapping[str, Any]) -> None:
        """Add a row."""
        for name, values in self._values.items():
            values.append(row.get(name))

    def table(self) -> dict[str, Any]:
        """Return the columns; texts that repeat as numbers into a list of them."""
        table: dict[str, Any] = {}
        for name, values in self._values.items():
            if name in _CODED:
                known = list(dict.fromkeys(values))
                place = {value: k for k, value in enumerate(known)}
                table[name] = {"of": known, "at": [place[v] for v in values]}
            elif name in _CODED_LISTS:
                known = list(dict.fromkeys(v for found in values for v in found or ()))
                place = {value: k for k, value in enumerate(known)}
                table[name] = {"of": known, "at": [[place[v] for v in found or ()] for found in values]}
            else:
                table[name] = values
        return table


class Beside:
    """Data beside a page: small scripts, which a page from a file may load where it may not read a file.

    Each page has a folder of its own, so that another one being written spoils nothing.

    Parameters
    ----------
    folder
        Where the page lies.
    """

    def __init__(self, folder: Path) -> None:
        self.name = f"{PAGES}/{secrets.token_hex(6)}"
        self._folder, self._path = folder, folder / self.name

    def put(self, name: str, text: str) -> None:
        """Write packed data under a name.

        Raises
        ------
        WriteError
            If the system refuses.
        """
        path = self._path / f"{name}.js"
        try:
            self._path.mkdir(parents=True, exist_ok=True)
            path.write_text(f'data("{name}","{text}");\n', encoding="ascii")
        except OSError as error:
            raise write_error(error, path, "The data of the report", RESUME) from error

    def alone(self) -> None:
        """Take away the data of earlier pages: this one has taken their place."""
        forget_pages(self._folder, but=self._path.name)


def forget_pages(folder: Path, but: str = "") -> None:
    """Take away the data beside a page that is no longer there, all `but` one folder of it."""
    pages = folder / PAGES
    if pages.is_symlink() or not pages.is_dir():
        return
    for old in pages.iterdir():
        if old.name != but and re.fullmatch(r"[0-9a-f]{12}", old.name) and not old.is_symlink():
            shutil.rmtree(old, ignore_errors=True)
    if not but:
        with suppress(OSError):
            pages.rmdir()


def columns(rows: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Return rows as columns; see :class:`Columns`."""
    found = Columns()
    for row in rows:
        found.add(row)
    return found.table()


def packed(data: Any) -> str:
    """Return JSON of the data, deflated (zlib, RFC 1950), in base64."""
    try:
        text = orjson.dumps(data)  # in a tenth of the time that Python's own takes
    except TypeError:  # a number of numpy, one of more than 64 bits, or half a character
        text = compact(data).encode("utf-8", "backslashreplace")
    return base64.b64encode(zlib.compress(text, LEVEL)).decode("ascii")


def chunks(records: Sequence[Record]) -> list[str]:
    """Return the samples, packed, :data:`CHUNK` at a time."""
    return chunked([sample_of(r) for r in records])


def chunked(samples: Sequence[Any]) -> list[str]:
    """Return what the page shows of samples, packed, :data:`CHUNK` at a time."""
    return [packed(samples[start : start + CHUNK]) for start in range(0, len(samples), CHUNK)]


@lru_cache(ROUNDED_KEPT)
def _rounded(score: float | None) -> float | None:
    return None if score is None else round(float(score), 3)


def _short(scores: Sequence[float | None]) -> list[float | None]:
    return list(map(_rounded, scores))
