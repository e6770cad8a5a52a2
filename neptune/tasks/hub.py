"""Datasets on Hugging Face: rows by index, from the hub or from parquet files on disk."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from neptune.errors import DatasetError, MissingExtraError, one_of
from neptune.files import trusted
from neptune.scene.decoding import decode
from neptune.scene.picture import Picture

PREFIX = "hf:"
"""What a `data_dir` on the hub begins with: ``hf:owner/name``."""


def parquet_files(root: Path) -> list[str]:
    """Return the parquet files of a folder, or of its folder ``data``, in order."""
    return sorted(str(p) for pattern in ("*.parquet", "data/*.parquet") for p in root.glob(pattern))


def rows(data_dir: str | Path, split: str | None = None, follow_links: bool = False) -> Sequence[Any]:
    """Return the rows of a dataset as a sequence of dicts; pictures stay the bytes that they are in the file.

    Parameters
    ----------
    data_dir
        ``"hf:owner/name"``, or a folder of parquet files.
    split
        Which split; may be left out where there is only one.
    follow_links
        Whether links below a folder may lead out of it.

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
                trusted(Path(file), [Path(data_dir)], follow_links=follow_links)
                files.setdefault(Path(file).name.split("-")[0].removesuffix(".parquet"), []).append(file)
            loaded = datasets.load_dataset("parquet", data_files=files)
    except DatasetError:
        raise
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
    chosen = loaded[split or names[0]]
    for name, kind in chosen.features.items():
        if isinstance(kind, datasets.Image):
            # Else the package would decode any format, and open what a row names: a file of this machine, an address.
            chosen = chosen.cast_column(name, datasets.Image(decode=False))
    return cast("Sequence[Any]", chosen)


def stored_picture(stored: Any, where: str, root: Path | None, follow_links: bool = False) -> Picture:
    """Return the picture whose bytes a row holds, or whose file below `root` it names.

    Raises
    ------
    DatasetError
        If there are no bytes, and the file lies elsewhere: on this machine, at an address.
    PictureError
        If the bytes are no picture.
    """
    content = stored.get("bytes") if isinstance(stored, Mapping) else None
    if isinstance(stored, Mapping) and content is None and isinstance(stored.get("path"), str) and root is not None:
        return Picture(trusted(root / stored["path"], [root], where, follow_links=follow_links))
    if not isinstance(content, bytes):
        raise DatasetError("The row holds no picture", where=where, expected="the bytes of one")
    image, _, _ = decode(io.BytesIO(content), where)
    return Picture(image)
