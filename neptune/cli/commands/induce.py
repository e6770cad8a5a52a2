"""``task: induce``: prints the rules that were found, with their margins, and last the path of the results."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from neptune.config.paths import run_folder
from neptune.runs.record import RESULTS

if TYPE_CHECKING:
    from neptune.learn.induce.task import InduceConfig


def induce(config: InduceConfig, name: str) -> int:
    """Find the rules that positive pictures follow, and negative ones do not; return 0, or 1 where none was found.

    Parameters
    ----------
    config
        The task's fields.
    name
        The run's name, from which the output folder follows: by default ``experiments/<name>``.

    Raises
    ------
    NeptuneError
        If a picture can not be read, or the oracle can not answer.
    """
    from neptune.learn.induce.task import induce as run

    folder = run_folder(config.output_dir, name)
    results = run(config, folder)
    pictures = results["pictures"]
    table = Table(title="Rules", title_justify="left")
    for column in ("", "rule", "margin", "right"):
        table.add_column(column, justify="right" if column == "margin" else "left", overflow="fold")
    for number, rule in enumerate(results["rules"], start=1):
        of = rule["right"]
        right = f"{of['positive']} of {pictures['positive']}, {of['negative']} of {pictures['negative']}"
        table.add_row(str(number), rule["program"], f"{rule['margin']:+.2f}", right)
    Console().print(table)
    said = f"{results['tried']:,} rules tried, {results['calls']:,} calls of the oracle"
    print(said if results["rules"] else f"no rule tells the pictures apart; {said}")
    print(folder / RESULTS, flush=True)
    return 0 if results["rules"] else 1
