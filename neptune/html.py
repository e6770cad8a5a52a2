"""Scores as colours, for pictures, pages and notebooks: one ramp, in which blue is 0, purple ½ and orange 1."""

from __future__ import annotations

from collections.abc import Sequence

QUIET = "color:#767c88;font-size:12px"
"""The style of what stands beside the answer, in the tables that notebooks show."""
CODE = "font-family:ui-monospace,monospace;font-size:12px"
"""The style of program text in them."""
MOST = 40
"""So many scores are shown as squares."""

RAMP = ((0x4B, 0x6C, 0xB7), (0xB6, 0x5F, 0xC0), (0xFF, 0x7A, 0x1A))
"""Colours of the scores 0, ½ and 1, as (red, green, blue)."""


def score_color(score: float) -> tuple[int, int, int]:
    """Return the colour of a score in [0, 1], clipped, as (red, green, blue) of 0–255."""
    position = min(max(score, 0.0), 1.0) * (len(RAMP) - 1)
    low = min(int(position), len(RAMP) - 2)
    part = position - low
    red, green, blue = (round(a + (b - a) * part) for a, b in zip(RAMP[low], RAMP[low + 1], strict=True))
    return red, green, blue


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
