"""What a run is told: one JSON file, any field of which the command line may override.

`Config` is the only list of fields: the parser, ``--help`` and the validation are made from it. Field names
are those of NePTune where it has them. Problems are collected and reported all at once, one line each.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from neptune import tasks
from neptune.errors import ConfigError, did_you_mean
from neptune.fields import describe_type, describe_value, is_nested, parse_untyped, parse_words

DATASETS = tasks.NAMES
"""Datasets that this version reads."""

TASKS: dict[str, str] = {"ask": "neptune.commands:ask", "train": "neptune.commands:train"}
"""Tasks other than "answer the samples of a dataset": name → ``"module:function"``, loaded on first use.

A function takes the resolved `Config` and the run's name and returns an exit code.
"""

PROVIDERS = ("gold", "cache")
"""Where programs come from: the dataset's own, or a file of programs by question."""

NEUTRAL = frozenset(
    {"output_dir", "resume", "num_samples", "workers", "gpus", "evaluate", "judge_model", "judge_provider"}
)
"""Fields that change no answer of a sample: a run may be resumed with another value of these."""

Count = Annotated[int, Field(ge=1)]


class ConfigProblems(ConfigError):
    """Everything that is wrong with a configuration.

    Parameters
    ----------
    problems
        One line each, at least one.
    where
        The config file, or the command line.
    """

    def __init__(self, problems: Sequence[str], where: str = "") -> None:
        self.problems = tuple(problems)
        super().__init__("; ".join(self.problems), where=where)


class Config(BaseModel):
    """The fields of a run. Paths are relative to the working directory."""

    model_config = ConfigDict(extra="forbid", strict=True, validate_default=False)

    # What is run
    dataset: str | list[str] | None = Field(
        None, description=f"Dataset, or several, to answer: {', '.join(DATASETS)}."
    )
    task: str | None = Field(None, description=f"Instead of answering a dataset: {', '.join(TASKS)}.")
    data_dir: str | None = Field(None, description="Folder of the dataset's files (images/, scenes.json, …).")
    split: str | None = Field(None, description="train, val, … where the folder holds several.")
    num_samples: Count | None = Field(None, description="The first samples of each dataset; null: all.")
    output_dir: str | None = Field(
        None, description="Run folder; by default experiments/<name of the config>."
    )
    resume: bool = Field(True, description="Continue the run folder; false moves it aside first.")
    seed: int = Field(0, description="Seed of everything random.")

    # Who sees
    vlm_model_name: str = Field(
        "embedded", description="Oracle that scores: scene, embedded, random, replay."
    )
    vlm_options: dict[str, Any] = Field(
        default_factory=dict, description='Options of the oracle, e.g. {"noise": 0.05} for scene.'
    )
    od_model: str = Field("embedded", description="Detector that finds objects: scene, embedded.")
    od_options: dict[str, Any] = Field(default_factory=dict, description="Options of the detector.")

    # Who writes programs
    code_gen_provider: str = Field(
        "gold",
        description="Who writes programs: gold (the dataset's own), cache (program_cache_address only).",
    )
    code_gen_model_name: str | None = Field(None, description="Language model that writes programs.")
    program_cache_address: str | None = Field(
        None,
        description="JSON file (also .gz) of programs by question, for task ask and provider cache.",
    )

    # How it is answered
    logic: str = Field("godel", description="Soft logic: godel, product, lukasiewicz, frank(s).")
    logic_params: str | None = Field(None, description="JSON file of temperatures, as written by tuning.")
    schedule: Literal["lazy", "all"] = Field("lazy", description="Ask the oracle what is needed, or all.")
    planner: Literal["optimised", "naive"] = Field("optimised", description="Rewrite plans, or not.")
    max_oracle_calls: Count | None = Field(None, description="Budget of oracle calls a question.")
    vocabulary: str | None = Field(
        "clevr", description="Vocabulary of the domain, by name or file; null allows any predicate."
    )
    distinct_variables: Literal["auto"] | bool = Field(
        "auto",
        description='Nested quantifiers mean different objects. auto: .exists("y") do, lambdas not.',
    )
    limits: dict[str, Any] = Field(
        default_factory=dict, description="Limits of programs: --limits.nodes 1000."
    )

    # Task ask
    image: str | None = Field(None, description="Task ask: the picture.")
    question: str | None = Field(None, description="Task ask: the question in words.")
    program: str | None = Field(None, description="Task ask: the program, instead of a question.")

    # Task train
    train: dict[str, Any] = Field(default_factory=dict, description="Task train: its settings.")

    # How it runs
    gpus: list[int] = Field(default_factory=list, description="GPUs to use, e.g. --gpus 0 1; none: the CPU.")
    workers: Count = Field(1, description="Samples, or judge's requests, in flight.")
    evaluate: bool = Field(False, description="Let a language model judge free answers.")
    judge_model: str | None = Field(None, description="Model of the judge.")
    judge_provider: str | None = Field(None, description="Provider of the judge.")

    @property
    def datasets(self) -> tuple[str, ...]:
        """The datasets, in order, as a tuple; empty when only a task is named."""
        if self.dataset is None:
            return ()
        return (self.dataset,) if isinstance(self.dataset, str) else tuple(self.dataset)

    def folder(self, name: str) -> Path:
        """Return the run folder of a run called `name`."""
        return Path(self.output_dir) if self.output_dir else Path("experiments") / name


# --- reading ---


def load_config(path: str | Path | None, overrides: Mapping[str, Any] | None = None) -> Config:
    """Read a config file, apply `overrides` (dotted names for nested fields) and validate all of it.

    Parameters
    ----------
    path
        A JSON file, or ``None`` for defaults only.
    overrides
        Field → value, already of the field's type (see `parse_value`).

    Raises
    ------
    ConfigProblems
        With every problem of file and overrides together.
    """
    data: dict[str, Any] = {}
    where = str(path) if path is not None else "command line"
    if path is not None:
        data = _read_json(Path(path))
    for name, value in (overrides or {}).items():
        _set(data, name, value)
    return make_config(data, where)


def make_config(data: Mapping[str, Any], where: str = "config") -> Config:
    """Validate a dict of fields.

    Raises
    ------
    ConfigProblems
        With one line for each problem.
    """
    config, problems = None, []
    try:
        config = Config.model_validate(dict(data))
    except ValidationError as error:
        problems = _problem_lines(error, data)
        # The fields that are fine are checked for sense too, so that one run shows all problems.
        bad = {str(e["loc"][0]) for e in error.errors() if e["loc"]}
        good = {k: v for k, v in data.items() if k not in bad}
        problems += _nonsense(Config.model_validate(good), ignore=bad)
    else:
        problems = _nonsense(config)
    if problems or config is None:
        raise ConfigProblems(problems, where)
    return config


def _read_json(path: Path) -> dict[str, Any]:
    mend = ""
    if not path.is_file():
        siblings = [str(p) for p in path.parent.glob("*.json")] if path.parent.is_dir() else []
        mend = did_you_mean(str(path), siblings)
        raise ConfigProblems([f"the config file does not exist{'; ' + mend if mend else ''}"], str(path))
    try:
        data = json.loads(path.read_text(encoding="utf-8"), object_pairs_hook=_no_duplicates)
    except json.JSONDecodeError as error:
        message = f"not JSON: {error.msg} at line {error.lineno}, column {error.colno}"
        raise ConfigProblems([message], str(path)) from error
    except (UnicodeDecodeError, ValueError, OSError, RecursionError) as error:
        raise ConfigProblems([f"the config file can not be read: {error}"], str(path)) from error
    if not isinstance(data, dict):
        raise ConfigProblems([f"a config is a JSON object, not {_kind(data)}"], str(path))
    return data


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    seen: dict[str, Any] = {}
    for key, value in pairs:
        if key in seen:
            raise ValueError(f"field '{key}' is given twice")
        seen[key] = value
    return seen


def _set(data: dict[str, Any], dotted: str, value: Any) -> None:
    *parents, last = dotted.split(".")
    for parent in parents:
        child = data.get(parent)
        data[parent] = dict(child) if isinstance(child, dict) else {}
        data = data[parent]
    data[last] = value


def _problem_lines(error: ValidationError, data: Mapping[str, Any]) -> list[str]:
    """Return one line a field; what pydantic says of each branch of a union becomes the field's type."""
    lines: dict[str, str] = {}
    for e in error.errors():
        name = str(e["loc"][0]) if e["loc"] else "config"
        if e["type"] == "extra_forbidden":
            lines[name] = unknown_field(name)
        elif name not in lines:
            wanted = (
                describe_type(Config.model_fields[name].annotation)
                if name in Config.model_fields
                else e["msg"]
            )
            if e["type"].startswith(("greater_than", "less_than")):
                wanted = e["msg"].removeprefix("Input should be ")
            lines[name] = f"'{name}' is {describe_value(data.get(name))}; expected {wanted}"
    return list(lines.values())


def unknown_field(name: str) -> str:
    """Return the line that says that a field does not exist, with the closest names."""
    hint = did_you_mean(name, Config.model_fields)
    return f"unknown field '{name}'; {hint or 'run with --help for the list of fields'}"


def _nonsense(config: Config, ignore: Iterable[str] = ()) -> list[str]:
    """Problems of meaning: names that do not exist, fields that a task needs and lacks."""
    problems, skip = [], set(ignore)

    def named(field: str, value: str | None, known: Iterable[str]) -> None:
        known = list(known)
        if value is not None and field not in skip and value not in known:
            hint = did_you_mean(value, known)
            problems.append(f"'{field}' is '{value}'; {hint or 'expected one of ' + ', '.join(known)}")

    for dataset in config.datasets:
        named("dataset", dataset, DATASETS)
    named("task", config.task, TASKS)
    named("code_gen_provider", config.code_gen_provider, PROVIDERS)
    if config.dataset is not None and not config.datasets and "dataset" not in skip:
        problems.append("'dataset' is an empty list; expected a name or a list of names")
    if len(set(config.datasets)) < len(config.datasets):
        problems.append("'dataset' names a dataset twice")
    if config.task is None and config.dataset is None and not skip & {"task", "dataset"}:
        problems.append(
            f"neither 'dataset' nor 'task' is given; expected a dataset ({', '.join(DATASETS)}) "
            f"or a task ({', '.join(TASKS)})"
        )
    if (
        (config.dataset is not None or config.task == "train")
        and config.data_dir is None
        and "data_dir" not in skip
    ):
        problems.append("'data_dir' is not given; expected the folder that holds the dataset's files")
    if config.task == "ask":
        if config.image is None and "image" not in skip:
            problems.append("'image' is not given; expected a picture: --image photo.jpg")
        if config.question is None and config.program is None and not skip & {"question", "program"}:
            problems.append(
                "neither 'question' nor 'program' is given; expected --question \"…\" or --program \"…\""
            )
    lacks_cache = config.code_gen_provider == "cache" and config.program_cache_address is None
    if lacks_cache and "program_cache_address" not in skip:
        problems.append("'program_cache_address' is not given; code_gen_provider cache needs it")
    return problems + _limit_problems(config.limits)


def _limit_problems(limits: Mapping[str, Any]) -> list[str]:
    if not limits:
        return []
    from dsl.limits import Limits

    known = {f.name for f in dataclasses.fields(Limits)}
    problems = []
    for name, value in limits.items():
        if name not in known:
            hint = did_you_mean(name, known) or "expected one of " + ", ".join(sorted(known))
            problems.append(f"unknown limit 'limits.{name}'; {hint}")
        elif isinstance(value, bool) or not isinstance(value, int) or value < 1:
            problems.append(f"'limits.{name}' is {describe_value(value)}; expected an integer ≥ 1")
    return problems


def parse_value(name: str, words: Sequence[str]) -> Any:
    """Return the value that the words after ``--name`` give, by the field's type.

    Parameters
    ----------
    name
        Field, dotted for nested.
    words
        The words after it: none (a bool's true), one, or several (a list).

    Raises
    ------
    ConfigProblems
        If the field does not exist or its type does not take these words.
    """
    field, *nested = name.split(".")
    if field not in Config.model_fields:
        raise ConfigProblems([unknown_field(field)], "command line")
    annotation = Config.model_fields[field].annotation
    if nested:
        if not is_nested(annotation) or "" in nested:
            raise ConfigProblems([f"'{field}' has no nested field '{'.'.join(nested)}'"], "command line")
        return parse_untyped(words)
    try:
        return parse_words(annotation, words)
    except ValueError as error:
        given = describe_value(" ".join(words)) if words else "empty"
        raise ConfigProblems([f"'--{name}' is {given}; {error}"], "command line") from None


def _kind(value: Any) -> str:
    names = {list: "a list", str: "text", int: "a number", float: "a number", bool: "true or false"}
    return names.get(type(value), "null")
