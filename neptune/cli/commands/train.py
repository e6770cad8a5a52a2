"""The tasks that train, tune and certify: run, print a table of figures, and last the path of the results."""

from __future__ import annotations

from pathlib import Path
from pkgutil import resolve_name
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

from neptune.config.paths import run_folder
from neptune.runs.record import RESULTS

if TYPE_CHECKING:
    from neptune.config import Config
    from neptune.guarantees.certificate import Certificate
    from neptune.guarantees.rule import AnswerRule
    from neptune.learn.finetune.answers import AnswersConfig
    from neptune.learn.finetune.drawings import DrawingsConfig
    from neptune.learn.finetune.vlm import FinetuneConfig
    from neptune.learn.student.task import StudentConfig
    from neptune.learn.train.depth import DepthConfig
    from neptune.learn.train.train import TrainConfig
    from neptune.learn.tune.task import TuneConfig

FUNCTIONS = {
    "train": "neptune.learn.train.train:train",
    "train-answers": "neptune.learn.finetune.answers:train_answers",
    "train-drawings": "neptune.learn.finetune.drawings:train_drawings",
    "train-depth": "neptune.learn.train.depth:train_depth",
    "tune": "neptune.learn.tune.task:tune",
    "finetune": "neptune.learn.finetune.vlm:finetune",
    "student": "neptune.learn.student.task:student",
}
"""Task → the function that runs it in a folder and returns its results; loaded on first use."""


def train(
    config: TrainConfig | AnswersConfig | DrawingsConfig | DepthConfig | TuneConfig | FinetuneConfig | StudentConfig,
    name: str,
) -> int:
    """Train or tune what a task is about; return 0.

    Under ``accelerate launch`` one process of several reports.

    Parameters
    ----------
    config
        The task's fields.
    name
        The run's name, from which the output folder follows: by default ``experiments/<name>``.

    Raises
    ------
    NeptuneError
        If the data can not be read, or an extra is missing.
    """
    folder = run_folder(config.output_dir, name)
    results = resolve_name(FUNCTIONS[config.task])(config, folder)
    if config.task in ("finetune", "student"):
        from accelerate import PartialState

        if not PartialState().is_main_process:
            return 0
    return show(results, folder)


def show(results: dict[str, Any], folder: Path) -> int:
    """Print the single figures of results as a table, and the path of ``results.json``; return 0."""
    table = Table(title="Results", title_justify="left")
    table.add_column("figure")
    table.add_column("value", justify="right")
    for label, value in flat(results):
        table.add_row(label, f"{value:.4g}" if isinstance(value, float) else str(value))
    Console().print(table)
    print(folder / RESULTS, flush=True)
    return 0


def flat(tree: dict[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    """Return the single figures of a tree of results; lists (curves, bins) are left to the file."""
    rows: list[tuple[str, Any]] = []
    for key, value in tree.items():
        if isinstance(value, dict):
            rows += flat(value, f"{prefix}{key}.")
        elif isinstance(value, int | float | str):
            rows.append((prefix + key, value))
    return rows


def certify(config: Config, name: str) -> int:
    """Certify a proxy, or answers; return 0, or 1 where the certificate spares, or gives, nothing.

    Parameters
    ----------
    config
        The run, with `proxy_model_name`, `alpha` and `delta`.
    name
        The run's name, from which the output folder follows: by default ``experiments/<name>``.

    Raises
    ------
    NeptuneError
        If the data can not be read, or the oracle or the proxy can not answer.
    """
    from neptune.guarantees.certificate import CERTIFICATE
    from neptune.learn.certify.task import certify as run

    folder = config.folder(name)
    certificate = run(config, folder)
    if certificate.answers is not None:
        print(said(certificate))
        print(folder / CERTIFICATE, flush=True)
        rule = certificate.answers
        return 1 if rule.kind == "selective" and rule.least_confidence is None else 0
    table = Table(title="Widths, the widest first", title_justify="left")
    for column in ("λ", "decided otherwise", "p", "calls a question", "holds"):
        table.add_column(column, justify="right")
    for row in certificate.tried:
        held = "yes" if row.held else "no"
        table.add_row(f"{row.width:g}", f"{row.loss:.4f}", f"{row.p:.3g}", f"{row.calls:.2f}", held)
    Console().print(table)
    print(said(certificate))
    print(folder / CERTIFICATE, flush=True)
    return 1 if certificate.exact else 0


def said(certificate: Certificate) -> str:
    """Return in words what a certificate says."""
    on = f"{certificate.questions:,} questions about {certificate.pictures:,} pictures"
    if certificate.answers is not None:
        return f"{_said_of_answers(certificate, certificate.answers)} (by {on})"
    if certificate.missing:
        return f"exact: of {on}, {certificate.missing} pictures are missing for alpha = {certificate.alpha:g}"
    if certificate.exact:
        return f"exact: on {on} no width keeps the risk below {certificate.alpha:g}"
    calls = certificate.calls
    return (
        f"λ = {certificate.width:g}: at most {certificate.alpha:.1%} of decisions are otherwise, with confidence "
        f"{1 - certificate.delta:.0%} (by {on}); {calls['certified']:.2f} calls a question, "
        f"{calls['exact']:.2f} without a proxy"
    )


def _said_of_answers(certificate: Certificate, rule: AnswerRule) -> str:
    missing = f"; {certificate.missing} pictures are missing" if certificate.missing else ""
    if rule.kind == "selective":
        if rule.least_confidence is None:
            return f"no confidence is high enough for at most {certificate.alpha:.1%} wrong answers{missing}"
        return (
            f"answers of a probability of at least {rule.least_confidence:g} are wrong in at most "
            f"{certificate.alpha:.1%}, with confidence {1 - certificate.delta:.0%}; "
            f"{rule.answered:.1%} of these questions are answered"
        )
    families = len(rule.thresholds) - 1
    return (
        f"sets of answers hold the right one in at least {1 - certificate.alpha:.1%}, in each of {families} families: "
        f"{rule.size:.2f} answers on average{missing}"
    )
