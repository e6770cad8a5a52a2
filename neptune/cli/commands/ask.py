"""Task ``ask``: one question about one picture."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from neptune.config import Config
from neptune.engine.assemble import engine_arguments, writer_of
from neptune.errors import ConfigError, NeptuneError
from neptune.runs import record as records
from neptune.runs.evaluate.summary import summarise
from neptune.runs.record import RunFolder
from neptune.runs.record.describe import describe_answer, describe_scene
from neptune.runs.record.provenance import describe_code, hash_inputs
from neptune.writer.store import ProgramStore

if TYPE_CHECKING:
    from neptune.answer import Answer

PICTURE = "answer.png"
"""The annotated picture in the run folder of ``ask``."""


def ask(config: Config, name: str) -> int:
    """Answer one question about one picture.

    Prints the answer with its probability and the trace, writes the annotated picture, the record and the
    report into the run folder (an earlier answer there is replaced), and prints the report's path last. With
    `explain` it prints how the program would be planned instead.

    Raises
    ------
    NeptuneError
        If the picture can not be read, nothing is detected, there is no program, or the program is wrong.
    """
    from dsl.errors import ProgramError
    from neptune.engine import Engine
    from neptune.runs.report import write_report
    from neptune.runs.report.annotate import annotate
    from neptune.scene.picture import Picture

    start = time.perf_counter()
    program = find_program(config)
    if config.explain:
        return _explain(config, program)
    assert config.image is not None  # the config was checked
    picture = Picture(config.image)
    _ = picture.image  # an unreadable picture is said before models are loaded
    engine = Engine.from_config(config)
    scene = engine.scene(picture, labels=engine.labels(program))
    try:
        answer = engine.run(program, scene)
    except ProgramError as error:
        raise NeptuneError(error.one_line()) from error
    shown = _in_words(answer)
    record = {
        "id": picture.name,
        "dataset": "ask",
        "family": None,
        "question": config.question,
        "program": program,
        "answer": shown,
        "expected": None,
        "correct": None,
        "error": None,
        "error_kind": None,
        **describe_answer(answer),
        **describe_scene(scene),
        "picture": config.image,
        "seconds": round(time.perf_counter() - start, 4),
    }
    folder = config.folder(name)
    with _asked_folder(folder, config, name) as opened:
        opened.append(record)
        results = summarise([record], {"ask": 1})
        records.write_json(folder / records.RESULTS, results)
        drawn = annotate(
            picture.image,
            (scene.boxes * (picture.scale * 2)).tolist(),
            _scores(answer),
            answer.objects,
            config.question or program,
            str(shown),
        )
        drawn.save(folder / PICTURE)
        report = write_report(folder, [record], results)
    _print_answer(answer, shown)
    print(folder / PICTURE)
    print(report, flush=True)
    return 0


def _explain(config: Config, program: str) -> int:
    """Print how a program would be planned, for the objects of the picture, or for ten; no oracle is loaded."""
    from dsl.errors import ProgramError
    from neptune.engine import Engine

    arguments = engine_arguments(config)
    for name in ("oracle_options", "record", "cache"):
        arguments.pop(name, None)
    arguments["oracle"] = "random"
    if config.image is None:
        arguments.update(detector=None, detector_options={})
    engine = Engine(**arguments)
    try:
        print(engine.explain(program, engine.scene(config.image) if config.image else 10), flush=True)
    except ProgramError as error:
        raise NeptuneError(error.one_line()) from error
    return 0


def find_program(config: Config) -> str:
    """Return the program of a question: the one given, the program cache's, or a language model's.

    Raises
    ------
    NeptuneError
        If there is none.
    """
    if config.program is not None:
        return config.program
    assert config.question is not None  # the config was checked
    writer = writer_of(config)
    if writer is not None:
        try:
            return writer.write(config.question).program
        finally:
            writer.close()
    hint = "Give --program, a --program_cache_address that holds the question, or a code_gen_provider"
    if config.program_cache_address is None:
        raise ConfigError("The question has no program, and no writer is configured", where="question", hint=hint)
    entry = ProgramStore(config.program_cache_address, writable=False).find(config.question)
    if entry is None:
        raise ConfigError(
            f"No program is known for the question {config.question[:80]!r}",
            where=config.program_cache_address,
            hint=hint,
        )
    return str(entry["programs"][0]["program"])


def _asked_folder(path: Path, config: Config, name: str) -> RunFolder:
    """Open the run folder and drop the answer of an earlier ``ask``, but never a run of another task."""
    earlier = path / records.CONFIG
    if earlier.exists():
        try:
            task = json.loads(earlier.read_text(encoding="utf-8")).get("task")
        except (ValueError, OSError, AttributeError):
            task = None
        if task != "ask":
            raise ConfigError(
                "The folder holds a run of another task", where=str(path), hint="Choose another --output_dir"
            )
        (path / records.SAMPLES).unlink(missing_ok=True)
    return RunFolder(path, config, hash_inputs(config), {**describe_code(), "name": name})


def _in_words(answer: Answer) -> Any:
    from neptune.tasks.base import plain

    if answer.abstained:
        return "abstained"
    if answer.kind == "object":
        return f"object {answer.value}"
    return plain(answer)


def _scores(answer: Answer) -> list[float] | None:
    """The scores to colour boxes by: the answer's own, else those of the last step that has some."""
    if answer.scores is not None:
        return list(answer.scores)
    return next((list(s.scores) for s in reversed(answer.trace) if s.scores is not None), None)


def _print_answer(answer: Answer, shown: Any) -> None:
    console = Console()
    doubt = ""
    if answer.probability is not None:
        doubt = f"  (probability {answer.probability:.3f})"
    elif answer.bounds is not None:
        doubt = f"  (probability in [{answer.bounds[0]:.3f}, {answer.bounds[1]:.3f}])"
    if answer.trace:
        table = Table(title="Trace", title_justify="left")
        table.add_column("line", justify="right")
        table.add_column("step", overflow="fold")
        table.add_column("value", overflow="fold")
        for step in answer.trace:
            # Program text holds [brackets], which rich would take for markup.
            table.add_row(str(step.line), Text(step.source), Text(step.value))
        console.print(table)
    for note in [*(f"Nothing in the picture matches: {p}" for p in answer.presuppositions), *answer.notes]:
        print(f"note: {note}")
    usage = answer.usage
    print(f"{usage.oracle_calls} oracle calls in {usage.oracle_rounds} rounds")
    print(f"Answer: {shown}{doubt}{'  (a tie)' if answer.tie else ''}")
