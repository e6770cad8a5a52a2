"""``--dry_run true``: is everything there that a run needs? All that is not is listed at once, and nothing is run.

*Problems* would stop the run or spoil every sample; *notes* are worth knowing before it starts (a model that will be
downloaded, a run that will be resumed). The exit code is 2 with problems and 0 without.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from neptune import tasks
from neptune.cli.dryrun_models import check_engine, check_extra, check_model, check_servers
from neptune.config import Config
from neptune.config.find import FoundConfig
from neptune.config.read import examine_run
from neptune.errors import DatasetError, NeptuneError
from neptune.foreign import printable
from neptune.perception import registry
from neptune.runs.runner.preflight import Findings, Lacks, program_check
from neptune.tasks.sources import SOURCES

if TYPE_CHECKING:
    from neptune.tasks import Sample, Task

LOOKED_AT = 2000
"""Samples of a dataset that are looked at; of a larger one so many, evenly spread."""

BOXES = "docs/datasets.md says what a folder with boxes holds; CLEVR's own scenes have none"


def dry_run(path: str | FoundConfig, given: Mapping[str, Sequence[str]]) -> int:
    """Check everything that a command line asks for, print what was found, and return the exit code.

    Parameters as for :func:`neptune.config.read.read_run`. Where fields are wrong, the rest is checked all the same.

    Raises
    ------
    ConfigProblems
        If the file can not be read.
    """
    config, problems = examine_run(path, {field: words for field, words in given.items() if field != "dry_run"})
    found = Findings([f"config: {problem}" for problem in problems])
    if isinstance(config, Config):
        check(config, found)
    elif config is not None:
        check_task(config, found)
    for note in found.notes:
        print(printable(f"note: {note}"))
    for problem in found.problems:
        print(printable(f"error: {problem}"), file=sys.stderr)
    if found.problems:
        print(f"{path}: {len(found.problems)} problems, nothing was run", file=sys.stderr)
        return 2
    print(f"{path}: ready")
    return 0


def check(config: Config, found: Findings) -> None:
    """Add to `found` all that stands in the way of a run of `config`, whose fields are valid or left out."""
    check_engine(config, found)
    for dataset in config.datasets:
        if dataset in tasks.NAMES and config.data_dir is not None:
            check_dataset(config, dataset, found)
    if config.task == "ask":
        from neptune.scene.picture import Picture

        for picture in map(Picture, config.images):
            found.try_("image", partial(getattr, picture, "image"))
        if config.video is not None:
            found.try_("video", partial(_film, config))
    check_servers(config, found)
    if config.cluster is not None:
        check_extra("ray", "cluster", found)
    folder = config.folder("") / "config.json" if config.output_dir else None
    if folder is not None and folder.exists():
        found.notes.append(f"{folder.parent} holds a run already: it is resumed, unless --resume false")


def _film(config: Config) -> None:
    """Open the film, and look at its first frame."""
    from neptune.films import Film

    with Film(str(config.video), config.frames_per_second, config.most_frames) as film:
        _ = film.frame(0).image


# --- datasets ---


def check_dataset(config: Config, name: str, found: Findings) -> None:
    """Check that a dataset's files are there, that its records are whole, and that its pictures exist."""
    assert config.data_dir is not None
    try:
        task = config.load(name)
    except NeptuneError as error:
        found.problems.append(f"dataset {name}: {error.one_line()}")
        missing = not isinstance(error.__cause__, ImportError)
        if missing:
            found.notes.append(SOURCES[name].advice())
        return
    total = len(task.samples)
    step = max(1, -(-total // LOOKED_AT))
    samples = task.samples[::step]
    checks: dict[str, list[str]] = {"broken": [], "pictures": [], "programs": [], "annotations": []}
    lacks: Lacks = found.try_("program_cache_address", partial(program_check, config)) or (lambda *_: None)
    needs_truth = "scene" in (config.od_model, config.vlm_model_name, config.depth_model)
    for sample in samples:
        for kind, problem in _sample_problems(task, sample, lacks, needs_truth):
            checks[kind].append(problem)
    looked = f"{total} samples" if step == 1 else f"{len(samples)} of {total} samples looked at"
    for kind, problems in checks.items():
        if not problems:
            continue
        line = f"dataset {name}: {len(problems)} of {len(samples)} samples: {problems[0]}"
        # A few bad records end in their own lines; what is wrong with all is wrong with the run.
        (found.problems if len(problems) == len(samples) else found.notes).append(line)
        if kind == "pictures" and len(problems) == len(samples):
            found.notes.append(SOURCES[name].advice())
    found.notes.append(f"dataset {name}: {looked} in {config.data_dir}")


def _sample_problems(task: Task, sample: Sample, lacks: Lacks, needs_truth: bool) -> list[tuple[str, str]]:
    if sample.problem is not None:
        return [("broken", sample.problem.one_line())]
    problems = []
    path = sample.picture.path if sample.picture is not None else None
    if path is not None and not path.is_file():
        problems.append(("pictures", f"the picture does not exist ({path})"))
    missing = lacks(task, sample)
    if missing:
        problems.append(("programs", missing))
    if needs_truth and sample.annotation is None:
        why = sample.annotation_problem.one_line() if sample.annotation_problem else "there is no annotation"
        problems.append(("annotations", f"od_model, vlm_model_name or depth_model 'scene' needs it, and {why}"))
    return problems


# --- tasks with fields of their own ---


def check_task(config: Any, found: Findings) -> None:
    """Check the folders that a task reads, down to the first record of each, and its model's name and options.

    Parameters
    ----------
    config
        The model of one of :data:`neptune.config.MODELS`.
    found
        Takes what is wrong.
    """
    if config.task == "induce":
        from neptune.learn.induce.task import check as check_induction

        found.try_("induce", partial(check_induction, config))
        found.try_("vlm_model_name", partial(registry.check, "oracle", config.vlm_model_name, config.vlm_options))
        found.try_("od_model", partial(registry.check, "detector", config.od_model, config.od_options))
        return
    if config.task == "student":
        from neptune.learn.student.lessons import read_lessons

        found.try_("data", partial(read_lessons, [config.data] if isinstance(config.data, str) else config.data))
        if check_extra("finetune", "task student", found):
            check_model("oracle", config.vlm_model_name, config.vlm_options, found)
        return
    if config.task == "distil":
        run = found.try_("distil", partial(config.run_config, Path(config.output_dir or "experiments/distil")))
        if run is not None:
            check(run, found)
        return
    places = [("data_dir", config.data_dir, getattr(config, "split", None))]
    val_split = getattr(config, "val_split", None)
    if config.val_dir is not None or val_split is not None:
        places.append(("val_dir", config.val_dir or config.data_dir, val_split))
    for field, folder, split in places:
        if config.task == "train":
            found.try_(field, partial(_scenes, folder, config.follow_links))
            continue
        for name in [config.dataset] if isinstance(config.dataset, str) else config.dataset:
            found.try_(
                field, partial(_questions, name, folder, split, config.follow_links, boxed=config.task != "finetune")
            )
    if config.task in ("tune", "finetune"):
        model = partial(registry.check, "oracle", config.vlm_model_name, config.vlm_options)
        found.try_("vlm_model_name", model)
    if config.task == "finetune" and check_extra("finetune", "task finetune", found):
        check_model("oracle", config.vlm_model_name, config.vlm_options, found)


def _scenes(folder: Any, follow_links: bool) -> None:
    from neptune.learn.train.data import ClevrFolder

    ClevrFolder(folder, limit=1, follow_links=follow_links)


def _questions(name: str, folder: Any, split: str | None, follow_links: bool, *, boxed: bool) -> None:
    sample = tasks.load(name, folder, 1, split=split, follow_links=follow_links).samples[0]
    sample.check()
    if boxed and not len(sample.truth()):
        raise DatasetError("The first scene has no boxes", where=str(folder), hint=BOXES)
