"""``index.html`` of a folder of runs: what each was, what came of it, and the way to its report."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

from neptune.errors import ConfigError, ForeignPathError
from neptune.runs import record as records
from neptune.runs.report.about import about
from neptune.runs.report.pages import INDEX_SCRIPTS, render

INDEX = "index.html"
"""The page's name in the folder."""

DEEPEST = 3
"""Runs are looked for in the folder itself and so many levels below it."""

MOST = 5_000
"""So many runs are listed at most."""


def build(folder: Path) -> Path:
    """Write the page of all runs below a folder, and return its path.

    Parameters
    ----------
    folder
        Holds run folders, at most :data:`DEEPEST` levels down. A run that is not finished, or can not be read, is
        listed as such.

    Raises
    ------
    ConfigError
        If the folder does not exist, or holds no run.
    """
    if not folder.is_dir():
        raise ConfigError("There is no such folder", where=str(folder), expected="a run folder, or a folder of them")
    runs = [run for run, _ in zip(_found(folder, 0), range(MOST))]
    if not runs:
        raise ConfigError(
            "The folder holds no run",
            where=str(folder),
            expected=f"{records.CONFIG} and {records.SAMPLES} in it, or in folders up to {DEEPEST} levels down",
        )
    rows = sorted((row_of(folder, run) for run in runs), key=lambda r: r["started"], reverse=True)
    name = folder.resolve().name
    path = folder / INDEX
    facts = {"runs": rows, "folder": str(folder)}
    records.write_atomic(path, render("index.html", INDEX_SCRIPTS, facts, title=f"Runs in {name}"))
    return path


def row_of(folder: Path, run: Path) -> dict[str, Any]:
    """Return what the page says of a run; ``trouble`` is why there are no figures."""
    place = run.relative_to(folder).as_posix()
    foreign = ""
    try:
        records.check_own_files(run)
    except ForeignPathError as error:
        foreign = error.one_line()
    said = (about(run) if not foreign else None) or {}
    facts: Mapping[str, str] = said.get("facts", {})
    report = run / records.REPORT
    row: dict[str, Any] = {
        "run": place if place != "." else run.resolve().name,
        "link": quote(f"{place}/{records.REPORT}") if report.is_file() else "",
        "started": str(said.get("started", "")),
        "when": str(said.get("started", ""))[:16].replace("T", " "),
        "data": facts.get("Data", ""),
        "oracle": facts.get("Oracle", ""),
        "detector": facts.get("Detector", ""),
        "programs": facts.get("Programs", ""),
        "logic": facts.get("Logic", ""),
        "trouble": foreign,
    }
    if foreign:
        return row
    try:
        results = json.loads((run / records.RESULTS).read_text(encoding="utf-8"))
        row |= {name: results.get(name) for name in ("n", "accuracy", "interval", "errors", "abstained", "seconds")}
        answered = (results.get("answered") or 0) - (results.get("unjudged") or 0)
        known = results.get("accuracy") is not None and answered > 0
        row["answered"] = results.get("accuracy_answered", results["correct"] / answered if known else None)
        row["calls"] = (results.get("usage") or {}).get("oracle_calls")
        row["complete"] = bool(results.get("complete"))
    except FileNotFoundError:
        row["trouble"] = "no results yet: the run goes on, or was killed"
    except (OSError, ValueError, AttributeError, KeyError, TypeError) as error:
        row["trouble"] = f"its results can not be read: {error}"
    if not row["trouble"] and not row["complete"]:
        row["trouble"] = str(results.get("unanswered_why") or "not complete")
    return row


def _found(folder: Path, depth: int) -> Iterator[Path]:
    """Yield run folders, in the order of their names; what lies in a run folder is not looked at."""
    if (folder / records.CONFIG).is_file() and _is_run(folder / records.CONFIG):
        yield folder
        return
    if depth == DEEPEST:
        return
    try:
        below = sorted(p for p in folder.iterdir() if p.is_dir() and not p.is_symlink() and not p.name.startswith("."))
    except OSError:
        return  # not ours to read
    for path in below:
        yield from _found(path, depth + 1)


def _is_run(path: Path) -> bool:
    try:
        return records.META in json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, TypeError):
        return (path.parent / records.SAMPLES).is_file()
