"""The tasks that train and tune: run, print a table of figures, and last the path of the results."""

from __future__ import annotations

from pathlib import Path
from pkgutil import resolve_name
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

from neptune.config.paths import run_folder
from neptune.runs.record import RESULTS

if TYPE_CHECKING:
    from neptune.learn.finetune.answers import AnswersConfig
    from neptune.learn.finetune.drawings import DrawingsConfig
    from neptune.learn.finetune.vlm import FinetuneConfig
    from neptune.learn.train.depth import DepthConfig
    from neptune.learn.train.train import TrainConfig
    from neptune.learn.tune.task import TuneConfig

FUNCTIONS = {
    "train": "neptune.learn.train.train:train",
    "train-answers": "neptune.learn.finetune.answers:train_answers",
    "train-drawings": "neptune.learn.finetune.drawings:train_drawings",
    "train-depth": "neptune.learn.train.depth:train_depth",
    "tune": "neptune.learn.tune.task:tune",
    "finetune": "neptune.learn.finetune.vlm:finetune",
}
"""Task → the function that runs it in a folder and returns its results; loaded on first use."""


def train(
    config: TrainConfig | AnswersConfig | DrawingsConfig | DepthConfig | TuneConfig | FinetuneConfig, name: str
) -> int:
    """Train or tune what a task is about; return 0.

    Under ``accelerate launch`` one process of several reports.

    Parameters
    ----------
    config
        The task's fields.
    name
        The run's name, from which the output folder follows: by default ``experiments/<name>``.

    Raises
    ------
    NeptuneError
        If the data can not be read, or an extra is missing.
    """
    folder = run_folder(config.output_dir, name)
    results = resolve_name(FUNCTIONS[config.task])(config, folder)
    if config.task == "finetune":
        from accelerate import PartialState

        if not PartialState().is_main_process:
            return 0
    return show(results, folder)


def show(results: dict[str, Any], folder: Path) -> int:
    """Print the single figures of results as a table, and the path of ``results.json``; return 0."""
    table = Table(title="Results", title_justify="left")
    table.add_column("figure")
    table.add_column("value", justify="right")
    for label, value in flat(results):
        table.add_row(label, f"{value:.4g}" if isinstance(value, float) else str(value))
    Console().print(table)
    print(folder / RESULTS, flush=True)
    return 0


def flat(tree: dict[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    """Return the single figures of a tree of results; lists (curves, bins) are left to the file."""
    rows: list[tuple[str, Any]] = []
    for key, value in tree.items():
        if isinstance(value, dict):
            rows += flat(value, f"{prefix}{key}.")
        elif isinstance(value, int | float | str):
            rows.append((prefix + key, value))
    return rows
