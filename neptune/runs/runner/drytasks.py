"""The dry run of tasks with fields of their own: do they find what they train and tune on, and their model?"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from neptune import tasks
from neptune.errors import DatasetError
from neptune.perception import registry

if TYPE_CHECKING:
    from neptune.runs.runner.dryrun import Findings

MEND = "docs/datasets.md says what a folder with boxes holds; CLEVR's own scenes have none"


def check_task(config: Any, found: Findings) -> None:
    """Check the folders that a task reads, down to the first record of each, and its model's name and options.

    Parameters
    ----------
    config
        The model of one of :data:`neptune.config.MODELS`.
    found
        Takes what is wrong.
    """
    places = [("data_dir", config.data_dir, getattr(config, "split", None))]
    val_split = getattr(config, "val_split", None)
    if config.val_dir is not None or val_split is not None:
        places.append(("val_dir", config.val_dir or config.data_dir, val_split))
    for field, folder, split in places:
        if config.task == "train":
            found.try_(field, partial(_scenes, folder))
            continue
        for name in [config.dataset] if isinstance(config.dataset, str) else config.dataset:
            found.try_(field, partial(_questions, name, folder, split, boxed=config.task != "finetune"))
    if config.task in ("tune", "finetune"):
        model = partial(registry.check, "oracle", config.vlm_model_name, config.vlm_options)
        found.try_("vlm_model_name", model)


def _scenes(folder: Any) -> None:
    from neptune.learn.train.data import ClevrFolder

    ClevrFolder(folder, limit=1)


def _questions(name: str, folder: Any, split: str | None, *, boxed: bool) -> None:
    sample = tasks.load(name, folder, 1, split=split).samples[0]
    sample.check()
    if boxed and not len(sample.truth()):
        raise DatasetError("The first scene has no boxes", where=str(folder), hint=MEND)
