"""Finds a config: a file, a run folder, or one that is packaged, by its name."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from neptune.config.files import SUFFIXES, read_recorded
from neptune.config.paths import Origin
from neptune.config.validation import ConfigProblems
from neptune.errors import did_you_mean
from neptune.resources import configs

RUN_CONFIG = "config.json"
"""The config in a run folder."""


@dataclass(frozen=True, slots=True)
class FoundConfig:
    """A config file, and how it was named.

    Parameters
    ----------
    path
        The file.
    packaged
        It is packaged, and was named by its stem.
    as_neptune
        It was given by ``--config``.
    """

    path: Path
    packaged: bool = False
    as_neptune: bool = False

    @property
    def name(self) -> str:
        """The name of the run: the file's stem; of a run folder's config the folder's name."""
        is_run = self.path.name == RUN_CONFIG and not self.as_neptune
        return self.path.resolve().parent.name if is_run else self.path.stem

    def origin(self) -> Origin:
        """Return from where the config's relative paths are taken.

        Raises
        ------
        ConfigProblems
            If the file can not be read.
        """
        if self.packaged:
            return Origin.packaged(self.path.parent)
        return Origin.of_file(self.path, read_recorded(self.path), as_neptune=self.as_neptune)

    def __str__(self) -> str:
        return self.path.stem if self.packaged else str(self.path)


def packaged_names() -> tuple[str, ...]:
    """Return the names of the packaged configs."""
    return tuple(sorted(path.stem for path in configs().glob("*.json")))


def find_config(name: str | Path) -> FoundConfig:
    """Return the config of a name.

    Parameters
    ----------
    name
        A file, a run folder, or the name of a packaged config, which wins over a folder of the same name (write
        ``./clevr`` for the folder).

    Raises
    ------
    ConfigProblems
        If there is none; it lists the packaged names.
    """
    path, text = Path(name), str(name)
    if text in packaged_names():
        return FoundConfig(configs() / f"{text}.json", packaged=True)
    if (path / RUN_CONFIG).is_file():
        return FoundConfig(path / RUN_CONFIG)
    if path.is_file() or path.suffix.lower() in SUFFIXES or path.is_dir():
        return FoundConfig(path)
    here = [p.name for p in Path().glob("*") if p.suffix in SUFFIXES]
    hint = did_you_mean(text, [*packaged_names(), *here]) or f"expected one of {', '.join(packaged_names())}"
    raise ConfigProblems([f"there is no config '{text}', and no such file; {hint}, or a file"])
