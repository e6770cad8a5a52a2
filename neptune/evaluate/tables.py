"""The tables that a run prints on a terminal."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.table import Table

from neptune.evaluate.summary import show_interval

MAX_FAMILIES = 20
"""Families of a dataset that has more are left to ``results.json`` and the report."""


def print_results(results: dict[str, Any], console: Console | None = None) -> None:
    """Print the table of results: datasets, and their families where there are not too many."""
    console = console or Console()
    families, datasets = results["by_family"], results["by_dataset"]
    boxes = any("mean_iou" in counts for counts in datasets.values())
    columns = ["n", "right", "accuracy", "95 %", "errors", "abstained"] + ["mean IoU"] * boxes
    table = Table(title="Results", title_justify="left")
    table.add_column("")
    for column in columns:
        table.add_column(column, justify="right", no_wrap=True)

    def row(label: str, counts: dict[str, Any], style: str = "") -> None:
        accuracy = "–" if counts["accuracy"] is None else f"{counts['accuracy']:.2%}"
        cells = [str(counts["n"]), str(counts["correct"]), accuracy, show_interval(counts["interval"])]
        cells += [str(counts["errors"]), str(counts["abstained"])]
        if boxes:
            cells.append(f"{counts['mean_iou']:.3f}" if "mean_iou" in counts else "")
        table.add_row(label, *cells, style=style)

    for dataset, counts in datasets.items():
        row(dataset, counts, "bold")
        mine = {f: c for f, c in families.items() if len(datasets) == 1 or f.startswith(f"{dataset}: ")}
        if 1 < len(mine) <= MAX_FAMILIES:
            for family, family_counts in mine.items():
                row("  " + family.removeprefix(f"{dataset}: "), family_counts)
    if len(datasets) > 1:
        row("all", results, "bold")
    console.print(table)
    usage = results["usage"]
    console.print(
        f"{usage.get('oracle_calls', 0):,.0f} oracle calls, {usage.get('cache_hits', 0):,.0f} cache hits, "
        f"{results['seconds']:.1f} s",
        highlight=False,
    )
    if results["errors_by_kind"]:
        kinds = ", ".join(f"{n} {kind}" for kind, n in results["errors_by_kind"].items())
        print(
            f"{results['errors']} samples could not be answered ({kinds}); see 'error' in samples.jsonl",
            flush=True,
        )
