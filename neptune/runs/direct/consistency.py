"""``consistency``: each question asked again in other words, and of yes or no its negation; do the answers go together?

What comes of it is kept in ``variants.jsonl``, a line a sample. The run's own answers, and what they are worth, stay
as they are: a variant is no sample, and nobody needs to know which answer is right.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from neptune.config import Config
from neptune.engine.assemble import writer_of
from neptune.resources import vocabulary_of
from neptune.runs.direct.beside import Answering, answer_of, as_yes_or_no, same_answer
from neptune.runs.direct.reworded import NEGATED, variants
from neptune.runs.direct.task import direct_config, program_of
from neptune.runs.evaluate.side_files import SideFile
from neptune.runs.record import Record, key
from neptune.runs.record.outcome import ANSWERED, outcome_of
from neptune.writer.writer import Writer, Written

if TYPE_CHECKING:
    from neptune.tasks import Sample, Task

VARIANTS = "variants"


def ask_variants(
    config: Config, folder: Path, loaded: Sequence[Task], records: Sequence[Record], answering: Answering
) -> None:
    """Ask the variants of each question that was answered and whose variants were not asked yet, and keep what is said.

    Parameters and errors as of :func:`neptune.runs.direct.beside.agree`; also `ProviderError` where programs of
    variants can not be written, whatever the question.
    """
    from neptune.engine import Engine

    found = SideFile(folder, VARIANTS)
    waiting = {key(r): r for r in records if key(r) not in found.rows and outcome_of(r) == ANSWERED}
    if not waiting:
        return
    own = config.model_copy(update={"inspect": "none", "record_oracle": None, "workers": 1})
    if config.task == "direct":
        own = direct_config(own)
    vocabulary = None if config.vocabulary is None else vocabulary_of(config.vocabulary)
    writer = None if config.task == "direct" else writer_of(own)
    try:
        with Engine.from_config(own) as engine:
            for task, sample, record in _waiting(loaded, waiting):
                said: dict[str, Any] = {}
                for kind, text in variants(sample.question, vocabulary).items():
                    asked = replace(sample, question=text, program=None, program_problem=None)
                    again = answering(own, engine, task, asked, partial(_written, writer, asked, task))
                    said[kind] = _compared(kind, text, record, again)
                found.add({"dataset": record["dataset"], "id": record["id"], **said})
    finally:
        if writer is not None:
            writer.close()


def _waiting(loaded: Iterable[Task], waiting: Mapping[Any, Record]) -> Iterator[tuple[Task, Sample, Record]]:
    for task in loaded:
        for index, name in enumerate(task.sample_ids()):
            record = waiting.get((task.name, name))
            if record is not None:
                yield task, task.samples[index], record


def _written(writer: Writer | None, sample: Sample, task: Task) -> Written:
    if writer is None:
        return Written(program_of(sample.question), source="gold")
    return writer.write(sample.question, task.name)


def _compared(kind: str, text: str, record: Record, again: Record) -> dict[str, Any]:
    """Return what a variant came to; ``holds``: whether the two answers go together, ``None`` where there is none."""
    ours, theirs = answer_of(record), answer_of(again)
    holds: bool | None = None
    if ours is not None and theirs is not None:
        holds = same_answer(ours, theirs)
        if kind == NEGATED:
            pair = as_yes_or_no(ours), as_yes_or_no(theirs)
            holds = None if None in pair else pair[0] != pair[1]
    row = {"question": text, "answer": theirs, "holds": holds}
    if again.get("error"):
        row["error"] = again["error"]
    return row
