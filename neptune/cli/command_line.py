"""The command line: ``neptune-reasoner COMMAND …``, and NePTune's way, ``run.py --config X.json [--field value …]``.

Exit codes: 0 all well, 1 a bug of this program, 2 a mistake in what it was given, 130 interrupted. A mistake
is said in one line, without a traceback.
"""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

from neptune.cli.dispatch import compare_runs, execute, picture_places, replay, split_words
from neptune.cli.help import ALL, every_field, help_for, of_command, screen
from neptune.cli.subcommands import run_command
from neptune.cli.table import COMMANDS
from neptune.config.find import packaged_names
from neptune.config.tasks import USAGE
from neptune.config.validation import ConfigProblems
from neptune.errors import NeptuneError, did_you_mean, fields_named
from neptune.words import describe_value

HELP = ("--help", "-h")
COMPLETING = "_NEPTUNE_REASONER_COMPLETE"
"""In the environment where a shell asks for completions."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command line and return its exit code.

    Parameters
    ----------
    arguments
        The words after the program's name; those of the process when not given.
    """
    if arguments is None and COMPLETING in os.environ:
        from neptune.cli.completion import complete

        return complete()
    if arguments is None:
        # Importing and planning make many objects that stay: looking for cycles among them is a tenth of a start.
        gc.set_threshold(200_000, 20, 20)
        # Else pydantic looks through everything that is installed for plugins: a tenth of what a mistyped word takes.
        _without_plugins()
    words = list(sys.argv[1:] if arguments is None else arguments)
    try:
        with fields_named({}):  # who gives commands knows the fields of configs, and not the engine's arguments
            return _main(words)
    except ConfigProblems as error:
        where = f"{error.where}: " if error.where else ""
        for problem in error.problems:
            print(f"error: {where}{problem}", file=sys.stderr)
        return 2
    except NeptuneError as error:
        print(f"error: {error.one_line()}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("Interrupted.", file=sys.stderr)
        return 130
    except BrokenPipeError:  # the reader of our output (head, less) has gone
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as error:  # a disk, a folder or an output that the system refuses
        where = f" ({error.filename})" if error.filename else ""
        print(f"error: The system refuses: {error.strerror or error}{where}", file=sys.stderr)
        try:
            sys.stdout.flush()
        except OSError:  # what could not be printed would fail again when the process ends
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 2
    finally:
        if arguments is None:
            # The process ends, and all it holds goes with it: to look for cycles first is a fifth of a short command.
            gc.freeze()


def _without_plugins() -> None:
    """Let pydantic neither look for plugins nor load what it would look with, unless its variable is set."""
    if "PYDANTIC_DISABLE_PLUGINS" not in os.environ:
        os.environ["PYDANTIC_DISABLE_PLUGINS"] = "__all__"  # for processes that are started
        none = ModuleType("pydantic.plugin._loader")
        none.__dict__["get_plugins"] = tuple
        sys.modules.setdefault(none.__name__, none)


def _main(words: list[str]) -> int:
    if words and words[0] in COMMANDS:
        name, rest = words[0], words[1:]
        if any(w in HELP for w in rest):
            print(every_field() if ALL in rest else of_command(name))
            return 0
        return run_command(name, rest)
    if any(w in HELP for w in words):
        print(help_for([w for w in words if not w.startswith("-")]))
        return 0
    if "--version" in words:
        from neptune import __version__

        print(f"neptune-reasoner {__version__}")
        return 0
    if not words:
        print(screen())
        return 2
    if not words[0].startswith("-"):
        raise ConfigProblems([_no_command(words[0])])
    given = split_words(words, USAGE)
    if "compare" in given:
        return _compare(given)
    path = given.pop("config", None)
    if path is None:
        raise ConfigProblems(["no config is given; expected --config FILE.json (see configs/), a command, or --help"])
    if len(path) != 1:
        raise ConfigProblems(["'--config' takes one file"])
    return replay(path[0], given) if path[0].lower().endswith(".zip") else execute(path[0], given)


def _no_command(word: str) -> str:
    """Say that a word is no command: it may be one misspelt, or what another command takes."""
    hint = did_you_mean(word, COMMANDS)
    if not hint:
        is_config = word in packaged_names() or Path(word).exists()
        expected = f"expected one of {', '.join(COMMANDS)}, or --config FILE"
        hint = f"did you mean 'run {word}'?" if is_config else expected
    return f"unexpected {describe_value(word)}: there is no such command; {hint}"


def _compare(given: dict[str, list[str]]) -> int:
    """``run.py --compare A B``: two run folders, no config."""
    folders = given.pop("compare")
    if len(folders) < 2:
        raise ConfigProblems(["'--compare' takes two run folders, or more: run.py --compare A B"])
    return compare_runs(folders, *picture_places("--compare", given))
