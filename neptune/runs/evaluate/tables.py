"""The tables that a run prints on a terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from neptune.foreign import printable
from neptune.runs.evaluate.intervals import METHOD
from neptune.runs.evaluate.summary import show_interval
from neptune.runs.record.outcome import ANSWERED

MAX_FAMILIES = 20
"""Families of a dataset that has more are left to ``results.json`` and the report."""

WIDTH = 150
"""Columns where the output is no terminal, which would have its own."""


COLUMNS = ("n", "right", "of all", "95 %", "of answered", "95 %", "errors", "abstained", "unanswered")
"""Of a group of samples, see :func:`counts_cells`."""

CAPTION = f"right of all n, and of those answered; {METHOD}"


def wide() -> Console:
    """Return the console that tables are printed on."""
    return Console() if Console().is_terminal else Console(width=WIDTH)


def counts_table(title: str, *more: str) -> Table:
    """Return a table of groups of samples with their counts (:func:`counts_cells`), and `more` columns."""
    table = Table(title=title, title_justify="left", caption=CAPTION, caption_justify="left")
    table.add_column("", no_wrap=True)
    for column in (*COLUMNS, *more):
        table.add_column(column, justify="right", no_wrap=True)
    return table


def counts_cells(counts: Mapping[str, Any]) -> list[str]:
    """Return the cells of one group (:func:`neptune.runs.evaluate.summary.counts`), without its label."""
    cells = [str(counts["n"]), str(counts["correct"]), percent(counts["accuracy"]), show_interval(counts["interval"])]
    cells += [percent(counts["accuracy_answered"]), show_interval(counts["interval_answered"])]
    return [*cells, *(str(counts[k]) for k in ("errors", "abstained", "unanswered"))]


def percent(share: float | None) -> str:
    """Return a share as ``"94.12%"``, or ``"–"``."""
    return "–" if share is None else f"{share:.2%}"


def print_results(results: dict[str, Any], console: Console | None = None, wall: float | None = None) -> None:
    """Print the table of results: datasets, and their families where there are not too many."""
    console = console or wide()
    families, datasets = results["by_family"], results["by_dataset"]
    boxes = any("mean_iou" in counts for counts in datasets.values())
    groups = any("consistency" in counts for counts in datasets.values())
    table = counts_table("Results", *["mean IoU"] * boxes, *["consistent"] * groups)

    def row(label: str, counts: dict[str, Any], style: str = "") -> None:
        overlap = [f"{counts['mean_iou']:.3f}" if "mean_iou" in counts else ""] * boxes
        together = [percent(counts["consistency"]) if "consistency" in counts else ""] * groups
        table.add_row(printable(label), *counts_cells(counts), *overlap, *together, style=style)

    for dataset, counts in datasets.items():
        row(dataset, counts, "bold")
        mine = {f: c for f, c in families.items() if len(datasets) == 1 or f.startswith(f"{dataset}: ")}
        if 1 < len(mine) <= MAX_FAMILIES:
            for family, family_counts in mine.items():
                row("  " + family.removeprefix(f"{dataset}: "), family_counts)
    if len(datasets) > 1:
        row("all", results, "bold")
    console.print(table)
    for line in describe_outcomes(results):
        console.print(line, highlight=False, soft_wrap=True)
    console.print(describe_usage(results["usage"], results["seconds"], wall), highlight=False)
    if sent := results.get("oracle_batches"):
        unneeded = f", {sent['unneeded']:,} cells asked ahead in vain" if sent["unneeded"] else ""
        line = (
            f"{sent['batches']:,} batches to the oracle for the {sent['rounds']:,} rounds of the {sent['samples']:,} "
            f"samples of this session{unneeded}"
        )
        console.print(line, highlight=False)
    if failures := results.get("oracle_failures"):
        reasons = "; ".join(f"{n:,} × {reason}" for reason, n in failures.items())
        print(
            f"{sum(failures.values()):,} oracle calls failed for good, without evidence: {printable(reasons)}",
            flush=True,
        )
    if results["errors_by_kind"]:
        kinds = ", ".join(f"{n} {kind}" for kind, n in results["errors_by_kind"].items())
        print(f"{results['errors']} samples could not be answered ({kinds}); see 'error' in samples.jsonl", flush=True)


def describe_outcomes(results: Mapping[str, Any]) -> list[str]:
    """Say in words why samples abstain, and why some have no answer yet."""
    lines = []
    if why := results.get("abstained_by_why"):
        lines.append(f"{results['abstained']} abstained: " + ", ".join(f"{n} {reason}" for reason, n in why.items()))
    if unanswered := results["unanswered"]:
        reason = results.get("unanswered_why")
        lines.append(f"{unanswered} of {results['n']} samples are unanswered" + (f": {reason}" if reason else ""))
    return lines


def describe_usage(usage: Mapping[str, float], seconds: float, wall: float | None = None) -> str:
    """Return in words what a run used: calls, those that the disk answered, tokens, money, time.

    `seconds` are the samples' own, those of earlier sessions too, with looking inside answers. `wall` are those of this
    session by the clock, where it is known.
    """
    calls = f"{usage.get('oracle_calls', 0):,.0f} oracle calls"
    if stored := usage.get("oracle_stored"):
        calls += f" ({stored:,.0f} answered by the cache on disk)"
    parts = [calls, f"{usage.get('cache_hits', 0):,.0f} cache hits"]
    if read := usage.get("oracle_prompt_tokens"):
        parts.append(f"{read:,.0f} + {usage.get('oracle_completion_tokens', 0):,.0f} tokens")
    if cost := usage.get("oracle_cost"):
        parts.append(f"{cost:.4f} in money")
    inside = usage.get("inspect_ms", 0.0) / 1000
    times = [f"{max(seconds - inside, 0.0):.1f} s answering"]
    if inside:
        times.append(f"{inside:.1f} s looking inside")
    if wall is not None:
        times.append(f"{wall:.1f} s by the clock")
    return ", ".join([*parts, *times])


def print_more(results: dict[str, Any], console: Console | None = None) -> None:
    """Print the tables of logics, judge and blame, where ``results`` hold them."""
    console = console or wide()
    if logics := results.get("logics"):
        _print_logics(logics, console)
    if judge := results.get("judge"):
        _print_judge(judge, console)
    if blame := results.get("blame"):
        _print_blame(blame, console)
    for line in (*describe_beside(results.get("beside") or {}), *describe_variants(results.get("variants") or {})):
        console.print(Text(printable(line)), soft_wrap=True)


def describe_beside(beside: Mapping[str, Any]) -> list[str]:
    """Say in words how a run's answers stand to those of the model beside it."""
    if not beside:
        return []
    lines = [
        f"Beside it {beside['model']}, asked directly: of {beside['compared']:,} questions that both answer, the same "
        f"answer to {beside['agree']:,}, another to {beside['differ']:,}; {beside['seconds']:.3f} s and "
        f"{beside['calls']:.1f} calls a question."
    ]
    right, of = beside["right_where_agreed"]
    if of or beside["run_right"][1]:
        run, theirs = beside["run_right"], beside["beside_right"]
        lines.append(
            f"Right where they agree {right} of {of}; where they differ the run {run[0]} of {run[1]}, the model beside "
            f"{theirs[0]} of {theirs[1]}."
        )
    return lines


def describe_variants(variants: Mapping[str, Any]) -> list[str]:
    """Say in words how often the answers to a question and to its variants go together."""
    said = {"reworded": "Asked in other words: the same answer", "negated": "Asked for the opposite: the opposite one"}
    return [
        f"{said[kind]} to {percent(row['share'])} of {row['compared']:,} ({row['asked']:,} asked)."
        for kind, row in variants.items()
        if kind in said
    ]


def _print_logics(logics: dict[str, Any], console: Console) -> None:
    table = counts_table("Logics (one run of the oracle)", "changed", "won", "lost", "p", "mean prob.")
    for position, (name, row) in enumerate(logics.items()):
        versus = ["–"] * 4
        if position:
            versus = [str(row[k]) for k in ("changed", "won", "lost")] + [f"{row['p']:.3g}"]
        sure = "–" if row["mean_probability"] is None else f"{row['mean_probability']:.3f}"
        table.add_row(printable(name), *counts_cells(row), *versus, sure)
    console.print(table)
    first = next(iter(logics.values()))
    if first.get("left_out"):
        lacking = ", ".join(f"{name} {row['not_recorded']}" for name, row in logics.items() if row["not_recorded"])
        console.print(
            f"{first['left_out']} samples are left out of this table, for all logics: what one of them asks was never "
            f"recorded ({lacking}).",
            highlight=False,
            soft_wrap=True,
        )


def _print_judge(judge: dict[str, Any], console: Console) -> None:
    table = Table(title=f"Judge ({judge['model']}) and exact match", title_justify="left")
    for column in ("", "judge: right", "judge: wrong"):
        table.add_column(column, justify="right")
    table.add_row("exact match: right", str(judge["both_right"]), str(judge["only_exact"]))
    table.add_row("exact match: wrong", str(judge["only_judge"]), str(judge["both_wrong"]))
    console.print(table)
    agreement = "–" if judge["agreement"] is None else f"{judge['agreement']:.1%}"
    kappa = "" if judge["kappa"] is None else f", kappa {judge['kappa']:.2f}"
    console.print(
        f"Judged {judge['judged']}, agreement {agreement}{kappa}; "
        f"accuracy by the judge {percent(judge['accuracy'])} "
        f"(95 %: {show_interval(judge['interval'])}), over the answered {percent(judge['accuracy_answered'])} "
        f"({show_interval(judge['interval_answered'])}); {judge['unreadable']} verdicts unreadable.",
        highlight=False,
    )
    for row in judge["disagreements"][:MAX_FAMILIES]:
        verdict = "right" if row["judge"] else "wrong"
        line = f"  {row['id']}: {row['answer']} (expected {row['expected']}), judge: {verdict}. {row['question']}"
        console.print(Text(printable(line)), soft_wrap=True)


def _print_blame(blame: dict[str, Any], console: Console) -> None:
    kinds = ", ".join(f"{n} {'wrong' if kind == ANSWERED else kind}" for kind, n in blame["outcomes"].items())
    title = f"Blame for {blame['explained']} of {blame['wrong']} samples that are not right ({kinds})"
    table = Table(title=title, title_justify="left")
    table.add_column("")
    for column in ("share, in errors", "mainly", "mended by its truth alone"):
        table.add_column(column, justify="right")
    for culprit, row in blame["by"].items():
        alone = "–" if row["mended_alone"] is None else str(row["mended_alone"])
        table.add_row(culprit, f"{row['share']:.1f}", str(row["mainly"]), alone)
    console.print(table)
    if blame["unknown"]:
        console.print(f"{blame['unknown']} of them are not explained: the truth is not known.", highlight=False)
