"""What follows once the samples of a run are answered: judge, error attribution, and the figures that come of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
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
    """Return what ``results.json`` holds beyond the summary: ``logics judge blame beside variants``, where known."""
    found = {
        "logics": summarise_logics(records),
        "judge": summarise_judge(records, n),
        "blame": summarise_attribution(records),
        "beside": summarise_beside(records),
        "variants": summarise_variants(records),
    }
    return {name: figures for name, figures in found.items() if figures}


# --- a model beside the engine, and questions in other words ---


def summarise_beside(records: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Return how the answers of a run stand to those of the model beside it (`agree`); empty where none was asked.

    Returns
    -------
    dict
        ``model``; ``asked`` questions, ``compared`` (both answered), of which ``agree`` and ``differ``; over those
        whose right answer is known ``right_where_agreed``, and where they differ ``run_right`` and ``beside_right``,
        each ``[right, of]``; ``accuracy`` of the model over all that are judged, ``None`` over none; ``seconds`` and
        ``calls`` of the model a question.
    """
    asked = [r for r in records if r.get("beside")]
    if not asked:
        return {}
    rows = [(r, r["beside"]) for r in asked]
    same = [(r, b) for r, b in rows if b.get("agrees") is True]
    other = [(r, b) for r, b in rows if b.get("agrees") is False]
    known = [b["correct"] is True for _, b in rows if b.get("correct") is not None]

    def right(values: Iterable[Any]) -> list[int]:
        told = [value is True for value in values if value is not None]
        return [sum(told), len(told)]

    return {
        "model": rows[-1][1].get("model"),
        "asked": len(rows),
        "compared": len(same) + len(other),
        "agree": len(same),
        "differ": len(other),
        "right_where_agreed": right(r.get("correct") for r, _ in same),
        "run_right": right(r.get("correct") for r, _ in other),
        "beside_right": right(b.get("correct") for _, b in other),
        "accuracy": sum(known) / len(known) if known else None,
        "seconds": sum(float(b.get("seconds") or 0.0) for _, b in rows) / len(rows),
        "calls": sum(float(b.get("calls") or 0) for _, b in rows) / len(rows),
    }


def summarise_variants(records: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Return for each kind of variant (`consistency`) how many were ``asked``, how many of these ``compared`` (both
    answered), and the ``share`` of the compared in which the two answers go together, in [0, 1]; empty where none was.
    """
    rows = [r["variants"] for r in records if r.get("variants")]
    found: dict[str, Any] = {}
    for kind in ("reworded", "negated"):
        asked = [row[kind] for row in rows if row.get(kind)]
        known = [a["holds"] is True for a in asked if a.get("holds") is not None]
        if asked:
            share = sum(known) / len(known) if known else None
            found[kind] = {"asked": len(asked), "compared": len(known), "share": share}
    return found
