"""One ramp of colours for scores, the same in pictures and pages: blue is 0, purple ½, orange 1."""

from __future__ import annotations

RAMP = ((0x4B, 0x6C, 0xB7), (0xB6, 0x5F, 0xC0), (0xFF, 0x7A, 0x1A))
"""Colours of the scores 0, ½ and 1, as (red, green, blue)."""


def score_color(score: float) -> tuple[int, int, int]:
    """Return the colour of a score in [0, 1], clipped, as (red, green, blue) of 0–255."""
    position = min(max(score, 0.0), 1.0) * (len(RAMP) - 1)
    low = min(int(position), len(RAMP) - 2)
    part = position - low
    red, green, blue = (round(a + (b - a) * part) for a, b in zip(RAMP[low], RAMP[low + 1], strict=True))
    return red, green, blue
