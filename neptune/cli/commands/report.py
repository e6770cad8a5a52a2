"""``neptune-reasoner report FOLDER``: the report of a run folder, or a page over the runs of a folder, written anew."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path

from neptune.errors import ConfigError
from neptune.runs import record as records
from neptune.runs.evaluate.side_files import attach
from neptune.runs.evaluate.summary import summarise
from neptune.runs.record.pictures import RecordedPictures


def report_again(folder: Path, data_dir: str | None = None, follow_links: bool = False) -> Path:
    """Write the report of a run folder, or the page over the runs below a folder, and return its path.

    Parameters
    ----------
    folder
        It may be another's: what its config says gives no right to read other files.
    data_dir, follow_links
        The user's word: where its pictures lie, and whether links there may lead out.

    Raises
    ------
    ConfigError
        If the folder holds no run, or what it recorded is damaged.
    """
    from neptune.runs.report import index, write_report
    from neptune.runs.talks.shown import ways_again

    if not (folder / records.CONFIG).is_file():
        return index.build(folder)
    records.check_own_files(folder)
    if (ways := ways_again(folder)) is not None:
        return ways
    found, _ = records.read_samples(folder / records.SAMPLES)
    shown = list(attach(folder, found))
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
    pictures = RecordedPictures.of_folders([folder], data_dir, follow_links)
    path = write_report(folder, shown, figures, pictures)
    say_left_out(pictures, [folder])
    return path


def compare_pages(first: Path, second: Path, data_dir: str | None = None, follow_links: bool = False) -> Path:
    """Write the page of two runs side by side, and return its path; parameters as of :func:`report_again`."""
    from neptune.runs.report import pair

    pictures = RecordedPictures.of_folders([first, second], data_dir, follow_links)
    path = pair.build(first, second, pictures=pictures)
    say_left_out(pictures, [first, second])
    return path


def say_left_out(pictures: RecordedPictures, folders: Sequence[Path]) -> None:
    """Say on standard error which pictures are not shown, since they lie elsewhere, and how to show them."""
    if pictures.outside:
        n, what = len(pictures.outside), "the run folder" if len(folders) == 1 else "the run folders"
        said = f"{n} pictures lie" if n > 1 else "1 picture lies"
        said += f" outside {what} and {'are' if n > 1 else 'is'} not shown"
        print(f"note: {said}; if you trust the run, say where its pictures are: --data_dir FOLDER", file=sys.stderr)
