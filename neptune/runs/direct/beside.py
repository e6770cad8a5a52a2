"""``agree: direct``: beside the run, another model is asked each question as it stands; where the two differ is said.

What it says is kept in ``beside.jsonl``, a line a sample, as soon as it is there. The run's own answers are what they
were: a cheap model beside a careful one is a witness, and no judge.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from neptune.config import Config
from neptune.runs.direct.task import Direct, direct_config, program_of
from neptune.runs.evaluate.side_files import SideFile
from neptune.runs.evaluate.summary import IOU
from neptune.runs.record import Record, key
from neptune.runs.record.outcome import ANSWERED, outcome_of
from neptune.scene.boxes import iou
from neptune.writer.writer import Written

if TYPE_CHECKING:
    from neptune.engine import Engine
    from neptune.tasks import Sample, Task

BESIDE = "beside"

Answering = Callable[[Config, "Engine", "Task", "Sample", Callable[[], Written]], Record]
"""Answers one sample by an engine of a config, with the program that is given, and returns its record."""


def agree(
    config: Config, folder: Path, loaded: Sequence[Task], records: Sequence[Record], answering: Answering
) -> None:
    """Ask the model beside the run each question that it was not asked yet, and keep what it says.

    Parameters
    ----------
    config
        Names the model (`agree_model_name`) and its options.
    folder
        The run folder.
    loaded
        The run's datasets.
    records
        Its records.
    answering
        How a sample is answered.

    Raises
    ------
    NeptuneError
        If the model can not be made or fails, whatever it is asked; the file can not be written.
    """
    from neptune.engine import Engine

    found, mine = SideFile(folder, BESIDE), identity(config)
    waiting = {key(r): r for r in records if found.rows.get(key(r), {}).get("key") != mine}
    if not waiting:
        return
    beside = beside_config(config)
    with Engine.from_config(beside) as engine:
        for task in map(asked_directly, loaded):
            for index, name in enumerate(task.sample_ids()):
                record = waiting.get((task.name, name))
                if record is not None:
                    sample = task.samples[index]
                    program = Written(program_of(sample.question), source="gold")
                    said = answering(beside, engine, task, sample, partial(_given, program))
                    found.add(_row(config, mine, record, said))


def beside_config(config: Config) -> Config:
    """Return the config of a run that asks the model beside."""
    own: dict[str, Any] = {"vlm_model_name": config.agree_model_name, "vlm_options": config.agree_options}
    own |= {"task": "direct", "max_oracle_calls": None, "max_run_calls": None}
    own |= {"inspect": "none", "record_oracle": None, "workers": 1, "certificate": None, "schedule": "all"}
    own |= {"logic": "godel", "logic_params": None}
    return direct_config(config.model_copy(update=own))


def _given(program: Written) -> Written:
    return program


def asked_directly(task: Task) -> Task:
    """Return a dataset whose questions are asked as they stand."""
    return task if isinstance(task, Direct) else Direct(task)


def identity(config: Config) -> str:
    """Return what tells the model beside from another."""
    parts = json.dumps([config.agree, config.agree_model_name, config.agree_options], sort_keys=True)
    return hashlib.sha256(parts.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def _row(config: Config, mine: str, record: Record, said: Record) -> dict[str, Any]:
    both = outcome_of(record) == outcome_of(said) == ANSWERED
    row: dict[str, Any] = {
        "dataset": record["dataset"],
        "id": record["id"],
        "key": mine,
        "model": Path(str(config.agree_model_name)).name,
        "answer": said.get("answer"),
        "outcome": outcome_of(said),
        "agrees": same_answer(record.get("answer"), said.get("answer")) if both else None,
        "correct": said.get("correct"),
        "seconds": said.get("seconds"),
        "calls": int((said.get("usage") or {}).get("oracle_calls") or 0),
    }
    for name in ("probability", "why", "error"):
        if said.get(name) is not None:
            row[name] = said[name]
    return row


def same_answer(one: Any, other: Any) -> bool:
    """Tell whether two answers, as records show them, are the same: words whatever their capitals and articles, a
    number and its digits, boxes that overlap by half of what they cover together (IoU).

    >>> same_answer("Light blue.", "light  blue"), same_answer(2, "2"), same_answer("yes", "no")
    (True, True, False)
    """
    ours, theirs = _box(one), _box(other)
    if ours is not None and theirs is not None:
        return float(iou(ours, theirs)[0, 0]) >= IOU
    return _plain(one) == _plain(other)


def _plain(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Mapping) and "answer" in value:
        return _plain(value["answer"])
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, sort_keys=True, default=str)
    return re.sub(r"^(?:an?|the)\s+", "", " ".join(text.split()).strip(" .").casefold())


def _box(value: Any) -> list[float] | None:
    if isinstance(value, Mapping):
        value = value.get("box")
    if isinstance(value, list | tuple) and len(value) == 4 and all(isinstance(v, int | float) for v in value):
        return [float(v) for v in value]
    return None


def as_yes_or_no(answer: Any) -> bool | None:
    """Return whether an answer, as a record shows it, is yes; ``None``: neither yes nor no."""
    return {"yes": True, "no": False}.get(_plain(answer))


def answer_of(said: Record) -> Any:
    """Return what a record answers; ``None`` where it does not."""
    return said.get("answer") if outcome_of(said) == ANSWERED else None
