"""Runs side by side, over the samples that all of them have: an engine, a student that answers at once, its base."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from neptune.errors import ConfigError
from neptune.runs.evaluate.after import summarise_variants
from neptune.runs.evaluate.calibration import calibration_error
from neptune.runs.evaluate.compare import compare_folders, read_folder
from neptune.runs.evaluate.side_files import attach
from neptune.runs.evaluate.summary import counts, show_interval
from neptune.runs.evaluate.tables import percent, wide
from neptune.runs.record import key
from neptune.runs.record.outcome import ANSWERED, outcome_of

Record = Mapping[str, Any]


def figures(records: Sequence[Record]) -> dict[str, Any]:
    """Return what several runs are compared by.

    Returns
    -------
    dict
        ``n accuracy interval``; ``told``, how many judged answers have a probability, and over these ``ece`` (expected
        calibration error) and ``brier`` (mean squared gap of the answer's probability and whether it is right), both
        in [0, 1], ``None`` over none; ``seconds`` and ``calls`` (of the oracle) a question; ``consistency``, where
        samples belong to groups; ``variants``, where questions were also asked in other words
        (:func:`neptune.runs.evaluate.after.summarise_variants`).
    """
    judged = [r for r in records if outcome_of(r) == ANSWERED and isinstance(r.get("correct"), bool)]
    told = [(float(r["probability"]), bool(r["correct"])) for r in judged if r.get("probability") is not None]
    n = len(records)
    counted = counts(list(map(dict, records)), n)
    return {
        "n": n,
        "accuracy": counted["accuracy"],
        "interval": counted["interval"],
        "told": len(told),
        "ece": calibration_error([p for p, _ in told], [hit for _, hit in told]) if told else None,
        "brier": sum((p - hit) ** 2 for p, hit in told) / len(told) if told else None,
        "seconds": sum(r.get("seconds") or 0.0 for r in records) / max(1, n),
        "calls": sum((r.get("usage") or {}).get("oracle_calls", 0) for r in records) / max(1, n),
        "consistency": counted.get("consistency"),
        "variants": summarise_variants(records),
    }


def side_by_side(folders: Sequence[Path], console: Console | None = None) -> list[dict[str, Any]]:
    """Print the figures of runs, a row each, and return them.

    Parameters
    ----------
    folders
        The run folders, two or more. Samples that not all of them have are left out.
    console
        Where to.

    Raises
    ------
    ConfigError
        If a folder holds no run, or they have no sample in common.
    """
    console = console or wide()
    rows = [read_folder(folder) for folder in folders]
    rows = [{key(r): r for r in attach(folder, of.values())} for folder, of in zip(folders, rows, strict=True)]
    shared = [who for who in rows[0] if all(who in other for other in rows[1:])]
    if not shared:
        raise ConfigError("The runs have no sample in common", where=", ".join(map(str, folders)))
    found = [figures([of[who] for who in shared]) for of in rows]
    grouped = any(row["consistency"] is not None for row in found)
    table = Table(title=f"Side by side, {len(shared):,} samples", title_justify="left")
    table.add_column("", no_wrap=False)
    columns = ["right", "95 %", "calibration error", "Brier", "with p", "seconds each", "calls each"]
    kinds = [kind for kind in ("reworded", "negated") if any(kind in row["variants"] for row in found)]
    for column in columns + ["consistent"] * grouped + kinds:
        table.add_column(column, justify="right")
    for folder, row in zip(folders, found, strict=True):
        cells = [percent(row["accuracy"]), show_interval(row["interval"]), _digits(row["ece"]), _digits(row["brier"])]
        cells += [f"{row['told']:,}", f"{row['seconds']:.3f}", f"{row['calls']:.1f}"]
        cells += [percent(row["consistency"])] if grouped else []
        cells += [percent(row["variants"].get(kind, {}).get("share")) for kind in kinds]
        table.add_row(Text(str(folder)), *cells)
    console.print(table)
    if kinds:
        console.print(
            "reworded, negated: asked in other words, the same answer; asked for the opposite, the opposite one.",
            highlight=False,
        )
    if len(folders) > 2:
        for other in folders[1:]:
            both = compare_folders(folders[0], other).found
            gain = both.only_second - both.only_first
            console.print(
                f"{other} against {folders[0]}: {gain:+d} right, McNemar's exact test p = {both.p:.3g}.",
                highlight=False,
            )
    return found


def _digits(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"
