"""Reads folders in CLEVR's format: where its files lie, and what one record of them says.

Two layouts are read: a flat folder (``images/``, ``scenes.json``, ``questions.json``, …), and CLEVR's own
(``images/<split>/``, ``scenes/CLEVR_<split>_scenes.json``, ``questions/CLEVR_<split>_questions.json``).
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from neptune.errors import DatasetError, NeptuneError, did_you_mean
from neptune.files import trusted
from neptune.scene import Annotation
from neptune.scene.picture import Picture
from neptune.tasks.boxes import is_number
from neptune.tasks.json_files import Twice, read_records, shown

KEPT = 64
"""Pictures and annotations kept in memory: questions about one picture follow each other in CLEVR's files."""


class Folder:
    """A folder in CLEVR's format.

    Parameters
    ----------
    data_dir
        The folder.
    split
        ``"train"``, ``"val"``, …: needed where the folder holds several splits.
    follow_links
        Whether links below `data_dir` may lead out of it.

    Raises
    ------
    DatasetError
        If the folder does not exist, it holds several splits and none is named, or not the one that is.
    """

    def __init__(self, data_dir: str | Path, split: str | None = None, *, follow_links: bool = False) -> None:
        root = self._named = Path(data_dir).expanduser()
        self._follow_links = follow_links
        if not root.is_dir():
            raise DatasetError(
                "The data folder does not exist",
                where=str(root),
                expected="a folder in CLEVR's format (images/, scenes.json, questions.json, …)",
                hint="Set data_dir",
            )
        flat = (root / "questions.json").is_file()
        if split and (root / split).is_dir() and (not flat or any((root / split).glob("*.json"))):
            root = root / split  # data_dir/val/questions.json
        elif split:
            _find_split(root, split)
        self.root = root
        self.split = split or self._only_split()
        self._scenes: dict[str, Any] | None = None
        self.scenes_problem: DatasetError | None = None
        # Per folder, not per class: a cache on the method would keep every folder alive.
        self.picture = lru_cache(maxsize=KEPT)(self._picture)
        self.annotation = lru_cache(maxsize=KEPT)(self._annotation)

    def _only_split(self) -> str | None:
        """Return the only split of CLEVR's official layout; ``None`` in a flat folder."""
        if any(self.root.glob("*.json")):
            return None
        found = sorted({p.name.split("_")[1] for p in self.root.glob("questions/CLEVR_*_questions.json")})
        found += sorted(p.parent.name for p in self.root.glob("*/questions.json"))
        if len(found) > 1 or (found and not (self.root / "questions").is_dir()):
            raise DatasetError(
                "The data folder holds the splits " + ", ".join(found),
                where=str(self.root),
                expected="one of them",
                hint=f"Set split, e.g. to '{found[-1]}'",
            )
        return found[0] if found else None

    def file(self, name: str) -> Path:
        """Return the path of ``questions``, ``scenes``, ``rpm``, …; the file may be missing.

        Raises
        ------
        ForeignPathError
            If a link leads out of the folder that the user named.
        """
        path = self.root / f"{name}.json"
        if self.split and not path.is_file():
            official = self.root / name / f"CLEVR_{self.split}_{name}.json"
            path = official if official.parent.is_dir() else path
        return self.trusted(path)

    def trusted(self, path: Path) -> Path:
        """Return a path of this folder; errors as of :meth:`file`."""
        return trusted(path, [self._named], follow_links=self._follow_links)

    def _picture(self, filename: str) -> Picture:
        """Return the picture of a name, not opened; the same object for the same name while it is kept.

        Raises
        ------
        DatasetError
            If the name, or a link, leads out of the folder.
        """
        # A dataset is somebody else's file: it must not make the program read pictures from elsewhere.
        if Path(filename).name != filename or filename in ("", ".", "..") or "\0" in filename or len(filename) > 255:
            raise DatasetError(
                f"The picture's name {filename[:200]!r} is no plain file name",
                where=str(self.root),
                expected="the name of a file in images/",
            )
        path = self.root / "images" / filename
        if self.split and not path.is_file():
            official = self.root / "images" / self.split / filename
            if official.is_file():
                path = official
        return Picture(self.trusted(path))

    def load_scenes(self) -> None:
        """Read the scenes file, once.

        Raises
        ------
        DatasetError
            If it exists and is broken, which is worth knowing before a run starts. A missing one is kept as
            `scenes_problem`: most oracles need no annotation.
        """
        if self._scenes is not None:
            return
        path = self.file("scenes")
        self._scenes = {}
        if not path.is_file():
            self.scenes_problem = DatasetError(
                "There is no scenes file", where=str(path), hint="Use a detector and an oracle that need no annotation"
            )
            return
        for record in read_records(path, "scenes"):
            if isinstance(record, dict) and isinstance(record.get("image_filename"), str):
                name = record["image_filename"]
                # Two scenes of one picture: which is right can not be known, so neither is used.
                self._scenes[name] = record if name not in self._scenes else None

    def _annotation(self, filename: str) -> tuple[Annotation | None, NeptuneError | None]:
        """Return what is known of a picture, or why nothing is."""
        self.load_scenes()
        if self.scenes_problem is not None:
            return None, self.scenes_problem
        assert self._scenes is not None
        where = f"{self.file('scenes').name}, {filename}"
        if filename not in self._scenes:
            return None, DatasetError("The scenes file has no scene of this picture", where=where)
        record = self._scenes[filename]
        if record is None:
            return None, DatasetError("The scenes file has two scenes of this picture", where=where)
        try:
            problem = _box_problem(record)
            if problem:
                raise DatasetError(problem, where=where)
            annotation = Annotation.from_clevr(record)
            rows = [i for kind in record["relationships"].values() for row in kind for i in row]
            if min(rows, default=0) < 0:
                raise DatasetError("An index in 'relationships' is below 0", where=where)
        except NeptuneError as error:
            return None, error
        except (TypeError, ValueError, AttributeError, LookupError, ArithmeticError, RecursionError) as error:
            return None, DatasetError(f"The scene is malformed: {error}", where=where)
        return annotation, None


def _box_problem(record: Mapping[str, Any]) -> str:
    """Return what is wrong with the boxes of a scene, ``""``: nothing; one that is missing is said elsewhere."""
    for thing in record.get("objects") or ():
        box = thing.get("bbox", [0, 0, 1, 1])
        if not isinstance(box, list) or len(box) != 4 or any(isinstance(v, bool | str) for v in box):
            return f"A box is {shown(box)}"
        if not all(isinstance(v, int | float) and abs(v) < math.inf for v in box):
            return "A box has a coordinate that is no finite number"
        if not all(map(is_number, box)):
            return "A box has a coordinate beyond any picture"
        corners = [np.float32(v) for v in box]
        if corners[2] <= corners[0] or corners[3] <= corners[1]:
            return "A box has no area"
    return ""


def _find_split(root: Path, split: str) -> None:
    """Refuse a split that no file of a folder is named after: its flat files would be taken for it."""
    files = [*root.glob("*.json"), *root.glob("*/*.json")]
    names = (re.match(r"CLEVR_([^_]+)_|CLEVR-Humans-(.+)\.json$", p.name) for p in files)
    found = {name[1] or name[2] for name in names if name}
    found |= {p.parent.name for p in files if p.name == "questions.json" and p.parent != root}
    flat = (root / "questions.json").is_file() or not found
    if split in found or (flat and root.resolve().name == split) or not files:
        return  # without any file, the one that is missing is named
    beside = root.resolve().parent / split
    if found:
        expected, hint = "one of " + ", ".join(sorted(found)), did_you_mean(split, found)
    else:
        expected = f"the files of {root.resolve().name} alone"
        hint = f"Set data_dir to {beside}" if beside.is_dir() else "Leave split out, or set data_dir"
    raise DatasetError(f"There is no split '{split}'", where=str(root), expected=expected, hint=hint)


def field(record: Any, name: str, kind: type | tuple[type, ...], where: str) -> Any:
    """Return a field of a record.

    Raises
    ------
    DatasetError
        If the record is no object, has no such field, or the field is not of `kind`.
    """
    if not isinstance(record, Mapping):
        raise DatasetError(f"The record is no object but {type(record).__name__}", where=where)
    if name not in record:
        raise DatasetError(f"The record has no field '{name}'", where=where)
    value = record[name]
    if isinstance(value, Twice):
        raise DatasetError(f"The field '{name}' is given twice", where=where, expected="once")
    kinds = kind if isinstance(kind, tuple) else (kind,)
    if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
        words = {str: "a text", int: "a whole number", bool: "true or false", dict: "an object", list: "a list"}
        raise DatasetError(
            f"The field '{name}' is {shown(value)}",
            where=where,
            expected=" or ".join(words.get(k, k.__name__) for k in kinds),
        )
    return value
