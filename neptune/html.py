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


def ink_on(color: tuple[int, int, int]) -> tuple[int, int, int]:
    """Return black or white, whichever is read better on a colour (WCAG 2.1; at least 4.5 to 1)."""
    linear = [v / 12.92 if v <= 0.03928 else ((v + 0.055) / 1.055) ** 2.4 for v in (part / 255 for part in color)]
    light = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    return (0, 0, 0) if light > 0.179 else (255, 255, 255)


def scores_html(scores: Sequence[float]) -> str:
    """Return one coloured square for each score in [0, 1], at most :data:`MOST`; blue is 0, orange 1.

    A square shows its object's number above the score, as in the report.
    """
    cells = []
    for index, score in enumerate(scores[:MOST]):
        color = score_color(score)
        back, ink = (f"rgb({','.join(map(str, c))})" for c in (color, ink_on(color)))
        cells.append(
            f'<span title="object {index}: {score:.3f}" style="display:inline-block;width:26px;margin-right:2px;'
            f"border-radius:4px;background:{back};color:{ink};text-align:center;font:11px/1.15 system-ui,sans-serif;"
            f'padding:1px 0 2px"><small style="display:block;font-size:9.5px">{index}</small>{_short(score)}</span>'
        )
    more = f" and {len(scores) - MOST} more" if len(scores) > MOST else ""
    return "".join(cells) + more


def _short(score: float) -> str:
    return "1" if score > 0.995 else "0" if score < 0.005 else f"{score:.2f}"[1:]
