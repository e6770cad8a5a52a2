"""Which fields of a config are paths, and where relative ones lead.

What a run reads is looked for beside the config that names it, then in the working directory. What a run writes goes
beside the config where a file is run by ``neptune-reasoner run FILE``; with ``run.py --config FILE``, NePTune's way,
and with a packaged config it goes into the working directory.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Union, get_args, get_origin

if TYPE_CHECKING:
    from pydantic import BaseModel
    from pydantic.fields import FieldInfo

Role = Literal["read", "written", "kept", "name"]
"""What a path is for: read; written; kept, for other runs to read and add to; or a name that may also be a file."""


@dataclass(frozen=True, slots=True)
class IsPath:
    """Marks a field, or the text in it, as a path."""

    role: Role


ReadPath = Annotated[str, IsPath("read")]
"""A file or a folder that a run reads."""
WrittenPath = Annotated[str, IsPath("written")]
"""A file or a folder that a run writes; ``auto`` says that the program chooses."""
KeptPath = Annotated[str, IsPath("kept")]
"""A file that runs read and add to: where it is if it is there, else as one that is written."""
NameOrPath = Annotated[str, IsPath("name")]
"""A name, or a file or folder: it is one where it has a ``/`` or ends like a file of data."""

ReadFolder = Annotated[Path, IsPath("read")]
WrittenFolder = Annotated[Path, IsPath("written")]
KeptFile = Annotated[Path, IsPath("kept")]
"""The same as :class:`~pathlib.Path`."""

_ELSEWHERE = re.compile(r"[a-z][\w+.-]+:", re.IGNORECASE)
"""An address, or a dataset on a hub (``hf:owner/name``): no path of this machine. One letter is a drive."""
_FILE_ENDS = (".json", ".yaml", ".yml")
_NO_PATHS = ("", "auto")
OPTIONS = {"vlm_options": ("oracle", "vlm_model_name"), "od_options": ("detector", "od_model")}
"""Fields that hold the options of what another field names: field → (kind, that field)."""
OPTION_PATHS = frozenset({"path", "weights", "adapter"})
"""The options of oracles and detectors that are files or folders which they read."""


@dataclass(frozen=True, slots=True)
class Origin:
    """From where the relative paths of a config are taken.

    Parameters
    ----------
    beside
        Where what is read is looked for first; the working directory comes next.
    missing
        Where it is expected if it is in neither.
    written
        Where what is written goes.
    folder
        The run folder whose config this is: it is the config's `output_dir`, wherever it has been moved.
    """

    beside: Path
    missing: Path
    written: Path
    folder: Path | None = None

    @classmethod
    def of_file(cls, path: str | Path, data: Mapping[str, Any], *, as_neptune: bool) -> Origin:
        """Return the origin of a config file; `as_neptune`: given by ``--config``.

        A run folder's ``config.json`` says where the run stood (``_run.relative_to``).
        """
        beside, here = Path(path).parent, Path()
        recorded = data.get("_run")
        if isinstance(recorded, Mapping):
            way = recorded.get("relative_to")
            start = beside / way if isinstance(way, str) else here
            return cls(start, start, start, beside)
        return cls(beside, here, here) if as_neptune else cls(beside, beside, beside)

    @classmethod
    def packaged(cls, folder: Path) -> Origin:
        """Return the origin of a packaged config: its data is packaged too, all else is in the working directory."""
        return cls(folder, Path(), Path())

    def resolve(self, text: str, role: Role) -> str:
        """Return a path as the working directory sees it: relative where it lies inside, else absolute."""
        if text in _NO_PATHS or os.path.isabs(text) or text.startswith("~") or _ELSEWHERE.match(text):
            return text
        if role == "written":
            return shown(self.written / text)
        beside = _plain(self.beside / text)
        if role == "name":
            return shown(beside) if _names_a_file(text) and beside.exists() else text
        if beside.exists():
            return shown(beside)
        if Path(text).exists():
            return text
        return shown((self.missing if role == "read" else self.written) / text)


def run_folder(output_dir: str | Path | None, name: str) -> Path:
    """Return the folder of a run called `name`: the one asked for, or ``experiments/<name>``."""
    return Path(output_dir) if output_dir else Path("experiments") / name


def shown(path: Path) -> str:
    """Return a path relative to the working directory where it lies inside, else absolute."""
    absolute = os.path.abspath(path)
    inside = os.path.relpath(absolute) if os.path.commonpath([absolute, os.getcwd()]) == os.getcwd() else absolute
    return Path(inside).as_posix()


def _plain(path: Path) -> Path:
    """Return a path without ``..``, as it is read: a link to a folder does not lead its parent elsewhere."""
    return Path(os.path.normpath(path))


def _names_a_file(text: str) -> bool:
    return "/" in text or text.lower().endswith(_FILE_ENDS)


def role_of(field: FieldInfo) -> Role | None:
    """Return what the path in a field is for; ``None`` where it holds none."""
    marks = [m for m in field.metadata if isinstance(m, IsPath)] + list(_marks(field.annotation))
    return marks[0].role if marks else None


def _marks(annotation: Any) -> Iterator[IsPath]:
    if get_origin(annotation) is Annotated:
        yield from (m for m in get_args(annotation)[1:] if isinstance(m, IsPath))
    if get_origin(annotation) in (Annotated, Union, list) or hasattr(annotation, "__args__"):
        for part in get_args(annotation):
            yield from _marks(part)


def resolve_paths(data: Mapping[str, Any], model: type[BaseModel], origin: Origin) -> dict[str, Any]:
    """Return the fields of a config with their relative paths resolved.

    Parameters
    ----------
    data
        Field → value, as in the file; what is no text, or no field, stays as it is.
    model
        Whose fields they are.
    origin
        From where relative paths are taken.
    """
    result = dict(data)
    for name, field in model.model_fields.items():
        value = result.get(name)
        role = role_of(field)
        if role is not None and isinstance(value, str):
            result[name] = origin.resolve(value, role)
        elif role is not None and isinstance(value, list):
            result[name] = [origin.resolve(v, role) if isinstance(v, str) else v for v in value]
        elif name in OPTIONS and isinstance(value, Mapping):
            result[name] = {
                option: origin.resolve(v, "read") if option in OPTION_PATHS and isinstance(v, str) else v
                for option, v in value.items()
            }
    if origin.folder is not None and "output_dir" in model.model_fields:
        result["output_dir"] = shown(origin.folder)
    return result


def places(data: Mapping[str, Any], model: type[BaseModel], start: Path) -> dict[str, Any]:
    """Return the fields with every path absolute, taken from `start`: two configs that name the same are equal."""
    result = dict(data)
    for name, field in model.model_fields.items():
        value, role = result.get(name), role_of(field)
        if role is None or not isinstance(value, str) or value in _NO_PATHS or _ELSEWHERE.match(value):
            continue
        place = start / Path(value).expanduser()
        if role != "name" or (_names_a_file(value) and place.exists()):
            result[name] = os.path.abspath(place)
    return result
