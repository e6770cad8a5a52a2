"""What a config means: names that do not exist, fields that a task needs and lacks, limits that are none."""

from __future__ import annotations

import dataclasses
import inspect
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from neptune.config.model import DATASETS, Config
from neptune.config.tasks import OWN, TASKS
from neptune.errors import ConfigError, did_you_mean
from neptune.perception import registry
from neptune.servers.endpoints import ENDPOINTS
from neptune.servers.keys import check_host, secrets_in, split_address
from neptune.words import describe_value

LOCAL = "transformers"
PROVIDERS = ("gold", "cache", "embedded", *ENDPOINTS, LOCAL)
"""Where programs come from: the dataset's own, a file of programs by question, the embedded reader of questions, or a
provider of language models; in conversations also a vision-language model that runs here."""


def own_fields(model: type[Config]) -> tuple[str, ...]:
    """Return the fields that a task adds to those of `Config`, or means in another way; of `Config` itself none."""
    return () if model is Config else tuple(inspect.get_annotations(model))


def semantic_problems(config: Config, ignore: Iterable[str] = ()) -> list[str]:
    """Return a line for each problem of meaning: names that do not exist, fields that a task needs and lacks.

    Nothing is said of the fields to `ignore`, which were of a wrong type and have their defaults here.
    """
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
        ("segment_model", "segmenter", config.segment_model),
        ("depth_model", "depth estimator", config.depth_model),
        ("ocr_model", "text reader", config.ocr_model),
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
    if (config.dataset is not None or config.task == "train") and config.data_dir is None and "data_dir" not in skip:
        problems.append("'data_dir' is not given; expected the folder that holds the dataset's files")
    if config.task == "direct" and config.dataset is None and "dataset" not in skip:
        problems.append(f"'dataset' is not given; task direct answers one of {', '.join(DATASETS)}")
    if config.task == "agent" or (config.task in ("ask", "serve") and config.turns is not None):
        problems += _turn_problems(config, skip)
    elif config.code_gen_provider == LOCAL and "code_gen_provider" not in skip:
        problems.append(
            "'code_gen_provider' is transformers, which leads conversations; expected --task agent, ask with --turns, "
            "or a server's provider"
        )
    if config.task == "ask" or (config.task == "agent" and not config.datasets):
        given = config.image is not None or config.video is not None
        if not given and not config.explain and not skip & {"image", "video"}:
            problems.append("'image' is not given; expected a picture, --image photo.jpg, or a film, --video film.mp4")
        if config.image is not None and config.video is not None:
            problems.append("'image' and 'video' are both given; expected one of them")
        if config.video is not None and config.explain:
            problems.append("'explain' does not go with 'video'; leave the film out: its program is about a picture")
        if config.question is None and config.program is None and not skip & {"question", "program"}:
            problems.append("neither 'question' nor 'program' is given; expected --question \"…\" or --program \"…\"")
    if config.bundle is not None and config.task is not None and not skip & {"task", "bundle"}:
        problems.append(f"'bundle' does not go with task {config.task}; expected the run of a dataset")
    if config.bundle is not None and not config.bundle.lower().endswith(".zip") and "bundle" not in skip:
        problems.append(f"'bundle' is {describe_value(config.bundle)}; expected a name that ends with .zip")
    problems += _certificate_problems(config, skip)
    problems += _cluster_problems(config, skip)
    lacks_cache = config.code_gen_provider == "cache" and config.program_cache_address is None
    if lacks_cache and "program_cache_address" not in skip:
        problems.append("'program_cache_address' is not given; code_gen_provider cache needs it")
    return (
        problems
        + _stray_fields(config, skip)
        + _logic_problems(config)
        + _writer_problems(config, skip)
        + _price_problems("prices", config.prices, ("input", "output", "image_tokens"))
        + _judge_problems(config, skip)
        + _beside_problems(config, skip)
        + _secret_problems(config)
        + _limit_problems(config.limits)
    )


def _turn_problems(config: Config, skip: set[str]) -> list[str]:
    """What a conversation needs and lacks: a model that replies, prices where money is limited."""
    problems = []
    if config.code_gen_provider not in (*ENDPOINTS, LOCAL) and "code_gen_provider" not in skip:
        problems.append(
            f"'code_gen_provider' is {config.code_gen_provider}, which replies in no conversation; expected a model: "
            f"--code_gen_provider, one of {', '.join((*ENDPOINTS, LOCAL))}, and --code_gen_model_name"
        )
    named = config.code_gen_model_name or config.vlm_model_name
    if config.code_gen_provider == LOCAL and registry.address_of("oracle", named) != registry.BY_ID["oracle"]:
        problems.append(
            f"'code_gen_provider' is transformers, and '{named}' is no vision-language model that runs here; expected "
            "--code_gen_model_name, a short name (qwen2_2b, …), id or folder, or the same as --vlm_model_name"
        )
    if config.sandbox != "none" and config.code_gen_constrained not in ("auto", "off"):
        problems.append(
            f"'code_gen_constrained' is {config.code_gen_constrained}, and no grammar binds Python in a sandbox; leave "
            "it out, or sandbox none"
        )
    if config.video is not None and "video" not in skip:
        problems.append("'video' does not go with turns; expected a picture, --image photo.jpg")
    if config.question is None and not config.datasets and config.task != "serve" and "question" not in skip:
        problems.append("'question' is not given; a conversation is about one: --question \"…\"")
    known = ("pictures", "tokens", "money", "oracle_calls", "seconds")
    problems += _entry_problems(
        "limit", "turn_limits", config.turn_limits, known,
        lambda value: isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < math.inf,
        "a number above 0",
    )  # fmt: skip
    problems += [
        f"'turn_limits.{name}' is 0; expected a number above 0"
        for name, value in config.turn_limits.items()
        if name != "pictures" and not isinstance(value, bool) and value == 0
    ]
    if "money" in config.turn_limits and not any(config.code_gen_prices.values()):
        problems.append(
            "'turn_limits.money' limits money, and no price is known; expected code_gen_prices, such as "
            '{"prompt": 0.15, "completion": 0.6} for a million tokens'
        )
    if config.tools != "none" and config.tool_library is None:
        problems.append(f"'tool_library' is not given; tools {config.tools} needs the file of the functions")
    if config.tools == "learn" and "train" not in (config.split or ""):
        problems.append("'tools' is learn, which is for a training split; expected --split train, or tools offer")
    if config.tools == "learn" and config.sandbox != "none":
        problems.append(
            "'tools' is learn, which keeps functions of the language; expected sandbox none, or tools offer"
        )
    if not config.ways or len(set(config.ways)) < len(config.ways):
        problems.append("'ways' is empty, or names a way twice; expected direct, program, turns")
    return problems


def _stray_fields(config: Config, skip: set[str]) -> list[str]:
    """Fields that say what another task is to do: this run would not heed them."""
    if "task" in skip or (config.task is not None and config.task not in TASKS):
        return []  # it is not known which task is meant
    return [
        f"'{field}' belongs to task {' or '.join(owners)}; leave it out, or add --task {owners[0]}"
        for field, owners in OWN.items()
        if config.task not in owners
        and field not in own_fields(type(config))
        and getattr(config, field) != Config.model_fields[field].get_default(call_default_factory=True)
    ]


def _certificate_problems(config: Config, skip: set[str]) -> list[str]:
    """What goes with a certificate, and what task certify needs."""
    problems = []
    if config.task == "certify":
        name = config.proxy_model_name
        if config.guarantee != "cascade":
            if name is not None:
                problems.append(f"'proxy_model_name' does nothing with guarantee {config.guarantee}; leave it out")
            if config.schedule == "lazy":
                problems.append(f"'schedule' is lazy; guarantee {config.guarantee} needs all asked, schedule all")
        elif name is None and "proxy_model_name" not in skip:
            problems.append("'proxy_model_name' is not given; expected the cheap oracle that stands in, e.g. embedded")
        elif name is not None and name not in registry.PROXIES and registry.address_of("oracle", name) is None:
            hint = (
                did_you_mean(name, (*registry.names("oracle"), *registry.PROXIES)) or "expected the name of an oracle"
            )
            problems.append(f"'proxy_model_name' is '{name}'; {hint}")
        if config.randomised and config.guarantee != "sets":
            problems.append("'randomised' does nothing without guarantee sets")
        if config.dataset is None and "dataset" not in skip:
            problems.append("'dataset' is not given; task certify needs questions to calibrate on")
    if config.task == "certify" or config.certificate is not None:
        if config.max_oracle_calls is not None or config.max_run_calls is not None:
            problems.append("a budget of calls does not go with a certificate: it would cut decisions short")
        if len(config.logics) > 1:
            problems.append("'logic' names several logics; a certificate is for one")
    if config.certificate is not None:
        if config.task is not None and "task" not in skip:
            problems.append(f"'certificate' does not go with task {config.task}; expected the run of a dataset")
        if config.bundle is not None:
            problems.append("'bundle' does not go with 'certificate': a replay has no proxy")
        if config.set:
            problems.append("'set' does not go with 'certificate': what is changed was not calibrated on")
    elif "audit" in config.model_fields_set and config.audit != Config.model_fields["audit"].default:
        problems.append("'audit' does nothing without 'certificate'; add --certificate FILE")
    if config.set and config.task not in (None, "ask") and "task" not in skip:
        problems.append(f"'set' does not go with task {config.task}; expected the run of a dataset, or task ask")
    if config.set and (config.video is not None or config.turns is not None or config.explain):
        problems.append("'set' changes one answer about pictures; leave out video, turns and explain")
    if config.verify != "off":
        for field, given in (("bundle", config.bundle), ("certificate", config.certificate), ("task", config.task)):
            if given is not None:
                problems.append(f"'verify' does not go with '{field}'; expected the run of a dataset alone")
    if config.set and config.bundle is not None:
        problems.append("'bundle' does not go with 'set'; pack the run as it is, and replay it with --set")
    if config.certificate is None and config.most_answers != Config.model_fields["most_answers"].default:
        problems.append("'most_answers' does nothing without 'certificate'; add --certificate FILE")
    return problems


CLUSTER = ("engines", "oracles", "detectors", "oracle_gpus", "detector_gpus", "shard", "object_store_mb")
"""What `cluster_options` may say."""


def _cluster_problems(config: Config, skip: set[str]) -> list[str]:
    """What a run on a cluster can not have: its samples are answered in any order, on machines of their own."""
    if config.cluster is None or "cluster" in skip:
        return ["'cluster_options' does nothing without 'cluster'"] if config.cluster_options else []
    problems = []
    if "://" in config.cluster or not config.cluster:
        problems.append(
            f"'cluster' is {describe_value(config.cluster)}; expected auto, or HOST:PORT of the cluster's head. From "
            "elsewhere, submit the run as a job: ray job submit (docs/scale.md)"
        )
    if config.task is not None and "task" not in skip:
        problems.append(f"'cluster' does not go with task {config.task}; expected the run of a dataset")
    for field, why in (
        (
            "max_run_calls",
            "what is left is known only one sample after the other; max_oracle_calls is for each question",
        ),
        ("certificate", "its alarm hears one sample after the other"),
        ("gpus", "Ray deals out the GPUs; cluster_options says how many an actor takes"),
        ("fetch_pictures", "pictures are read on every machine; fetch them into the folder first"),
    ):
        if getattr(config, field) and field not in skip:
            problems.append(f"'{field}' does not go with 'cluster': {why}")
    whole = {k: v for k, v in config.cluster_options.items() if k in ("engines", "oracles", "shard")}
    rest = {k: v for k, v in config.cluster_options.items() if k not in whole}
    return (
        problems
        + _entry_problems("option", "cluster_options", rest, CLUSTER, _is_number, "a number ≥ 0")
        + _entry_problems(
            "option", "cluster_options", whole, CLUSTER, lambda v: type(v) is int and v >= 1, "an integer ≥ 1"
        )
    )


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < math.inf


def _logic_problems(config: Config) -> list[str]:
    if config.logic == Config.model_fields["logic"].default:
        return []
    from neptune.algebra import logic  # loads torch, as the run will

    problems, found = [], set()
    for name in config.logics:
        try:
            found.add(logic.get(name))
        except ValueError as error:
            problems.append(f"'logic': {error}")
    if len(found) + len(problems) < len(config.logics):
        problems.append("'logic' names a logic twice")
    return problems


def _writer_problems(config: Config, skip: set[str]) -> list[str]:
    problems, provider = [], config.code_gen_provider
    if provider in ENDPOINTS:
        if not config.code_gen_model_name and "code_gen_model_name" not in skip:
            problems.append(f"'code_gen_model_name' is not given; code_gen_provider {provider} needs it")
        url = config.code_gen_base_url or ENDPOINTS[provider].base_url
        if url is None and "code_gen_base_url" not in skip:
            problems.append("'code_gen_base_url' is not given; code_gen_provider local needs the server's address")
    return problems + _price_problems("code_gen_prices", config.code_gen_prices, ("prompt", "completion"))


def _price_problems(field: str, prices: Mapping[str, float], known: tuple[str, ...]) -> list[str]:
    return _entry_problems("price", field, prices, known, lambda price: 0 <= price < math.inf, "a number ≥ 0")


def _secret_problems(config: Config) -> list[str]:
    """Keys where they would be kept with the run: in addresses, and anywhere else in the config."""
    problems, options = [], config.vlm_options
    servers: list[tuple[str, Any, Any, Any]] = [
        ("code_gen_base_url", config.code_gen_provider, config.code_gen_base_url, config.trusted_hosts),
        (
            "judge_base_url",
            config.judge_provider if config.evaluate else None,
            config.judge_base_url,
            config.trusted_hosts,
        ),
    ]
    addresses = options.get("base_url")
    for address in addresses if isinstance(addresses, list) else [addresses]:
        servers.append(("vlm_options.base_url", options.get("provider"), address, options.get("trusted_hosts", [])))
    for where, provider, url, trusted in servers:
        if not isinstance(url, str):
            continue
        row = ENDPOINTS.get(provider) if isinstance(provider, str) else None
        try:
            if row is not None and row.base_url is not None and isinstance(trusted, list):
                check_host(url, row.base_url, row.key_variable, map(str, trusted), where)
            else:
                split_address(url, where)
        except ConfigError as error:
            problems.append(f"'{where}': {error.what}; expected {error.expected}. {error.hint}".rstrip(" ."))
    return problems + [
        f"'{where}' holds a key, which would be kept with the run; write it into .env and leave it out here"
        for where in secrets_in(config.model_dump(mode="json"))
    ]


def _judge_problems(config: Config, skip: set[str]) -> list[str]:
    if not config.evaluate:
        if "evaluate" in config.model_fields_set | skip:
            return []  # switched off, with the judge named for later
        return [
            f"'{field}' does nothing without evaluate; add --evaluate true"
            for field in ("judge_model", "judge_provider", "judge_base_url")
            if getattr(config, field) != Config.model_fields[field].default
        ]
    problems, provider = [], config.judge_provider
    if provider not in ENDPOINTS:
        hint = did_you_mean(provider, ENDPOINTS) or "expected one of " + ", ".join(ENDPOINTS)
        problems.append(f"'judge_provider' is '{provider}'; {hint}")
    elif (config.judge_base_url or ENDPOINTS[provider].base_url) is None:
        problems.append("'judge_base_url' is not given; judge_provider local needs the server's address")
    return problems


def _beside_problems(config: Config, skip: set[str]) -> list[str]:
    """What goes with a model that is asked beside the run, and with questions in other words."""
    problems, name = [], config.agree_model_name
    if config.agree is None:
        if not {"agree"} & (config.model_fields_set | skip):
            problems = [
                f"'{field}' does nothing without agree; add --agree direct"
                for field in ("agree_model_name", "agree_options")
                if getattr(config, field)
            ]
    elif name is None:
        problems.append("'agree_model_name' is not given; expected the model that is asked beside, by name or folder")
    elif registry.address_of("oracle", name) is None:
        hint = did_you_mean(name, registry.names("oracle")) or "expected the name of an oracle, or a model's folder"
        problems.append(f"'agree_model_name' is '{name}'; {hint}")
    if "task" not in skip and config.task not in (None, "direct"):
        problems += [
            f"'{field}' does not go with task {config.task}; expected the run of a dataset"
            for field in ("agree", "consistency")
            if getattr(config, field)
        ]
    if config.consistency and config.task is None and config.code_gen_provider in ("gold", "cache"):
        problems.append(
            f"'consistency' needs programs of questions that are in no file, and code_gen_provider is "
            f"{config.code_gen_provider}; expected one that writes them: embedded, or a language model's"
        )
    return problems


def _limit_problems(limits: Mapping[str, Any]) -> list[str]:
    if not limits:
        return []
    from dsl.limits import Limits

    known = sorted(f.name for f in dataclasses.fields(Limits))
    return _entry_problems(
        "limit", "limits", limits, known, lambda value: type(value) is int and value >= 1, "an integer ≥ 1"
    )


def _entry_problems(
    what: str, field: str, entries: Mapping[str, Any], known: Sequence[str], right: Callable[[Any], bool], expected: str
) -> list[str]:
    problems = []
    for name, value in entries.items():
        if name not in known:
            hint = did_you_mean(name, known) or "expected one of " + ", ".join(known)
            problems.append(f"unknown {what} '{field}.{name}'; {hint}")
        elif not right(value):
            problems.append(f"'{field}.{name}' is {describe_value(value)}; expected {expected}")
    return problems
