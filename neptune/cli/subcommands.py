"""What each command of ``neptune-reasoner`` does; :mod:`neptune.cli.table` says what it takes and is for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from neptune.cli.dispatch import compare_runs, execute, load_environment, picture_places, replay, split_command
from neptune.config.find import FoundConfig, find_config, packaged_names
from neptune.config.validation import ConfigProblems
from neptune.scene.addresses import is_address

PICTURE_ENDS = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".ppm")
FILM_ENDS = (
    *(".mp4", ".m4v", ".mov", ".webm", ".mkv", ".avi", ".mpg", ".mpeg", ".ogv"),
    *(".ts", ".mts", ".m2ts", ".flv", ".wmv", ".3gp"),
)


def _ask(words: list[str]) -> int:
    plain, given = _split(words)
    config = _config_of(given, "ask")
    explained = "explain" in given and given["explain"] != ["false"]
    if "question" not in given and plain and not _is_picture(plain[-1], alone=len(plain) == 1 and not explained):
        given["question"] = [plain.pop()]
    if plain and "image" in given:
        raise ConfigProblems(["the picture is given twice: before the fields, and by --image"])
    if len(plain) == 1 and plain[0].lower().endswith(FILM_ENDS) and "video" not in given:
        given["video"] = plain
    elif plain:
        given["image"] = plain
    if not {"image", "video"} & set(given) and not explained:
        raise ConfigProblems(["no picture is given; expected ask IMAGE QUESTION, the picture first"])
    if not {"question", "program"} & set(given):
        raise ConfigProblems(['nothing is asked; expected ask IMAGE "QUESTION", or ask IMAGE --program "…"'])
    return execute(config, given)


def _is_picture(word: str, *, alone: bool) -> bool:
    """Whether a word is a picture and no question; one that stands alone is a picture."""
    return alone or Path(word).is_file() or is_address(word) or word.lower().endswith(PICTURE_ENDS + FILM_ENDS)


def _find(words: list[str]) -> int:
    from neptune.config.derived import FindConfig

    plain, given = split_command(words, FindConfig)
    config = _config_of(given, "find")
    if plain and not {"query", "program"} & set(given):
        given["query"] = [plain.pop(0)]
    if plain and "pictures" in given:
        raise ConfigProblems(["the pictures are given twice: before the fields, and by --pictures"])
    given |= {"pictures": plain} if plain else {}
    return execute(config, given | {"task": ["find"]})


def _run(words: list[str]) -> int:
    plain, given = split_command(words)
    given |= {"config": plain} if plain and "config" not in given else {}
    if not given.get("config"):
        raise ConfigProblems([f"nothing is named to run; expected a file, or one of {', '.join(packaged_names())}"])
    name = _one("run", given.pop("config"), "CONFIG")
    return replay(name, given) if name.lower().endswith(".zip") else execute(find_config(name), given)


def _task(task: str, default: str) -> Callable[[list[str]], int]:
    def run(words: list[str]) -> int:
        plain, given = split_command(words)
        if plain:
            given.setdefault("config", []).extend(plain)
        config = _config_of(given, default)
        if given.setdefault("task", [task]) != [task]:
            raise ConfigProblems([f"'--task' is {' '.join(given['task'])}, and the command is {task}"])
        return execute(config, given)

    return run


def _cache(words: list[str]) -> int:
    plain, given = _split(words)
    if plain:
        given["oracle_cache"] = [_one("cache", plain, "FILE")]
    return execute(_config_of(given, "cache"), given)


def _tools(words: list[str]) -> int:
    from neptune.cli.commands.tools import show_tools

    plain, given = split_command(words)
    remove = given.pop("remove", None)
    if given:
        raise ConfigProblems([f"tools takes no fields but --remove, and --{next(iter(given))} is given"])
    if remove == []:
        raise ConfigProblems(["nothing is named to remove; expected tools FILE --remove NAME"])
    return show_tools(Path(_one("tools", plain, "FILE")), remove or ())


def _report(words: list[str]) -> int:
    plain, given = _split(words)
    places = picture_places("report", given)
    from neptune.cli.commands.report import report_again

    print(report_again(Path(_one("report", plain, "FOLDER")), *places), flush=True)
    return 0


def _compare(words: list[str]) -> int:
    plain, given = _split(words)
    places = picture_places("compare", given)
    if len(plain) < 2:
        raise ConfigProblems([f"compare takes two run folders or more, and {len(plain)} are given"])
    return compare_runs(plain, *places)


def _replay(words: list[str]) -> int:
    plain, given = _split(words)
    return replay(_one("replay", plain, "FILE.zip"), given)


def _examples(words: list[str]) -> int:
    from neptune.cli.commands.examples import write_examples

    plain, given = split_command(words)
    _no_fields("examples", given)
    folder = Path(_one("examples", plain or ["examples"], "FOLDER"))
    print(f"{write_examples(folder)} files in {folder}", flush=True)
    return 0


def _completion(words: list[str]) -> int:
    from neptune.cli.completion import script

    plain, given = split_command(words)
    _no_fields("completion", given)
    print(script(_one("completion", plain, "SHELL")))
    return 0


def _split(words: Sequence[str]) -> tuple[list[str], dict[str, list[str]]]:
    """Return the words that belong to no field of `Config`, and field → the words after it."""
    from neptune.config import Config

    return split_command(words, Config)


def _config_of(given: dict[str, list[str]], default: str) -> FoundConfig:
    """Take the config out of the words of a command; the packaged one where none is named."""
    named = given.pop("config", [default])
    if len(named) != 1:
        raise ConfigProblems([f"one config is expected, and {len(named)} are given: {' '.join(named)}"])
    return find_config(named[0])


def _one(command: str, plain: Sequence[str], what: str) -> str:
    if len(plain) != 1:
        given = f"{len(plain)} are given: {' '.join(plain)}" if plain else "none is given"
        raise ConfigProblems([f"{command} takes one {what}, and {given}"])
    return plain[0]


def _no_fields(command: str, given: dict[str, list[str]]) -> None:
    if given:
        raise ConfigProblems([f"{command} takes no fields, and --{next(iter(given))} is given"])


FUNCTIONS: dict[str, Callable[[list[str]], int]] = {
    "ask": _ask,
    "run": _run,
    "report": _report,
    "compare": _compare,
    "replay": _replay,
    "cache": _cache,
    "tools": _tools,
    "train": _task("train", "train-embedded"),
    "tune": _task("tune", "tune-clevr"),
    "train-answers": _task("train-answers", "train-answers"),
    "train-drawings": _task("train-drawings", "train-drawings"),
    "finetune": _task("finetune", "finetune-lora"),
    "induce": _task("induce", "induce"),
    "distil": _task("distil", "distil"),
    "student": _task("student", "student"),
    "certify": _task("certify", "clevr"),
    "find": _find,
    "serve": _task("serve", "serve"),
    "mcp": _task("mcp", "mcp"),
    "contact-sheet": _task("contact-sheet", "clevr"),
    "examples": _examples,
    "completion": _completion,
}
"""Command → what does it: gets the words after the command's name and returns the exit code."""


def run_command(name: str, words: list[str]) -> int:
    """Run a command with the words after its name, and return the exit code.

    Raises
    ------
    NeptuneError
        If the words are wrong, or what it does fails.
    """
    load_environment()
    return FUNCTIONS[name](words)
