"""What follows once the samples of a run are answered: judge, error attribution, and the figures that come of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from neptune.config import Config
from neptune.errors import NeptuneError
from neptune.runs.evaluate.attribution import attribute_run, summarise_attribution
from neptune.runs.evaluate.judge import judge_run, summarise_judge
from neptune.runs.evaluate.logics import summarise_logics

if TYPE_CHECKING:
    from neptune.runs.record import RunFolder
    from neptune.tasks import Task


def examine(config: Config, folder: RunFolder, loaded: Sequence[Task]) -> NeptuneError | None:
    """Judge and attribute errors, where the config asks for it, and keep what is found in the run folder.

    Returns
    -------
    NeptuneError or None
        Why not all could be done: a key, a package or a model is missing, or the judge's provider fails.
    """
    try:
        if config.blame:
            attribute_run(config, folder.path, loaded, folder.records)
        return judge_run(config, folder.path, folder.records) if config.evaluate else None
    except NeptuneError as error:
        return error


def more_results(records: Sequence[Mapping[str, Any]], n: int) -> dict[str, Any]:
    """Return what ``results.json`` holds beyond the summary: ``logics``, ``judge`` and ``blame``, where known."""
    found = {
        "logics": summarise_logics(records),
        "judge": summarise_judge(records, n),
        "blame": summarise_attribution(records),
    }
    return {name: figures for name, figures in found.items() if figures}
