"""The commands that train and tune: run, print a table of figures, and last the path of the results."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

from neptune.runs.record import RESULTS

if TYPE_CHECKING:
    from neptune.learn.finetune.answers import AnswersConfig
    from neptune.learn.finetune.vlm import FinetuneConfig
    from neptune.learn.train.train import TrainConfig
    from neptune.learn.tune.task import TuneConfig


def train(config: TrainConfig, name: str) -> int:
    """Train the embedded detector and scorer (``configs/train-embedded.json``); return 0.

    Parameters
    ----------
    config
        The task's fields.
    name
        The run's name, from which the output folder follows.

    Raises
    ------
    NeptuneError
        If the data can not be read, or an extra is missing.
    """
    from neptune.learn.train.train import train as run

    folder = folder_of(config.output_dir, name)
    return show(run(config, folder), folder)


def train_answers(config: AnswersConfig, name: str) -> int:
    """Train the embedded scorer from answers alone (``configs/train-answers.json``); return 0.

    Parameters and errors as for :func:`train`.
    """
    from neptune.learn.finetune.answers import train_answers as run

    folder = folder_of(config.output_dir, name)
    return show(run(config, folder), folder)


def tune(config: TuneConfig, name: str) -> int:
    """Fit temperatures and the strictness of "and" through the programs (``configs/tune-clevr.json``); return 0.

    Parameters and errors as for :func:`train`.
    """
    from neptune.learn.tune.task import tune as run

    folder = folder_of(config.output_dir, name)
    return show(run(config, folder), folder)


def finetune(config: FinetuneConfig, name: str) -> int:
    """Train a LoRA adapter of a vision-language model from answers (``configs/finetune-lora.json``); return 0.

    Under ``accelerate launch`` one process of several reports. Parameters and errors as for :func:`train`.
    """
    from accelerate import PartialState

    from neptune.learn.finetune.vlm import finetune as run

    folder = folder_of(config.output_dir, name)
    results = run(config, folder)
    return show(results, folder) if PartialState().is_main_process else 0


def folder_of(output_dir: str | Path | None, name: str) -> Path:
    """Return the folder of a run called `name`: the one given, or ``experiments/<name>``."""
    return Path(output_dir) if output_dir is not None else Path("experiments") / name


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
