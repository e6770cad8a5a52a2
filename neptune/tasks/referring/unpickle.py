"""Reads the pickles in which RefCOCO's annotations come, and never runs what a pickle says.

A pickle is a program: loading one may call anything. This reader lets it make plain values only (texts, numbers,
lists, dicts, tuples, sets) and the numpy scalars that some releases hold; any other name ends in an error.
"""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np

from neptune.errors import DatasetError


class _Dtype:
    """Stands for ``numpy.dtype`` in a pickle: the name of a number's type, and its byte order."""

    def __init__(self, name: str, *rest: Any) -> None:
        self.dtype = np.dtype(name)
        if self.dtype.kind not in "biuf":
            raise pickle.UnpicklingError(f"numpy type {name!r}")

    def __setstate__(self, state: Any) -> None:
        if isinstance(state, tuple) and len(state) > 1 and state[1] in ("<", ">"):
            self.dtype = self.dtype.newbyteorder(state[1])


def _scalar(kind: Any, data: Any = b"") -> Any:
    """Stands for numpy's maker of scalars."""
    if not isinstance(kind, _Dtype):
        raise pickle.UnpicklingError("a numpy scalar without a type")
    raw = data.encode("latin-1") if isinstance(data, str) else data
    return np.frombuffer(raw, dtype=kind.dtype, count=1)[0].item()


def _encode(text: Any, encoding: Any = "latin1") -> bytes:
    """Stands for what Python 3 writes for bytes in the old protocols."""
    if not isinstance(text, str) or encoding not in ("latin1", "latin-1"):
        raise pickle.UnpicklingError(f"bytes in the encoding {encoding!r}")
    return text.encode("latin-1")


_ALLOWED: dict[tuple[str, str], Any] = {
    ("numpy", "dtype"): _Dtype,
    ("numpy.core.multiarray", "scalar"): _scalar,
    ("numpy._core.multiarray", "scalar"): _scalar,
    ("_codecs", "encode"): _encode,
    ("collections", "OrderedDict"): dict,
    ("builtins", "set"): set,
    ("__builtin__", "set"): set,
}


class _PlainUnpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        """Return what stands for a name, if it is one of the few that a file of annotations may hold."""
        if (module, name) not in _ALLOWED:
            raise pickle.UnpicklingError(f"it wants to use {module}.{name}")
        return _ALLOWED[module, name]


def read_pickle(path: Path) -> Any:
    """Return the plain values in a pickle, of Python 2 or 3.

    Raises
    ------
    DatasetError
        If the file is missing, damaged, or holds anything but plain values (nothing of it has been run then).
    """
    try:
        with open(path, "rb") as file:
            # Texts of Python 2 are bytes; those of these datasets are ASCII but for a few UTF-8 letters.
            return _PlainUnpickler(file, encoding="utf-8", errors="replace").load()
    except FileNotFoundError:
        raise DatasetError("The dataset's file does not exist", where=str(path), hint="Check data_dir") from None
    except pickle.UnpicklingError as error:
        raise DatasetError(
            f"The pickle holds more than plain values, and was not loaded: {error}",
            where=str(path),
            expected="lists and dicts of texts and numbers",
            hint="Download the file again from its official page",
        ) from error
    except Exception as error:  # a damaged pickle raises whatever its opcodes stumble over
        raise DatasetError(
            f"The pickle is damaged: {type(error).__name__} {error}",
            where=str(path),
            hint="The file may be cut off: download it again",
        ) from error
