"""What a run is told: one JSON file, any field of which the command line may override.

`Config` is the only list of fields: the parser, ``--help`` and the validation are made from it. Field names
are those of NePTune where it has them. Problems are collected and reported all at once, one line each.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any, Literal, cast

from pydantic import BaseModel, ConfigDict, Field

from neptune import registry, tasks
from neptune.endpoints import ENDPOINTS
from neptune.errors import did_you_mean
from neptune.fields import describe_value
from neptune.validation import ConfigProblems, override, read_json, validate

DATASETS = tasks.NAMES
"""Datasets that this version reads."""

TASKS: dict[str, str] = {
    "ask": "neptune.commands:ask",
    "train": "neptune.training:train",
    "train-answers": "neptune.training:train_answers",
    "cache": "neptune.cached:show_cache",
    "contact-sheet": "neptune.contact:contact_sheet",
}
"""Tasks other than "answer the samples of a dataset": name → ``"module:function"``, loaded on first use.

A function takes the validated config and the run's name and returns an exit code.
"""

MODELS: dict[str, str] = {
    "train": "neptune.embedded.train:TrainConfig",
    "train-answers": "neptune.finetune.answers:AnswersConfig",
}
"""Tasks that bring their own fields: name → ``"module:Model"`` (a pydantic model)."""

PROVIDERS = ("gold", "cache", *ENDPOINTS)
"""Where programs come from: the dataset's own, a file of programs by question, or a provider of language models."""

NEUTRAL = frozenset(
    {
        "record_oracle",
        "oracle_cache",
        "detection_cache",
        "bundle",
        "bundle_pictures",
        "prune",
        "output_dir",
        "resume",
        "num_samples",
        "workers",
        "gpus",
        "max_batch",
        "batch_wait_ms",
        "evaluate",
        "judge_model",
        "judge_provider",
    }
    | {"estimate", "prices", "max_run_calls", "dry_run", "blame", "judge_base_url"}
    | {"code_gen_timeout", "code_gen_retries", "code_gen_concurrency", "code_gen_prices"}
)
"""Fields that change no answer of a sample: a run may be resumed with another value of these."""

CACHE = "oracle-cache.sqlite"
DETECTIONS = "detections.sqlite"
"""The name of the cache beside the run folders."""

Count = Annotated[int, Field(ge=1)]


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
        "embedded",
        description="Oracle that scores: scene, embedded, random, replay, openai; or a vision-language model by short "
        "name (qwen2, intern25_8b, …), id or folder: docs/oracles.md.",
    )
    record_oracle: str | None = Field(
        "auto",
        description="File that gets all that was seen and said, for replay; auto: evidence.jsonl in the run folder; "
        "null: none.",
    )
    oracle_cache: str | None = Field(
        "auto",
        description="SQLite file that keeps what models and servers say, for all runs; auto: oracle-cache.sqlite "
        "beside the run folder; null: none.",
    )
    vlm_options: dict[str, Any] = Field(
        default_factory=dict, description='Options of the oracle, e.g. {"noise": 0.05} for scene.'
    )
    od_model: str = Field(
        "embedded",
        description="Detector that finds objects: scene, embedded, dino, florence, owlv2, or a model's id or folder.",
    )
    od_options: dict[str, Any] = Field(default_factory=dict, description="Options of the detector.")
    detection_cache: str | None = Field(
        "auto",
        description="SQLite file that keeps what detectors like dino found, for all runs; auto: detections.sqlite "
        "beside the run folder; null: none.",
    )

    # Who writes programs
    code_gen_provider: str = Field(
        "gold",
        description="Who writes programs: gold (the dataset's own), cache (program_cache_address only), "
        "or a language model at openrouter, deepseek, openai, local.",
    )
    code_gen_model_name: str | None = Field(None, description="Language model that writes programs.")
    code_gen_base_url: str | None = Field(
        None, description="Address of an OpenAI-compatible server, e.g. http://localhost:8000/v1."
    )
    code_gen_temperature: Annotated[float, Field(ge=0, le=2)] | None = Field(
        0.0, description="Temperature of the language model; null: its own."
    )
    code_gen_max_tokens: Count = Field(512, description="Most tokens of a program.")
    code_gen_samples: Count = Field(1, description="Programs asked for each question; they vote.")
    code_gen_repairs: Annotated[int, Field(ge=0)] = Field(
        2, description="How often a wrong program goes back to the model with its error."
    )
    code_gen_constrained: Literal["auto", "off", "gbnf", "llguidance", "openai"] = Field(
        "auto", description="Decoding bound to the grammar: auto (where the server can), off, or a form."
    )
    code_gen_dialect: Literal["first_order", "neptune"] = Field(
        "first_order",
        description="Dialect of the programs: quantifiers with lambdas, or statements over scores.",
    )
    code_gen_prompt: Literal["full", "short"] = Field(
        "full", description="Length of the prompt; short is for small models."
    )
    code_gen_prices: dict[str, float] = Field(
        default_factory=dict, description='Money for a million tokens: {"prompt": 0.15, "completion": 0.6}.'
    )
    code_gen_timeout: Annotated[float, Field(gt=0)] = Field(60.0, description="Seconds for one request.")
    code_gen_retries: Annotated[int, Field(ge=0)] = Field(
        4, description="Retries after a provider's failure."
    )
    code_gen_concurrency: Count = Field(4, description="Requests for programs at once.")
    program_cache_address: str | None = Field(
        None,
        description="JSON file (also .gz) of programs by question; a language model's are added to it.",
    )

    # How it is answered
    logic: str = Field(
        "godel",
        description="Soft logic: godel, product, lukasiewicz, frank:S; several, comma-separated, for a table: "
        "the first one answers, the oracle is asked once.",
    )
    logic_params: str | None = Field(None, description="JSON file of temperatures, as written by tuning.")
    schedule: Literal["all", "lazy"] = Field(
        "all", description="Ask all cells, or only those that a decision needs."
    )
    planner: Literal["optimised", "naive"] = Field("optimised", description="Rewrite plans, or not.")
    max_oracle_calls: Count | None = Field(None, description="Budget of oracle calls a question.")
    max_run_calls: Count | None = Field(
        None, description="Budget of oracle calls of the whole run; then questions get the best guess."
    )
    probability_tolerance: float = Field(
        0.0, description="Bounds of a probability as close as this are reported as one number."
    )
    dry_run: bool = Field(
        False,
        description="Check config, data, models, extras and keys, list all that is missing, run nothing.",
    )
    estimate: bool = Field(False, description="Print what the run would cost at most, and ask nothing.")
    prices: dict[str, float] = Field(
        default_factory=dict,
        description='For estimate: money per million tokens, {"input": 2, "output": 8, "image_tokens": 800}.',
    )
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
    explain: bool = Field(
        False,
        description="Task ask: print how the program would be planned, and ask nothing (no image needed).",
    )

    # What comes of it
    bundle: str | None = Field(
        None, description="Pack the finished run into this .zip; --config FILE.zip replays it, bit for bit."
    )
    bundle_pictures: bool = Field(True, description="Pack the pictures too, or only what identifies them.")
    prune: str | None = Field(
        None, description="Task cache: remove what oracles whose identity holds this text have said."
    )

    # Task contact-sheet
    sample: str | None = Field(
        None, description="Task contact-sheet: id of the sample; by default the first one."
    )

    # How it runs
    gpus: list[int] = Field(default_factory=list, description="GPUs to use, e.g. --gpus 0 1; none: the CPU.")
    workers: Count = Field(1, description="Samples, or judge's requests, in flight.")
    max_batch: Count = Field(
        256, description="Oracle cells in a batch, gathered from several workers, or sent to a GPU, at once."
    )
    batch_wait_ms: Annotated[float, Field(ge=0)] = Field(
        2.0, description="Milliseconds that a batch waits for the requests of other workers."
    )
    evaluate: bool = Field(False, description="Let a language model judge the answers of the run.")
    judge_model: str | None = Field(None, description="Model of the judge.")
    judge_provider: str | None = Field(None, description="Provider of the judge, as for code_gen_provider.")
    judge_base_url: str | None = Field(None, description="Address of the judge, as for code_gen_base_url.")
    blame: bool = Field(
        False, description="Say of each wrong answer whether detector, oracle, program or logic is to blame."
    )

    @property
    def datasets(self) -> tuple[str, ...]:
        """The datasets, in order, as a tuple; empty when only a task is named."""
        if self.dataset is None:
            return ()
        return (self.dataset,) if isinstance(self.dataset, str) else tuple(self.dataset)

    @property
    def logics(self) -> tuple[str, ...]:
        """The logics, the one that answers first."""
        return tuple(part.strip() for part in self.logic.split(","))

    @property
    def cache_path(self) -> Path | None:
        """The file of `oracle_cache`; ``None``: no cache."""
        return self._beside(self.oracle_cache, CACHE)

    @property
    def detections_path(self) -> Path | None:
        """The file of `detection_cache`; ``None``: no cache."""
        return self._beside(self.detection_cache, DETECTIONS)

    def _beside(self, given: str | None, name: str) -> Path | None:
        if given != "auto":
            return Path(given) if given else None
        return (Path(self.output_dir).parent if self.output_dir else Path("experiments")) / name

    def folder(self, name: str) -> Path:
        """Return the run folder of a run called `name`."""
        return Path(self.output_dir) if self.output_dir else Path("experiments") / name


# --- reading ---


def model_of(task: Any) -> type[BaseModel]:
    """Return the model that validates the fields of a task: `Config`, but for tasks that bring their own."""
    address = MODELS.get(task) if isinstance(task, str) else None
    if address is None:
        return Config
    module, _, name = address.partition(":")
    return cast(type[BaseModel], getattr(import_module(module), name))


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
    data = read_json(path) if path is not None else {}
    where = str(path) if path is not None else "command line"
    return make_config(override(data, overrides or {}), where)


def make_config(data: Mapping[str, Any], where: str = "config") -> Config:
    """Validate the fields of a run.

    Raises
    ------
    ConfigProblems
        With one line for each problem.
    """
    return validate(Config, data, where, _nonsense)


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
    for field, kind, name in (
        ("vlm_model_name", "oracle", config.vlm_model_name),
        ("od_model", "detector", config.od_model),
    ):
        if registry.address_of(kind, name) is None:
            named(field, name, registry.names(kind))
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
        if config.image is None and not config.explain and "image" not in skip:
            problems.append("'image' is not given; expected a picture: --image photo.jpg")
        if config.question is None and config.program is None and not skip & {"question", "program"}:
            problems.append(
                "neither 'question' nor 'program' is given; expected --question \"…\" or --program \"…\""
            )
    if config.bundle is not None and config.task is not None and not skip & {"task", "bundle"}:
        problems.append(f"'bundle' does not go with task {config.task}; expected the run of a dataset")
    lacks_cache = config.code_gen_provider == "cache" and config.program_cache_address is None
    if lacks_cache and "program_cache_address" not in skip:
        problems.append("'program_cache_address' is not given; code_gen_provider cache needs it")
    if len(set(config.logics)) < len(config.logics):
        problems.append("'logic' names a logic twice")
    return (
        problems
        + _writer_problems(config, skip)
        + _judge_problems(config, skip)
        + _limit_problems(config.limits)
    )


def _writer_problems(config: Config, skip: set[str]) -> list[str]:
    problems, provider = [], config.code_gen_provider
    if provider in ENDPOINTS:
        if not config.code_gen_model_name and "code_gen_model_name" not in skip:
            problems.append(f"'code_gen_model_name' is not given; code_gen_provider {provider} needs it")
        url = config.code_gen_base_url or ENDPOINTS[provider].base_url
        if url is None and "code_gen_base_url" not in skip:
            problems.append(
                "'code_gen_base_url' is not given; code_gen_provider local needs the server's address"
            )
    for name in config.code_gen_prices:
        if name not in ("prompt", "completion"):
            problems.append(f"unknown price 'code_gen_prices.{name}'; expected prompt or completion")
    return problems


def _judge_problems(config: Config, skip: set[str]) -> list[str]:
    if not config.evaluate:
        return []
    problems = [
        f"'{field}' is not given; evaluate needs it"
        for field in ("judge_model", "judge_provider")
        if getattr(config, field) is None and field not in skip
    ]
    provider = config.judge_provider
    if provider is not None and provider not in ENDPOINTS:
        hint = did_you_mean(provider, ENDPOINTS) or "expected one of " + ", ".join(ENDPOINTS)
        problems.append(f"'judge_provider' is '{provider}'; {hint}")
    elif provider is not None and (config.judge_base_url or ENDPOINTS[provider].base_url) is None:
        problems.append("'judge_base_url' is not given; judge_provider local needs the server's address")
    return problems


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


def engine_arguments(config: Config) -> dict[str, Any]:
    """Return the arguments of :class:`neptune.Engine` that a config describes.

    Raises
    ------
    ConfigError
        If the file of `logic_params` can not be read, or a GPU of `gpus` is not there.
    """
    from dsl.limits import Limits
    from neptune.replicas import devices_of

    distinct = config.distinct_variables
    arguments: dict[str, Any] = {
        "oracle": config.vlm_model_name,
        "detector": config.od_model,
        "oracle_options": dict(config.vlm_options),
        "record": config.record_oracle if config.record_oracle != "auto" else None,
        "cache": config.cache_path,
        "detection_cache": config.detections_path,
        "detector_options": dict(config.od_options),
        "logic": config.logics[0],
        "seed": config.seed,
        "vocabulary": config.vocabulary,
        "schedule": config.schedule,
        "planner": config.planner,
        "max_oracle_calls": config.max_oracle_calls,
        "probability_tolerance": config.probability_tolerance,
        "limits": Limits(**config.limits),
        "distinct_variables": str(distinct).lower(),
        "devices": devices_of(config.gpus),
        "workers": max(config.workers, len(config.gpus)),
        "max_batch": config.max_batch,
        "wait_ms": config.batch_wait_ms,
    }
    if config.logic_params:
        from neptune.algebra import LogicParameters

        numbers = read_json(config.logic_params)
        try:
            arguments["parameters"] = LogicParameters.from_dict(numbers)
        except (ValueError, KeyError, TypeError) as error:
            raise ConfigProblems([f"these are no logic parameters: {error}"], config.logic_params) from error
    return arguments
