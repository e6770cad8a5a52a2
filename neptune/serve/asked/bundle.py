"""An answer to take along: a run of one question in one file, which ``replay`` answers again with no model at hand."""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from neptune.algebra import LogicParameters
from neptune.answer import Answer, Usage
from neptune.config import Config, make_config
from neptune.engine import Engine
from neptune.engine.assemble import choose_schedule, engine_arguments
from neptune.engine.evidence.store import Evidence
from neptune.errors import ConfigError
from neptune.perception.oracle.caching.replay import RECORD
from neptune.runs import record as records
from neptune.runs.evaluate.summary import summarise
from neptune.runs.record import RunFolder
from neptune.runs.record.bundle import pack
from neptune.runs.record.describe import describe_answer, describe_scene
from neptune.runs.record.outcome import judged
from neptune.runs.record.provenance import describe_code
from neptune.runs.report import write_report
from neptune.scene import Scene
from neptune.scene.identity import scene_digest
from neptune.scene.types import Oracle, QueryRequest, ScoreRequest, Scores, request_of
from neptune.serve import requests as r
from neptune.tasks import presuppositions_of
from neptune.tasks.base import plain

if TYPE_CHECKING:
    from neptune.scene.picture import Picture
    from neptune.serve.service import Service

DECIDING = (
    *("seed", "vocabulary", "planner", "max_oracle_calls", "probability_tolerance", "presuppositions"),
    *("missing_region", "dialect", "out_of_domain", "limits", "distinct_variables"),
)
"""Fields of the server's config that decide an answer; the others (addresses, folders) are nobody else's business."""


def bundle_of(service: Service, body: r.Ask) -> bytes:
    """Answer a question, and return the run as a zip file that ``neptune-reasoner replay`` takes.

    What the oracle has said of the picture is not asked again; what is changed is packed as if it had been so.

    Raises
    ------
    dsl.ProgramError, NeptuneError
        As :meth:`neptune.serve.service.Service.ask`; or if the server answers under a certificate.
    """
    if service.config.certificate is not None:
        raise ConfigError(
            "There is no bundle of an answer under a certificate: a replay has no proxy", hint="Copy it as a command"
        )
    picture = service.pictures.of(body.picture)
    program, _ = service.program_of(body.question, body.program)
    context = service.context(body)
    scene = service.engine.scene(picture, labels=service.engine.labels(program))
    made = service.edited(context, body, program, scene)
    program, scene, evidence = made.program, made.scene, made.context.evidence(made.scene)
    with tempfile.TemporaryDirectory(prefix="neptune-") as place:
        folder = Path(place) / "answer"
        config = _config(service.config, Path(place), folder, context.parameters, program, body.question)
        oracle = _Said(evidence, service.engine.oracle)
        arguments = engine_arguments(config) | {"record": folder / RECORD, "oracle_options": {}, "detector_options": {}}
        arguments |= {"cache": None, "detection_cache": None, "devices": (), "workers": 1}
        arguments |= {"oracle": oracle, "detector": service.engine.detector, "percepts": service.engine.percepts}
        arguments |= {"knowledge": service.engine.context.knowledge, "writer": None}
        folder.mkdir()
        with RunFolder(folder, config, {}, {**describe_code(), "name": "answer"}) as run, Engine(**arguments) as engine:
            begun = time.perf_counter()
            inputs = {"query": body.question} if body.question else None
            policy = presuppositions_of("ask", engine.context.presuppositions)
            answer = engine.run(program, scene, presuppositions=policy, inputs=inputs)
            record = _record(body.question, program, picture, scene, answer, time.perf_counter() - begun)
            record["picture"] = str(_kept(picture, folder))
            assert engine.recorder is not None
            record["scene"] = engine.recorder.keep(scene)
            record["evidence"] = engine.recorder.number(engine.evidence(scene))
            run.append(record)
            results = summarise(run.records, {"ask": 1})
            records.write_json(folder / records.RESULTS, results)
            write_report(folder, run.records, results)
        return pack(folder, Path(place) / "answer.zip").read_bytes()


def _config(
    own: Config, place: Path, folder: Path, parameters: LogicParameters, program: str, question: str | None
) -> Config:
    """Return the config of the run, whose files lie in `place`."""
    numbers = place / "logic_params.json"
    numbers.write_text(json.dumps(parameters.to_dict()), encoding="utf-8")
    fields = {name: getattr(own, name) for name in DECIDING}
    fields |= {"task": "ask", "image": "picture.png", "program": program, "question": question}
    fields |= {"vlm_model_name": own.vlm_model_name, "od_model": own.od_model}
    fields |= {
        "schedule": choose_schedule(own.schedule, own.vlm_model_name)[0],
        "logic_params": str(numbers),
        "output_dir": str(folder),
    }
    return make_config(fields, "bundle")


def _record(
    question: str | None, program: str, picture: Picture, scene: Scene, answer: Answer, seconds: float
) -> dict[str, Any]:
    """Return the line of ``samples.jsonl``."""
    return {
        "id": picture.name,
        "dataset": "ask",
        "family": None,
        "question": question,
        "program": program,
        "answer": plain(answer),
        "value": plain(answer),
        "expected": None,
        **judged(None, answer),
        "error": None,
        "error_kind": None,
        **describe_answer(answer),
        **describe_scene(scene),
        "seconds": round(seconds, 4),
    }


def _kept(picture: Picture, folder: Path) -> Path:
    """Write the picture's pixels, and nothing else that its file may hold; return where."""
    path = folder / "picture.png"
    picture.image.save(path, "PNG")
    return path


class _Said:
    """An oracle that says again what is known of a scene, and asks another one what is not.

    Parameters
    ----------
    evidence
        What is known.
    inner
        The other one.
    """

    def __init__(self, evidence: Evidence, inner: Oracle) -> None:
        self._evidence, self._inner = evidence, inner
        self._known: dict[tuple[str, str, int], dict[tuple[int, ...], tuple[float, ...]]] = {}
        for table in evidence.tables():
            if table.question.boxes is not None or table.symmetric:  # what is mirrored stands in the plain one too
                continue
            for flat in np.flatnonzero(table.asked):
                about = request_of(evidence.scene, table.question, table.tuples(np.array([flat])))
                key = (scene_digest(about.scene), about.question.text, about.question.arity)
                cell: tuple[float, ...] = (float(table.logits.reshape(-1)[flat]), 1.0)
                cell += table.bounds.get(int(flat), ())
                self._known.setdefault(key, {})[tuple(about.objects[0].tolist())] = cell

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def score(self, requests: Sequence[ScoreRequest]) -> list[Scores]:
        """Answer as it was answered, or as the other one does."""
        return [self._scored(request) for request in requests]

    def _scored(self, request: ScoreRequest) -> Scores:
        key = (scene_digest(request.scene), request.question.text, request.question.arity)
        known = self._known.setdefault(key, {})
        objects = [tuple(row) for row in np.asarray(request.objects).tolist()]
        fresh = [row for row in dict.fromkeys(objects) if row not in known]
        if fresh:
            asked = np.array(fresh, dtype=np.int64).reshape(len(fresh), request.question.arity)
            (found,) = self._inner.score([replace(request, objects=asked)])
            known.update(zip(fresh, found.cells()))
        return Scores.of_cells([known[row] for row in objects])

    def query(self, requests: Sequence[QueryRequest]) -> list[list[str | None]]:
        """Answer as it was answered, or as the other one does."""
        found = []
        for request in requests:
            if request.scene is self._evidence.scene:
                question, objects = request.question, np.asarray(request.objects)
                found.append(self._evidence.query(self._inner, question, objects, Usage(), request.choices))
            else:
                found += self._inner.query([request])
        return found
