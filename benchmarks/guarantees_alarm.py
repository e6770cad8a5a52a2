"""The alarm of a certified cascade: false alarms, and how soon it rings under shifts of ``task: tune``; used by
``guarantees.py --parts alarm shifts``.

The proxy is shown shifted pictures, and is calibrated on others. All is drawn from what one pass over the pictures came
to: 500 times calibration pictures, from which follows what the alarm allows, and the pictures of a run.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neptune.guarantees.alarm import STAKES, Alarm, sampling
from neptune.guarantees.risk import upper_bound
from neptune.learn.certify.decisions import Decisions
from neptune.learn.certify.task import AUDIT_DELTA
from neptune.learn.tune.shifts import Shift, generator, shifted
from neptune.runs.guarded.figures import LEVEL
from neptune.scene import Scene
from neptune.scene.picture import Picture
from neptune.scene.types import Oracle, QueryRequest, ScoreRequest, Scores

Floats = NDArray[np.float64]
SHIFTS = {"recolour": (0.5, 1.0, 1.5), "blur": (2.0, 6.0, 14.0), "noise": (0.1, 0.25, 0.6), "crop": (0.3, 0.4, 0.7)}
"""Shift → strengths: the usual one of ``tune``, and so strong that the risk should exceed 2 alpha."""
RUNS, LONG, DRAWS = (100, 300, 1000, 3000), 10_000, 500
"""Pictures of a run under a shift, and of one without; how often each is drawn."""
AUDITS = (0.02, 0.03, 0.05, 0.1)
"""Shares that are audited."""


class Shifted:
    """A proxy that is shown other pictures than the oracle: shifted ones."""

    name = "shifted"

    def __init__(self, inner: Oracle, shift: Shift) -> None:
        self.inner, self.shift = inner, shift
        self._scenes: dict[str, Scene] = {}

    def score(self, requests: Sequence[ScoreRequest]) -> list[Scores]:
        """Answer from the shifted picture."""
        return self.inner.score([ScoreRequest(self._scene(r.scene), r.question, r.objects) for r in requests])

    def query(self, requests: Sequence[QueryRequest]) -> list[list[str | None]]:
        """Answer from the shifted picture."""
        return self.inner.query([QueryRequest(self._scene(r.scene), r.question, r.objects) for r in requests])

    def _scene(self, scene: Scene) -> Scene:
        found = self._scenes.get(scene.name)
        if found is None:
            assert scene.picture is not None
            image, boxes = shifted(scene.picture.image, scene.boxes, self.shift, generator(0, scene.name))
            found = self._scenes[scene.name] = Scene(boxes, scene.size, Picture.of(image), name=scene.name)
        return found


@dataclass
class Passed:
    """What P pictures came to at one width, one question each, all ``(P,)``: losses, calls, and the whole audit."""

    losses: Floats
    calls: Floats
    skipped: Floats
    wrong: Floats


def passed(path: Path, decisions: Callable[[], Decisions], proxy: Oracle, width: float) -> Passed:
    """Return what a proxy's pictures came to at a width, kept in a file."""
    if path.is_file():
        with np.load(path) as data:
            return Passed(**{name: data[name] for name in Passed.__annotations__})
    made = decisions()
    row = made.narrowed(proxy, width)
    sums = lambda x: np.bincount(made.pictures, x)  # noqa: E731
    found = Passed(made.losses(row), made.a_picture(row.calls), sums(row.skipped), sums(row.wrong))
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez(path, **found.__dict__)
    return found


def rings(calibration: Floats, run: Floats, audit: float, pictures: int, seed: int = 1) -> Floats:
    """Return after how many pictures the alarm rings, ``(500,)``; infinite where it does not.

    Parameters
    ----------
    calibration, run
        Of each picture, how much of what was left to the proxy the oracle has on the other side: what is drawn from.
    audit
        The share that is audited.
    pictures
        Of a run.
    """
    rng, (chosen, part) = np.random.default_rng(seed), sampling(audit)
    allowed = 1.0 - (1.0 - part) ** calibration
    found = np.full(DRAWS, np.inf)
    for draw in range(DRAWS):
        at_most = upper_bound(allowed[rng.integers(0, len(allowed), len(allowed))], AUDIT_DELTA)
        audited = np.flatnonzero(rng.random(pictures) < chosen)
        seen = rng.random(len(audited)) < 1.0 - (1.0 - part) ** run[rng.integers(0, len(run), len(audited))]
        each = np.log1p(np.array(STAKES)[:, None] / at_most * (seen - at_most)).cumsum(1)
        most = each.max(0)
        rung = np.flatnonzero(most + np.log(np.exp(each - most).mean(0)) >= np.log(1.0 / LEVEL))
        if not draw:  # the same as the alarm of a run
            alarm = Alarm(at_most, LEVEL)
            for value in seen[:300].tolist():
                alarm.see(float(value))
            assert alarm.rang_at == (rung[0] + 1 if len(rung) and rung[0] < 300 else None)
        if len(rung):
            found[draw] = audited[rung[0]] + 1
    return found


def false_alarms(calibration: Floats) -> dict[str, int]:
    """Return for each share that is audited how often of 500 runs without a shift, of 10,000 pictures, it rings."""
    return {f"{a:g}": int(np.isfinite(rings(calibration, calibration, a, LONG)).sum()) for a in AUDITS}


def under(plain: Floats, found: Passed, alpha: float) -> dict[str, Any]:
    """Return the risk under a shift, and for each share that is audited how often, and how soon, the alarm rings."""
    row: dict[str, Any] = {"risk": float(found.losses.mean()), "beyond": bool(found.losses.mean() > 2 * alpha)}
    row |= {"mistaken": float((found.wrong > 0).mean()), "pictures": len(found.losses)}
    row |= {"calls": float(found.calls.mean())}
    for audit in AUDITS:
        at = rings(plain, found.wrong, audit, max(RUNS))
        middle = float(np.median(at))
        row[f"audit {audit:g}"] = {
            "calls": round(audit * float(found.skipped.mean()), 2),
            "within": {str(n): int((at <= n).sum()) for n in RUNS},
            "median": middle if np.isfinite(middle) else None,
        }
    return row
