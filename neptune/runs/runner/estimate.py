"""What a run would cost, before a call is made: ``run.py --config X.json --estimate``.

The worst case comes from the programs: every way through each is followed, and every cell that its plans name is
counted (:mod:`neptune.engine.analysis.cost_bound`); cells of one picture are counted once as long as a run keeps them.
Where the number of objects is known, that is a bound. What to expect comes from past runs: the calls and rounds of the
records in the run folder.
"""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

from neptune.engine.analysis.cost_bound import PATHS, Cells, CostBound, cost_bound
from neptune.engine.assemble import writer_of
from neptune.engine.evidence.kept import SCENES_KEPT
from neptune.errors import NeptuneError
from neptune.runs import record as records
from neptune.writer.cache import ProgramCache

if TYPE_CHECKING:
    from neptune.config import Config
    from neptune.scene import Annotation
    from neptune.tasks import Sample, Task

CHARACTERS_PER_TOKEN = 4
"""Of English questions, roughly."""


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
    detected, assumed
        Samples whose objects a detector is yet to find: counted with as many objects as are annotated, and with
        `estimate_objects`.
    unfollowed
        Samples whose programs have more courses than were followed: they may ask more.
    past_samples, past_calls, past_rounds
        Totals of the records of a past run.
    """

    dataset: str
    samples: int
    unknown: int = 0
    calls: int = 0
    rounds: int = 0
    characters: int = 0
    detected: int = 0
    assumed: int = 0
    unfollowed: int = 0
    past_samples: int = 0
    past_calls: float = 0.0
    past_rounds: float = 0.0
    problems: list[str] = field(default_factory=list)

    @property
    def certain(self) -> bool:
        """Whether the run can ask no more than `calls`."""
        return not (self.unknown or self.detected or self.assumed or self.unfollowed)

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
    program_of = _programs(config)
    pictures = _Pictures(config)
    for sample in task.samples:
        try:
            program = program_of(sample)
            if program is None:
                raise NeptuneError("The question has no program", where=str(sample.id))
            worst = pictures.add(program, sample)
        except Exception as error:
            # Whatever is wrong with a sample shows when it runs; here it only can not be counted.
            found.unknown += 1
            found.problems.append(f"{sample.id}: {' '.join(str(error).split())[:200]}")
            continue
        found.rounds += worst.rounds
        found.unfollowed += not worst.followed
        if sample.annotation is None:
            found.assumed += 1
        elif config.od_model != "scene":
            found.detected += 1
    found.calls, found.characters = pictures.total()
    return found


@dataclass
class _Picture:
    """What was counted of one scene: of its annotation, all cells, and the sums of its questions one by one."""

    annotation: Annotation | None
    cells: Cells
    calls: int = 0
    characters: int = 0


class _Pictures:
    """Counts what programs may ask, cells of a picture once as long as an engine keeps its scene."""

    def __init__(self, config: Config) -> None:
        from neptune.engine import Engine
        from neptune.engine.assemble import engine_arguments

        arguments = engine_arguments(config.model_copy(update={"gpus": [], "workers": 1}))
        arguments |= {"oracle": "random", "oracle_options": {}, "detector": None, "detector_options": {}}
        arguments |= {"record": None, "cache": None, "detection_cache": None}
        self._engine = Engine(**arguments)
        self._objects = config.estimate_objects
        self._logics = len(config.logics)
        self._kept: OrderedDict[tuple[str, int], _Picture] = OrderedDict()
        self._calls = self._characters = 0

    def add(self, program: str, sample: Sample) -> CostBound:
        """Count one sample, and return the worst case of its program alone."""
        truth = sample.annotation
        worst = cost_bound(self._engine.context, program, self._objects if truth is None else len(truth))
        if self._logics > 1:  # each may take another course
            worst.calls, worst.characters = worst.cells.total(), worst.cells.total(len)
        known = sample.picture is not None and sample.picture.path
        key = str(sample.picture.path if sample.picture is not None and known else sample.id), id(truth)
        found = self._kept.get(key)
        if found is None:
            found = self._kept[key] = _Picture(truth, Cells(worst.cells.objects))
            if len(self._kept) > SCENES_KEPT:
                self._close(self._kept.popitem(last=False)[1])
        found.cells.add(worst.cells)
        found.calls += worst.calls
        found.characters += worst.characters
        return worst

    def total(self) -> tuple[int, int]:
        """Return calls and characters of all."""
        while self._kept:
            self._close(self._kept.popitem()[1])
        return self._calls, self._characters

    def _close(self, picture: _Picture) -> None:
        # What one question has asked, another does not ask; and none asks more than on its worst course.
        self._calls += min(picture.cells.total(), picture.calls)
        self._characters += min(picture.cells.total(len), picture.characters)


def _programs(config: Config) -> Callable[[Sample], str | None]:
    if config.code_gen_provider == "gold":
        return lambda sample: sample.gold()
    if config.code_gen_provider == "embedded":
        writer = writer_of(config)
        assert writer is not None
        return lambda sample: writer.write(sample.question, sample.dataset).program
    if config.program_cache_address is None:
        raise NeptuneError(
            "Without written programs there is nothing to estimate from",
            expected="code_gen_provider gold or embedded, or a program_cache_address",
        )
    known = ProgramCache.load(config.program_cache_address)
    return lambda sample: known.get(sample.question)


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
    line("calls at most" if all(row.certain for row in found) else "calls, about", [row.calls for row in found])
    line("calls expected", expected)
    line("rounds, all at once", [row.rounds for row in found])
    line("rounds expected", [row.expected_rounds for row in found])
    line("tokens for these, about", [sum(row.tokens(row.calls, image)) for row in found])
    line("tokens expected", [None if e is None else sum(r.tokens(e, image)) for r, e in zip(found, expected)])
    if prices:
        line("money for these, about", [row.money(row.calls, prices) for row in found], 2)
        line("money expected", [None if e is None else r.money(e, prices) for r, e in zip(found, expected)], 2)
    console.print(table)
    if config.max_oracle_calls is not None:
        console.print(f"The budget of {config.max_oracle_calls:,} calls a question is not taken into account.")
    if config.max_run_calls is not None:
        console.print(f"The run stops asking after {config.max_run_calls:,} calls.")
    for row in found:
        for remark in _remarks(row, config):
            console.print(f"{row.dataset}: {remark}")
    return found


def _remarks(row: Estimate, config: Config) -> Iterable[str]:
    """Say what of a row is no bound, and why."""
    if row.unknown:
        yield f"{row.unknown} samples could not be counted, e.g. {row.problems[0]}"
    if row.detected:
        yield (
            f"what '{config.od_model}' will find is not known; "
            f"{row.detected} samples were counted with as many objects as are annotated"
        )
    if row.assumed:
        yield (
            f"{config.estimate_objects} objects a picture were assumed for {row.assumed} samples "
            "(--estimate_objects: another number)"
        )
    if row.unfollowed:
        yield (f"{row.unfollowed} programs go on in more ways than the {PATHS} that were followed, and may ask more")
