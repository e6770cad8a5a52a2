"""Names of oracles, detectors, segmenters, depth estimators and readers: each is loaded when it is first asked for.

>>> oracle("random", seed=7).name
'random'
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast, get_type_hints

from neptune.errors import ConfigError, did_you_mean
from neptune.perception.oracle.models import short_names

if TYPE_CHECKING:
    from neptune.scene.types import DepthEstimator, Detector, Oracle, Segmenter, TextReader

ORACLES: dict[str, str] = {
    "scene": "neptune.perception.oracle.scene:SceneOracle",
    "embedded": "neptune.perception.oracle.embedded:EmbeddedOracle",
    "drawings": "neptune.perception.oracle.drawings:DrawingOracle",
    "random": "neptune.perception.oracle.random:RandomOracle",
    "openai": "neptune.perception.oracle.server.oracle:OpenAIOracle",
    "intern_vllm": "neptune.perception.oracle.server.oracle:VllmOracle",
    "replay": "neptune.perception.oracle.caching.replay:ReplayOracle",
    "transformers": "neptune.perception.oracle.vlm.oracle:TransformersOracle",
}
"""Name → ``"module:Class"``."""

PROXIES: dict[str, str] = {"numbered": "neptune.perception.oracle.sets.numbered:NumberedOracle"}
"""Names of what stands in for an oracle under a certificate, and is none itself: its first argument is the oracle that
it asks (``model_name`` and ``options`` of ``proxy_options``)."""

DETECTORS: dict[str, str] = {
    "scene": "neptune.perception.detect.scene:SceneDetector",
    "embedded": "neptune.perception.detect.embedded:EmbeddedDetector",
    "regions": "neptune.perception.detect.regions:RegionDetector",
    "none": "neptune.perception.detect.nothing:NoDetector",
    "dino": "neptune.perception.detect.transformers:dino",
    "florence": "neptune.perception.detect.transformers:florence",
    "owlv2": "neptune.perception.detect.transformers:owlv2",
    "llmdet": "neptune.perception.detect.transformers:llmdet",
    "sam3": "neptune.perception.detect.transformers:sam3",
}
"""Name → ``"module:Class"``."""

SEGMENTERS: dict[str, str] = {
    "grabcut": "neptune.perception.segment.pixels:GrabCutSegmenter",
    "watershed": "neptune.perception.segment.pixels:WatershedSegmenter",
    "sam": "neptune.perception.segment.transformers:sam",
    "sam2": "neptune.perception.segment.transformers:sam2",
    "sam3": "neptune.perception.segment.transformers:sam3",
}
"""Name → ``"module:Class"``."""

DEPTHS: dict[str, str] = {
    "scene": "neptune.perception.depth.scene:SceneDepth",
    "embedded": "neptune.perception.depth.embedded:EmbeddedDepth",
    "depth_anything": "neptune.perception.depth.transformers:depth_anything",
    "zoedepth": "neptune.perception.depth.transformers:zoedepth",
    "depth_pro": "neptune.perception.depth.transformers:depth_pro",
}
"""Name → ``"module:Class"``."""

READERS: dict[str, str] = {
    "rapidocr": "neptune.perception.reading.rapid:RapidReader",
    "tesseract": "neptune.perception.reading.tesseract:TesseractReader",
}
"""Name → ``"module:Class"``."""

KINDS: dict[str, dict[str, str]] = {
    "oracle": ORACLES,
    "detector": DETECTORS,
    "segmenter": SEGMENTERS,
    "depth estimator": DEPTHS,
    "text reader": READERS,
}
"""Kind → its names."""

BY_ID: dict[str, str] = {
    "oracle": "neptune.perception.oracle.vlm.oracle:TransformersOracle",
    "detector": "neptune.perception.detect.transformers:TransformersDetector",
    "segmenter": "neptune.perception.segment.transformers:TransformersSegmenter",
    "depth estimator": "neptune.perception.depth.transformers:TransformersDepth",
}
"""Kind → what takes a model's id or folder as its first argument, where the name is one (:func:`is_model_id`)."""


def is_model_id(name: str) -> bool:
    """Tell whether a name is a model's id on a hub, ``"owner/model"``, or a local folder that holds a model."""
    return "/" in name or (Path(name) / "config.json").is_file()


def names(kind: str) -> tuple[str, ...]:
    """Return the names of a kind (see :data:`KINDS`); a model's id or folder is one too, but of readers."""
    return (*ORACLES, *short_names()) if kind == "oracle" else tuple(KINDS[kind])


def address_of(kind: str, name: str) -> str | None:
    """Return the ``"module:Class"`` that makes what has this name; ``None`` for an unknown name."""
    known = KINDS[kind]
    if name in known:
        return known[name]
    return BY_ID.get(kind) if name in names(kind) or is_model_id(name) else None


def signature_of(kind: str, name: str) -> inspect.Signature:
    """Return the options that what has a name takes; `kind` is one of :data:`KINDS`.

    Raises
    ------
    ConfigError
        For an unknown name.
    """
    return inspect.signature(_maker(kind, name))


def is_dear(oracle: str | Oracle) -> bool:
    """Tell whether an oracle, or the one of a name, declares that its calls are what a run costs; nothing is loaded.

    Raises
    ------
    ConfigError
        For an unknown name.
    """
    declared: object = oracle
    if isinstance(oracle, str):
        maker = _maker("oracle", oracle)
        declared = maker.func if isinstance(maker, partial) else maker
    return getattr(declared, "cell_cost", "cheap") == "dear"


def oracle(name: str | Oracle, **options: Any) -> Oracle:
    """Return the oracle of a name, made with these options; an :class:`~neptune.scene.types.Oracle` passes through.

    Raises
    ------
    ConfigError
        For an unknown name, or an option that the oracle does not take.
    """
    from neptune.scene.types import Oracle

    return cast(Oracle, _make("oracle", name, Oracle, options))


def detector(name: str | Detector, **options: Any) -> Detector:
    """Return the detector of a name, as :func:`oracle` does for oracles."""
    from neptune.scene.types import Detector

    return cast(Detector, _make("detector", name, Detector, options))


def segmenter(name: str | Segmenter, **options: Any) -> Segmenter:
    """Return the segmenter of a name, as :func:`oracle` does for oracles."""
    from neptune.scene.types import Segmenter

    return cast(Segmenter, _make("segmenter", name, Segmenter, options))


def depth_estimator(name: str | DepthEstimator, **options: Any) -> DepthEstimator:
    """Return the depth estimator of a name, as :func:`oracle` does for oracles."""
    from neptune.scene.types import DepthEstimator

    return cast(DepthEstimator, _make("depth estimator", name, DepthEstimator, options))


def text_reader(name: str | TextReader, **options: Any) -> TextReader:
    """Return the reader of texts of a name, as :func:`oracle` does for oracles."""
    from neptune.scene.types import TextReader

    return cast(TextReader, _make("text reader", name, TextReader, options))


def _make(kind: str, name: object, protocol: type, options: dict[str, Any]) -> object:
    if not isinstance(name, str):
        if isinstance(name, type) or not isinstance(name, protocol):
            shown = f"The class {name.__name__}" if isinstance(name, type) else f"A value of type {type(name).__name__}"
            raise ConfigError(f"{shown} is no {kind}", expected=f"a name, or a neptune.scene.types.{protocol.__name__}")
        if options:
            raise ConfigError(
                f"Options ({', '.join(options)}) do not go with a finished {kind}",
                hint=f"Give them to the {kind} when you make it",
            )
        return name
    check(kind, name, options)
    return _maker(kind, name)(**options)


def check(kind: str, name: str, options: Mapping[str, Any]) -> None:
    """Check the options of what has a name before it is made, which may take long.

    Raises
    ------
    ConfigError
        For an unknown name, an option that there is not, one that is missing, or one of a wrong type.
    """
    signature = signature_of(kind, name)
    try:
        signature.bind(**options)
    except TypeError as error:
        raise _wrong_options(kind, name, signature, options, error) from error
    for problem in mistyped(kind, name, options):
        raise ConfigError(problem)


def mistyped(kind: str, name: str, options: Mapping[str, Any]) -> list[str]:
    """Return a line for each option whose value is not of the type that the maker's signature names.

    What is no value of JSON (a loaded model, a number of numpy) is left to the maker.

    Raises
    ------
    ConfigError
        For an unknown name.
    """
    from pydantic import TypeAdapter, ValidationError
    from pydantic.errors import PydanticSchemaGenerationError

    from neptune.words import describe_type, describe_value

    problems: list[str] = []
    maker = _maker(kind, name)
    if not options:
        return problems
    function = maker.func if isinstance(maker, partial) else maker
    hints = get_type_hints(function.__init__ if isinstance(function, type) else function)  # type: ignore[misc]
    for option, value in options.items():
        if not isinstance(value, str | int | float | list | dict | None):
            continue
        hint = hints.get(option, Any)
        try:
            TypeAdapter(hint).validate_python(value, strict=True)
        except ValidationError:
            said = f"'{option}' of the {kind} '{name}' is {describe_value(value)}"
            problems.append(f"{said}; expected {describe_type(hint)}")
        except PydanticSchemaGenerationError:
            continue
    return problems


def _maker(kind: str, name: str) -> Callable[..., object]:
    address = address_of(kind, name)
    if address is None:
        raise ConfigError(
            f"There is no {kind} '{name}'",
            expected=f"one of {', '.join(names(kind))}" + (", or a model's id or folder" if kind in BY_ID else ""),
            hint=did_you_mean(name, names(kind)),
        )
    module_name, _, attribute = address.partition(":")
    try:
        maker = cast(Callable[..., object], getattr(importlib.import_module(module_name), attribute))
    except ModuleNotFoundError as error:
        if error.name != module_name:
            raise
        raise ConfigError(f"The {kind} '{name}' is not part of this installation", where=module_name) from error
    if name in KINDS[kind]:
        return maker
    short = short_names().get(name) if kind == "oracle" else None
    return partial(maker, name) if short is None else partial(maker, short.id, revision=short.revision)


def _wrong_options(
    kind: str, name: str, signature: inspect.Signature, options: Mapping[str, Any], error: TypeError
) -> ConfigError:
    accepted = list(signature.parameters)
    unknown = [option for option in options if option not in accepted]
    what = f"The {kind} '{name}' has no option '{unknown[0]}'" if unknown else f"The {kind} '{name}': {error}"
    listed = ", ".join(_described(p) for p in signature.parameters.values())
    return ConfigError(
        what,
        expected=f"the options {listed}" if accepted else "no options",
        hint=did_you_mean(unknown[0], accepted) if unknown else "",
    )


def _described(parameter: inspect.Parameter) -> str:
    if parameter.default is inspect.Parameter.empty:
        return f"{parameter.name} (required)"
    return f"{parameter.name} (default {parameter.default!r})"
