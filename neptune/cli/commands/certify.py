"""``task: certify``: prints what was tested and what is certified, and last the certificate's path."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from neptune.config import Config
    from neptune.guarantees.certificate import Certificate


def certify(config: Config, name: str) -> int:
    """Certify a proxy; return 0, or 1 where the certificate is an exact one.

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
