"""Finds what ships beside the code: in a checkout, or inside an installed package."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from neptune.errors import ConfigError

if TYPE_CHECKING:
    from dsl.vocabulary import Vocabulary

PACKAGE = Path(__file__).resolve().parent
"""The folder of this package; a checkout has ``prompts/``, ``configs/``, … beside it, a wheel in ``data/``."""


def data_root() -> Path:
    """Return the folder that holds ``configs/``, ``examples/``, ``programs/`` and ``prompts/``."""
    installed = PACKAGE / "data"
    return installed if (installed / "prompts").is_dir() else PACKAGE.parent


def prompts() -> Path:
    """Return the folder of the prompts."""
    return data_root() / "prompts"


def configs() -> Path:
    """Return the folder of the packaged configs."""
    return data_root() / "configs"


def vocabulary_of(name: str | Vocabulary | None) -> Vocabulary:
    """Return the vocabulary of a shipped name or a file, its definitions checked; ``None``: the open one, which knows
    any word.

    Raises
    ------
    ConfigError
        If there is none of this name, or the file is no vocabulary.
    """
    from dsl.check.checker import check_definitions
    from dsl.vocabulary import Vocabulary, VocabularyError

    try:
        found = name if isinstance(name, Vocabulary) else Vocabulary.load(name) if name else Vocabulary.open()
        check_definitions(found)
        return found
    except (VocabularyError, OSError) as error:
        raise ConfigError(" ".join(str(error).split()), where="vocabulary") from error
