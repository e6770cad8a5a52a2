"""Reads the pickles in which RefCOCO's annotations come, and never runs what a pickle says.

A pickle is a program: loading one may call anything. This reader is the standard library's own in Python, whose memo
is a dict (the fast one reserves gigabytes for one large number), with the instructions that make plain values alone:
texts, numbers, lists, dicts, tuples, sets, and the numpy scalars that some releases hold. Keys are texts and numbers,
so that no hash runs deep; what comes out is a tree, no deeper and no larger than such a file is.
"""

from __future__ import annotations

import io
import pickle
import re
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from neptune.errors import DatasetError
from neptune.tasks.json_files import Refused

MOST_BYTES = 512_000_000
"""Of a pickle; RefCOCO's has 40 million."""

MOST_VALUES = 50_000_000
"""Values in what a pickle holds, each counted as often as it is referred to."""

DEEPEST = 50
"""Levels of lists and dicts."""

_PLAIN = (str, int, float, bytes, bool, type(None))
_NUMBER_TYPE = re.compile(r"[<>=|]?[biuf][1248]")


class _Dtype:
    """Stands for ``numpy.dtype`` in a pickle: the name of a number's type, and its byte order."""

    def __init__(self, name: str) -> None:
        self.dtype = np.dtype(name)

    def order(self, state: Any) -> None:
        """Take over the byte order that the pickle sets."""
        if isinstance(state, tuple) and len(state) > 1 and state[1] in ("<", ">"):
            self.dtype = self.dtype.newbyteorder(state[1])


def _dtype(name: Any, *rest: Any) -> _Dtype:
    if not isinstance(name, str) or not _NUMBER_TYPE.fullmatch(name):
        raise pickle.UnpicklingError(f"numpy type {str(name)[:20]!r}")
    return _Dtype(name)


def _scalar(kind: Any, data: Any = b"") -> Any:
    """Stands for numpy's maker of scalars."""
    raw = data.encode("latin-1") if isinstance(data, str) else data
    if not isinstance(kind, _Dtype) or not isinstance(raw, bytes) or len(raw) != kind.dtype.itemsize:
        raise pickle.UnpicklingError("a numpy scalar without a type")
    return np.frombuffer(raw, dtype=kind.dtype, count=1)[0].item()


def _encode(text: Any, encoding: Any = "latin1") -> bytes:
    """Stands for what Python 3 writes for bytes in the old protocols."""
    if not isinstance(text, str) or encoding not in ("latin1", "latin-1"):
        raise pickle.UnpicklingError("bytes in an encoding of their own")
    return text.encode("latin-1")


def _set(items: Any = ()) -> set[Any]:
    if not isinstance(items, list | tuple | set) or not all(isinstance(item, _PLAIN) for item in items):
        raise pickle.UnpicklingError("a set of something else than texts and numbers")
    return set(items)


def _dict(items: Any = ()) -> dict[Any, Any]:
    pairs = items if isinstance(items, list | tuple) else [items]
    if not all(isinstance(p, list | tuple) and len(p) == 2 and isinstance(p[0], _PLAIN) for p in pairs):
        raise pickle.UnpicklingError("a dict of something else than pairs")
    return dict(pairs)


_ALLOWED: dict[tuple[str, str], Any] = {
    ("numpy", "dtype"): _dtype,
    ("numpy.core.multiarray", "scalar"): _scalar,
    ("numpy._core.multiarray", "scalar"): _scalar,
    ("_codecs", "encode"): _encode,
    ("collections", "OrderedDict"): _dict,
    ("builtins", "set"): _set,
    ("__builtin__", "set"): _set,
}
_MAKERS = tuple(set(_ALLOWED.values()))
_INSTRUCTIONS = (
    r"PROTO|FRAME|STOP|MARK|POP|POP_MARK|DUP|NONE|NEWTRUE|NEWFALSE|INT|BININT[12]?|LONG[14]?|FLOAT|BINFLOAT|STRING"
    r"|(SHORT_)?BINSTRING|(SHORT_)?BINBYTES|BINBYTES8|UNICODE|(SHORT_)?BINUNICODE|BINUNICODE8|EMPTY_LIST|LIST|GET"
    r"|APPENDS?|(EMPTY_)?TUPLE|TUPLE[123]|(EMPTY_)?DICT|SETITEMS?|EMPTY_SET|ADDITEMS|(LONG_)?BINGET|PUT|(LONG_)?BINPUT"
    r"|MEMOIZE|GLOBAL|STACK_GLOBAL|REDUCE|BUILD"
)

_Base: Any = pickle._Unpickler


class _PlainUnpickler(_Base):  # type: ignore[misc]
    """The standard library's, with fewer instructions; a type is checked before anything is done with its value."""

    dispatch: ClassVar[dict[int, Any]] = {}

    def find_class(self, module: str, name: str) -> Any:
        """Return what stands for a name, if it is one of the few that a file of annotations may hold."""
        if (module, name) not in _ALLOWED:
            raise pickle.UnpicklingError(f"it wants to use {str(module)[:60]}.{str(name)[:60]}")
        return _ALLOWED[module, name]

    def load_append(self) -> None:
        value = self.stack.pop()
        self._top(list).append(value)

    def load_appends(self) -> None:
        items = self.pop_mark()
        self._top(list).extend(items)

    def load_dict(self) -> None:
        items = self.pop_mark()
        self.stack.append({_key(items[i]): items[i + 1] for i in range(0, len(items), 2)})

    def load_setitem(self) -> None:
        value, key = self.stack.pop(), self.stack.pop()
        self._top(dict)[_key(key)] = value

    def load_setitems(self) -> None:
        items = self.pop_mark()
        found = self._top(dict)
        for i in range(0, len(items), 2):
            found[_key(items[i])] = items[i + 1]

    def load_additems(self) -> None:
        items = self.pop_mark()
        self._top(set).update(_set(items))

    def load_reduce(self) -> None:
        arguments, maker = self.stack.pop(), self.stack.pop()
        if not isinstance(arguments, tuple) or not any(maker is known for known in _MAKERS):
            raise pickle.UnpicklingError("it wants to call what is no maker of plain values")
        self.stack.append(maker(*arguments))

    def load_build(self) -> None:
        state = self.stack.pop()
        self._top(_Dtype).order(state)

    def _top(self, kind: type) -> Any:
        """Return the value that an instruction works on; dicts, lists and sets are never subclasses."""
        value = self.stack[-1]
        if type(value) is not kind:
            raise pickle.UnpicklingError(f"an instruction for a {kind.__name__} meets a {type(value).__name__}")
        return value


def _refuse(name: str) -> Any:
    def refuse(reader: Any) -> None:
        raise pickle.UnpicklingError(f"it uses the instruction {name}")

    return refuse


def _instructions() -> dict[int, Any]:
    ours = {"APPEND", "APPENDS", "DICT", "SETITEM", "SETITEMS", "ADDITEMS", "REDUCE", "BUILD"}
    table = {}
    for name in pickle.__all__:
        code = getattr(pickle, name)
        if name.isupper() and isinstance(code, bytes) and len(code) == 1:
            own = getattr(_PlainUnpickler, f"load_{name.lower()}", None)
            kept = (
                own
                if name in ours
                else _Base.dispatch.get(code[0])
                if re.fullmatch(_INSTRUCTIONS, name)
                else _refuse(name)
            )
            table[code[0]] = kept or _refuse(name)
    return table


_PlainUnpickler.dispatch = _instructions()


def _key(value: Any) -> Any:
    if not isinstance(value, _PLAIN):
        raise pickle.UnpicklingError(f"a key of a dict is a {type(value).__name__}")
    return value


def read_pickle(path: Path) -> Any:
    """Return the plain values in a pickle, of Python 2 or 3.

    Raises
    ------
    DatasetError
        If the file is missing, damaged, or holds anything but plain values (nothing of it has been run then).
    """
    try:
        if path.stat().st_size > MOST_BYTES:
            raise DatasetError(
                f"The pickle has {path.stat().st_size:,} bytes", where=str(path), expected=f"at most {MOST_BYTES:,}"
            )
        # Texts of Python 2 are bytes; those of these datasets are ASCII but for a few UTF-8 letters.
        found = _PlainUnpickler(io.BytesIO(path.read_bytes()), encoding="utf-8", errors="replace").load()
        return _trees(found)
    except DatasetError:
        raise
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
            f"The pickle is damaged: {type(error).__name__} {error}"[:300],
            where=str(path),
            hint="The file may be cut off: download it again",
        ) from error


def _trees(found: Any) -> Any:
    """Check what came out: of a list each item, so that one that is no tree costs the others nothing."""
    sizes: dict[int, int] = {}
    if type(found) is not list:
        _check_tree(found, sizes)
        return found
    read: list[Any] = []
    refused: list[pickle.UnpicklingError] = []
    left = MOST_VALUES
    for item in found:
        try:
            _check_tree(item, sizes)
            left -= sizes.get(id(item), 1)
            if left < 0:
                raise pickle.UnpicklingError("it refers to the same values without end")
            read.append(item)
        except pickle.UnpicklingError as error:
            refused.append(error)
            read.append(Refused(str(error)))
    if refused and len(refused) == len(found):
        raise refused[0]
    return read


def _check_tree(root: Any, sizes: dict[int, int]) -> None:
    """Refuse what is no tree of plain values: cycles, and values that are referred to so often that walks never end."""
    open_: set[int] = set()
    todo: list[tuple[Any, bool]] = [(root, False)]
    while todo:
        value, left = todo.pop()
        if type(value) in _PLAIN:
            continue
        if type(value) not in (list, tuple, dict, set):
            raise pickle.UnpicklingError(f"it holds a {type(value).__name__}")
        me = id(value)
        inner = value.values() if type(value) is dict else value
        if left:
            open_.discard(me)
            sizes[me] = 1 + sum(1 if type(v) in _PLAIN else sizes[id(v)] for v in inner)
            if sizes[me] > MOST_VALUES:
                raise pickle.UnpicklingError("it refers to the same values without end")
            continue
        if me in sizes:
            continue
        if me in open_:
            raise pickle.UnpicklingError("a value holds itself")
        if len(open_) > DEEPEST:
            raise pickle.UnpicklingError(f"it is nested deeper than {DEEPEST} levels")
        open_.add(me)
        todo.append((value, True))
        todo += [(v, False) for v in inner if type(v) not in _PLAIN]
