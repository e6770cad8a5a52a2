"""``task: certify`` of a cascade: calibrates how far a proxy may stand in, and writes ``certificate.json``.

The questions of a config's dataset are decided by the oracle alone, everything asked; then by intervals around the
proxy, the widest first, until a width can not be shown to keep the risk. Those that could do so all at once, and the
one of the fewest calls is the certificate's.
"""

from __future__ import annotations

from pathlib import Path

from neptune.config import Config
from neptune.engine import Engine
from neptune.engine.certified import identity, make_proxy, proxy_identity
from neptune.errors import DatasetError
from neptune.guarantees.certificate import CERTIFICATE, Audit, Certificate, Tried
from neptune.guarantees.risk import fewest, p_value
from neptune.learn.certify.answers import certify_answers
from neptune.learn.certify.decisions import Decisions, Row
from neptune.learn.certify.questions import families_of, questions_of
from neptune.learn.shared import Progress, shown
from neptune.runs.record.lock import alone
from neptune.runs.record.provenance import describe_code, hash_inputs
from neptune.scene.types import Oracle

WIDTHS = tuple(2.0**k for k in (20, 16, 14, 12, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0, -1, -2))
"""λ after infinity, in the order in which they are tested: fixed before anything is seen."""

AUDIT_DELTA = 0.01
"""The chance that what is known of the proxy's mistakes is wrong."""


@alone
def certify(config: Config, output_dir: str | Path, progress: Progress | None = None) -> Certificate:
    """Calibrate, and write the certificate.

    Parameters
    ----------
    config
        Names the dataset, the oracle, the proxy (`proxy_model_name`), `alpha` and `delta`.
    output_dir
        Where ``certificate.json`` is written.
    progress
        As for :func:`neptune.learn.train.train.train`.

    Returns
    -------
    Certificate
        Exact (``width`` None) where no width keeps the risk, or there are too few pictures.

    Raises
    ------
    ConfigError, DatasetError, OracleError
        If the config makes no sense, no question can be answered, or the oracle or the proxy fails.
    """
    if config.guarantee != "cascade":
        return certify_answers(config, output_dir, progress)
    fits = identity(config)  # before anything is asked
    about = proxy_identity(config.proxy_model_name or "", config.proxy_options)
    proxy = make_proxy(config.proxy_model_name or "", config.proxy_options, config)
    with shown(progress) as report, Engine.from_config(config) as engine:
        questions = list(questions_of(config, engine, report))
        if not questions:
            raise DatasetError("No question of the dataset can be answered", where=", ".join(config.datasets))
        report("certify", 0.0, f"{len(questions):,} questions are decided by the oracle")
        decisions = Decisions(engine.context, questions)
        n, alpha, delta = int(decisions.pictures.max()) + 1, config.alpha, config.delta
        missing = max(fewest(alpha, delta) - n, 0)
        tried, best = _tested(decisions, proxy, alpha, delta, report) if not missing else ([], None)
        lazy = decisions.lazily()
        calls = {"exact": float(lazy.calls.mean()), "certified": float((lazy if best is None else best).calls.mean())}
    audit = None
    if best is not None:
        audit = Audit(pictures=n, mistaken=decisions.mistaken(best), confidence=1 - AUDIT_DELTA)
    # All that hold do so at once. The narrowest is not always the cheapest: a proxy may contradict what was asked.
    held = min((t for t in tried if t.held), key=lambda t: t.calls, default=None)
    certificate = Certificate(
        alpha=alpha,
        delta=delta,
        width=None if held is None else held.width,
        pictures=n,
        questions=len(questions),
        questions_a_picture=round(len(questions) / n, 3),
        missing=missing,
        tried=tried,
        calls={name: round(value, 3) for name, value in calls.items()},
        proxy=about,
        audit=audit,
        families=families_of(questions),
        fits=fits,
        calibrated_on={**describe_code(), "files": hash_inputs(config)},
    )
    certificate.save(Path(output_dir) / CERTIFICATE)
    return certificate


def _tested(
    decisions: Decisions, proxy: Oracle, alpha: float, delta: float, report: Progress
) -> tuple[list[Tried], Row | None]:
    """Test widths in their order up to the first that fails; return what was found, and the decisions at the one of the
    fewest calls among those that held."""
    tried: list[Tried] = []
    best: Row | None = None
    for k, width in enumerate(WIDTHS):
        row = decisions.narrowed(proxy, width)
        losses = decisions.losses(row)
        p = p_value(losses, alpha)
        held = p <= delta
        tried.append(Tried(width=width, loss=float(losses.mean()), p=p, calls=float(row.calls.mean()), held=held))
        report("certify", (k + 1) / len(WIDTHS), f"λ = {width:g}: {losses.mean():.4f} decided otherwise, p = {p:.3g}")
        if not held:
            break
        if best is None or row.calls.mean() < best.calls.mean():
            best = row
    return tried, best
