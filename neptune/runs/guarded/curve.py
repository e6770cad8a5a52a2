"""How the share of wrong answers grows with the share of questions that are answered, the surest first."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from neptune.guarantees.conformal import risk_coverage
from neptune.runs.record.outcome import ERROR, outcome_of

POINTS = 100
"""The most points that are kept of a curve."""

FEWEST = 10
"""Of fewer answers no curve is drawn."""


class Curve:
    """Takes one record after the other, and keeps of each how sure and whether wrong."""

    def __init__(self) -> None:
        self._sure: list[float] = []
        self._wrong: list[bool] = []

    def add(self, record: Mapping[str, Any]) -> None:
        """Take a record: one whose answer is known to be right or wrong, and how probable it was.

        An answer that a certificate withheld counts too, as it would have been.
        """
        right = record.get("guess_right", record.get("correct"))
        if not isinstance(right, bool) or outcome_of(record) == ERROR:
            return
        if record.get("abstained") and "guess_right" not in record:
            return
        sure, bounds = record.get("probability"), record.get("bounds")
        if sure is None and bounds:
            sure = bounds[0]
        if sure is not None:
            self._sure.append(float(sure))
            self._wrong.append(not right)

    def figures(self) -> dict[str, Any]:
        """Return ``risk_coverage``: ``points`` ``[coverage, risk]``, ``n``, and ``area`` under the curve, the mean risk
        over all shares; nothing where there are fewer than :data:`FEWEST` answers."""
        if len(self._sure) < FEWEST:
            return {}
        points = risk_coverage(self._sure, self._wrong)
        area, before = 0.0, 0.0
        for coverage, risk in points:
            area += (coverage - before) * risk
            before = coverage
        step = max(len(points) / POINTS, 1.0)
        kept = [points[min(round((k + 1) * step) - 1, len(points) - 1)] for k in range(min(POINTS, len(points)))]
        rounded = [[round(coverage, 4), round(risk, 4)] for coverage, risk in kept]
        return {"risk_coverage": {"n": len(self._sure), "area": round(area, 6), "points": rounded}}
