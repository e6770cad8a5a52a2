"""The lines of a record of what an oracle said, as pydantic models: a bundle's record is somebody else's file."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

MOST_BOXES = 100_000
"""Objects of one scene."""

FARTHEST = 1e7
"""Pixels: no box of a picture reaches further."""

Text = Annotated[str, Field(max_length=1_000_000)]
Side = Annotated[int, Field(ge=0, le=10**7)]
Place = Annotated[int, Field(ge=0, lt=2**31)]


class _Line(BaseModel):
    model_config = ConfigDict(strict=True, extra="ignore")


class Session(_Line):
    """What begins what another process has added."""

    kind: Literal["session"]


class SceneLine(_Line):
    """A scene: base64 of its boxes and scores."""

    kind: Literal["scene"]
    scene: Text
    name: Text
    size: Annotated[list[Side], Field(min_length=2, max_length=2)]
    boxes: str
    scores: str


class ScoreLine(_Line):
    """A yes/no question, and for each cell its logit and mass (base64)."""

    kind: Literal["score"]
    scene: Text
    question: Text
    arity: Annotated[int, Field(ge=0, le=32)]
    objects: list[list[Place]]
    logits: str
    mass: str


class QueryLine(_Line):
    """An open question, and for each cell its text."""

    kind: Literal["query"]
    scene: Text
    question: Text
    choices: list[Text]
    objects: list[list[Place]]
    texts: list[Text | None]


Line = Session | SceneLine | ScoreLine | QueryLine
LINE: TypeAdapter[Any] = TypeAdapter(Annotated[Line, Field(discriminator="kind")])
"""Checks one line."""
