"""What the oracle said, kept in one file: with it, tuning needs no model.

A cell is a scene, a question and a tuple of objects; the scene's name identifies picture, boxes and shift. What is not
in the file is asked, once.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from neptune.errors import ConfigError
from neptune.saving import replacing
from neptune.scene import Scene
from neptune.scene.types import FloatArray, Oracle, QueryRequest, Question, ScoreRequest, Scores

FORMAT = "neptune-logits-1"

_Key = tuple[str, str, int]


@dataclass(eq=False)
class Table:
    """The logits of one question about one scene.

    Parameters
    ----------
    question
        What was asked.
    logits
        ``(N, …)``, one axis an object; NaN: not asked, or no evidence.
    asked
        The same shape: which cells were asked.
    """

    question: Question
    logits: FloatArray
    asked: NDArray[np.bool_]


class CachedLogits:
    """An oracle whose answers are kept; also the scorer of :func:`~neptune.engine.session.soft_answers.soft_answers`.

    Parameters
    ----------
    file
        Where they are kept (``.npz``), read if it is there.
    identity
        Who answers, and with which options: a file filled by another is an error.
    make
        Makes the oracle, when there is something to ask.
    scenes
        Name of a scene → what opens it with its picture.

    Raises
    ------
    ConfigError
        If the file can not be read, or was filled by another oracle.
    """

    name = "cached"

    def __init__(
        self, file: Path, identity: str, make: Callable[[], Oracle], scenes: Mapping[str, Callable[[], Scene]]
    ) -> None:
        self.file, self.identity = file, identity
        self._make, self._scenes = make, scenes
        self._oracle: Oracle | None = None
        self.tables: dict[_Key, Table] = {}
        self.cells_asked = 0
        if file.is_file():
            self._read()

    def __call__(self, requests: Sequence[ScoreRequest]) -> list[Tensor]:
        """Return the logits of each request, ``(M,)`` float32, without gradient; ask what is not known."""
        return [torch.from_numpy(s.logits) for s in self.score(requests)]

    def score(self, requests: Sequence[ScoreRequest]) -> list[Scores]:
        """Return the scores of each request; ask what is not known.

        Raises
        ------
        OracleError, PictureError
            If the oracle can not answer, or a picture can not be read.
        """
        self._ask([r for r in requests if not self._table(r).asked[tuple(r.objects.T)].all()])
        return [Scores.of(np.atleast_1d(self._table(r).logits[tuple(r.objects.T)])) for r in requests]

    def query(self, requests: Sequence[QueryRequest]) -> list[list[str | None]]:
        """Ask open questions: they have no logits, and are not kept."""
        opened = [QueryRequest(self._open(r.scene), r.question, r.objects, r.choices) for r in requests]
        return [list(texts) for texts in self._asked().query(opened)]

    def save(self) -> None:
        """Write the file; a process that is killed meanwhile leaves the old one."""
        entries = [[scene, t.question.text, arity, t.question.predicate, len(t.logits) if arity else 0]
                   for (scene, _, arity), t in self.tables.items()]  # fmt: skip
        logits = [t.logits.reshape(-1) for t in self.tables.values()]
        asked = [t.asked.reshape(-1) for t in self.tables.values()]
        with replacing(self.file, "What the oracle said") as stream:
            np.savez_compressed(
                stream,
                about=np.array(json.dumps({"format": FORMAT, "identity": self.identity, "entries": entries})),
                logits=np.concatenate([*logits, np.zeros(0, np.float32)]),
                asked=np.concatenate([*asked, np.zeros(0, np.bool_)]),
            )

    def _read(self) -> None:
        try:
            with np.load(self.file, allow_pickle=False) as stored:
                about = json.loads(str(stored["about"]))
                logits, asked = stored["logits"], stored["asked"]
            if about["format"] != FORMAT:
                raise ValueError(f"the format is {about['format']}")
            identity, at = about["identity"], 0
            for scene, text, arity, predicate, n in about["entries"]:
                shape = (n,) * arity
                size = int(np.prod(shape))
                part = slice(at, at + size)
                table = Table(Question(text, arity, predicate), logits[part].reshape(shape), asked[part].reshape(shape))
                self.tables[scene, text, arity] = table
                at += size
        except Exception as error:  # zip, numpy and JSON each raise their own
            raise ConfigError(
                f"The cached logits can not be read: {error}",
                where=str(self.file),
                hint="Remove the file; the oracle is then asked again",
            ) from error
        if identity != self.identity:
            raise ConfigError(
                f"The cached logits were said by another oracle: {identity}",
                where=str(self.file),
                expected=self.identity,
                hint="Give another 'logits' file or output_dir, or remove this one",
            )

    def _table(self, request: ScoreRequest) -> Table:
        question, n = request.question, len(request.scene)
        key = request.scene.name, question.text, question.arity
        if key not in self.tables:
            shape = (n,) * question.arity
            blank = np.full(shape, np.nan, dtype=np.float32)
            self.tables[key] = Table(question, blank, np.zeros(shape, dtype=np.bool_))
        return self.tables[key]

    def _ask(self, requests: Sequence[ScoreRequest]) -> None:
        if not requests:
            return
        opened = [ScoreRequest(self._open(r.scene), r.question, r.objects) for r in requests]
        for request, scores in zip(requests, self._asked().score(opened), strict=True):
            table, at = self._table(request), tuple(request.objects.T)
            table.logits[at] = np.reshape(scores.logits, np.shape(table.logits[at]))
            table.asked[at] = True
            self.cells_asked += len(request.objects)

    def _asked(self) -> Oracle:
        if self._oracle is None:
            self._oracle = self._make()
        return self._oracle

    def _open(self, scene: Scene) -> Scene:
        """Return a scene with its picture; the last one stays open, as requests come scene by scene."""
        if getattr(self, "_last", ("", None))[0] != scene.name:
            self._last = (scene.name, self._scenes[scene.name]())
        found = self._last[1]
        assert found is not None
        return found
