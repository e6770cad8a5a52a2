"""Errors as lessons: of each answer that was wrong, what the part to blame should have said.

A run with ``--blame true`` says whose an error is. Of a detector's errors the lesson is the true boxes; of an
oracle's, the cells on which it was wrong, with what is true of them; of a program's, the right program of the question.
So each part is taught by the errors that were its own, and by no other's.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from neptune.engine import Engine
from neptune.errors import NeptuneError
from neptune.learn.distil.programs import question_of
from neptune.runs.evaluate.side_files import attach
from neptune.runs.record import SAMPLES
from neptune.runs.record.kept import scan
from neptune.saving import RESUME, replacing
from neptune.scene import Scene, iou
from neptune.scene.types import Question, ScoreRequest

if TYPE_CHECKING:
    from neptune.tasks import Sample, Task

LESSONS = "lessons.jsonl"
OVERLAP = 0.5
"""Least IoU of a box that was found with a true one, for it to be that object."""

Record = Mapping[str, Any]


def write_lessons(run: Path, output: Path, loaded: Sequence[Task], vocabulary: str | None) -> dict[str, int]:
    """Write ``lessons.jsonl`` of a run whose errors were attributed, and return how many lessons each part has.

    Parameters
    ----------
    run
        A run folder with ``blame.jsonl``.
    output
        The folder that gets the file.
    loaded
        The run's datasets, without its programs.
    vocabulary
        The run's.

    Returns
    -------
    dict
        ``detector``, ``oracle``, ``program``, and ``none``: errors of which nothing can be learned.

    Raises
    ------
    WriteError
        If the disk does not take it.
    """
    places = {(task.name, name): (task, k) for task in loaded for k, name in enumerate(task.sample_ids())}
    counts: Counter[str] = Counter()
    truth = Engine("scene", "scene", vocabulary=vocabulary)
    with replacing(output / LESSONS, "The lessons", RESUME) as file:
        for record in attach(run, (record for record, _ in scan(run / SAMPLES))):
            place = places.get((str(record["dataset"]), question_of(str(record["id"]))))
            if place is None or not record.get("blame"):
                continue
            for lesson in _lessons(record, place[0].samples[place[1]], truth, counts):
                counts[lesson["part"]] += 1
                file.write((json.dumps(lesson, ensure_ascii=False) + "\n").encode("utf-8", "backslashreplace"))
    return dict(counts)


def _lessons(record: Record, sample: Sample, truth: Engine, counts: Counter[str]) -> Iterator[dict[str, Any]]:
    """Yield the lessons of one error."""
    blamed = record.get("blame")
    if not isinstance(blamed, Mapping) or not blamed.get("blame"):
        return
    common = {k: record.get(k) for k in ("id", "dataset", "question", "picture")}
    made = 0
    for part in str(blamed["blame"]).split(" and "):
        try:
            found = list(_of_part(part, record, sample, truth))
        except NeptuneError:
            found = []
        made += len(found)
        yield from ({"part": part, **common, **lesson} for lesson in found)
    if not made:
        counts["none"] += 1


def _of_part(part: str, record: Record, sample: Sample, truth: Engine) -> Iterator[dict[str, Any]]:
    annotation = sample.truth()
    boxes = annotation.boxes
    found = np.asarray(record.get("boxes") or np.zeros((0, 4)), dtype=np.float32).reshape(-1, 4)
    if part == "detector":
        overlaps = iou(boxes, found) if len(found) else np.zeros((len(boxes), 0))
        missed = [k for k in range(len(boxes)) if not len(found) or overlaps[k].max() < OVERLAP]
        wrong = [k for k in range(len(found)) if overlaps[:, k].max(initial=0.0) < OVERLAP]
        rows = [[round(float(v), 1) for v in box] for box in boxes]
        yield {"boxes": rows, "missed": missed, "spurious": wrong}
    elif part == "program" and sample.program is not None:
        yield {"wrong": record.get("program"), "program": sample.program}
    elif part == "oracle":
        scene = Scene(found, tuple(record.get("size") or annotation.size), annotation=annotation)  # type: ignore[arg-type]
        yield from _cells(record, scene, truth)


def _cells(record: Record, scene: Scene, truth: Engine) -> Iterator[dict[str, Any]]:
    """Yield the cells of a record's plan about one object on which the oracle was wrong, each once."""
    seen: set[tuple[str, int]] = set()
    for row in record.get("plan") or ():
        question, scores, text = row.get("question"), row.get("scores"), str(row.get("text", ""))
        name, _, arguments = text.lstrip("¬").partition("(")
        if not question or not isinstance(scores, list) or "," in arguments or len(scores) != len(scene):
            continue
        objects = np.arange(len(scene), dtype=np.int64).reshape(-1, 1)
        (said,) = truth.oracle.score([ScoreRequest(scene, Question(str(question), 1, name), objects)])
        for k, (score, logit) in enumerate(zip(scores, said.logits.tolist(), strict=True)):
            if score is None or scene.true_object[k] < 0 or (str(question), k) in seen:
                continue
            yes = (1 - score if text.startswith("¬") else score) > 0.5
            if yes != (logit > 0):
                seen.add((str(question), k))
                box = [round(float(v), 1) for v in scene.boxes[k]]
                yield {"asked": str(question), "box": box, "answer": "yes" if logit > 0 else "no"}
