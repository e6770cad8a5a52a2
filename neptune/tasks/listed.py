"""Tasks whose records are a list: what a reader fills in, and how a bad record becomes its own sample's problem."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from neptune.errors import DatasetError, NeptuneError
from neptune.scene import Annotation
from neptune.scene.picture import Picture
from neptune.tasks.base import Sample, Samples, Task, choose

NO_PROGRAMS = "Let a language model write it (code_gen_provider), or give a program_cache_address"


@dataclass(slots=True)
class Draft:
    """What a reader has found out about one record; see :class:`~neptune.tasks.base.Sample`."""

    question: str = ""
    picture: Picture | None = None
    annotation: Annotation | None = None
    annotation_problem: NeptuneError | None = None
    program: str | None = None
    program_problem: NeptuneError | None = None
    expected: Any = None
    family: str = "all"
    extra: dict[str, Any] = field(default_factory=dict)


class ListedTask(Task):
    """A task over a list of records, of which some are chosen (see :func:`~neptune.tasks.base.choose`).

    Parameters and errors as for :func:`neptune.tasks.load`.
    """

    def __init__(
        self, data_dir: str | Path, num_samples: int | None = None, seed: int | None = None, split: str | None = None
    ) -> None:
        self.records, self.source = self.open(data_dir, split)
        self.samples = Samples(choose(len(self.records), num_samples, seed), self._sample)

    @abstractmethod
    def open(self, data_dir: str | Path, split: str | None) -> tuple[Sequence[Any], str]:
        """Return the records of a split, and what errors call the place that they come from.

        Raises
        ------
        DatasetError
            As for :func:`neptune.tasks.load`.
        """

    @abstractmethod
    def read(self, record: Any, draft: Draft, where: str) -> None:
        """Fill `draft` from a record; raise a :class:`DatasetError` where the sample can not be run."""

    def sample_id(self, index: int) -> str:
        """Return the sample's id for a record's place in the list, unique in it."""
        return f"{self.name}-{index:06d}"

    def place(self, index: int) -> str:
        """Return how errors name a record: its file and its place in the list, from 0."""
        return f"{self.source}, record {index}"

    def _sample(self, index: int) -> Sample:
        draft, problem = Draft(), None
        where = self.place(index)
        try:
            self.read(self.records[index], draft, where)
        except NeptuneError as error:
            problem = error
        except (OSError, ValueError, TypeError, KeyError, OverflowError) as error:
            problem = DatasetError(f"The record can not be read: {error!r}"[:300], where=where)
        if draft.program is None and draft.program_problem is None:
            draft.program_problem = DatasetError("The dataset has no gold programs", where=self.name, hint=NO_PROGRAMS)
        return Sample(
            id=self.sample_id(index),
            dataset=self.name,
            question=draft.question,
            picture=draft.picture,
            annotation=draft.annotation,
            program=draft.program,
            expected=draft.expected,
            family=draft.family,
            extra=draft.extra,
            problem=problem,
            annotation_problem=draft.annotation_problem,
            program_problem=draft.program_problem,
        )


def data_folder(data_dir: str | Path) -> Path:
    """Return `data_dir` as a folder that exists.

    Raises
    ------
    DatasetError
        If it does not.
    """
    root = Path(data_dir).expanduser()
    if not root.is_dir():
        raise DatasetError(
            "The data folder does not exist",
            where=str(root),
            hint="Set data_dir; --dry_run true says what to download and where to put it",
        )
    return root


def find_picture(root: Path, folders: Sequence[str], name: Any, where: str) -> Picture:
    """Return the picture `name` in the first of `folders` below `root` that holds it; it is not opened.

    Raises
    ------
    DatasetError
        If the name leads out of the folder: a dataset must not make the program read files elsewhere.
    """
    relative = Path(name) if isinstance(name, str) and name else None
    if relative is None or relative.is_absolute() or ".." in relative.parts or "\0" in str(name):
        raise DatasetError(
            f"The picture's name is {name!r}", where=where, expected="the name of a file in the data folder"
        )
    places = [root / folder / relative for folder in folders]
    return Picture(next((p for p in places if p.is_file()), places[0]))


def corners(box: Any, where: str, *, size: bool = True) -> list[float]:
    """Return a box as ``[x0, y0, x1, y1]``.

    Parameters
    ----------
    box
        ``[x, y, width, height]``, as in COCO's files, or with ``size=False`` the corners already.
    where
        What errors name.
    size
        Whether the last two numbers are width and height.

    Raises
    ------
    DatasetError
        If these are not four finite numbers, or the box has no area.
    """
    good = isinstance(box, Sequence | np.ndarray) and not isinstance(box, str) and len(box) == 4
    numbers = [float(v) for v in box] if good and all(_is_number(v) for v in box) else []
    if numbers and size:
        numbers = [numbers[0], numbers[1], numbers[0] + numbers[2], numbers[1] + numbers[3]]
    if not numbers or numbers[2] <= numbers[0] or numbers[3] <= numbers[1]:
        kind = "[x, y, width, height]" if size else "[x0, y0, x1, y1]"
        raise DatasetError(f"The box is {str(box)[:60]}", where=where, expected=f"{kind} with an area above 0")
    return numbers


def boxes_only(
    boxes: Sequence[Sequence[float]], size: tuple[float, float] | None, **attributes: Sequence[str]
) -> Annotation:
    """Return an annotation that knows where the objects are, and of `attributes` only those given.

    Boxes are cut to the picture's `size` (width, height) where it is known: COCO's reach a fraction of a pixel
    beyond it.
    """
    array = np.asarray(boxes, dtype=np.float32).reshape(-1, 4)
    if size is not None:
        array = np.clip(array, 0, np.array([*size, *size], dtype=np.float32))
    return Annotation({name: tuple(values) for name, values in attributes.items()}, {}, array)


def a_mapping(record: Any, where: str) -> Mapping[str, Any]:
    """Return the record, if it is an object with fields.

    Raises
    ------
    DatasetError
        If it is something else.
    """
    if not isinstance(record, Mapping):
        raise DatasetError(f"The record is no object but {type(record).__name__}", where=where)
    return record


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float | np.number) and not isinstance(value, bool) and bool(np.isfinite(value))
