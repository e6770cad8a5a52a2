"""What a run is told: one JSON file, any field of which the command line may override.

`Config` is the only list of fields: the parser, ``--help``, the validation and docs/configuration.md are made from
it. Field names are those of NePTune where it has them. Problems are collected and reported all at once, one line each.
"""

from neptune.config.model import DATASETS, NEUTRAL, PASSING, Config
from neptune.config.read import load_config, make_config, model_of
from neptune.config.semantic import PROVIDERS
from neptune.config.tasks import MODELS, TASKS
from neptune.config.validation import ConfigProblems

__all__ = ["DATASETS", "MODELS", "NEUTRAL", "PASSING", "PROVIDERS", "TASKS", "Config", "ConfigProblems"]
__all__ += ["load_config", "make_config", "model_of"]
