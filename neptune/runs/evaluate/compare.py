"""``run.py --compare A B``: which answers changed between two runs, and whether more became right than by chance."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.text import Text

from neptune.errors import ConfigError
from neptune.foreign import printable
from neptune.runs import record as records
from neptune.runs.evaluate.intervals import difference_interval
from neptune.runs.evaluate.summary import counts, picture_of
from neptune.runs.evaluate.tables import counts_cells, counts_table, wide
from neptune.runs.record.outcome import ANSWERED, ERROR, outcome_of, why_of

SHOWN = 40
"""Changed answers that are shown on a terminal; into a file or a pipe all of them are printed."""

Pair = tuple[Mapping[str, Any], Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two runs over the same samples.

    Parameters
    ----------
    pairs
        The records of each sample, first run and second run.
    both, only_first, only_second, neither
        How many samples are right in both, in one, in none.
    unjudged
        How many there are of which no right answer is known. They count nowhere else.
    p
        McNemar's exact p-value.
    difference
        The interval of the second accuracy minus the first (see :mod:`neptune.runs.evaluate.intervals`).
    """

    pairs: list[Pair]
    both: int
    only_first: int
    only_second: int
    neither: int
    unjudged: int
    p: float
    difference: tuple[float, float] | None

    @property
    def changed(self) -> list[Pair]:
        """The samples whose answer, or error, is not the same in both runs."""
        return [(a, b) for a, b in self.pairs if said(a) != said(b)]

    @property
    def judged(self) -> int:
        """How many samples have a right answer that is known."""
        return len(self.pairs) - self.unjudged

    @property
    def answered(self) -> Comparison:
        """The same over the samples that both runs have answered."""
        return paired([(a, b) for a, b in self.pairs if outcome_of(a) == outcome_of(b) == ANSWERED])


def mcnemar(only_first: int, only_second: int) -> float:
    """Return the exact two-sided p-value of McNemar's test (McNemar 1947; binomial with p = ½).

    Parameters
    ----------
    only_first, only_second
        Samples that are right in one of the two runs only, ≥ 0.

    Returns
    -------
    float
        In (0, 1]: how likely a split as uneven as this one is when neither run is better.
    """
    from scipy.special import bdtr  # the binomial distribution, without all of scipy.stats

    return min(1.0, 2 * float(bdtr(min(only_first, only_second), only_first + only_second, 0.5)))


def paired(pairs: list[Pair]) -> Comparison:
    """Compare records of the same samples. What is not answered is not right."""
    known = [(a, b) for a, b in pairs if a.get("correct") is not None and b.get("correct") is not None]
    right = [(_right(a), _right(b)) for a, b in known]
    only_first, only_second = right.count((True, False)), right.count((False, True))
    return Comparison(
        pairs,
        right.count((True, True)),
        only_first,
        only_second,
        right.count((False, False)),
        len(pairs) - len(known),
        mcnemar(only_first, only_second),
        difference_interval([a for a, _ in right], [b for _, b in right], [picture_of(a) for a, _ in known]),
    )


@dataclass(frozen=True, slots=True)
class Folders:
    """Two run folders, compared.

    Parameters
    ----------
    found
        The comparison of the samples that both have.
    alone
        How many samples only the first, and only the second, has.
    fields
        Config fields that differ: name → value in the first, value in the second, as JSON texts.
    """

    found: Comparison
    alone: tuple[int, int]
    fields: dict[str, tuple[str, str]]


def compare_folders(first: Path, second: Path) -> Folders:
    """Compare two run folders.

    Raises
    ------
    ConfigError
        If a folder holds no run, or the two have no sample in common, or a sample asks another question.
    """
    rows = [read_folder(first), read_folder(second)]
    shared = [key for key in rows[0] if key in rows[1]]
    pairs: list[Pair] = [(rows[0][key], rows[1][key]) for key in shared]
    if not pairs:
        raise ConfigError("The two runs have no sample in common", where=f"{first}, {second}")
    other = next((a for a, b in pairs if a.get("question") != b.get("question")), None)
    if other is not None:
        raise ConfigError(
            f"Sample {other['id']} is another question in the second run",
            where=str(second),
            hint="Compare runs over the same files",
        )
    alone = (len(rows[0]) - len(shared), len(rows[1]) - len(shared))
    return Folders(paired(pairs), alone, _fields(first, second))


def compare(first: Path, second: Path, console: Console | None = None) -> int:
    """Print the comparison of two run folders; return 0. Errors as :func:`compare_folders`."""
    console = console or wide()
    both = compare_folders(first, second)
    for name, (old, new) in both.fields.items():
        console.print(Text(printable(f"{name}: {old} → {new}")))
    _print_table(first, second, both.found, console)
    if any(both.alone):
        console.print(f"Only in the first run: {both.alone[0]} samples; only in the second: {both.alone[1]}; left out.")
    _print_changed(both.found, console)
    return 0


def read_folder(folder: Path) -> dict[tuple[str, str], records.Record]:
    """Return the records of a run folder, by dataset and id.

    Raises
    ------
    ConfigError
        If it holds no run.
    """
    path = folder / records.SAMPLES
    records.check_own_files(folder)
    if not path.is_file():
        raise ConfigError("The folder holds no run", where=str(folder), expected=f"a run folder with {records.SAMPLES}")
    rows, _ = records.read_samples(path)
    return {records.key(r): r for r in rows}


def _fields(first: Path, second: Path) -> dict[str, tuple[str, str]]:
    """Return the fields of the two configs that differ."""
    configs = []
    for folder in (first, second):
        try:
            configs.append(json.loads((folder / records.CONFIG).read_text(encoding="utf-8")))
        except (OSError, ValueError):
            return {}
    found = {}
    for name in sorted({*configs[0], *configs[1]} - {"output_dir", records.META}):
        old, new = (json.dumps(c.get(name), ensure_ascii=False) for c in configs)
        if old != new:
            found[name] = (old, new)
    return found


def _print_table(first: Path, second: Path, found: Comparison, console: Console) -> None:
    table = counts_table("Comparison")
    table.columns[0].no_wrap = False
    for folder, side in ((first, 0), (second, 1)):
        cells = counts_cells(counts([pair[side] for pair in found.pairs], len(found.pairs)))
        table.add_row(Text(str(folder)), *cells)
    console.print(table)
    console.print(
        f"Right in both {found.both}, only in the first {found.only_first}, only in the second "
        f"{found.only_second}, in neither {found.neither}.",
        highlight=False,
    )
    _print_difference("Difference", found, console)
    both = found.answered
    if 0 < both.judged < found.judged:
        _print_difference(f"Over the {both.judged} samples that both have answered:", both, console)
    if found.unjudged:
        console.print(f"Of {found.unjudged} samples no right answer is known; they do not count.", highlight=False)


def _print_difference(words: str, found: Comparison, console: Console) -> None:
    if found.difference is None:
        return
    gain, (low, high) = (found.only_second - found.only_first) / found.judged, found.difference
    console.print(
        f"{words} {gain:+.2%} (95 %: {low * 100:+.1f} to {high * 100:+.1f}), McNemar's exact test p = {found.p:.3g}.",
        highlight=False,
    )


def _print_changed(found: Comparison, console: Console) -> None:
    changed = found.changed
    shown = changed[:SHOWN] if console.is_terminal else changed
    console.print(f"{len(changed)} answers changed.", highlight=False)
    for a, b in shown:
        line = f"  {change((a, b)):<5} {a['id']}  {said(a)} → {said(b)}  (expected {_text(a.get('expected'))})"
        line += f"  {a.get('question')}"
        console.print(Text(printable(line)), soft_wrap=True)
    if len(changed) > len(shown):
        console.print(f"  … and {len(changed) - len(shown)} more; redirect the output to see all")


def change(pair: Pair) -> str:
    """Return ``lost``, ``won``, ``other`` (another answer, no better and no worse) or ``same``."""
    a, b = pair
    if said(a) == said(b):
        return "same"
    words = {(True, False): "lost", (False, True): "won"}
    return words.get((_right(a), _right(b)), "other")


def said(record: Mapping[str, Any]) -> str:
    """Return what a record answers, in words: an answer, an error's kind, or why it abstained."""
    outcome = outcome_of(record)
    if outcome == ERROR:
        return f"error {record.get('error_kind')}"
    return _text(record.get("answer")) if outcome == ANSWERED else f"{outcome} ({why_of(record)})"


def _right(record: Mapping[str, Any]) -> bool:
    return record.get("correct") is True and outcome_of(record) == ANSWERED


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
