"""Tasks whose records are a list: what a reader fills in, and how a bad record becomes its own sample's problem."""

from __future__ import annotations

import re
from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from neptune.errors import DatasetError, NeptuneError
from neptune.files import below, trusted
from neptune.scene import Annotation
from neptune.scene.picture import Picture
from neptune.tasks.base import Sample, Samples, Task, choose
from neptune.tasks.json_files import Refused, Twice, shallow, shown

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
    group: str = ""
    film: Path | None = None


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

    def sample_ids(self) -> Iterator[str]:
        """Yield the ids of the samples, in order; no record is read, no program translated."""
        if isinstance(self.samples, Samples):
            return (str(self.sample_id(index)) for index in self.samples.indices)
        return super().sample_ids()

    def place(self, index: int) -> str:
        """Return how errors name a record: its file and its place in the list, from 0."""
        return f"{self.source}, record {index}"

    def _sample(self, index: int) -> Sample:
        draft, problem = Draft(), None
        where = self.place(index)
        try:
            self.read(self.records[index], draft, where)
            if isinstance(self.records[index], Mapping) and "tests" in self.records[index]:
                draft.extra["tests"] = self.records[index]["tests"]
            shallow([draft.extra, draft.expected], where)
            if not draft.question.strip():
                raise DatasetError("The question is empty", where=where, expected="words")
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
            group=draft.group,
            film=draft.film,
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
    places = [(folder, root.resolve() / folder if folder.startswith("..") else root / folder) for folder in folders]
    # The name alone is checked here; where it leads comes next.
    paths = [(folder, below(base, name, where, what="picture", follow_links=True)) for folder, base in places]
    folder, path = next(((f, p) for f, p in paths if p.is_file()), paths[0])
    roots = [named or root]
    if folder.startswith(".."):
        # What lies beside the dataset is as much the user's as the dataset; a link there may not lead out of it either.
        beside = root.resolve().parent
        trusted(path, [beside], where, follow_links=follow_links)
        roots = [beside / Path(folder).parts[1]]
    return Picture(trusted(path, roots, where, follow_links=follow_links))


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
    if isinstance(record, Refused):
        raise DatasetError(f"The record was not read: {record.why}", where=where)
    if not isinstance(record, Mapping):
        raise DatasetError(f"The record is no object but {type(record).__name__}", where=where)
    return record


def _presentable(draft: Draft) -> Draft:
    """Return what is known of a record that can not be run, as far as it can be written down."""
    return replace(draft, question=draft.question[:LONGEST], expected=None, extra={})
