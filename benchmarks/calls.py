"""Oracle calls and rounds: the lazy schedules against asking every cell.

    PYTHONPATH=. python benchmarks/calls.py [--count 40] [--data_dir DIR] [--llm_programs DIR] [--out calls.json]

Synthetic scenes with the `scene` oracle (Gaussian noise 0.05 on the truth), programs made as the transfer tasks make
theirs (`made_tasks.py`); with ``--data_dir`` also the questions of CLEVR's four tasks, with ``--llm_programs`` (gzipped
JSON lines) what language models wrote, `random` oracle. Beside the schedules stand, for the first ``--certificates``
programs of each kind, the calls of the smallest certificate found and a lower bound of any schedule
(`certificates.py`). Prints a table and writes JSON; a wrong answer ends it with an error.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from certificates import Cells, certificate
from llm_programs import programs
from made_tasks import puzzle, refexp

import dsl
from dsl import ProgramError
from neptune import tasks
from neptune.engine import Engine
from neptune.engine.interpret.interpreter import Interpreter
from neptune.engine.schedule import Schedule, box_prior
from neptune.engine.session.answers import answer_of
from neptune.engine.session.session import Session
from neptune.errors import NeptuneError
from neptune.scene import Scene

NOISE = 0.05
TASKS = ("clevr", "clevr-refexps", "clevr-puzzle", "clevr-rpm")
SCHEDULES: dict[str, tuple[Schedule | str, bool]] = {
    "all": ("all", False),
    "lazy": (Schedule(), True),
    "lazy, no prior": (Schedule(), False),
    "lazy, batch 16": (Schedule(batch=16), True),
    "lazy, batch 64": (Schedule(batch=64), True),
    "best-first, no prior": (Schedule("best-first"), False),
    "best-first": (Schedule("best-first"), True),
    "best-first, batch 4": (Schedule("best-first", 4), True),
    "best-first, batch 16": (Schedule("best-first", 16), True),
}
"""Name → schedule, and whether the box prior orders the cells."""

TARGETS = {
    ("puzzles", 20, "lazy"): (105, 6),
    ("puzzles", 50, "lazy"): (230, 7),
    ("refexps", 20, "lazy"): (58, 4),
    ("refexps", 50, "lazy"): (130, None),
    ("puzzles", 20, "best-first, no prior"): (78, None),
    ("puzzles", 20, "best-first"): (58, None),
}
"""Mean calls and rounds that were asked for."""

LLM_OBJECTS = (6, 7, 20, 50)
"""Objects in the scenes of language models' programs; CLEVR's pictures have 6.5."""


def main() -> int:
    """Run the benchmark; see the module."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=40, help="made programs of each kind and size; 0: none")
    parser.add_argument("--data_dir", help="folder of CLEVR's tasks: adds their questions")
    parser.add_argument("--num_samples", type=int, help="the first samples of each task; by default all")
    parser.add_argument("--llm_programs", type=Path, help="folder of *.jsonl.gz: adds language models' programs")
    parser.add_argument("--llm_step", type=int, default=40, help="every so-many-th of them")
    parser.add_argument("--certificates", type=int, default=10, help="programs of each kind to look for one for")
    parser.add_argument("--out", default="calls.json", help="JSON file to write")
    options = parser.parse_args()
    torch.set_num_threads(1)
    rows = [*synthetic(options.count, options.certificates)] if options.count else []
    if options.data_dir:
        rows += [*questions(options.data_dir, options.num_samples, options.certificates)]
    if options.llm_programs:
        rows += [*written(options.llm_programs, options.llm_step)]
    Path(options.out).write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    wrong = sum(row.get("wrong", 0) for row in rows)
    print(f"wrong answers: {wrong}; written to {options.out}")
    return int(wrong > 0)


def synthetic(count: int, certificates: int) -> Iterator[dict[str, Any]]:
    """Yield one row for each kind of program, number of objects and schedule."""
    print(f"{'programs':10} {'N':>3} {'schedule':22} {'calls':>7} {'worst':>6} {'rounds':>7} {'worst':>6}  asked for")
    kinds: dict[str, Callable[[Scene, int], tuple[str, Any]]] = {"puzzles": puzzle, "refexps": refexp}
    for kind, make in kinds.items():
        for n in (20, 50):
            scenes = [Scene.synthetic(n, seed=i) for i in range(count)]
            made = [make(scene, i) for i, scene in enumerate(scenes)]
            for name, (schedule, prior) in SCHEDULES.items():
                if n == 50 and name.startswith("best-first") and "batch" not in name:
                    continue  # Hundreds of rounds each: minutes, and nothing that N = 20 does not show.
                planner = "optimised" if schedule == "all" else "naive"
                engine = Engine(
                    oracle="scene",
                    oracle_options={"noise": NOISE},
                    schedule=schedule,
                    planner=planner,
                    prior=box_prior if prior else None,
                )
                row: dict[str, Any] = {"programs": kind, "objects": n, "schedule": name, "count": count}
                calls, rounds, wrong, started = [], [], 0, time.perf_counter()
                for scene, (program, expected) in zip(scenes, made):
                    answer = engine.run(program, scene)
                    calls.append(answer.usage.oracle_calls)
                    rounds.append(answer.usage.oracle_rounds)
                    wrong += answer.value != expected
                row |= summary(calls, rounds) | {"wrong": wrong, "seconds": time.perf_counter() - started}
                target = TARGETS.get((kind, n, name))
                print(f"{kind:10} {n:3} {name:22} {show(row)}  {target or ''}", flush=True)
                yield row
            engine = Engine(oracle="scene", oracle_options={"noise": NOISE}, schedule="lazy")
            few = certificates if n == 20 else -(-certificates // 3)  # cells by the thousand take their time
            row = proved(engine, [(p, s) for (p, _), s in zip(made[:few], scenes[:few])])
            row = {"programs": kind, "objects": n, **row}
            print(f"{kind:10} {n:3} {show_proved(row)}", flush=True)
            yield row


def questions(data_dir: str, num_samples: int | None, certificates: int) -> Iterator[dict[str, Any]]:
    """Yield one row for each task and way of asking.

    Its `share` is of the calls of asking every cell of each question by itself; `share_alike` of asking every cell in
    the same way, with or without what earlier questions on the picture asked.
    """
    print(
        f"\n{'task':15} {'schedule':22} {'calls':>7} {'worst':>6} {'rounds':>7} {'worst':>6} {'share':>7} {'alike':>7}"
    )
    for name in TASKS:
        task = tasks.load(name, data_dir, num_samples)
        totals: dict[bool, int] = {}
        for label, schedule, kept in (
            ("all", "all", False),
            ("lazy", "lazy", False),
            ("all, scene cache", "all", True),
            ("lazy, scene cache", "lazy", True),
        ):
            planner = "optimised" if schedule == "all" else "naive"
            engine = Engine(oracle="scene", detector="scene", schedule=schedule, planner=planner)
            calls, rounds, wrong, started = [], [], 0, time.perf_counter()
            for sample in task.samples:
                scene = engine.scene(sample.picture, sample.truth())
                if not kept:
                    scene = Scene.from_annotation(sample.truth(), sample.picture)
                answer = engine.run(sample.gold(), scene)
                calls.append(answer.usage.oracle_calls)
                rounds.append(answer.usage.oracle_rounds)
                wrong += not task.judge(sample, answer, scene)
            if schedule == "all":
                totals[kept] = sum(calls)
            row = {"task": name, "schedule": label, "count": len(calls), **summary(calls, rounds)}
            row |= {"share": sum(calls) / totals[False], "share_alike": sum(calls) / totals[kept]}
            row |= {"wrong": wrong, "seconds": time.perf_counter() - started}
            print(f"{name:15} {label:22} {show(row)} {row['share']:7.1%} {row['share_alike']:7.1%}", flush=True)
            yield row
        engine = Engine(oracle="scene", detector="scene", schedule="lazy")
        some = list(task.samples)[:: max(len(task.samples) // max(certificates, 1), 1)][:certificates]
        scenes = [Scene.from_annotation(s.truth(), s.picture) for s in some]
        row = {"task": name, **proved(engine, [(s.gold(), scene) for s, scene in zip(some, scenes)])}
        print(f"{name:15} {show_proved(row)}", flush=True)
        yield row


def written(folder: Path, step: int) -> Iterator[dict[str, Any]]:
    """Yield one row for each file of language models' programs, number of objects and schedule; those that run."""
    print(
        f"\n{'programs':28} {'N':>3} {'schedule':9} {'calls':>7} {'worst':>6} {'rounds':>7} {'worst':>6} {'share':>7}"
    )
    rows: dict[str, list[str]] = {}
    for source, _, program in programs(folder):
        rows.setdefault(source, []).append(program)
    for source, texts in rows.items():
        texts = texts[::step] if len(texts) > 100 * step else texts
        for n in LLM_OBJECTS:
            scenes = [Scene.synthetic(n, seed=i) for i in range(len(texts))]
            found: dict[str, list[Any]] = {}
            for schedule in ("all", "lazy"):
                engine = Engine(oracle="random", schedule=schedule)
                found[schedule] = [run(engine, text, scene) for text, scene in zip(texts, scenes)]
            both = [(a, b) for a, b in zip(found["all"], found["lazy"]) if a is not None and b is not None]
            wrong = sum(a.value != b.value for a, b in both)
            usages = {"all": [a.usage for a, _ in both], "lazy": [b.usage for _, b in both]}
            total = sum(u.oracle_calls for u in usages["all"])
            for schedule, used in usages.items():
                counted = summary([u.oracle_calls for u in used], [u.oracle_rounds for u in used])
                row = {"programs": source, "objects": n, "schedule": schedule, "count": len(both), **counted}
                row |= {"share": sum(u.oracle_calls for u in used) / max(total, 1), "wrong": wrong}
                print(f"{source:28} {n:3} {schedule:9} {show(row)} {row['share']:7.1%}", flush=True)
                yield row


def run(engine: Engine, program: str, scene: Scene) -> Any:
    """Return the answer, or ``None`` where the program is an error or asks more than the limit."""
    try:
        return engine.run(program, scene)
    except (ProgramError, NeptuneError):
        return None


@torch.no_grad()
def proved(engine: Engine, cases: list[tuple[str, Scene]]) -> dict[str, Any]:
    """Return mean and worst of: a lazy run's calls, the smallest certificate found, the lower bound."""
    asked, found, least = [], [], []
    for program, scene in cases:
        checked = dsl.check(program, vocabulary=engine.vocabulary)
        session = Session(engine.context, engine.evidence(scene))
        interpreter = Interpreter(session, engine.vocabulary, engine.limits, engine.context.distinct_variables)
        answer_of(interpreter, session, checked.program)
        cells = Cells(session.goals, scene, engine.context)
        proof = certificate(cells)
        asked.append(session.record.usage.oracle_calls)
        found.append(proof.calls)
        least.append(proof.least)
    out: dict[str, Any] = {"schedule": "certificate", "count": len(cases)}
    for key, numbers in (("lazy", asked), ("certificate", found), ("lower_bound", least)):
        out |= {key: sum(numbers) / len(numbers), f"{key}_worst": max(numbers)}
    return out


def show_proved(row: dict[str, Any]) -> str:
    """Return the figures of a row of :func:`proved` as text."""
    keys = ("lazy", "certificate", "lower_bound")
    shown = ", ".join(f"{k.replace('_', ' ')} {row[k]:.1f} (worst {row[k + '_worst']})" for k in keys)
    return f"of {row['count']}: {shown}"


def summary(calls: list[int], rounds: list[int]) -> dict[str, float]:
    """Return mean and worst of calls and rounds."""
    return {
        "calls": sum(calls) / len(calls),
        "calls_worst": max(calls),
        "rounds": sum(rounds) / len(rounds),
        "rounds_worst": max(rounds),
    }


def show(row: dict[str, Any]) -> str:
    """Return the figures of a row as text."""
    return f"{row['calls']:7.1f} {row['calls_worst']:6} {row['rounds']:7.2f} {row['rounds_worst']:6}"


if __name__ == "__main__":
    sys.exit(main())
