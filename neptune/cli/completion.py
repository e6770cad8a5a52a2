"""Completion of commands, fields and values in bash, zsh and fish: click does it, told by the table of commands.

The command line itself is not read by click: its options take one number of words, and ``--gpus 0 1`` takes several.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import click
from click.shell_completion import CompletionItem, get_completion_class, shell_complete

from neptune.cli.table import COMMANDS, model_of_command
from neptune.config.find import packaged_names
from neptune.config.model import DATASETS
from neptune.config.paths import role_of
from neptune.errors import ConfigError, did_you_mean
from neptune.words import choices

PROGRAM = "neptune-reasoner"
VARIABLE = "_NEPTUNE_REASONER_COMPLETE"
"""The shell's script sets it when it asks for completions."""
SHELLS = ("bash", "zsh", "fish")


def script(shell: str) -> str:
    """Return what a shell is to read so that it completes the commands.

    Raises
    ------
    ConfigError
        For another shell.
    """
    if shell not in SHELLS:
        hint = did_you_mean(shell, SHELLS)
        raise ConfigError(f"There is no completion for '{shell}'", expected=f"one of {', '.join(SHELLS)}", hint=hint)
    found = get_completion_class(shell)
    assert found is not None  # click has all three
    # Not `source()`: it starts a bash to ask for its version.
    completer = found(_program(), {}, PROGRAM, VARIABLE)
    return completer.source_template % completer.source_vars()


def complete() -> int:
    """Answer the shell, which asks for completions by the environment, and return the exit code."""
    return shell_complete(_program(), {}, PROGRAM, VARIABLE, os.environ[VARIABLE])


def _program() -> click.Group:
    """Return the commands as click knows them, for completion alone."""
    commands: dict[str, click.Command] = {}
    for name, command in COMMANDS.items():
        parameters: list[click.Parameter] = [click.Argument(["words"], nargs=-1, shell_complete=_plain(name))]
        fields: dict[str, Any] = model_of_command(name).model_fields
        if not command.fields:
            fields = {}
        for field, info in fields.items():
            kind: click.ParamType[Any] = click.STRING
            if role_of(info) not in (None, "name"):
                kind = click.Path()
            elif field == "dataset":
                kind = click.Choice(DATASETS)
            elif info.annotation is bool:
                kind = click.Choice(["true", "false"])
            elif known := choices(info.annotation):
                kind = click.Choice(known)
            parameters.append(click.Option([f"--{field}"], type=kind, help=info.description, multiple=True))
        commands[name] = click.Command(name, params=parameters, short_help=command.about)
    return click.Group(PROGRAM, commands=commands)


def _plain(command: str) -> Any:
    """Return what completes the words that belong to no field."""
    takes = COMMANDS[command].takes
    if "CONFIG" in takes:
        names: Sequence[str] = packaged_names()
    elif command == "completion":
        names = SHELLS
    else:
        names = ()
    other = "dir" if takes.startswith("FOLDER") else "file"

    def found(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
        near = [CompletionItem(name) for name in names if name.startswith(incomplete)]
        return near or ([] if command == "completion" else [CompletionItem(incomplete, type=other)])

    return found
