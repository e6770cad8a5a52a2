"""Tasks whose records are a list: what a reader fills in, and how a bad record becomes its own sample's problem."""

from __future__ import annotations

import re
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from neptune.errors import DatasetError, NeptuneError
from neptune.files import below, trusted
from neptune.scene import Annotation
from neptune.scene.picture import Picture
from neptune.tasks.base import Sample, Samples, Task, choose
from neptune.tasks.json_files import Twice, shallow
from neptune.tasks.reading import FARTHEST, shown

LONGEST = 20_000
"""Characters of a question."""

_UNREADABLE = (
    (OSError, ValueError, TypeError, LookupError, AttributeError, ArithmeticError)
    + (RecursionError, MemoryError)
)  # fmt: skip
"""What a foreign record makes of the code that reads it."""

_TEST = re.compile(r"(?:^|[_\W])(?:test|testdev|submission|challenge)(?:$|[_\W]|[A-Z])", re.ASCII)
"""Splits whose answers are not published, by their names: ``test``, ``testA``, ``submission_all``."""

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
        self,
        data_dir: str | Path,
        num_samples: int | None = None,
        seed: int | None = None,
        split: str | None = None,
        follow_links: bool = False,
    ) -> None:
        self.follow_links = follow_links
        self.records, self.source = self.open(data_dir, split)
        self.hides_answers = self.hidden(self.records, split, self.source)
        """Whether a record without an answer is no mistake here."""
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

    @staticmethod
    def answered(record: Any) -> bool:
        """Tell whether a record says what is right."""
        return isinstance(record, Mapping) and record.get("answer") is not None

    def hidden(self, records: Sequence[Any], split: str | None, source: str) -> bool:
        """Tell whether a split keeps its answers to itself: its name says so, or not one record has one.

        Such samples are answered and not judged. In any other split a record without an answer is wrong.
        """
        file = source if source.endswith((".json", ".jsonl")) else ""
        return bool(_TEST.search(split or "") or _TEST.search(file)) or not any(map(self.answered, records))

    def unanswered(self, record: Any) -> bool:
        """Tell whether a record has no answer, and need not have one."""
        return self.hides_answers and not self.answered(record)

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
            shallow([draft.extra, draft.expected], where)
            if len(draft.question) > LONGEST:
                raise DatasetError(
                    f"The question has {len(draft.question):,} characters", where=where, expected=f"at most {LONGEST:,}"
                )
        except NeptuneError as error:
            problem = error
        except _UNREADABLE as error:
            problem = DatasetError(f"The record can not be read: {error!r}"[:300], where=where)
        if problem is not None:
            draft = _presentable(draft)
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


def find_picture(
    root: Path, folders: Sequence[str], name: Any, where: str, *, named: Path | None = None, follow_links: bool = False
) -> Picture:
    """Return the picture `name` in the first of `folders` below `root` that holds it; it is not opened.

    Parameters
    ----------
    root
        The dataset's folder.
    folders
        Where to look, seen from there; ``../images`` looks beside it.
    name
        What the record says.
    where
        What errors name.
    named
        The folder that the user named, if that is not `root` but one above.
    follow_links
        Whether links may lead out of it.

    Raises
    ------
    DatasetError
        If the name, or a link, leads out of the folder: a dataset must not make the program read files elsewhere.
    """
    found = None
    for folder in folders:
        base = Path(root.resolve(), folder) if folder.startswith("..") else root / folder
        path = below(base, name, where, what="picture", follow_links=True)  # the name alone; where it leads comes next
        if path.is_file():
            found = path
            break
        found = found or path
    assert found is not None
    # What lies beside the dataset is as much the user's as the dataset.
    beside = [root.resolve().parent] if any(f.startswith("..") for f in folders) else []
    return Picture(trusted(found, [named or root, *beside], where, follow_links=follow_links))


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
        If these are not four numbers within :data:`~neptune.tasks.reading.FARTHEST`, or the box has no area (in single
        precision, which all computing is in).
    """
    good = isinstance(box, list | tuple | np.ndarray) and len(box) == 4
    numbers = [float(v) for v in box] if good and all(map(_is_number, box)) else []
    if numbers and size:
        numbers = [numbers[0], numbers[1], numbers[0] + numbers[2], numbers[1] + numbers[3]]
    single = np.array(numbers, dtype=np.float32) if all(map(_is_number, numbers)) else np.zeros(0)
    if not len(single) or single[2] <= single[0] or single[3] <= single[1]:
        kind = "[x, y, width, height]" if size else "[x0, y0, x1, y1]"
        raise DatasetError(f"The box is {shown(box)}", where=where, expected=f"{kind} with an area above 0")
    return numbers


def objects_of(boxes: Mapping[Any, Any] | Sequence[Any], where: str, *, size: bool = True) -> dict[Any, list[float]]:
    """Return the corners of the boxes that are boxes, by key or place: an object without area can not be found either.

    Parameters are those of :func:`corners`.
    """
    found = {}
    for key, box in boxes.items() if isinstance(boxes, Mapping) else enumerate(boxes):
        try:
            found[key] = corners(box, where, size=size)
        except DatasetError:
            continue
    return found


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


def picture_size(record: Mapping[str, Any]) -> tuple[float, float] | None:
    """Return ``(width, height)`` of a record, in pixels; ``None`` where it does not say, or nothing that can be."""
    width, height = record.get("width"), record.get("height")
    if not _is_number(width) or not _is_number(height) or width <= 0 or height <= 0:  # type: ignore[operator]
        return None
    return float(width), float(height)  # type: ignore[arg-type]


def an_id(value: Any, where: str, what: str = "id") -> int | str:
    """Return an id, if it is a whole number or a text.

    Raises
    ------
    DatasetError
        If it is something else: of a list no other record can say that it means it.
    """
    if isinstance(value, Twice | bool) or not isinstance(value, int | str):
        raise DatasetError(f"The {what} is {shown(value)}", where=where, expected="a whole number or a text")
    return value


def a_mapping(record: Any, where: str) -> Mapping[str, Any]:
    """Return the record, if it is an object with fields.

    Raises
    ------
    DatasetError
        If it is something else, or its key is given twice.
    """
    if isinstance(record, Twice):
        raise DatasetError("The record is given twice", where=where, expected="once")
    if not isinstance(record, Mapping):
        raise DatasetError(f"The record is no object but {type(record).__name__}", where=where)
    return record


def _is_number(value: Any) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float | np.number):
        return False
    return abs(value) <= FARTHEST  # of NaN false; and no number is too large to be compared


def _presentable(draft: Draft) -> Draft:
    """Return what is known of a record that can not be run, as far as it can be written down."""
    return replace(draft, question=draft.question[:LONGEST], expected=None, extra={})
