"""What a run would cost, before a call is made: ``run.py --config X.json --estimate``.

The worst case comes from the plans: each program runs on its scene with an oracle that answers by itself, always yes
and then always no, and every cell that a plan mentions is counted; cells of one picture are counted once. What to
expect comes from past runs: the calls and rounds of the records in the run folder.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.console import Console
from rich.table import Table

from neptune import record as records
from neptune.errors import NeptuneError
from neptune.scene import Scene
from neptune.types import QueryRequest, ScoreRequest, Scores
from neptune.writer.cache import ProgramCache

if TYPE_CHECKING:
    from neptune.config import Config
    from neptune.tasks import Sample, Task

OBJECTS = 8
"""Objects of a picture of which nothing is known."""

CHARACTERS_PER_TOKEN = 4
"""Of English questions, roughly."""


class DryOracle:
    """Answers every question the same, and counts.

    Parameters
    ----------
    yes
        What it answers.
    """

    name = "dry"

    def __init__(self, yes: bool) -> None:
        self.logit = 5.0 if yes else -5.0
        self.characters = 0

    def score(self, requests: Sequence[ScoreRequest]) -> list[Scores]:
        """Answer and count yes/no questions."""
        self.characters += sum(len(r.question.text) * len(r.objects) for r in requests)
        return [Scores.of(np.full(len(r.objects), self.logit, dtype=np.float32)) for r in requests]

    def query(self, requests: Sequence[QueryRequest]) -> list[list[str | None]]:
        """Answer and count open questions."""
        self.characters += sum(len(r.question.text) * len(r.objects) for r in requests)
        return [[r.choices[0] if r.choices else "red"] * len(r.objects) for r in requests]


@dataclass
class Estimate:
    """The cost of one dataset.

    Parameters
    ----------
    dataset, samples
        Its name, and how many of its samples are asked for.
    unknown
        Samples whose program or scene is not known, not counted in the worst case.
    calls, rounds, characters
        The worst case: cells, batches of asking every cell, characters of the questions.
    past_samples, past_calls, past_rounds
        Totals of the records of a past run.
    """

    dataset: str
    samples: int
    unknown: int = 0
    calls: int = 0
    rounds: int = 0
    characters: int = 0
    past_samples: int = 0
    past_calls: float = 0.0
    past_rounds: float = 0.0
    problems: list[str] = field(default_factory=list)

    @property
    def expected_calls(self) -> float | None:
        """Calls to expect, from past records; ``None`` without any."""
        return self.past_calls / self.past_samples * self.samples if self.past_samples else None

    @property
    def expected_rounds(self) -> float | None:
        """Rounds to expect, from past records; ``None`` without any."""
        return self.past_rounds / self.past_samples * self.samples if self.past_samples else None

    def tokens(self, calls: float, image_tokens: float) -> tuple[float, float]:
        """Return input and output tokens of so many calls: the question's words, the picture, one word back."""
        words = self.characters / CHARACTERS_PER_TOKEN / self.calls if self.calls else 0.0
        return calls * (words + image_tokens), calls

    def money(self, calls: float, prices: Mapping[str, float]) -> float:
        """Return the money for so many calls at prices per million ``input`` and ``output`` tokens."""
        given, back = self.tokens(calls, prices.get("image_tokens", 0.0))
        return (given * prices.get("input", 0.0) + back * prices.get("output", 0.0)) / 1e6


def estimate_dataset(config: Config, task: Task, past: Sequence[Mapping[str, Any]]) -> Estimate:
    """Return the cost of a dataset; no model is called, and nothing is written.

    Parameters
    ----------
    config
        The run.
    task
        The dataset's samples.
    past
        Records of past runs; those of this dataset count.
    """
    found = Estimate(task.name, len(task.samples))
    for row in past:
        usage = row.get("usage") or {}
        if row.get("dataset") == task.name and "oracle_calls" in usage:
            found.past_samples += 1
            found.past_calls += usage["oracle_calls"]
            found.past_rounds += usage.get("oracle_rounds", 0)
    programs = _programs(config)
    worst = [_Dry(config, yes) for yes in (True, False)]
    for sample in task.samples:
        try:
            program = sample.gold() if programs is None else programs.get(sample.question)
            if program is None:
                raise NeptuneError("The question has no program", where=str(sample.id))
            costs = [dry.cost(program, sample) for dry in worst]
        except Exception as error:
            # Whatever is wrong with a sample shows when it runs; here it only can not be counted.
            found.unknown += 1
            found.problems.append(f"{sample.id}: {' '.join(str(error).split())[:200]}")
            continue
        calls, rounds, characters = max(costs)
        found.calls += calls
        found.rounds += rounds
        found.characters += characters
    return found


class _Dry:
    """Counts what programs ask of one constant oracle, cells of a picture once."""

    def __init__(self, config: Config, yes: bool) -> None:
        from neptune.config import engine_arguments
        from neptune.engine import Engine

        arguments = engine_arguments(config) | {
            "schedule": "all",
            "planner": "optimised",
            "max_oracle_calls": None,
        }
        dry = DryOracle(yes)
        self.oracle = dry
        self.engine = Engine(
            **(arguments | {"oracle": dry, "detector": None, "oracle_options": {}, "detector_options": {}})
        )
        self._scenes: dict[str, Scene] = {}

    def cost(self, program: str, sample: Sample) -> tuple[int, int, int]:
        """Return calls, rounds and characters."""
        before = self.oracle.characters
        usage = self.engine.run(program, self._scene(sample)).usage
        return usage.oracle_calls, usage.oracle_rounds, self.oracle.characters - before

    def _scene(self, sample: Sample) -> Scene:
        path = (
            str(sample.picture.path) if sample.picture is not None and sample.picture.path else str(sample.id)
        )
        found = self._scenes.get(path)
        if found is None:
            n = len(sample.annotation) if sample.annotation is not None else OBJECTS
            found = self._scenes[path] = Scene.synthetic(n)
        return found


def _programs(config: Config) -> ProgramCache | None:
    if config.code_gen_provider == "gold":
        return None
    if config.program_cache_address is None:
        raise NeptuneError(
            "Without written programs there is nothing to estimate from",
            expected="code_gen_provider gold, or a program_cache_address",
        )
    return ProgramCache.load(config.program_cache_address)


def past_records(folder: Path) -> list[dict[str, Any]]:
    """Return the records of a run folder's ``samples.jsonl``, torn lines left out; none if there is none."""
    path = folder / records.SAMPLES
    rows = []
    for line in path.read_text(encoding="utf-8").splitlines() if path.is_file() else ():
        try:
            rows.append(json.loads(line))
        except json.JSONDecodeError:
            continue
    return rows


def print_estimate(
    config: Config, loaded: Sequence[Task], folder: Path, console: Console | None = None
) -> list[Estimate]:
    """Print the table of a run's cost, and return its rows.

    Parameters
    ----------
    config
        The run; `prices` gives money per million ``input`` and ``output`` tokens, and ``image_tokens`` a call.
    loaded
        Its datasets.
    folder
        The run folder, whose records say what to expect.
    """
    console = console or Console()
    past = past_records(folder)
    found = [estimate_dataset(config, task, past) for task in loaded]
    table = Table(title="Estimate (nothing was asked)", title_justify="left")
    table.add_column("")
    for row in found:
        table.add_column(row.dataset, justify="right")
    prices: Mapping[str, float] = config.prices
    image = prices.get("image_tokens", 0.0)

    def line(label: str, amounts: Iterable[float | None], digits: int = 0) -> None:
        table.add_row(label, *("–" if a is None else f"{a:,.{digits}f}" for a in amounts))

    expected = [row.expected_calls for row in found]
    line("samples", [row.samples for row in found])
    line("calls at most", [row.calls for row in found])
    line("calls expected", expected)
    line("rounds, all at once", [row.rounds for row in found])
    line("rounds expected", [row.expected_rounds for row in found])
    line("tokens at most", [sum(row.tokens(row.calls, image)) for row in found])
    line("tokens expected", [None if e is None else sum(r.tokens(e, image)) for r, e in zip(found, expected)])
    if prices:
        line("money at most", [row.money(row.calls, prices) for row in found], 2)
        line(
            "money expected", [None if e is None else r.money(e, prices) for r, e in zip(found, expected)], 2
        )
    console.print(table)
    if config.max_oracle_calls is not None:
        console.print(
            f"The budget of {config.max_oracle_calls:,} calls a question is not taken into account."
        )
    if config.max_run_calls is not None:
        console.print(f"The run stops asking after {config.max_run_calls:,} calls.")
    for row in found:
        if row.unknown:
            console.print(
                f"{row.dataset}: {row.unknown} samples could not be counted, e.g. {row.problems[0]}"
            )
    return found
