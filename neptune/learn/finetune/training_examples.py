"""Questions by picture, with how hard they are: easy ones teach first (a curriculum, as Mao et al. 2019 do)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

import dsl
from dsl.syntax import ast
from neptune import tasks
from neptune.errors import DatasetError, NeptuneError
from neptune.learn.finetune.targets import Target, target_of
from neptune.scene import Annotation, Scene
from neptune.scene.picture import Picture


@dataclass(frozen=True, slots=True)
class TrainingExample:
    """One question: its program, the right answer, and how many variables the program binds."""

    id: str
    family: str
    program: str
    target: Target
    difficulty: int


class Holder(Protocol):
    """Something that holds the questions of a picture."""

    examples: list[TrainingExample]


Kept = TypeVar("Kept", bound=Holder)


@dataclass(eq=False)
class PictureExamples:
    """A picture with its boxes, and the questions about it."""

    scene: Scene
    examples: list[TrainingExample] = field(default_factory=list)

    def up_to(self, difficulty: int | None) -> list[TrainingExample]:
        """Return the questions whose programs bind at most so many variables; ``None``: all."""
        return [e for e in self.examples if difficulty is None or e.difficulty <= difficulty]


def read_training_examples(
    datasets: Sequence[str], data_dir: str, limit: int | None = None, *, follow_links: bool = False
) -> tuple[list[PictureExamples], list[str]]:
    """Read questions with gold programs and annotated boxes; attributes of objects are not looked at.

    Parameters
    ----------
    datasets
        Names of CLEVR tasks.
    data_dir
        Their folder.
    limit
        At most so many pictures.
    follow_links
        Whether links below `data_dir` may lead out of it.

    Returns
    -------
    tuple
        One item a picture, in the order of the files; and one line for each record that can not be used.

    Raises
    ------
    DatasetError
        If no question can be used.
    """

    def boxes_only(picture: Picture, truth: Annotation) -> PictureExamples:
        # What the objects are is not there to be seen.
        return PictureExamples(Scene(truth.boxes, picture.size, picture=picture))

    return read_by_picture(datasets, data_dir, boxes_only, limit, follow_links=follow_links)


def read_by_picture(
    datasets: Sequence[str],
    data_dir: str,
    make: Callable[[Picture, Annotation], Kept],
    limit: int | None,
    *,
    follow_links: bool = False,
) -> tuple[list[Kept], list[str]]:
    """Read questions with gold programs about annotated pictures, and gather them by picture.

    Parameters
    ----------
    datasets, data_dir, limit, follow_links
        As of :func:`read_training_examples`.
    make
        Makes what holds the questions of a picture, from the picture and its annotation.

    Returns
    -------
    tuple
        What was made for each picture, with its questions, in the order of the files; and one line for each record
        that can not be used.

    Raises
    ------
    DatasetError
        If no question can be used.
    """
    found: dict[str, Kept] = {}
    problems: list[str] = []
    for name in datasets:
        for sample in tasks.load(name, data_dir, follow_links=follow_links).samples:
            try:
                sample.check()
                program, truth = sample.gold(), sample.truth()
                example = TrainingExample(sample.id, sample.family, program, target_of(sample), variables(program))
                assert sample.picture is not None  # the sample was checked
                key = str(sample.picture.path)
                if key not in found:
                    if limit is not None and len(found) >= limit:
                        continue
                    found[key] = make(sample.picture, truth)
            except (NeptuneError, dsl.ProgramError) as error:
                problems.append(f"{sample.id}: {error.one_line()}")
                continue
            found[key].examples.append(example)
    if not found:
        raise DatasetError(
            "No question can be used",
            where=data_dir,
            expected="questions with gold programs and annotated boxes",
            hint=problems[0] if problems else "",
        )
    return list(found.values()), problems


def variables(program: str) -> int:
    """Return how many variables a program binds: the number of its lambdas' parameters."""
    return sum(len(node.params) for node in ast.walk(dsl.parse(program)) if isinstance(node, ast.Lambda))
