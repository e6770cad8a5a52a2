"""Help in layers: a screen, a command's own, and every field (:mod:`neptune.config.page`)."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Sequence
from pathlib import Path

from neptune.cli.table import COMMANDS, model_of_command
from neptune.config.find import packaged_names
from neptune.config.tasks import MODELS, TASKS
from neptune.config.validation import ConfigProblems
from neptune.errors import did_you_mean

WIDTH = 80
ALL = "all"
"""What comes after ``--help`` for every field."""


def program() -> str:
    """Return the name under which the program was started."""
    name = Path(sys.argv[0]).name
    return {"run.py": "python run.py", "__main__.py": "python -m neptune"}.get(name, "neptune-reasoner")


def screen() -> str:
    """Return the help's first layer: the commands, in one screen."""
    name = program()
    lines = [
        f"usage: {name} COMMAND … [--field value …]",
        f"       {name} --config FILE [--field value …]    (NePTune's way)",
        "",
        "Answers questions about pictures by reasoning.",
        "",
    ]
    widest = max(len(f"{n} {c.takes}") for n, c in COMMANDS.items())
    lines += [f"  {f'{n} {c.takes}':<{widest}}  {c.about}" for n, c in COMMANDS.items()]
    configs = textwrap.wrap("packaged configs: " + ", ".join(packaged_names()), WIDTH, break_on_hyphens=False)
    return "\n".join([*lines, "", "COMMAND --help says more; --help all lists every field; --version.", *configs])


def of_command(name: str) -> str:
    """Return the second layer: what a command takes, the fields used most, examples."""
    from neptune.config.page import field_lines

    command, model = COMMANDS[name], model_of_command(name)
    lines = [f"usage: {program()} {name} {command.takes}{' [--field value …]' if command.fields else ''}", ""]
    about = command.about[0].upper() + command.about[1:] + "."
    lines += textwrap.wrap(f"{about} {command.more}".rstrip(), WIDTH, break_on_hyphens=False)
    if command.fields:
        lines += ["", "The fields used most (--help all lists every one):", ""]
        for field in command.fields:
            info = model.model_fields.get(field)
            lines += field_lines(field, info, WIDTH) if info else ["  --config  (a config)", "        Another config."]
    if command.examples:
        lines += ["", "For example:", "", *(f"  {program()} {example}" for example in command.examples)]
    return "\n".join(lines)


def every_field() -> str:
    """Return the third layer: all fields of all tasks."""
    from neptune.config.page import help_of_task, help_text

    return "\n\n".join([help_text(), *(help_of_task(task) for task in MODELS)])


def help_for(topics: Sequence[str]) -> str:
    """Return the help about topics: none, ``all``, a command or a task.

    Raises
    ------
    ConfigProblems
        If the only topic is none.
    """
    if ALL in topics:
        return every_field()
    task = next((t for t in topics if t in MODELS), None)
    if task is not None:
        from neptune.config.page import help_of_task

        return help_of_task(task)
    command = next((t for t in topics if t in COMMANDS), None)
    if command is not None:
        return of_command(command)
    known = (*COMMANDS, *TASKS, ALL)
    if len(topics) == 1 and topics[0] not in known:
        hint = did_you_mean(topics[0], known) or f"expected one of {', '.join(dict.fromkeys(known))}"
        raise ConfigProblems([f"there is no task '{topics[0]}'; {hint}"])
    return screen()
