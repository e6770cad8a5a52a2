"""What a caller gives an engine: checked, and named in errors as the caller names it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any, Concatenate, ParamSpec

from neptune.algebra import Logic, logic
from neptune.errors import ConfigError, fields_named
from neptune.scene.picture import Picture, PictureLike

ARGUMENTS = {
    "vlm_model_name": "oracle",
    "vlm_options": "oracle_options",
    "od_model": "detector",
    "od_options": "detector_options",
    "oracle_cache": "cache",
    "record_oracle": "record",
    "gpus": "devices",
    "batch_wait_ms": "wait_ms",
    "logic_params": "parameters",
    "null": "None",
    "code_gen_provider": "writer",
    "code_gen_model_name": "model",
    "code_gen_base_url": "base_url",
    "code_gen_temperature": "temperature",
    "code_gen_max_tokens": "max_tokens",
    "code_gen_constrained": "constrained",
    "code_gen_concurrency": "concurrency",
    "code_gen_timeout": "timeout",
}
"""Config field → argument of :class:`neptune.Engine`, or of its writer: what its errors say to who calls it."""


P = ParamSpec("P")


def in_arguments(make: Callable[Concatenate[Any, P], None]) -> Callable[Concatenate[Any, P], None]:
    """Let the errors of a constructor speak of arguments, unless it is called by who speaks of config fields."""

    @wraps(make)
    def made(self: Any, *args: P.args, **kwargs: P.kwargs) -> None:
        with fields_named(ARGUMENTS) as self._names:
            make(self, *args, **kwargs)

    return made  # type: ignore[return-value]  # wraps gives `self` a name


def check_one_of(argument: str, value: str, known: tuple[str, ...]) -> None:
    """Raise a ConfigError if a value is not among those known."""
    if value not in known:
        raise ConfigError(f"{argument} is '{value}'", expected=" or ".join(f"'{k}'" for k in known))


def check_range(argument: str, value: Any, kind: Any, least: float, most: float, expected: str) -> None:
    """Raise a ConfigError if a value is no number of a kind in a range, both ends included."""
    if isinstance(value, bool) or not isinstance(value, kind) or not least <= value <= most:
        raise ConfigError(f"{argument} is {value!r}", expected=expected)


def logic_of(name: str | Logic) -> Logic:
    """Return the logic of a name; raise a ConfigError if there is none."""
    try:
        return logic.get(name)
    except ValueError as error:
        raise ConfigError(" ".join(str(error).split()), where="logic") from error


def pictures_of(image: PictureLike | Sequence[PictureLike]) -> list[Picture]:
    """Return the pictures of one or of a list, made before the first is asked about."""
    several = image if isinstance(image, list | tuple) else [image]
    return [Picture.of(one) for one in several]  # type: ignore[arg-type]
