"""Record what an oracle says, and answer from the record, bit for bit.

The record is JSON lines: one line a request, with the scene's digest (pixels and boxes), the question, the
objects, and logits and mass as base64 of little-endian float32. Later lines win.

>>> oracle = RecordingOracle(engine.oracle, "answers.jsonl")          # doctest: +SKIP
>>> Engine(oracle="replay", oracle_options={"path": "answers.jsonl"})   # doctest: +SKIP
"""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from neptune.errors import OracleError
from neptune.oracle.identity import scene_digest
from neptune.types import FloatArray, IntArray, Oracle, QueryRequest, Question, ScoreRequest, Scores

_FORMAT = "JSON lines written by neptune.oracle.RecordingOracle"


class RecordingOracle:
    """Passes requests on to another oracle and appends its answers to a file, flushed after each batch.

    Parameters
    ----------
    inner
        The oracle that answers.
    path
        The file; made with its folder where it does not exist. A line that was torn by a crash is cut off.

    Raises
    ------
    OracleError
        If the file can not be written.
    """

    def __init__(self, inner: Oracle, path: str | Path) -> None:
        self.inner, self.name, self.path = inner, inner.name, Path(path)
        self._lock = threading.Lock()
        self._write(_cut_torn_line)

    def score(self, requests: Sequence[ScoreRequest]) -> list[Scores]:
        """Answer as the inner oracle does, and record it."""
        answers = self.inner.score(requests)
        self._append(
            {**_head("score", r), "logits": _packed(s.logits), "mass": _packed(s.mass)}
            for r, s in zip(requests, answers)
        )
        return answers

    def query(self, requests: Sequence[QueryRequest]) -> list[list[str | None]]:
        """Answer as the inner oracle does, and record it."""
        answers = self.inner.query(requests)
        self._append(
            {**_head("query", r), "choices": list(r.choices), "texts": texts}
            for r, texts in zip(requests, answers)
        )
        return answers

    def _append(self, records: Iterator[dict[str, Any]]) -> None:
        lines = "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records)

        def append(path: Path) -> None:
            with path.open("ab") as file:
                file.write(lines.encode())

        self._write(append)

    def _write(self, action: Callable[[Path], None]) -> None:
        try:
            with self._lock:
                action(self.path)
        except OSError as error:
            raise OracleError(f"Answers can not be recorded: {error}", where=str(self.path)) from error


class ReplayOracle:
    """Answers from a recorded file, and nothing else.

    Parameters
    ----------
    path
        A file that :class:`RecordingOracle` wrote.

    Raises
    ------
    OracleError
        If the file is missing or malformed (with the line).
    """

    name = "replay"

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._scores: dict[tuple[str, str, int], dict[tuple[int, ...], tuple[np.float32, np.float32]]] = {}
        self._texts: dict[tuple[str, str, tuple[str, ...]], dict[tuple[int, ...], str | None]] = {}
        for number, record in _records(self.path):
            try:
                self._take(record)
            except (KeyError, TypeError, ValueError) as error:
                raise _malformed(self.path, number, error) from error

    def score(self, requests: Sequence[ScoreRequest]) -> list[Scores]:
        """Answer yes/no questions as they were recorded, in any grouping.

        Raises
        ------
        OracleError
            If a cell was never recorded.
        """
        answers = []
        for r in requests:
            known = self._scores.get((scene_digest(r.scene), r.question.text, r.question.arity), {})
            found = [known.get(cell) for cell in _cells(r.objects)]
            pairs = [pair for pair in found if pair is not None]
            if len(pairs) < len(found):
                raise self._never(r.scene.name, r.question, r.objects[found.index(None)])
            both = np.array(pairs, dtype=np.float32).reshape(-1, 2)
            answers.append(Scores(both[:, 0].copy(), both[:, 1].copy()))
        return answers

    def query(self, requests: Sequence[QueryRequest]) -> list[list[str | None]]:
        """Answer open questions as they were recorded.

        Raises
        ------
        OracleError
            If one was never recorded with these choices.
        """
        answers = []
        for r in requests:
            known = self._texts.get((scene_digest(r.scene), r.question.text, r.choices), {})
            cells = _cells(r.objects)
            missing = [k for k, cell in enumerate(cells) if cell not in known]
            if missing:
                raise self._never(r.scene.name, r.question, r.objects[missing[0]])
            answers.append([known[cell] for cell in cells])
        return answers

    def _take(self, record: dict[str, Any]) -> None:
        cells = [tuple(int(i) for i in row) for row in record["objects"]]
        values: Sequence[Any]
        if record["kind"] == "score":
            logits, mass = _unpacked(record["logits"]), _unpacked(record["mass"])
            if not len(cells) == len(logits) == len(mass):
                raise ValueError(f"{len(cells)} cells, {len(logits)} logits, {len(mass)} masses")
            key = (str(record["scene"]), str(record["question"]), int(record["arity"]))
            self._scores.setdefault(key, {}).update(zip(cells, zip(logits, mass)))
        else:
            values = record["texts"]
            if len(values) != len(cells):
                raise ValueError(f"{len(cells)} cells, {len(values)} texts")
            asked = (str(record["scene"]), str(record["question"]), tuple(record["choices"]))
            self._texts.setdefault(asked, {}).update(zip(cells, values))

    def _never(self, scene: str, question: Question, objects: IntArray) -> OracleError:
        return OracleError(
            f"'{question.text}' was never recorded for the objects {objects.tolist()} of {scene}",
            where=str(self.path),
            mend="Record it with the first oracle, or check that picture and boxes are the same",
        )


def _head(kind: str, request: ScoreRequest | QueryRequest) -> dict[str, Any]:
    return {
        "kind": kind,
        "scene": scene_digest(request.scene),
        "question": request.question.text,
        "arity": request.question.arity,
        "objects": request.objects.tolist(),
    }


def _cells(objects: IntArray) -> list[tuple[int, ...]]:
    return [tuple(row) for row in objects.tolist()]


def _packed(values: FloatArray) -> str:
    return base64.b64encode(np.asarray(values, dtype="<f4").tobytes()).decode()


def _unpacked(text: str) -> FloatArray:
    return np.frombuffer(base64.b64decode(text, validate=True), dtype="<f4").astype(np.float32)


def _cut_torn_line(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab+") as file:
        file.seek(0)
        content = file.read()
        if content and not content.endswith(b"\n"):
            file.truncate(content.rfind(b"\n") + 1)


def _records(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield line number and record; a torn last line is left out."""
    try:
        lines = path.read_bytes().split(b"\n")
    except OSError as error:
        raise OracleError(
            f"The recorded answers can not be read: {error.strerror}", where=str(path), expected=_FORMAT
        ) from error
    for number, line in enumerate(lines[:-1], 1):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
        except ValueError as error:
            raise _malformed(path, number, error) from error
        if not isinstance(record, dict):
            raise _malformed(path, number, "no object")
        yield number, record


def _malformed(path: Path, number: int, why: object) -> OracleError:
    return OracleError(
        f"The recorded answers are malformed: {why!r}", where=f"{path}, line {number}", expected=_FORMAT
    )
