"""The pages' family: one style, one set of scripts, templates that share their parts; nothing is loaded from elsewhere.

All that a run says reaches a page as text: escaped where a template shows it, and as JSON without ``<`` where a script
does, which makes text nodes of it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader

from neptune.html import RAMP
from neptune.runs.evaluate.intervals import METHOD
from neptune.runs.evaluate.summary import show_interval
from neptune.runs.record import jsonable

_HERE = Path(__file__).parent
_STYLES = ("base.css", "report.css")

STATES = ("right", "wrong", "error", "abstained", "unjudged")
"""What became of a sample, see :func:`neptune.runs.report.data.state_of`."""

REPORT_SCRIPTS = ("base", "words", "list", "picture", "sample", "panels", "report", "main")
PAIR_SCRIPTS = ("base", "words", "list", "picture", "sample", "panels", "pair", "main")
INDEX_SCRIPTS = ("base", "runs")
TALK_SCRIPTS = ("base", "talk")
CONTACT_SCRIPTS = ("base", "contact")


def render(template: str, scripts: tuple[str, ...] = (), facts: Any = None, **values: Any) -> str:
    """Return a page.

    Parameters
    ----------
    template
        A file of ``templates/``.
    scripts
        Names of files of ``page/``, in order.
    facts
        What the scripts know, fit for JSON.
    values
        What the template shows.
    """
    return "".join(pieces_of(template, scripts, facts, **values))


def pieces_of(template: str, scripts: tuple[str, ...] = (), facts: Any = None, **values: Any) -> Iterator[str]:
    """Yield a page, piece by piece; see :func:`render`."""
    known = {"ramp": RAMP, "states": STATES} | dict(facts or {})
    return (
        _environment()
        .get_template(template)
        .generate(
            style="\n".join((_HERE / "templates" / name).read_text(encoding="utf-8") for name in _STYLES),
            script="\n".join((_HERE / "page" / f"{name}.js").read_text(encoding="utf-8") for name in scripts),
            facts=script_json(known),
            **values,
        )
    )


@cache
def _environment() -> Environment:
    loader = FileSystemLoader(_HERE / "templates")
    environment = Environment(loader=loader, autoescape=True, trim_blocks=True, lstrip_blocks=True)
    environment.globals["interval_method"] = METHOD
    environment.filters["percent"] = lambda x: f"{x:.1%}" if _known(x) else "–"
    environment.filters["range"] = lambda ends: show_interval(ends or None)
    environment.filters["count"] = lambda x: f"{x:,.0f}" if _known(x) else "–"
    return environment


def _known(x: Any) -> bool:
    return isinstance(x, int | float)


def script_json(data: Any) -> str:
    """Return JSON that can stand in a <script>: no ``<``, and no line separators that old parsers stumble over."""
    text = json.dumps(jsonable(data), ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text
