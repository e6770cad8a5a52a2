"""What the parts of a bundle must look like, as pydantic models: a bundle is somebody else's file.

Fields that this version does not know pass through (a later version writes more); those that a replay, the figures or
the report read are of their types, finite, and no deeper nested than anything that a run writes.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from neptune.answer import SEMANTICS
from neptune.scene.decoding import SUFFIXES

FORMAT = 1
MOST_ENTRIES = 60_000
"""Files in a bundle."""

_DEEPEST = 40
"""Levels of lists and objects in a record."""

Finite = Annotated[float, Field(allow_inf_nan=False)]
Whole = Annotated[int, Field(ge=0, le=10**12)]
Text = Annotated[str, Field(max_length=1_000_000)]
Short = Annotated[str, Field(max_length=2_000)]
Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
M = TypeVar("M", bound=BaseModel)


class _Part(BaseModel):
    model_config = ConfigDict(extra="allow", strict=True)

    @model_validator(mode="after")
    def _is_shallow(self) -> _Part:
        level: list[Any] = list((self.model_extra or {}).values()) + list(self.__dict__.values())
        for _ in range(_DEEPEST):
            level = [inner for outer in level for inner in _inside(outer)]
            if not level:
                return self
        raise ValueError(f"it is nested deeper than {_DEEPEST} levels")


def _inside(value: Any) -> list[Any]:
    if isinstance(value, Mapping):
        return list(value.values())
    return list(value) if isinstance(value, list | tuple) else []


class Manifest(_Part):
    """``bundle.json``: digests of the files, and which of them is the picture of which path in the records."""

    format: Literal[1]
    semantics: Annotated[int, Field(ge=1, le=SEMANTICS)] = 1
    """What programs meant when they ran; a run that does not say is older than the second meaning."""
    backend: Literal["auto", "torch"] = "torch"
    """How they were computed; a run that does not say is older than the choice."""
    name: Short
    samples: Whole
    files: Annotated[dict[Short, Digest], Field(max_length=MOST_ENTRIES)]
    pictures: dict[Text, Short | None] = Field(default_factory=dict)

    @field_validator("pictures")
    @classmethod
    def _are_packed(cls, pictures: dict[str, str | None]) -> dict[str, str | None]:
        for name in pictures.values():
            if name is not None and not is_picture(name):
                raise ValueError(f"a picture is in the file {name[:60]!r}")
        return pictures


class _Candidate(_Part):
    program: Text
    weight: Finite


class _Step(_Part):
    line: Any = None
    source: Text | None = None
    scores: list[Finite | None] | None = None


class _Flip(_Part):
    at_most: Finite | None = None


class SampleRecord(_Part):
    """A line of ``samples.jsonl``."""

    id: Short | int
    dataset: Short
    family: Short | int | None = None
    question: Text | None = None
    choices: Annotated[list[Text], Field(max_length=1_000)] = Field(default_factory=list)
    """The answers among which one was asked for; empty where any may be given, or where the record is older."""
    program: Text | None = None
    programs: Annotated[list[_Candidate], Field(max_length=1_000)] = Field(default_factory=list)
    scene: Short | None = None
    evidence: Annotated[str, Field(pattern=r"^[0-9]{1,9}\.[0-9]{1,9}$")] | None = None
    picture: Text | None = None
    correct: bool | None = None
    abstained: bool = False
    settled: bool | None = None
    tie: bool = False
    probability: Finite | None = None
    bounds: Annotated[list[Finite], Field(min_length=2, max_length=2)] | None = None
    iou: Finite | None = None
    out_of_domain: Text | None = None
    error: Text | None = None
    error_kind: Short | None = None
    scores: list[Finite | None] | None = None
    boxes: list[Annotated[list[Finite], Field(min_length=4, max_length=4)]] | None = None
    size: Annotated[list[Finite], Field(min_length=2, max_length=2)] | None = None
    trace: list[_Step] | None = None
    flip: _Flip | None = None
    usage: dict[Short, Annotated[float, Field(allow_inf_nan=False, ge=0, le=1e15)]] | None = None
    oracle_failures: dict[Text, Whole] = Field(default_factory=dict)
    seconds: Finite | None = None

    @field_validator("usage")
    @classmethod
    def _are_calls(cls, usage: dict[str, float] | None) -> dict[str, float] | None:
        if usage and not float(usage.get("oracle_calls", 0)).is_integer():
            raise ValueError("oracle_calls is no whole number")
        return usage


class _Counts(_Part):
    n: Whole


class Results(_Part):
    """``results.json``: how many samples a dataset had, of which some may have no record."""

    by_dataset: dict[Short, _Counts] = Field(default_factory=dict)


def is_picture(name: str) -> bool:
    """Tell whether a name in a bundle is that of a packed picture: ``pictures/12.png``."""
    path = PurePosixPath(name)
    return path.parent.as_posix() == "pictures" and path.stem.isdecimal() and path.suffix in SUFFIXES


def check(model: type[M], content: bytes | str | Mapping[str, Any]) -> M:
    """Return a part of a bundle, if it is as its model says.

    Raises
    ------
    ValueError
        If it is not; its text says in one short line where.
    """
    try:
        if isinstance(content, Mapping):
            return model.model_validate(content)
        return model.model_validate(json.loads(content))
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        place = ".".join(str(part)[:40] for part in first["loc"])
        raise ValueError(f"{place}: {first['msg']}"[:200] if place else first["msg"][:200]) from error
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error


def check_samples(path: Path, found: list[dict[str, Any]]) -> None:
    """Check the records of a bundle; errors as of :func:`check`, with the record's place."""
    for number, record in enumerate(found):
        try:
            check(SampleRecord, record)
        except ValueError as error:
            raise ValueError(f"{path.name}, record {number}: {error}") from error
