"""Certificates: what a cascade was calibrated on, what was found, and which runs it is for. One JSON file each."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from neptune.errors import ConfigError
from neptune.guarantees.alarm import seen_mistakes
from neptune.guarantees.rule import AnswerRule
from neptune.saving import write_whole

CERTIFICATE = "certificate.json"
"""The name of the file."""

MOST_BYTES = 16_000_000


class Tried(BaseModel):
    """One width that was tested, the widest first.

    ``width`` is λ; ``loss`` the mean over pictures of the share of decisions that differ; ``p`` its p-value; ``calls``
    the oracle's calls a question.
    """

    model_config = ConfigDict(extra="forbid")

    width: float = Field(ge=0)
    loss: float = Field(ge=0, le=1)
    p: float = Field(ge=0, le=1)
    calls: float = Field(ge=0)
    held: bool


class Audit(BaseModel):
    """What is known of the proxy's mistakes about what it stands in for.

    Of so many ``pictures`` those with any mistake are ``mistaken``: of each of a picture's questions, how many ground
    atoms the oracle has on the other side. Bounds that follow hold with the given ``confidence``.
    """

    model_config = ConfigDict(extra="forbid")

    pictures: int = Field(ge=1)
    mistaken: list[list[Annotated[int, Field(ge=0)]]]
    confidence: float = Field(gt=0, lt=1)

    @model_validator(mode="before")
    @classmethod
    def _of_this_version(cls, data: Any) -> Any:
        if isinstance(data, dict) and "at_most" in data:
            raise ValueError("it was made by an earlier version, which knew less of the proxy's mistakes")
        return data

    @model_validator(mode="after")
    def _no_more_than_there_are(self) -> Audit:
        if len(self.mistaken) > self.pictures:
            raise ValueError(f"{len(self.mistaken)} pictures with mistakes of {self.pictures}")
        return self

    def at_most(self, part: float) -> float:
        """Return an upper bound, in (0, 1], of how often an audit of a picture sees a mistake, on average.

        Parameters
        ----------
        part
            Each ground atom that was left to the proxy is asked with this chance, in (0, 1].
        """
        from neptune.guarantees.risk import upper_bound

        seen = [seen_mistakes(counts, part) for counts in self.mistaken]
        return upper_bound([*seen, *[0.0] * (self.pictures - len(seen))], 1.0 - self.confidence)


class Certificate(BaseModel):
    """A certificate: with confidence 1 − delta over the calibration pictures, the expected share of a new picture's
    questions whose decision is not the oracle's own is at most alpha.

    ``width`` is λ; ``None`` is infinity, the exact mode. ``fits`` says what a run must have in common with the
    calibration: its fields and the hashes of files; ``families`` names, dataset by dataset, the questions that it is
    about. ``missing`` is how many more pictures any test would have needed.

    One of answers (``answers``) is about the truth instead: with a chance of at least 1 − alpha the right answer is in
    a question's set, or an answer that is given is wrong with a chance of at most alpha. It has no proxy, and every
    decision under it is exact.
    """

    model_config = ConfigDict(extra="forbid")

    version: Literal[1] = 1
    alpha: float = Field(gt=0, lt=1)
    delta: float = Field(gt=0, lt=1)
    width: float | None = Field(ge=0)
    pictures: int = Field(ge=0)
    questions: int = Field(ge=0)
    questions_a_picture: float = Field(ge=0)
    missing: int = Field(ge=0)
    tried: list[Tried]
    calls: dict[str, float]
    schedule: Literal["lazy", "all"] = "lazy"
    sharing: Literal["question", "picture"] = "question"
    proxy: dict[str, Any]
    audit: Audit | None
    answers: AnswerRule | None = None
    families: dict[str, list[str]]
    fits: dict[str, dict[str, Any]]
    calibrated_on: dict[str, Any] = Field(default_factory=dict)

    @property
    def exact(self) -> bool:
        """Whether λ is infinite: nothing is left to the proxy."""
        return self.width is None or math.isinf(self.width)

    def save(self, path: str | Path) -> None:
        """Write it, whole or not at all.

        Raises
        ------
        WriteError
            If it can not be written.
        """
        write_whole(path, json.dumps(self.model_dump(mode="json"), indent=1) + "\n", "The certificate")

    @staticmethod
    def load(path: str | Path) -> Certificate:
        """Read a certificate.

        Raises
        ------
        ConfigError
            If there is none, or the file is no certificate.
        """
        expected, hint = "a certificate.json as task certify writes it", "Make one: neptune-reasoner certify CONFIG"
        try:
            with open(path, "rb") as file:
                content = file.read(MOST_BYTES + 1)
        except OSError as error:
            raise ConfigError(
                f"The certificate can not be read: {error.strerror or error}",
                where=str(path), expected=expected, hint=hint,
            ) from error  # fmt: skip
        try:
            if len(content) > MOST_BYTES:
                raise ValueError("it is too large")
            return Certificate.model_validate_json(content)
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(str(part) for part in first["loc"])
            said = f"{place}: {first['msg']}" if place else str(first["msg"])
            raise ConfigError(
                f"This is no certificate: {said}", where=str(path), expected=expected, hint=hint
            ) from error
        except ValueError as error:
            raise ConfigError(
                f"This is no certificate: {error}", where=str(path), expected=expected, hint=hint
            ) from error

    def misfits(self, fits: dict[str, dict[str, Any]]) -> list[str]:
        """Return in words what a run has otherwise than the calibration had; none where it fits."""
        found = []
        for group in sorted(self.fits.keys() | fits.keys()):
            mine, theirs = self.fits.get(group, {}), fits.get(group, {})
            for name in sorted(mine.keys() | theirs.keys()):
                if mine.get(name) != theirs.get(name):
                    found.append(f"{name} is {_short(theirs.get(name))}, and was {_short(mine.get(name))}")
        return found


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, sort_keys=True)
    return text if len(text) <= 60 else f"{text[:57]}…"
