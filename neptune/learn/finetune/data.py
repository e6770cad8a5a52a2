"""Questions to fine-tune on: the program, the boxes (annotated or detected) and the right answer on those boxes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import dsl
from neptune.config import Config
from neptune.errors import DatasetError, ModelFailedError, NeptuneError
from neptune.learn.finetune.targets import Target, target_of
from neptune.learn.finetune.training_examples import TrainingExample, variables
from neptune.runs.runner.programs import Programs
from neptune.scene import Scene, iou
from neptune.scene.picture import Picture
from neptune.tasks.base import Task
from neptune.tasks.referring.pointing import THRESHOLD, PointingTask

if TYPE_CHECKING:
    from neptune.engine import Engine
    from neptune.tasks import Sample, Task


@dataclass(frozen=True, slots=True, eq=False)
class Item:
    """A question on its scene."""

    example: TrainingExample
    scene: Scene


@dataclass(frozen=True, slots=True)
class Questions:
    """The questions of datasets.

    Parameters
    ----------
    items
        Those that can be used.
    problems
        One line for each that can not.
    lost
        How many of them have a right answer that no box of the detector overlaps: wrong, whatever the model says.
    """

    items: list[Item]
    problems: list[str]
    lost: int = 0


class LostObjectError(DatasetError):
    """No box of the scene overlaps the object that should be pointed to."""


def read_questions(config: Config, engine: Engine) -> Questions:
    """Read questions with their programs and scenes.

    Parameters
    ----------
    config
        Dataset, programs (gold, cached, or written by a model) and detector.
    engine
        Whose detector finds the objects.

    Raises
    ------
    NeptuneError
        If a file can not be read, or no question can be used.
    """
    scenes: dict[tuple[str, tuple[str, ...]], Scene] = {}
    items: list[Item] = []
    problems: list[str] = []
    lost = 0
    loaded = [config.load(dataset) for dataset in config.datasets]
    pairs = [(task, sample) for task in loaded for sample in task.samples]
    with Programs(config) as programs:
        for task, sample, write in programs.ahead(pairs):
            try:
                program = write().program
                labels = engine.labels(program)
                key = (_picture(sample), labels)
                if key not in scenes:
                    annotation = sample.truth() if config.od_model == "scene" else sample.annotation
                    scenes[key] = closed(engine.scene(sample.picture, annotation, labels))
                target = target_on(task, sample, scenes[key])
                example = TrainingExample(sample.id, sample.family, program, target, variables(program))
                items.append(Item(example, scenes[key]))
            except LostObjectError as error:
                lost += 1
                problems.append(f"{sample.id}: {error.one_line()}")
            except ModelFailedError:
                raise
            except (NeptuneError, dsl.ProgramError) as error:
                problems.append(f"{sample.id}: {error.one_line()}")
    if not items:
        raise DatasetError(
            "No question can be trained on",
            where=str(config.data_dir),
            expected="questions with programs, boxes and answers",
            hint=problems[0] if problems else "",
        )
    return Questions(items, problems, lost)


def target_on(task: Task, sample: Sample, scene: Scene) -> Target:
    """Return the right answer of a sample on the boxes of a scene.

    Where an object should be pointed to, it is the box that overlaps the true one most, and every other with an
    IoU ≥ 0.5 counts as right too, as it does for the dataset's judge.

    Raises
    ------
    LostObjectError
        If no box overlaps the true one that much.
    DatasetError
        If the sample expects something that a soft answer can not be.
    """
    if not isinstance(task, PointingTask) or sample.expected is None:
        return target_of(sample)
    overlaps = iou(scene.boxes, task.target(sample))[:, 0]
    fits = [int(i) for i in overlaps.argsort()[::-1] if overlaps[i] >= THRESHOLD]
    if not fits:
        raise LostObjectError(
            "No box overlaps the object meant", where=sample.id, hint="Lower the detector's threshold"
        )
    return Target("object", fits[0], tuple(fits[1:]))


def closed(scene: Scene) -> Scene:
    """Return a scene whose picture is not decoded: thousands of them are held, and a few are looked at."""
    picture = scene.picture
    if picture is None or picture.path is None:
        return scene
    return replace(scene, picture=Picture(picture.path))


def opened(items: Sequence[Item]) -> list[tuple[str, Scene]]:
    """Return programs with scenes of their own, one for each picture, whose pixels are let go with them."""
    own = {id(item.scene): closed(item.scene) for item in items}
    return [(item.example.program, own[id(item.scene)]) for item in items]


def _picture(sample: Sample) -> str:
    picture = sample.picture
    return str(picture.path) if picture is not None and picture.path else f"id {id(picture)}"
