"""A tensor as a small table of coloured cells, for notebooks."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


LIMIT = 24
"""Rows and columns shown."""


def _cell(p: float, padded: bool) -> str:
    if padded:
        return '<td style="color:#bbb;padding:2px 6px">·</td>'
    light = 97 - 45 * p
    return f'<td style="background:hsl(150,55%,{light:.0f}%);color:#111;padding:2px 6px">{p:.2f}</td>'


def render(values: Tensor, vars: tuple[str, ...], domain: Mapping[str, Tensor], logic: str) -> str:
    """Return HTML for a table of probabilities: a heat table for up to two variables, else a summary.

    Parameters
    ----------
    values
        Probabilities, one axis for each variable.
    vars
        The variables.
    domain
        Masks of the variables that have padding, which is shown as a dot.
    logic
        The logic's name, for the caption.
    """
    values = values.detach().cpu()
    sizes = " × ".join(f"{escape(v)}: {n}" for v, n in zip(vars, values.shape)) or "no variables"
    head = f'<div style="font:12px sans-serif;color:#555">ProbabilisticTensor · {sizes} · {escape(logic)}</div>'
    if len(vars) > 2:
        if not values.numel():
            return head + "<div>no cells</div>"
        low, mean, high = float(values.min()), float(values.double().mean()), float(values.max())
        yes = int((values > 0.5).sum())
        text = f"{values.numel()} cells, {yes} above ½; min {low:.3f}, mean {mean:.3f}, max {high:.3f}"
        return head + f'<div style="font:12px sans-serif">{text}</div>'
    keep = [domain[v].tolist() if v in domain else [True] * n for v, n in zip(vars, values.shape)]
    table = values.reshape(1, -1) if len(vars) < 2 else values
    columns = range(min(table.shape[1], LIMIT))
    rows = range(min(table.shape[0], LIMIT))
    first = escape(f"{vars[0]} \\ {vars[1]}") if len(vars) == 2 else escape(vars[0]) if vars else ""
    out = "".join(f"<th>{j}</th>" for j in columns) if vars else ""
    lines = [f"<tr><th>{first}</th>{out}</tr>"]
    for i in rows:
        cells = ""
        for j in columns:
            real = (keep[0][i] and keep[1][j]) if len(vars) == 2 else (not vars or keep[0][j])
            cells += _cell(float(table[i, j]), not real)
        lines.append(f"<tr><th>{i if len(vars) == 2 else ''}</th>{cells}</tr>")
    more = "<div>…</div>" if table.shape[1] > LIMIT or table.shape[0] > LIMIT else ""
    return f'{head}<table style="font:12px monospace;border-collapse:collapse">{"".join(lines)}</table>{more}'
