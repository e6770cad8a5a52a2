"""Datasets on Hugging Face: rows by index, from the hub or from parquet files on disk."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

from neptune.errors import DatasetError, MissingExtraError, one_of

PREFIX = "hf:"
"""What a `data_dir` on the hub begins with: ``hf:owner/name``."""


def parquet_files(root: Path) -> list[str]:
    """Return the parquet files of a folder, or of its folder ``data``, in order."""
    return sorted(str(p) for pattern in ("*.parquet", "data/*.parquet") for p in root.glob(pattern))


def rows(data_dir: str | Path, split: str | None = None) -> Sequence[Any]:
    """Return the rows of a dataset as a sequence of dicts; pictures are decoded when a row is looked at.

    Parameters
    ----------
    data_dir
        ``"hf:owner/name"``, or a folder of parquet files.
    split
        Which split; may be left out where there is only one.

    Raises
    ------
    MissingExtraError
        If the package ``datasets`` is not installed.
    DatasetError
        If it can not be downloaded or read, or there are several splits and none is named.
    """
    try:
        import datasets
    except ImportError as error:
        raise MissingExtraError(
            "Datasets of Hugging Face need the package 'datasets'",
            where=str(data_dir),
            hint="pip install 'neptune-reasoner[data]'",
        ) from error
    try:
        if str(data_dir).startswith(PREFIX):
            loaded = datasets.load_dataset(str(data_dir).removeprefix(PREFIX))
        else:
            files: dict[str, list[str]] = {}
            for file in parquet_files(Path(data_dir)):
                files.setdefault(Path(file).name.split("-")[0].removesuffix(".parquet"), []).append(file)
            loaded = datasets.load_dataset("parquet", data_files=files)
    except Exception as error:  # of the network, the hub, arrow, the file system
        raise DatasetError(
            f"The dataset can not be loaded: {' '.join(str(error).split())[:200]}",
            where=str(data_dir),
            hint="Check the name and the network, or download its parquet files into data_dir",
        ) from error
    names = list(loaded)
    if split is None and len(names) > 1:
        raise DatasetError(f"The dataset has the splits {', '.join(names)}", where=str(data_dir), hint="Set split")
    if split is not None and split not in names:
        raise DatasetError(f"There is no split '{split}'", where=str(data_dir), **one_of(split, names))
    return cast("Sequence[Any]", loaded[split or names[0]])
