"""What the task ``ask`` prints and records of an answer, about a picture or a film."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from neptune.errors import ConfigError
from neptune.foreign import printable
from neptune.runs import record as records
from neptune.runs.record.fetched import PICTURES
from neptune.runs.record.folder import check_kind
from neptune.runs.record.lock import WAIT_SECONDS, held
from neptune.words import in_words

if TYPE_CHECKING:
    from neptune.answer import Answer

PICTURE = Path("answer.png")
"""The annotated picture in the run folder of ``ask``; of several pictures ``answer-1.png``, ``answer-2.png``, …"""


def forget(folder: Path) -> None:
    """Remove the answer of an earlier ``ask`` from its folder, but never a run of another task.

    Another process that writes its answer into the folder is waited for.

    Raises
    ------
    ConfigError
        If the folder holds something else, or can not be written.
    """
    check_answers(folder)
    with held(folder, WAIT_SECONDS):
        remove_answer(folder)


def check_answers(folder: Path) -> bool:
    """Tell whether a folder holds an answer of ``ask``: else it is empty, or not there.

    Raises
    ------
    ConfigError
        If it holds something else.
    """
    check_kind(folder)
    try:
        task = json.loads((folder / records.CONFIG).read_text(encoding="utf-8")).get("task")
    except FileNotFoundError:
        return False
    except (ValueError, OSError, AttributeError):
        task = None
    if task != "ask":
        raise ConfigError(
            "The folder holds a run of another task", where=str(folder), hint="Choose another --output_dir"
        )
    return True


def remove_answer(folder: Path) -> None:
    """Remove the answer that a locked folder holds, if it does; errors as of :func:`check_answers`."""
    if not check_answers(folder):
        return
    shutil.rmtree(folder / PICTURES, ignore_errors=True)
    old = [*folder.glob(f"{PICTURE.stem}*{PICTURE.suffix}")]
    for path in [*old, *(folder / name for name in (records.SAMPLES, records.RESULTS, records.REPORT))]:
        path.unlink(missing_ok=True)


def shown_answer(answer: Answer) -> Any:
    """Return an answer as it is printed and recorded."""
    from neptune.tasks.base import plain

    if answer.abstained:
        return "abstained"
    if answer.kind == "object":
        return f"object {answer.value}"
    return plain(answer)


def print_answer(answer: Answer, shown: Any) -> None:
    """Print an answer with its trace, what is to be known of it, and what it cost."""
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
            table.add_row(str(step.line), Text(printable(in_words(step.source))), Text(printable(step.value)))
        console.print(table)
    for note in [*doubts_of(answer), *answer.notes]:
        print(f"note: {note}")
    usage = answer.usage
    print(f"{usage.oracle_calls} oracle calls in {usage.oracle_rounds} rounds")
    if answer.why:
        doubt = f": {answer.why}"
    print(printable(f"Answer: {shown}{doubt}{'  (a tie)' if answer.tie else ''}"))


def doubts_of(answer: Answer) -> list[str]:
    """What is to be known before an answer is believed."""
    nothing = [f"Nothing in the picture fits: {in_words(p)}" for p in answer.presuppositions]
    return [*answer.outside, *nothing] + [f"Several objects fit: {in_words(a)}" for a in answer.ambiguous]
