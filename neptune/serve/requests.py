"""What may be asked: the bodies of requests, checked before anything is done."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from neptune.engine.edited import FORM

Text = Annotated[str, Field(max_length=20_000)]
PictureText = Annotated[
    str,
    Field(
        min_length=1,
        description="The picture: base64 of its file, a data: address, picture:… as /v1/pictures named it, or a path "
        "under the allowed folders.",
    ),
]
Tau = Annotated[float, Field(ge=0, le=1e4, allow_inf_nan=False)]
Index = Annotated[int, Field(ge=0, le=100_000)]


class Body(BaseModel):
    """A request's body; an unknown field is an error."""

    model_config = ConfigDict(extra="forbid")


class Temperatures(Body):
    """Temperatures that differ from the server's own."""

    quantifier: Tau | None = Field(default=None, description="Of soft quantifiers; 0: max and min.")
    iota: Tau | None = Field(default=None, description="Of descriptions.")
    comparison: Tau | None = Field(default=None, description="Of comparisons of counts.")
    oracle: Annotated[float, Field(ge=0.01, le=100, allow_inf_nan=False)] | None = Field(
        default=None, description="The oracle's logits are divided by it; above 1 it is believed less."
    )


class Changed(Body):
    """A score that is taken as another one."""

    question: Text = Field(description="The question, as `evidence` of an answer names it.")
    objects: Annotated[list[Index], Field(max_length=8)] = Field(description="The objects it is asked of, in order.")
    probability: Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]


class How(Body):
    """How an answer is computed, where not as the server is set up."""

    logic: Annotated[str, Field(max_length=40)] | None = Field(
        default=None, description="godel, product, lukasiewicz, frank:S."
    )
    temperatures: Temperatures | None = None


class Ask(How):
    """A question about a picture, or a program."""

    picture: PictureText
    question: Text | None = Field(default=None, description="In words; left out where there is a program.")
    program: Text | None = None
    inside: bool = Field(default=False, description="Give the values of every part of the plan too, object by object.")
    evidence: bool = Field(default=False, description="Give what the oracle said too, question by question.")
    changed: Annotated[list[Changed], Field(max_length=1000)] = Field(
        default_factory=list, description="Scores that are taken as others: what would the answer be?"
    )
    set: Annotated[list[Annotated[str, Field(max_length=1000)]], Field(max_length=100)] = Field(
        default_factory=list, description=f"What else is changed, as --set takes it: {FORM}."
    )


class Check(Body):
    """A program to check; nothing is asked."""

    program: Text


class Explain(How):
    """A program whose planning is explained; nothing is asked."""

    program: Text
    objects: Annotated[int, Field(ge=1, le=200)] = Field(
        default=10, description="Of a picture, for which cells are counted."
    )


class Score(How):
    """Formulas whose truth is given for every object, or pair."""

    picture: PictureText
    formulas: Annotated[list[Text], Field(min_length=1, max_length=64)] = Field(
        description="Of named variables: red('x') & left('x', 'y')."
    )


class Look(Body):
    """A picture whose objects are found."""

    picture: PictureText
    labels: Annotated[list[Annotated[str, Field(max_length=200)]], Field(max_length=64)] = Field(
        default_factory=list, description="What to look for, where the detector heeds it."
    )


class Find(Body):
    """A search in a folder under the allowed ones."""

    folder: Text
    query: Text | None = None
    program: Text | None = None
    want: Literal["top", "all", "count"] = "top"
    top: Annotated[int, Field(ge=1, le=1000)] = 20
    max_oracle_calls: Annotated[int, Field(ge=1)] | None = None


class Converse(Body):
    """A question that a model answers in turns."""

    picture: PictureText
    question: Text


class Asked(Ask):
    """One question of several."""

    do: Literal["ask"]


class Checked(Check):
    """One check of several."""

    do: Literal["check"]


class Explained(Explain):
    """One explanation of several."""

    do: Literal["explain"]


class Scored(Score):
    """Scores, among other requests."""

    do: Literal["score"]


class Batch(Body):
    """Several requests, answered in order; one that fails costs itself alone."""

    requests: Annotated[
        list[Annotated[Asked | Checked | Explained | Scored, Field(discriminator="do")]],
        Field(min_length=1, max_length=64),
    ]
