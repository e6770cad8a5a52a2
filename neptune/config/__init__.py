"""What a run is told: one JSON file, any field of which the command line may override.

`Config` is the only list of fields: the parser, ``--help``, the validation and docs/configuration.md are made from
it. Field names are those of NePTune where it has them. Problems are collected and reported all at once, one line each.
What needs pydantic is loaded when it is first used: a screen of help does not.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from neptune.config.tasks import MODELS, TASKS

if TYPE_CHECKING:
    from neptune.config.lasting import NEUTRAL, PASSING
    from neptune.config.model import DATASETS, Config
    from neptune.config.read import load_config, make_config, model_of
    from neptune.config.semantic import PROVIDERS
    from neptune.config.validation import ConfigProblems

__all__ = ["DATASETS", "MODELS", "NEUTRAL", "PASSING", "PROVIDERS", "TASKS", "Config", "ConfigProblems"]
__all__ += ["load_config", "make_config", "model_of"]

_LATER = {
    **dict.fromkeys(("NEUTRAL", "PASSING"), "lasting"),
    **dict.fromkeys(("DATASETS", "Config"), "model"),
    **dict.fromkeys(("load_config", "make_config", "model_of"), "read"),
    "PROVIDERS": "semantic",
    "ConfigProblems": "validation",
}
"""Name → the file that holds it."""


def __getattr__(name: str) -> Any:
    if name in _LATER:
        found = globals()[name] = getattr(import_module(f"{__name__}.{_LATER[name]}"), name)
        return found
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
