"""The lines of a record of what an oracle said, as pydantic models: a bundle's record is somebody else's file."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from neptune.scene.domain import Domain

MOST_BOXES = 100_000
"""Objects of one scene."""

FARTHEST = 1e7
"""Pixels: no box of a picture reaches further."""

Text = Annotated[str, Field(max_length=1_000_000)]
Words = Annotated[str, Field(max_length=1_000)]
Side = Annotated[int, Field(ge=0, le=10**7)]
Place = Annotated[int, Field(ge=0, lt=2**31)]


class _Line(BaseModel):
    model_config = ConfigDict(strict=True, extra="ignore")


class Session(_Line):
    """What begins what another process has added."""

    kind: Literal["session"]


class DomainSaid(_Line):
    """What a network said of a picture, as :meth:`~neptune.scene.domain.Domain.as_dict` keeps it."""

    by: Words
    world: Words
    score: Annotated[float, Field(ge=0, allow_inf_nan=False)]

    def read(self) -> Domain:
        """Return it as it was."""
        return Domain(self.by, self.world, self.score)


class SceneLine(_Line):
    """A scene: base64 of its boxes and scores, what its detector said of the picture, and what each box is."""

    kind: Literal["scene"]
    scene: Text
    name: Text
    size: Annotated[list[Side], Field(min_length=2, max_length=2)]
    boxes: str
    scores: str
    domain: DomainSaid | None = None
    kinds: list[Words] = []


class DomainLine(_Line):
    """What the oracle said of a scene's picture."""

    kind: Literal["domain"]
    scene: Text
    domain: DomainSaid


class ScoreLine(_Line):
    """A yes/no question, and for each cell its logit and mass (base64)."""

    kind: Literal["score"]
    scene: Text
    question: Text
    arity: Annotated[int, Field(ge=0, le=32)]
    objects: list[list[Place]]
    logits: str
    mass: str
    bounds: str | None = None


class QueryLine(_Line):
    """An open question, and for each cell its text."""

    kind: Literal["query"]
    scene: Text
    question: Text
    choices: list[Text]
    objects: list[list[Place]]
    texts: list[Text | None]


Line = Session | SceneLine | DomainLine | ScoreLine | QueryLine
LINE: TypeAdapter[Any] = TypeAdapter(Annotated[Line, Field(discriminator="kind")])
"""Checks one line."""
