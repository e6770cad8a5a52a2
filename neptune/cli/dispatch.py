"""From the words of a command line to the function that does what they say."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from pkgutil import resolve_name
from typing import TYPE_CHECKING, Any

from neptune.config.files import read_fields
from neptune.config.find import FoundConfig
from neptune.config.tasks import TASKS
from neptune.config.validation import ConfigProblems, parse_value
from neptune.words import describe_value, parse_untyped, takes_several

if TYPE_CHECKING:
    from pydantic import BaseModel

RUN = "neptune.runs.runner.run:run_dataset"
"""What answers the samples of a dataset: every config without a `task`."""


def execute(config: str | FoundConfig, given: dict[str, list[str]], name: str | None = None) -> int:
    """Run what a config says, with the fields of a command line, and return the exit code.

    Parameters
    ----------
    config
        A config file as ``--config`` names it, or one that was found by its name.
    given
        Field → the words after it.
    name
        The run's name, from which its folder follows; by default the config's.

    Raises
    ------
    NeptuneError
        If the config is wrong, or the run can not start.
    """
    from neptune.config.read import read_run

    load_environment()
    if _wants_dry_run(config, given):
        from neptune.cli.dryrun import dry_run

        return dry_run(config, given)
    model, found = read_run(config, given)
    task = getattr(model, "task", None)
    code: int = resolve_name(TASKS[task] if task is not None else RUN)(model, name or found)
    return code


def load_environment() -> None:
    """Read the keys in the file ``.env`` of the working directory, where there is one."""
    keys = Path(".env")
    if keys.is_file():
        from dotenv import load_dotenv

        load_dotenv(keys)


def replay(path: str, given: dict[str, list[str]]) -> int:
    """Replay a packed run, and return the exit code.

    Raises
    ------
    NeptuneError
        If it is none, or other fields than `output_dir` and limits are given.
    """
    output_dir: Sequence[str | None] = given.pop("output_dir", [None])
    limits = {name.removeprefix("limits."): parse_untyped(given.pop(name)) for name in list(given) if "limits." in name}
    changed = list(given.pop("set", []))
    if given or len(output_dir) != 1:
        said = "a packed run takes --output_dir, --set and --limits.NAME and no other field: its config is packed too"
        raise ConfigProblems([said], path)
    from neptune.runs.runner.replay import replay_bundle

    return replay_bundle(path, output_dir[0], limits, changed)


def compare_runs(folders: Sequence[str], data_dir: str | None = None, follow_links: bool = False) -> int:
    """Print which answers changed between two run folders and, last, the page that shows them side by side; of more
    than two, their figures alone.

    Parameters
    ----------
    folders
        Two or more.
    data_dir, follow_links
        As of :func:`picture_places`.

    Returns
    -------
    int
        The exit code.
    """
    from neptune.cli.commands.report import compare_pages
    from neptune.runs.evaluate.compare import compare
    from neptune.runs.evaluate.side_by_side import side_by_side

    side_by_side(list(map(Path, folders)))
    if len(folders) > 2:
        return 0
    first, second = map(Path, folders)
    code = compare(first, second)
    print(compare_pages(first, second, data_dir, follow_links), flush=True)
    return code


def picture_places(command: str, given: dict[str, list[str]]) -> tuple[str | None, bool]:
    """Return where the pictures of run folders lie, as a command line says: and if links may lead out.

    Raises
    ------
    ConfigProblems
        If another field is given.
    """
    from neptune.config import Config

    values: dict[str, Any] = {"data_dir": None, "follow_links": False}
    if other := next((name for name in given if name not in values), None):
        raise ConfigProblems([f"{command} takes no fields but --data_dir and --follow_links, and --{other} is given"])
    values |= {name: parse_value(name, words, Config) for name, words in given.items()}
    return values["data_dir"], values["follow_links"]


def _wants_dry_run(config: str | FoundConfig, given: dict[str, list[str]]) -> bool:
    """Whether ``--dry_run`` was given, or the config says so: known before the config is known to be right."""
    words = given.get("dry_run")
    if words is not None:
        return [w.lower() for w in words] in ([], ["true"])
    path = config.path if isinstance(config, FoundConfig) else Path(config)
    return path.is_file() and read_fields(path).get("dry_run") is True


def split_words(words: Sequence[str], usage: str = "") -> dict[str, list[str]]:
    """Return field → the words after the last ``--field``; ``--field=value`` works too, and ``-`` reads as ``_``.

    Raises
    ------
    ConfigProblems
        If there is a word before the first field.
    """
    plain, given = split_command(words)
    if plain:
        raise ConfigProblems([f"unexpected {describe_value(plain[0])}; expected --field value ({usage})"])
    return given


def split_command(words: Sequence[str], model: type[BaseModel] | None = None) -> tuple[list[str], dict[str, list[str]]]:
    """Return the words that belong to no field, and field → the words after the last ``--field``.

    Parameters
    ----------
    words
        Of a command line.
    model
        Whose fields they are: one that takes a single value takes one word, and what follows belongs to no field.
        Without it all words up to the next field are the field's.
    """
    plain: list[str] = []
    given: dict[str, list[str]] = {}
    current: list[str] | None = None
    most: int | None = None
    for word in words:
        if word.startswith("--") and len(word) > 2:
            name, equals, value = word[2:].partition("=")
            field = name.replace("-", "_")
            current = given[field] = [value] if equals else []
            most = 1 if equals else _most_words(field, model)
        elif current is None or (most is not None and (len(current) >= most or not _fits(word, field, model))):
            plain.append(word)
            current = None
        else:
            current.append(word)
    return plain, given


def _most_words(field: str, model: type[BaseModel] | None) -> int | None:
    known = model.model_fields.get(field) if model is not None else None
    return None if known is None or takes_several(known.annotation) else 1


def _fits(word: str, field: str, model: type[BaseModel] | None) -> bool:
    """Whether a word may be the value of a field: after ``--explain`` a picture's name is none."""
    known = model.model_fields[field].annotation if model is not None else None
    return known is not bool or word.lower() in ("true", "false", "yes", "no")
