"""The questions that a certificate is calibrated on."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

from neptune.config import Config
from neptune.engine import Engine
from neptune.errors import ModelFailedError, NeptuneError
from neptune.learn.certify.decisions import Asked
from neptune.learn.shared import Progress
from neptune.runs.runner.programs import Programs
from neptune.tasks import presuppositions_of


def families_of(questions: Sequence[Asked]) -> dict[str, list[str]]:
    """Return the families of questions by dataset."""
    families: dict[str, set[str]] = defaultdict(set)
    for question in questions:
        families[question.dataset].add(question.family)
    return {name: sorted(found) for name, found in sorted(families.items())}


def questions_of(config: Config, engine: Engine, report: Progress) -> Iterator[Asked]:
    """Yield the questions of the datasets, each with its program and scene; what is wrong with one leaves it out.

    Raises
    ------
    ModelFailedError
        If the writer of programs or the detector fails, whatever it is asked.
    """
    loaded = [config.load(dataset) for dataset in config.datasets]
    total, needs_truth = sum(len(task.samples) for task in loaded), "scene" in (config.od_model, config.vlm_model_name)
    with Programs(config) as programs:
        samples = programs.ahead((task, sample) for task in loaded for sample in task.samples)
        for count, (task, sample, write) in enumerate(samples, start=1):
            report("questions", count / total, f"{count:,} of {total:,}")
            try:
                sample.check()
                program = write().program
                annotation = sample.truth() if needs_truth else sample.annotation
                scene = engine.scene(sample.picture, annotation, engine.labels(program))
            except ModelFailedError:
                raise
            except NeptuneError:
                continue
            policy = presuppositions_of(sample.dataset, engine.context.presuppositions)
            picture = scene.name if sample.picture is None else sample.picture.name
            yield Asked(picture, task.name, sample.family, program, scene, policy, sample.inputs(), task, sample)
