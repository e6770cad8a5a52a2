"""Record what was seen and what an oracle said of it, and answer from the record, bit for bit.

The record is JSON lines: one line a request, with the scene's digest (pixels and boxes), the question, the
objects, and logits and mass as base64 of little-endian float32; one line a scene, with its boxes and what its detector
said of the picture; a line ``domain`` for what the oracle said of a picture. Later lines win. A line ``session``
begins what another process, or another engine, has added.

>>> oracle = RecordingOracle(engine.oracle, "answers.jsonl")          # doctest: +SKIP
>>> Engine(oracle="replay", oracle_options={"path": "answers.jsonl"})   # doctest: +SKIP
"""

from __future__ import annotations

import base64
import io
import json
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np

from neptune.errors import NotRecordedError, OracleError, OracleFailedError
from neptune.perception.oracle.caching.recorded import FARTHEST, LINE, MOST_BOXES, Line
from neptune.saving import append_whole
from neptune.scene import Scene
from neptune.scene.domain import Domain
from neptune.scene.identity import remember_digest, scene_digest
from neptune.scene.types import FloatArray, Oracle, QueryRequest, ScoreRequest, Scores, domain_of

RECORD = "evidence.jsonl"
"""The record's name in a run folder."""

_FORMAT = "JSON lines written by neptune.perception.oracle.caching.replay.RecordingOracle"
_FOUND = "found: "
"""What the key of a scene begins with that holds what was found for a noun."""
_SESSION = b'{"kind": "session"}\n'


class RecordingOracle:
    """Passes requests on to another oracle and appends its answers to a file, flushed after each batch.

    Parameters
    ----------
    inner
        The oracle that answers.
    path
        The file; made with its folder where it does not exist. A line that was torn by a crash is cut off.

    Attributes
    ----------
    session : int
        The number of earlier recorders of this file.

    Raises
    ------
    OracleFailedError
        If the file can not be written.
    """

    def __init__(self, inner: Oracle, path: str | Path) -> None:
        self.inner, self.name, self.path = inner, inner.name, Path(path)
        self._lock = threading.Lock()
        self._kept: set[str] = set()
        self._numbers: WeakKeyDictionary[Any, int] = WeakKeyDictionary()
        self.session = self._count = 0
        self._write(self._open)

    def keep(self, scene: Scene) -> str:
        """Record a scene, once, and return its digest: a program may ask nothing of it."""
        digest = scene_digest(scene)
        with self._lock:
            new = digest not in self._kept
            self._kept.add(digest)
        if new:
            self._append([_scene_line(scene, digest)])
        return digest

    def number(self, shared: Any) -> str:
        """Return session and number of the evidence that a sample shares: others may have had cells answered."""
        with self._lock:
            number = self._numbers.setdefault(shared, self._count)
            self._count += number == self._count
        return f"{self.session}.{number}"

    def score(self, requests: Sequence[ScoreRequest]) -> list[Scores]:
        """Answer as the inner oracle does, and record it."""
        answers = self.inner.score(requests)
        self._append(
            {
                **_head("score", r),
                "logits": _packed(s.logits),
                "mass": _packed(s.mass),
                **({"bounds": _packed(s.bounds)} if s.bounds is not None else {}),
            }
            for r, s in zip(requests, answers)
        )
        return answers

    def query(self, requests: Sequence[QueryRequest]) -> list[list[str | None]]:
        """Answer as the inner oracle does, and record it."""
        answers = self.inner.query(requests)
        self.queried(requests, answers)
        return answers

    def queried(self, requests: Sequence[QueryRequest], answers: Sequence[Sequence[str | None]]) -> None:
        """Record answers in words, whoever gave them."""
        self._append(
            {**_head("query", r), "choices": list(r.choices), "texts": list(texts)}
            for r, texts in zip(requests, answers)
        )

    def found(self, scene: Scene, noun: str, found: Scene) -> None:
        """Record, once, what a detector found in a scene's picture for a noun."""
        key = _found_key(scene, noun)
        with self._lock:
            new = key not in self._kept
            self._kept.add(key)
        if new:
            self._append([_scene_line(found, key)])

    def domain(self, scene: Scene) -> Domain | None:
        """Return what the inner oracle says of a picture, and record it."""
        found = domain_of(self.inner, scene)
        if found is not None:
            self._append([{"kind": "domain", "scene": scene_digest(scene), "domain": found.as_dict()}])
        return found

    def handed_over(self) -> bytes:
        """Return the lines recorded so far, and begin anew with an empty file: another recorder takes them over."""
        found = b""

        def empty(path: Path) -> None:
            nonlocal found
            found = path.read_bytes().replace(_SESSION, b"")
            path.write_bytes(b"")
            self._kept.clear()
            self._numbers, self._count = WeakKeyDictionary(), 0

        self._write(empty)
        return found

    def take_over(self, lines: bytes) -> None:
        """Add lines that another recorder has handed over."""

        def append(path: Path) -> None:
            with io.FileIO(path, "ab") as file:
                append_whole(file, lines)

        if lines:
            self._write(append)

    def _open(self, path: Path) -> None:
        """Cut a torn line off, count the sessions, begin another."""
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("ab+") as file:
            file.seek(0)
            end, line = 0, b""
            for line in file:
                end += len(line) if line.endswith(b"\n") else 0
                self.session += line == _SESSION
            if line and not line.endswith(b"\n"):
                file.truncate(end)
            file.seek(0, 2)
            file.write(_SESSION)

    def _append(self, records: Iterable[dict[str, Any]]) -> None:
        lines = "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records)

        def append(path: Path) -> None:
            with io.FileIO(path, "ab") as file:
                append_whole(file, lines.encode("utf-8", "backslashreplace"))

        self._write(append)

    def _write(self, action: Callable[[Path], None]) -> None:
        try:
            with self._lock:
                action(self.path)
        except OSError as error:
            raise OracleFailedError(
                f"Answers can not be recorded: {error.strerror or error}",
                where=str(self.path),
                hint="Make room, or choose another record_oracle (null: none); the same command resumes",
            ) from error


class ReplayOracle:
    """Answers from a recorded file, and nothing else.

    Parameters
    ----------
    path
        A file that :class:`RecordingOracle` wrote, or a run folder that holds one.
    session
        The last session whose answers count; ``None``: all of them.

    Raises
    ------
    OracleError
        If the file is missing or malformed (with the line).
    """

    name = "replay"

    def __init__(self, path: str | Path, session: int | None = None) -> None:
        self.path = Path(path)
        if self.path.is_dir():
            self.path /= RECORD
        self._scenes: dict[str, dict[str, Any]] = {}
        self._domains: dict[str, Domain] = {}
        self._known: dict[tuple[str, str, int | tuple[str, ...]], dict[tuple[int, ...], Any]] = {}
        """Scene, question, and arity (of yes/no questions) or choices → cell → ``(logit, mass)`` or a text."""
        current = -1
        for number, record in _records(self.path):
            try:
                current += record.get("kind") == "session"
                if session is None or current <= session:
                    self._take(record)
            except (KeyError, TypeError, ValueError, RecursionError) as error:
                raise _malformed(self.path, number, error) from error

    def score(self, requests: Sequence[ScoreRequest]) -> list[Scores]:
        """Answer yes/no questions as they were recorded, in any grouping.

        Raises
        ------
        NotRecordedError
            If a cell was never recorded.
        """
        return [Scores.of_cells(self._recorded(request, request.question.arity)) for request in requests]

    def query(self, requests: Sequence[QueryRequest]) -> list[list[str | None]]:
        """Answer open questions as they were recorded.

        Raises
        ------
        NotRecordedError
            If one was never recorded with these choices.
        """
        return [self._recorded(request, request.choices) for request in requests]

    def domain(self, scene: Scene) -> Domain | None:
        """Return what was recorded of a picture; ``None`` where nothing was."""
        return self._domains.get(scene_digest(scene))

    def scene(self, digest: str) -> Scene:
        """Return a new scene with the boxes of a recorded one, without its picture.

        Raises
        ------
        NotRecordedError
            If it was never recorded.
        """
        kept = self._scenes.get(digest)
        if kept is None:
            raise NotRecordedError(f"The scene {digest} was never recorded", where=str(self.path))
        size = (int(kept["size"][0]), int(kept["size"][1]))
        scene = Scene(kept["boxes"], size, None, None, kept["scores"], str(kept["name"]), kept["domain"], kept["kinds"])
        remember_digest(scene, digest)
        return scene

    @property
    def finds(self) -> bool:
        """Whether it holds what a detector found for nouns of programs."""
        return any(key.startswith(_FOUND) for key in self._scenes)

    def found(self, scene: Scene, noun: str) -> Scene:
        """Return what was recorded to be found in a scene's picture for a noun.

        Raises
        ------
        NotRecordedError
            If it was never recorded.
        """
        return self.scene(_found_key(scene, noun))

    def _take(self, record: dict[str, Any]) -> None:
        line: Line = LINE.validate_python(record)
        if line.kind == "session":
            return
        if line.kind == "scene":
            boxes, scores = _unpacked(line.boxes).reshape(-1, 4), _unpacked(line.scores)
            if len(boxes) != len(scores) or len(boxes) > MOST_BOXES:
                raise ValueError(f"{len(boxes)} boxes, {len(scores)} scores")
            if not (np.abs(boxes) <= FARTHEST).all() or not np.isfinite(scores).all():
                raise ValueError("a box lies beyond any picture")
            if line.kinds and len(line.kinds) != len(boxes):
                raise ValueError(f"{len(boxes)} boxes, {len(line.kinds)} kinds")
            domain = line.domain and line.domain.read()
            self._scenes[line.scene] = {
                **record,
                "boxes": boxes,
                "scores": scores,
                "domain": domain,
                "kinds": tuple(line.kinds),
            }
            return
        if line.kind == "domain":
            self._domains[line.scene] = line.domain.read()
            return
        cells = [tuple(row) for row in line.objects]
        if line.kind == "score":
            logits, mass = _unpacked(line.logits), _unpacked(line.mass)
            bounds = None if line.bounds is None else _unpacked(line.bounds).reshape(-1, 2)
            if not len(cells) == len(logits) == len(mass) == len(logits if bounds is None else bounds):
                raise ValueError(f"{len(cells)} cells, {len(logits)} logits, {len(mass)} masses")
            if bounds is not None and not (bounds[:, 0] <= bounds[:, 1]).all():
                raise ValueError("a lower bound above the upper one")
            key = (line.scene, line.question, line.arity)
            self._known.setdefault(key, {}).update(zip(cells, Scores(logits, mass, None, bounds).cells()))
        else:
            if len(line.texts) != len(cells):
                raise ValueError(f"{len(cells)} cells, {len(line.texts)} texts")
            asked = (line.scene, line.question, tuple(line.choices))
            self._known.setdefault(asked, {}).update(zip(cells, line.texts))

    def _recorded(self, request: ScoreRequest | QueryRequest, key: int | tuple[str, ...]) -> list[Any]:
        """Return what was recorded for each cell of a request."""
        known = self._known.get((scene_digest(request.scene), request.question.text, key), {})
        cells = [tuple(row) for row in request.objects.tolist()]
        for cell in cells:
            if cell not in known:
                raise NotRecordedError(
                    f"'{request.question.text}' was never recorded for the objects {list(cell)} "
                    f"of {request.scene.name}",
                    where=str(self.path),
                    hint="Record it with the first oracle, or check that picture and boxes are the same",
                )
        return [known[cell] for cell in cells]


def _head(kind: str, request: ScoreRequest | QueryRequest) -> dict[str, Any]:
    return {
        "kind": kind,
        "scene": scene_digest(request.scene),
        "question": request.question.text,
        "arity": request.question.arity,
        "objects": request.objects.tolist(),
    }


def _found_key(scene: Scene, noun: str) -> str:
    return f"{_FOUND}{noun} in {scene_digest(scene)}"


def _scene_line(scene: Scene, digest: str) -> dict[str, Any]:
    assert scene.scores is not None  # made with the scene
    return {
        "kind": "scene",
        "scene": digest,
        "name": scene.name,
        "picture": scene.picture.digest if scene.picture is not None else None,
        "size": list(scene.size),
        "boxes": _packed(scene.boxes),
        "scores": _packed(scene.scores),
        **({"domain": scene.domain.as_dict()} if scene.domain is not None else {}),
        **({"kinds": list(scene.kinds)} if scene.kinds else {}),
    }


def _packed(values: FloatArray) -> str:
    return base64.b64encode(np.asarray(values, dtype="<f4").tobytes()).decode()


def _unpacked(text: str) -> FloatArray:
    return np.frombuffer(base64.b64decode(text, validate=True), dtype="<f4").astype(np.float32)


def _records(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield line number and record; a torn last line is left out."""
    try:
        file = path.open("rb")
    except OSError as error:
        raise OracleError(
            f"The recorded answers can not be read: {error.strerror}", where=str(path), expected=_FORMAT
        ) from error
    with file:
        for number, line in enumerate(file, 1):
            if not line.strip() or not line.endswith(b"\n"):
                continue
            try:
                record = json.loads(line)
            except (ValueError, RecursionError) as error:
                raise _malformed(path, number, error) from error
            if not isinstance(record, dict):
                raise _malformed(path, number, "no object")
            yield number, record


def _malformed(path: Path, number: int, why: object) -> OracleError:
    said = " ".join(str(why).split())[:200] or repr(why)[:200]
    return OracleError(f"The recorded answers are malformed: {said}", where=f"{path}, line {number}", expected=_FORMAT)
