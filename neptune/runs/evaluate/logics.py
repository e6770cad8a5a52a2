"""``--logic a,b,c``: the same evidence under several logics. What the oracle has said is not asked again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from neptune.algebra import logic
from neptune.errors import ConfigError, ModelFailedError, NeptuneError, NotRecordedError
from neptune.runs.evaluate.compare import mcnemar
from neptune.runs.evaluate.summary import counts
from neptune.runs.record.outcome import judged
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

    Each has ``answer``, ``outcome``, ``why``, ``correct``, ``probability``, ``abstained``, ``settled``,
    ``oracle_calls`` (cells that only this logic needed), or ``error`` and ``error_kind``.
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
    return {
        "answer": task.show_answer(sample, answer, scene),
        **judged(task.judge(sample, answer, scene), answer),
        "probability": None if answer.probability is None else round(float(answer.probability), 6),
        "abstained": answer.abstained,
        "settled": answer.settled,
        "oracle_calls": answer.usage.oracle_calls,
    }


_NOTHING: dict[str, Any] = {"answer": None, "correct": False, "probability": None, "abstained": False}
_NOTHING |= {"outcome": None, "why": None, "settled": True, "error": None, "error_kind": None, "oracle_calls": 0}
"""What the row of a logic says where it says nothing else."""


def summarise_logics(records: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return logic → its figures over the records that were answered under several, in the order of the config.

    ``n answered correct accuracy interval accuracy_answered interval_answered abstained errors not_recorded left_out
    changed won lost p mean_probability oracle_calls``; `changed`, `won` and `lost` count answers against the first
    logic, `p` is McNemar's. Samples that could not be answered at all count as errors of every logic.

    On a recording, a logic may ask what was never recorded, which says nothing of its answer (`not_recorded`). Such a
    sample is left out for *every* logic: all rows are over the same `n` samples, and `left_out` says how many are not
    among them.
    """
    several = [r for r in records if r.get("logics")]
    if not several:
        return {}
    names = list(several[0]["logics"])
    lacking = {name: [r for r in several if _not_recorded(r["logics"].get(name, {}))] for name in names}
    unheard = [r for r in records if _not_recorded(r)]
    failed = [r for r in records if r.get("error") and not _not_recorded(r)]
    lacks = {id(r) for rows in lacking.values() for r in rows}
    shared = [r for r in several if id(r) not in lacks]
    found: dict[str, Any] = {}
    for position, name in enumerate(names):
        # What the first logic found says nothing of one that failed.
        rows = [{**r, **_NOTHING, **r["logics"].get(name, {})} for r in shared]
        won = sum(_right(r, name) and not _right(r, names[0]) for r in shared)
        lost = sum(_right(r, names[0]) and not _right(r, name) for r in shared)
        sure = [row["probability"] for row in rows if row["probability"] is not None]
        figures = counts([*rows, *failed], len(rows) + len(failed))
        found[name] = {k: figures[k] for k in _SHOWN} | {
            "not_recorded": len(lacking[name]) + (0 if position else len(unheard)),
            "left_out": len(lacks) + len(unheard),
            "changed": sum(_said(r, name) != _said(r, names[0]) for r in shared),
            "won": won,
            "lost": lost,
            "p": mcnemar(lost, won),
            "mean_probability": round(sum(sure) / len(sure), 6) if sure else None,
            "oracle_calls": sum(row["oracle_calls"] for row in rows),
        }
    return found


_SHOWN: tuple[str, ...] = ("n", "answered", "correct", "accuracy", "interval", "accuracy_answered", "interval_answered")
_SHOWN += ("abstained", "errors", "unanswered")


def _not_recorded(row: Mapping[str, Any]) -> bool:
    return row.get("error_kind") == NotRecordedError.__name__


def _said(record: Mapping[str, Any], name: str) -> Any:
    return record["logics"].get(name, {}).get("answer")


def _right(record: Mapping[str, Any], name: str) -> bool:
    return record["logics"].get(name, {}).get("correct") is True
