"""The page: of the report's family, with its style and its way to show pictures and plans; nothing from elsewhere."""

from __future__ import annotations

import base64
import io
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader
from PIL import Image

from neptune.config import Config
from neptune.html import RAMP
from neptune.resources import data_root
from neptune.runs.report import pages
from neptune.runs.report.watch import policy_of
from neptune.serve.language import language_of
from neptune.serve.service import Service

__all__ = ["page_of", "policy_of"]

_HERE, _REPORT = Path(__file__).parent / "assets", Path(pages.__file__).parent
STYLES = (_REPORT / "templates" / "base.css", _REPORT / "templates" / "report.css", _HERE / "serve.css")
SCRIPTS = (
    *(_REPORT / "page" / f"{name}.js" for name in ("base", "words", "picture", "sample")),
    *(_HERE / f"{name}.js" for name in ("talk", "editor", "scores", "folder", "conversation", "serve")),
)
SAMPLE = "examples/clevr/images/CLEVR_val_000049.png"
LOGICS = ("godel", "product", "lukasiewicz", "frank:0.1")
EMBEDDED = (
    "The embedded models see one world: rendered cubes, spheres and cylinders (CLEVR). Of other pictures they give no "
    "answer. Your own photographs need a vision-language model: start the server with --vlm_model_name."
)

NAMED = ("vlm_model_name", "od_model", "vocabulary")
"""Fields of the config that a command or a program to copy has to name, where they are not the usual."""


def page_of(service: Service, token: bool) -> str:
    """Return the page.

    Parameters
    ----------
    service
        Who answers.
    token
        Whether requests need one.
    """
    engine = service.engine
    names = [str(getattr(model, "name", "none")) for model in (engine.detector, engine.oracle)]
    embedded = "embedded" in names
    banner = EMBEDDED if embedded else f"Objects are found by {names[0]}, and scored by {names[1]}."
    facts: dict[str, Any] = {
        "ramp": RAMP,
        "states": pages.STATES,
        "language": language_of(engine),
        "logics": list(dict.fromkeys((engine.context.logic.name, *LOGICS))),
        "token": token,
        "folders": bool(service.pictures.roots),
        "turns": service.config.turns,
        "sample": _sample() if embedded else None,
        "models": names,
        "given": {n: v for n, v in ((n, getattr(service.config, n)) for n in NAMED) if v != _usual(n)},
        "most_bytes": service.pictures.most_bytes,
    }
    read = [("\n".join(path.read_text(encoding="utf-8") for path in paths)) for paths in (STYLES, SCRIPTS)]
    template = _environment().get_template("serve.html")
    return template.render(
        style=read[0], script=read[1], facts=pages.script_json(facts), banner=banner, logics=facts["logics"],
        examples=facts["language"]["examples"], folders=facts["folders"], turns=facts["turns"],
        sample=facts["sample"] is not None,
    )  # fmt: skip


def _usual(field: str) -> Any:
    """Return a field's default."""
    return Config.model_fields[field].default


@cache
def _environment() -> Environment:
    loader = FileSystemLoader([_HERE, _REPORT / "templates"])
    return Environment(loader=loader, autoescape=True, trim_blocks=True, lstrip_blocks=True)


@cache
def _sample() -> str:
    """Return a small picture of the embedded models' world as a data address."""
    kept = io.BytesIO()
    with Image.open(data_root() / SAMPLE) as image:
        image.convert("RGB").save(kept, "JPEG", quality=92)
    return "data:image/jpeg;base64," + base64.b64encode(kept.getvalue()).decode()
