"""The command line: ``run.py --config X.json [--field value …]``.

Exit codes: 0 all well, 1 a bug of this program, 2 a mistake in what it was given, 130 interrupted. A mistake
is said in one line, without a traceback.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from pkgutil import resolve_name

from neptune.config import MODELS, TASKS
from neptune.config.page import USAGE, help_of_task, help_text
from neptune.config.read import read_run
from neptune.config.validation import ConfigProblems, read_json
from neptune.errors import NeptuneError, did_you_mean
from neptune.words import describe_value, parse_untyped


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command line and return its exit code.

    Parameters
    ----------
    arguments
        The words after the program's name; those of the process when not given.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    try:
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


def _main(words: list[str]) -> int:
    if any(w in ("--help", "-h") for w in words):
        topics = [w for w in words if not w.startswith("-")]
        task = next((w for w in topics if w in MODELS), None)
        if task is None and len(topics) == 1 and topics[0] not in TASKS:
            hint = did_you_mean(topics[0], TASKS) or f"expected one of {', '.join(TASKS)}"
            raise ConfigProblems([f"there is no task '{topics[0]}'; {hint}"])
        print(help_text() if task is None else help_of_task(task))
        return 0
    if "--version" in words:
        from neptune import __version__

        print(f"neptune-reasoner {__version__}")
        return 0
    given = split_words(words)
    if not given:
        print(help_text())
        return 2
    if "compare" in given:
        return _compare(given)
    path = given.pop("config", None)
    if path is None:
        raise ConfigProblems(["no config is given; expected --config FILE.json (see configs/, or --help)"])
    if len(path) != 1:
        raise ConfigProblems(["'--config' takes one file"])
    from dotenv import load_dotenv

    load_dotenv(Path(".env"))
    if path[0].lower().endswith(".zip"):
        return _replay(path[0], given)
    if _wants_dry_run(path[0], given):
        from neptune.cli.dryrun import dry_run

        return dry_run(path[0], given)
    config, name = read_run(path[0], given)
    task = getattr(config, "task", None)
    address = TASKS[task] if task is not None else "neptune.runs.runner.run:run_dataset"
    code: int = resolve_name(address)(config, name)
    return code


def _replay(path: str, given: dict[str, list[str]]) -> int:
    """``run.py --config FILE.zip``: a packed run."""
    output_dir = given.pop("output_dir", [None])
    limits = {name.removeprefix("limits."): parse_untyped(given.pop(name)) for name in list(given) if "limits." in name}
    if given or len(output_dir) != 1:
        said = "a packed run takes --output_dir and --limits.NAME and no other field: its config is packed too"
        raise ConfigProblems([said], path)
    from neptune.runs.runner.replay import replay_bundle

    return replay_bundle(path, output_dir[0], limits)


def _wants_dry_run(path: str, given: dict[str, list[str]]) -> bool:
    """Whether ``--dry_run`` was given, or the config says so: known before the config is known to be right."""
    words = given.get("dry_run")
    if words is not None:
        return [w.lower() for w in words] in ([], ["true"])
    return Path(path).is_file() and read_json(path).get("dry_run") is True


def _compare(given: dict[str, list[str]]) -> int:
    """``run.py --compare A B``: two run folders, no config."""
    folders = given.pop("compare")
    if given or len(folders) != 2:
        raise ConfigProblems(["'--compare' takes two run folders and nothing else: run.py --compare A B"])
    from neptune.runs.evaluate.compare import compare

    return compare(Path(folders[0]), Path(folders[1]))


def split_words(words: Sequence[str]) -> dict[str, list[str]]:
    """Return field → the words after the last ``--field``; ``--field=value`` works too, and ``-`` reads as ``_``.

    Raises
    ------
    ConfigProblems
        If there is a word before the first field.
    """
    given: dict[str, list[str]] = {}
    current: list[str] | None = None
    for word in words:
        if word.startswith("--") and len(word) > 2:
            name, equals, value = word[2:].partition("=")
            field = name.replace("-", "_")
            current = given[field] = []
            if equals:
                current.append(value)
                current = None
        elif current is None:
            raise ConfigProblems([f"unexpected {describe_value(word)}; expected --field value ({USAGE})"])
        else:
            current.append(word)
    return given
