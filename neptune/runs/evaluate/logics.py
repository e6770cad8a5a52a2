"""``--logic a,b,c``: the same evidence under several logics. What the oracle has said is not asked again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from neptune.algebra import logic
from neptune.errors import ConfigError, ModelFailedError, NeptuneError
from neptune.runs.evaluate.compare import mcnemar
from neptune.runs.evaluate.summary import counts
from neptune.tasks import presuppositions_of

if TYPE_CHECKING:
    from neptune.answer import Answer
    from neptune.engine import Engine
    from neptune.engine.context import RunContext
    from neptune.scene import Scene
    from neptune.tasks import Sample, Task


def under(engine: Engine, name: str) -> RunContext:
    """Return what an engine runs programs with, under another logic: same oracle, same scenes, same evidence.

    Raises
    ------
    ConfigError
        For an unknown logic.
    """
    try:
        return replace(engine.context, logic=logic.get(name))
    except ValueError as error:
        raise ConfigError(" ".join(str(error).split()), where="logic") from error


def answer_under(
    engine: Engine, names: Sequence[str], program: str, task: Task, sample: Sample, scene: Scene, answer: Answer
) -> dict[str, Any]:
    """Return the field ``logics`` of a record: logic → its answer, the first being `answer`; empty for one logic.

    Each has ``answer``, ``correct``, ``probability``, ``abstained``, ``oracle_calls`` (cells that only this logic
    needed), or ``error``.
    """
    if len(names) < 2:
        return {}
    from dsl.errors import ProgramError
    from neptune.engine.session.answers import run_program

    found: dict[str, Any] = {names[0]: _row(task, sample, scene, answer)}
    policy = presuppositions_of(sample.dataset, engine.context.presuppositions)
    for name in names[1:]:
        try:
            context = replace(under(engine, name), presuppositions=policy)
            found[name] = _row(task, sample, scene, run_program(context, program, scene))
        except ModelFailedError:
            raise  # no fault of this logic: the run ends, and the sample is asked again
        except (NeptuneError, ProgramError) as error:
            found[name] = {"correct": False, "error": error.one_line(), "error_kind": type(error).__name__}
    return {"logics": found}


def _row(task: Task, sample: Sample, scene: Scene, answer: Answer) -> dict[str, Any]:
    right = task.judge(sample, answer, scene)
    return {
        "answer": task.show_answer(sample, answer, scene),
        "correct": right if right is None else right and not answer.abstained,
        "probability": None if answer.probability is None else round(float(answer.probability), 6),
        "abstained": answer.abstained,
        "oracle_calls": answer.usage.oracle_calls,
    }


_NOTHING: dict[str, Any] = {"answer": None, "correct": False, "probability": None, "abstained": False}
_NOTHING |= {"error": None, "oracle_calls": 0}
"""What the row of a logic says where it says nothing else."""


def summarise_logics(records: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return logic → its figures over the records that were answered under several, in the order of the config.

    ``n correct accuracy interval abstained errors changed won lost p mean_probability oracle_calls``; `changed`,
    `won` and `lost` count answers against the first logic, `p` is McNemar's. Samples that could not be answered at
    all count for every logic.
    """
    several = [r for r in records if r.get("logics")]
    if not several:
        return {}
    names = list(several[0]["logics"])
    failed = [r for r in records if r.get("error")]
    found: dict[str, Any] = {}
    for name in names:
        # What the first logic found says nothing of one that failed.
        rows = [{**r, **_NOTHING, **r["logics"].get(name, {})} for r in several]
        won = sum(_right(r, name) and not _right(r, names[0]) for r in several)
        lost = sum(_right(r, names[0]) and not _right(r, name) for r in several)
        sure = [row["probability"] for row in rows if row["probability"] is not None]
        figures = counts([*rows, *failed], len(rows) + len(failed))
        found[name] = {k: figures[k] for k in ("n", "correct", "accuracy", "interval", "abstained", "errors")} | {
            "changed": sum(r["logics"][name].get("answer") != r["logics"][names[0]].get("answer") for r in several),
            "won": won,
            "lost": lost,
            "p": mcnemar(lost, won),
            "mean_probability": round(sum(sure) / len(sure), 6) if sure else None,
            "oracle_calls": sum(row["oracle_calls"] for row in rows),
        }
    return found


def _right(record: Mapping[str, Any], name: str) -> bool:
    return record["logics"].get(name, {}).get("correct") is True
