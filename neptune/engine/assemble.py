"""What a config describes: the engine's arguments, and the writer of programs. Only here do engine and config meet."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dsl.limits import Limits
from neptune.config import Config, ConfigProblems, load_config
from neptune.config.files import read_fields
from neptune.engine.consulted import language_model_of
from neptune.perception import registry
from neptune.perception.oracle.caching.store import Store
from neptune.perception.percepts.percepts import Percepts
from neptune.resources import vocabulary_of

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping, Sequence

    from neptune.scene.types import Oracle
    from neptune.writer.several.settle import Several
    from neptune.writer.writer import Writer

DISPUTE_BUDGET = 200
"""So many made scenes are tried to tell programs of one question apart."""


def engine_arguments(config: str | Path | Config) -> dict[str, Any]:
    """Return the arguments of :class:`neptune.Engine` that a config, or the file of one, describes.

    Raises
    ------
    ConfigError
        If a file can not be read (the config's, or that of `logic_params`), or a GPU of `gpus` is not there.
    """
    from neptune.perception.replicas import devices_of

    if not isinstance(config, Config):
        config = load_config(config)
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
        "presuppositions": config.presuppositions,
        "missing_region": config.missing_region,
        "dialect": config.dialect,
        "knowledge": language_model_of(config),
        "percepts": percepts_of(config),
        "out_of_domain": config.out_of_domain,
        "limits": Limits(**config.limits),
        "distinct_variables": str(config.distinct_variables).lower(),
        "devices": devices_of(config.gpus),
        "workers": max(config.workers, len(config.gpus)),
        "max_batch": config.max_batch,
        "wait_ms": config.batch_wait_ms,
        "writer": partial(writer_of, config),
    }
    if config.certificate is not None:
        from neptune.engine.certified import certified_arguments

        arguments |= certified_arguments(config)
    if config.logic_params:
        from neptune.algebra import LogicParameters

        numbers = read_fields(config.logic_params)
        try:
            parameters = arguments["parameters"] = LogicParameters.from_dict(numbers)
        except (ValueError, KeyError, TypeError) as error:
            raise ConfigProblems([f"these are no logic parameters: {error}"], config.logic_params) from error
        if "logic" in numbers:
            if len(config.logics) > 1:
                raise ConfigProblems(
                    ["'logic' names several logics, but the file of 'logic_params' fixes one"], config.logic_params
                )
            # Temperatures are fitted for a logic; under another they would mean something else.
            arguments["logic"] = parameters.logic
    return arguments


def few_pictures(config: Config) -> dict[str, Any]:
    """Return the arguments that differ for an engine that looks at few pictures: the shipped networks run in NumPy,
    since loading torch would take longer than all they compute; unless the config chooses a device or a runtime."""
    made: dict[str, Any] = {}
    for part, name, given in (
        ("oracle_options", config.vlm_model_name, config.vlm_options),
        ("detector_options", config.od_model, config.od_options),
    ):
        if name == "embedded" and not config.gpus and given.get("device", "auto") in ("auto", "cpu"):
            made[part] = {"runtime": "numpy", **given}
    return made


def percepts_of(config: Config, cache: Store | None = None) -> Percepts:
    """Return who sees masks, depths and words by a config; nothing is loaded yet.

    `cache` stands for the file that the config names.
    """
    return Percepts(
        config.segment_model,
        config.depth_model,
        config.ocr_model,
        segmenter_options=config.segment_options,
        depth_options=config.depth_options,
        reader_options=config.ocr_options,
        cache=cache if cache is not None else config.cache_path,
        out_of_domain=config.out_of_domain,
    )


def choose_schedule(schedule: str, oracle: str | Oracle) -> tuple[str, str]:
    """Return ``"all"`` or ``"lazy"``, and why: for ``"auto"`` what pays with this oracle, else the one asked for.

    The choice follows from what the oracle declares about itself (``cell_cost``) alone: the same config makes the same
    one everywhere.
    """
    if schedule != "auto":
        return schedule, "it was asked for"
    name = oracle if isinstance(oracle, str) else oracle.name
    if registry.is_dear(oracle):
        return "lazy", f"calls of the oracle '{name}' are dear"
    return "all", f"calls of the oracle '{name}' are cheap: choosing among them takes longer than asking them all"


def check_engine(config: Config) -> None:
    """Check what an engine will be made from, without loading a model.

    Raises
    ------
    ConfigError
        If the vocabulary, the logic's parameters, a GPU, a model's name or one of its options is wrong.
    """
    vocabulary_of(config.vocabulary)
    engine_arguments(config)
    registry.check("oracle", config.vlm_model_name, config.vlm_options)
    registry.check("detector", config.od_model, config.od_options)
    registry.check("segmenter", config.segment_model, config.segment_options)
    registry.check("depth estimator", config.depth_model, config.depth_options)
    registry.check("text reader", config.ocr_model, config.ocr_options)


def writer_of(config: Config) -> Writer | None:
    """Return the writer of a config, which compares programs by their plans, and those whose plan hangs on what an
    oracle says by what they come to on made scenes; ``None`` for gold programs.

    Programs over regions have no plan before they run: they are compared by their text.
    """
    if config.code_gen_provider == "gold":
        return None
    from neptune.engine.analysis.differing import behaviour
    from neptune.engine.analysis.equivalence import plan_key
    from neptune.writer.vote import examine_text
    from neptune.writer.writer import Writer

    if config.code_gen_dialect == "patches":
        return Writer.from_config(config)
    vocabulary, limits = vocabulary_of(config.vocabulary), Limits(**config.limits)
    by_text, distinct = examine_text(vocabulary, limits), str(config.distinct_variables).lower()

    def examine(program: str) -> Hashable:
        key = plan_key(program, vocabulary, limits, distinct)
        if key is not None:
            return key
        by_text(program)  # raises what is wrong with it
        return "behaviour", behaviour(program, vocabulary, limits)

    return Writer.from_config(config, examine, several_of(config))


def several_of(config: Config) -> Several:
    """Return what is done with different programs for one question: told apart, and settled as a config says."""
    from neptune.engine.analysis.differing import difference, run_tests
    from neptune.engine.analysis.made_scenes import in_words, svg_of
    from neptune.writer.several.settle import Dispute, Several

    vocabulary, limits = vocabulary_of(config.vocabulary), Limits(**config.limits)

    def compare(programs: Sequence[str]) -> Dispute:
        found = difference(programs, vocabulary, limits=limits, budget=DISPUTE_BUDGET)
        if found.scene is None:
            return Dispute(found.classes, "", found.answers)
        return Dispute(found.classes, in_words(found.scene), found.answers, svg_of(found.scene))

    def test(program: str, tests: Sequence[Mapping[str, Any]]) -> tuple[int, int]:
        found = run_tests(program, tests, vocabulary, limits)
        return found.passed, len(found.failures)

    return Several(compare, test, frozenset(config.code_gen_checks))
