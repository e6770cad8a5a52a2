"""Task ``find``: the pictures of folders that a query fits, live on the terminal while it goes on."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from neptune.cli.commands.ask import find_program
from neptune.config.validation import ConfigProblems
from neptune.errors import NeptuneError
from neptune.foreign import printable
from neptune.runs.record import RESULTS, write_json

if TYPE_CHECKING:
    from neptune.config.derived import FindConfig
    from neptune.runs.find import Found, Search

LINES = 20
"""So many pictures are shown on the terminal; all are in ``results.json``."""
EVERY = 0.25
"""Seconds between two looks at what is known."""


def find(config: FindConfig, name: str) -> int:
    """Search the folders, print what was found, and last the path of ``results.json``; return 0.

    Interrupted, it says what was known by then, with bounds, and raises KeyboardInterrupt.

    Raises
    ------
    NeptuneError
        If there is no picture, no program for the query, or a model fails.
    """
    from dsl.errors import ProgramError
    from neptune.engine import Engine
    from neptune.runs.find import Search
    from neptune.runs.find.pictures import pictures_in

    if config.query is None and config.program is None:
        raise ConfigProblems(['nothing is looked for; expected find "QUERY" FOLDER, or --program "…"'])
    if not config.pictures:
        raise ConfigProblems(['no folder is given; expected find "QUERY" FOLDER'])
    pictures = pictures_in(config.pictures)
    written = find_program(config.model_copy(update={"question": config.query}))
    folder = config.folder(name)
    if config.program is None:
        print(printable(f"Program: {written.program}"))
    for note in written.notes:
        print(printable(f"note: {note}"))
    try:
        with Engine.from_config(config, max_oracle_calls=None) as engine:
            search = Search(
                engine,
                written.program,
                pictures,
                want=config.want,
                top=config.top,
                max_oracle_calls=config.max_oracle_calls,
            )
            try:
                found = _searched(search)
            except KeyboardInterrupt:
                _write(folder, config, written.program, search.found())
                raise
    except ProgramError as error:
        raise NeptuneError(error.one_line()) from error
    _write(folder, config, written.program, found)
    return 0


def _searched(search: Search) -> Found:
    """Search to the end; on a terminal show what is known meanwhile."""
    console = Console()
    if not console.is_terminal:
        return search.run()
    with Live(console=console, auto_refresh=False, transient=True) as live:
        shown = 0.0
        while search.step():
            if time.monotonic() - shown > EVERY:
                live.update(_view(search.found()), refresh=True)
                shown = time.monotonic()
    return search.found()


def _view(found: Found) -> Group:
    head = Text(f"{found} of {found.pictures:,}")
    return Group(_table(found), head) if found.hits else Group(head)


def _table(found: Found) -> Table:
    from neptune.runs.find.results import place

    table = Table()
    for column in ("", "picture", "number" if found.kind == "number" else "score", "match"):
        table.add_column(column, justify="left" if column == "picture" else "right", overflow="fold")
    words = {True: "yes", False: "no", None: "open"}
    for rank, hit in enumerate(found.hits[:LINES], 1):
        digits = 0 if found.kind == "number" else 3
        score = f"{hit.low:.{digits}f}" if hit.low == hit.high else f"{hit.low:.{digits}f} to {hit.high:.{digits}f}"
        table.add_row(str(rank), Text(printable(place(hit.picture))), score, words[hit.match])
    return table


def _write(folder: Path, config: FindConfig, program: str, found: Found) -> None:
    from neptune.runs.find.results import described, place

    if found.hits:
        Console().print(_table(found))
        if len(found.hits) > LINES:
            print(f"and {len(found.hits) - LINES:,} more")
    for picture, why in found.left_out[:5]:
        print(printable(f"left out: {place(picture)}: {why}"))
    if len(found.left_out) > 5:
        print(f"left out: {len(found.left_out) - 5:,} more")
    print(found)
    if found.spent:
        print(f"note: the budget of {config.max_oracle_calls:,} oracle calls was spent: this is the best so far")
    write_json(folder / RESULTS, {"task": "find", "query": config.query, "program": program, **described(found)})
    print(folder / RESULTS, flush=True)
