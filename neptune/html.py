"""Answers and plans as HTML, for notebooks: what ``_repr_html_`` returns. Plain tables, no script, no style sheet."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING

from neptune.runs.report.colors import score_color

if TYPE_CHECKING:
    from neptune.answer import Answer
    from neptune.engine.analysis.explain import Explanation

_QUIET = "color:#767c88;font-size:12px"
_CODE = "font-family:ui-monospace,monospace;font-size:12px"
MOST = 40
"""So many scores are shown as cells."""


def scores_html(scores: Sequence[float]) -> str:
    """Return one coloured square for each score in [0, 1], at most :data:`MOST`; blue is 0, orange 1."""
    cells = []
    for index, score in enumerate(scores[:MOST]):
        red, green, blue = score_color(score)
        cells.append(
            f'<span title="object {index}: {score:.3f}" style="display:inline-block;width:11px;height:11px;'
            f'margin-right:2px;border-radius:2px;background:rgb({red},{green},{blue})"></span>'
        )
    more = f" and {len(scores) - MOST} more" if len(scores) > MOST else ""
    return "".join(cells) + more


def answer_html(answer: Answer) -> str:
    """Return an answer as HTML: its value, how sure it is, the steps with their scores, what it cost."""
    value = "abstained" if answer.abstained else str(answer).split(" (")[0]
    sure = ""
    if answer.probability is not None:
        sure = f"p = {answer.probability:.3f}"
    elif answer.bounds is not None:
        sure = f"p in [{answer.bounds[0]:.3f}, {answer.bounds[1]:.3f}]"
    if answer.tie:
        sure += " · a tie"
    rows = []
    for step in answer.trace:
        strip = scores_html(step.scores) if step.scores else ""
        rows.append(
            f'<tr><td style="{_QUIET}">{step.line or ""}</td><td style="{_CODE};text-align:left">'
            f'{escape(step.source)}</td><td style="text-align:left">{escape(step.value)}</td>'
            f'<td style="text-align:left;white-space:nowrap">{strip}</td></tr>'
        )
    for text in (*(f"nothing matches: {p}" for p in answer.presuppositions), *answer.notes):
        rows.append(f'<tr><td></td><td colspan="3" style="{_QUIET};text-align:left">{escape(text)}</td></tr>')
    usage = answer.usage
    cost = f"{usage.oracle_calls:,} oracle calls, {usage.cache_hits:,} cache hits"
    return (
        f'<div><b style="font-size:16px">{escape(value)}</b> <span style="{_QUIET}">{sure}</span>'
        f'<table>{"".join(rows)}</table><div style="{_QUIET}">{cost}</div></div>'
    )


def explanation_html(explanation: Explanation) -> str:
    """Return an explanation as HTML: for each forced value its formula, its sizes, and the stages folded away."""
    head = (
        f"logic {explanation.logic} · planner {explanation.planner} · schedule {explanation.schedule} · "
        f"{explanation.n_objects} objects"
    )
    parts = []
    for part in explanation.parts:
        stages = "".join(f"<li>{escape(str(stage))}</li>" for stage in part.stages)
        order = "".join(f"<li>{escape(str(reduction))}</li>" for reduction in part.order)
        dense = f'<div style="{_QUIET}">runs dense because {escape(part.dense)}</div>' if part.dense else ""
        parts.append(
            f'<div style="margin-top:6px"><b>line {part.line}, {escape(part.what)}</b>'
            f'<div style="{_CODE}">{escape(part.formula)}</div>{dense}'
            f'<div style="{_QUIET}">width {part.width} · largest table {part.peak_cells:,} cells (as written '
            f"{part.dense_cells:,}) · at most {part.oracle_cells:,} oracle calls</div>"
            f'<details><summary style="{_QUIET}">{len(part.stages)} stages, {len(part.order)} reductions</summary>'
            f'<ol style="{_CODE}">{stages}</ol><ol style="{_CODE}">{order}</ol></details></div>'
        )
    notes = "".join(f'<div style="{_QUIET}">note: {escape(n)}</div>' for n in explanation.notes)
    return f'<div><span style="{_QUIET}">{escape(head)}</span>{"".join(parts)}{notes}</div>'
