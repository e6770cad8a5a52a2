"""``neptune-reasoner report FOLDER``: the report of a run folder, or a page over the runs of a folder, written anew."""

from __future__ import annotations

import json
from pathlib import Path

from neptune.errors import ConfigError
from neptune.runs import record as records
from neptune.runs.evaluate.side_files import attach
from neptune.runs.evaluate.summary import summarise
from neptune.runs.record.pictures import RecordedPictures


def report_again(folder: Path) -> Path:
    """Write the report of a run folder, or the page over the runs below a folder, and return its path.

    Raises
    ------
    ConfigError
        If the folder holds no run, or what it recorded is damaged.
    """
    from neptune.runs.report import index, write_report

    if not (folder / records.CONFIG).is_file():
        return index.build(folder)
    found, _ = records.read_samples(folder / records.SAMPLES)
    shown = attach(folder, found)
    results = folder / records.RESULTS
    if results.is_file():
        try:
            figures = json.loads(results.read_text(encoding="utf-8"))
        except (ValueError, OSError) as error:
            raise ConfigError(f"The results can not be read: {error}", where=str(results)) from error
    else:  # a run that was killed: what it recorded is all that is known
        totals: dict[str, int] = {}
        for record in found:
            totals[record["dataset"]] = totals.get(record["dataset"], 0) + 1
        figures = summarise(shown, totals)
    return write_report(folder, shown, figures, _pictures(folder))


def _pictures(folder: Path) -> RecordedPictures:
    """Return the finder of the pictures that the records name: below what the run read, of a replay below itself alone.

    A replay's config is the bundle's, and may name any folder of this machine.
    """
    try:
        given = json.loads((folder / records.CONFIG).read_text(encoding="utf-8"))
        replayed = "bundle" in given[records.META]
    except (ValueError, KeyError, TypeError, OSError, RecursionError):
        return RecordedPictures([folder])
    images = given.get("image")
    named = [given.get("data_dir"), *(images if isinstance(images, list) else [images])]
    paths = [Path(name).expanduser() for name in named if isinstance(name, str) and name and not replayed]
    roots = [place for path in paths for place in (path, path.parent if path.is_file() else path.parent / "images")]
    return RecordedPictures([folder, *roots], given.get("follow_links") is True and not replayed)
