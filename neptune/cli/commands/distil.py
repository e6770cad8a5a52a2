"""``task: distil``: prints how many questions became what, and last the path of the samples."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from neptune.config.paths import run_folder

if TYPE_CHECKING:
    from neptune.learn.distil.task import DistilConfig


def distil(config: DistilConfig, name: str) -> int:
    """Distil the questions of datasets into samples; return 0, or the exit code of a run that did not end.

    Parameters
    ----------
    config
        The task's fields.
    name
        The run's name, from which the output folder follows: by default ``experiments/<name>``.

    Raises
    ------
    NeptuneError
        If data, models or folder can not be used.
    """
    from neptune.learn.distil.export import DISTILLED
    from neptune.learn.distil.task import distil as run

    folder = run_folder(config.output_dir, name)
    results, code = run(config, folder)
    if not results:
        return code
    table = Table(title="Distilled", title_justify="left")
    table.add_column("")
    table.add_column("questions", justify="right")
    labelled, unlabelled = results["labelled"], results["unlabelled"]
    table.add_row("answer and rationale", f"{labelled['rationales']:,}")
    for why, count in labelled["answer_alone"].items():
        table.add_row(f"answer alone: {why}", f"{count:,}")
    if unlabelled["questions"]:
        table.add_row("no known answer, kept", f"{unlabelled['kept']:,}")
        for why, count in unlabelled["left_out"].items():
            table.add_row(f"no known answer, left out: {why}", f"{count:,}")
    Console().print(table)
    print(folder / DISTILLED, flush=True)
    return code
