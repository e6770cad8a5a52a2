"""The fields of a run in words: ``run.py --help``, and docs/configuration.md, both made from the models.

``python -m neptune.config.page > docs/configuration.md`` writes the page anew.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from neptune.config.model import Config
from neptune.config.read import model_of
from neptune.config.semantic import own_fields
from neptune.config.tasks import MODELS, TASKS, USAGE
from neptune.words import describe_type, describe_value

HEADINGS = {
    "dataset": "What is run",
    "vlm_model_name": "Who sees",
    "code_gen_provider": "Who writes programs",
    "logic": "How it is answered",
    "image": "Task ask",
    "turns": "Task agent, and ask with turns",
    "proxy_model_name": "Task certify",
    "inspect": "What comes of it",
    "sample": "Task contact-sheet",
    "gpus": "How it runs",
    "evaluate": "What it is worth",
}
"""The first field under each heading, in the order of `Config`."""

WIDTH = 100
BESIDE = "All fields of a run, and these:"


def help_text() -> str:
    """Return the help: every field of `Config` with type, default and description, under headings."""
    lines = [
        USAGE,
        "",
        *textwrap.wrap(
            "Answers a dataset's questions, or runs a task, as a JSON or YAML config says. Any field may be given on "
            "the command line, dotted for nested (--limits.nodes 1000); several words are a list (--gpus 0 1).",
            WIDTH,
        ),
        "",
        "  --config FILE             The config, JSON or YAML; configs/ has ready ones.",
        "  --config FILE.zip         A run packed by --bundle: replays it, and checks that all is equal bit for bit.",
        "  --compare FOLDER FOLDER   Two runs: which answers changed, and whether by more than chance.",
        "  --help [TASK], --version  Help; with a task that has fields of its own, those fields.",
        "",
        *textwrap.wrap(f"Tasks, beside answering a dataset: {', '.join(TASKS)}.", 110, break_on_hyphens=False),
        *textwrap.wrap(f"Of these, {', '.join(MODELS)} have fields of their own.", 110, break_on_hyphens=False),
    ]
    for name, field in Config.model_fields.items():
        if name in HEADINGS:
            lines += ["", HEADINGS[name], ""]
        lines += field_lines(name, field)
    return "\n".join(lines)


def help_of_task(task: str) -> str:
    """Return the help of a task that has fields of its own; `task` is one of `MODELS`."""
    lines = [f"{USAGE}     Task {task}", "", *([BESIDE, ""] if issubclass(model_of(task), Config) else [])]
    for name, field in _flat(model_of(task)):
        lines += field_lines(name, field)
    return "\n".join(lines)


def page() -> str:
    """Return docs/configuration.md."""
    lines = [
        "# Configuration",
        "",
        "A run is told what to do by one file, JSON or YAML, any field of which the command line may override:",
        "`--field value`, dotted for nested fields (`--limits.nodes 1000`), several words for a list (`--gpus 0 1`).",
        "An unknown field is an error with a suggestion. `configs/` has ready files, which the installed package",
        "brings along under their names: `neptune-reasoner run clevr`.",
        "",
        "A relative path in a config is looked for beside the config, then in the working directory; one on the",
        "command line is taken from the working directory. What a run writes goes beside the config for",
        "`neptune-reasoner run FILE`, and into the working directory for a packaged config and for NePTune's",
        "`run.py --config FILE`. A `.yaml` file is read safely, as YAML's core schema says: `no` and dates are text,",
        "`2e-4` is a number.",
        "",
        "This page is made from the models (`python -m neptune.config.page > docs/configuration.md`);",
        "`neptune-reasoner --help all` says the same.",
    ]
    for name, field in Config.model_fields.items():
        if name in HEADINGS:
            lines += ["", f"## {HEADINGS[name]}", "", *_TABLE]
        lines.append(_row(name, field))
    for task in MODELS:
        lines += [
            "",
            f"## Fields of task {task}",
            "",
            *([BESIDE, ""] if issubclass(model_of(task), Config) else []),
            *_TABLE,
        ]
        lines += [_row(name, field) for name, field in _flat(model_of(task))]
    return "\n".join(lines) + "\n"


_TABLE = ("| field | type | default | |", "|---|---|---|---|")


def _flat(model: type[BaseModel], prefix: str = "") -> Iterator[tuple[str, FieldInfo]]:
    """The fields of a model, those of a nested model by dotted names; of one derived from `Config` its own alone."""
    own = own_fields(model) if issubclass(model, Config) else ()
    for name, field in model.model_fields.items():
        if own and name not in own:
            continue
        inner = field.annotation
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            yield from _flat(inner, f"{prefix}{name}.")
        else:
            yield prefix + name, field


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "needed"
    default: Any = field.get_default(call_default_factory=True)
    return "null" if default in (None, PydanticUndefined) else describe_value(default)


def field_lines(name: str, field: FieldInfo, width: int = WIDTH) -> list[str]:
    """Return a field as the help shows it: name, type and default, and below what it is, in lines of `width`."""
    said = textwrap.wrap(
        field.description or "", width, initial_indent=" " * 8, subsequent_indent=" " * 8, break_on_hyphens=False
    )
    default = _default(field)
    shown = default if default == "needed" else f"default {default}"
    return [f"  --{name}  ({describe_type(field.annotation)}; {shown})", *said]


def _row(name: str, field: FieldInfo) -> str:
    cells = (f"`{name}`", describe_type(field.annotation), f"`{_default(field)}`", field.description or "")
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


if __name__ == "__main__":
    print(page(), end="")
