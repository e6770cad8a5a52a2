"""``neptune-reasoner report FOLDER``: the report of a run folder, or a page over the runs of a folder, written anew."""

from __future__ import annotations

import json
from pathlib import Path

from neptune.errors import ConfigError
from neptune.runs import record as records
from neptune.runs.evaluate.side_files import attach
from neptune.runs.evaluate.summary import summarise


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
    return write_report(folder, shown, figures)
