"""Datasets: questions with pictures, gold programs, and judges of answers. One file a family."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from pkgutil import resolve_name
from typing import TYPE_CHECKING

from neptune.errors import ConfigError, one_of

if TYPE_CHECKING:
    from neptune.tasks.base import Sample as Sample
    from neptune.tasks.base import Task as Task

REGISTRY = {
    "clevr": "neptune.tasks.clevr.clevr:Clevr",
    "clevr-refexps": "neptune.tasks.clevr.refexps:ClevrRefExps",
    "clevr-puzzle": "neptune.tasks.clevr.puzzle:ClevrPuzzle",
    "clevr-rpm": "neptune.tasks.clevr.rpm:ClevrRpm",
    "clevr-humans": "neptune.tasks.clevr.humans:ClevrHumans",
    "refcoco": "neptune.tasks.referring.refcoco:RefCoco",
    "refcoco+": "neptune.tasks.referring.refcoco:RefCocoPlus",
    "refcocog": "neptune.tasks.referring.refcoco:RefCocoG",
    "refgta": "neptune.tasks.referring.refcoco:RefGta",
    "refadv": "neptune.tasks.referring.refadv:RefAdv",
    "gqa": "neptune.tasks.gqa:Gqa",
    "gqa-normalised": "neptune.tasks.vqa.gqa_words:GqaNormalised",
    "okvqa": "neptune.tasks.vqa.okvqa:OkVqa",
    "nextqa": "neptune.tasks.vqa.nextqa:NextQa",
    "nlvr": "neptune.tasks.nlvr:Nlvr",
    "nlvr-pictures": "neptune.tasks.nlvr:NlvrPictures",
    "vstar": "neptune.tasks.detail.vstar:VStar",
    "vlmsareblind": "neptune.tasks.detail.blind:VlmsAreBlind",
    "folder": "neptune.tasks.folder:PictureFolder",
}
"""Task name → ``"module:Class"``, loaded on first use."""

NAMES = tuple(REGISTRY)
"""The names that :func:`load` knows."""


def load(
    name: str,
    data_dir: str | Path,
    num_samples: int | None = None,
    seed: int | None = None,
    split: str | None = None,
    follow_links: bool = False,
    fetch_pictures: bool = False,
) -> Task:
    """Load a dataset.

    Parameters
    ----------
    name
        One of :data:`NAMES`.
    data_dir
        A folder in the dataset's official layout (``docs/datasets.md``); for CLEVR's tasks also a flat one
        (``images/``, ``scenes.json``, ``questions.json``, …); ``hf:owner/name`` where it lives on Hugging Face.
    num_samples
        How many questions; ``None`` for all. The first ones, or with a `seed` a random subset.
    seed
        Fixes the random subset.
    split
        ``"train"``, ``"val"``, … where the folder holds several.
    follow_links
        Whether symbolic links below `data_dir` may lead out of it.
    fetch_pictures
        Whether pictures that are http(s) addresses are fetched, when they are looked at; only ``folder`` has such.

    Raises
    ------
    ConfigError
        If the name is unknown, `num_samples` is below 1, or pictures are to be fetched of another dataset.
    DatasetError
        If a file that the task needs is missing, unreadable, or not of the expected form. A single bad record
        is not an error here: it becomes its sample's ``problem``.
    """
    if name not in REGISTRY:
        raise ConfigError(f"Unknown dataset {name!r}", where="dataset", **one_of(str(name).replace("_", "-"), NAMES))
    make = resolve_name(REGISTRY[name])
    if fetch_pictures and not make.may_fetch:
        raise ConfigError(
            f"The pictures of dataset '{name}' are files", where="fetch_pictures", hint="It goes with dataset folder"
        )
    task: Task = make(data_dir, num_samples=num_samples, seed=seed, split=split, follow_links=follow_links)
    task.fetch_pictures = fetch_pictures  # a sample, with its picture, is made when it is asked for
    return task


def presuppositions_of(dataset: str, choice: str = "auto") -> str:
    """Return what becomes of answers that speak of something that is not there: ``"abstain"`` or ``"answer"``.

    With the choice ``"auto"`` they are given where the task must point to an object, or to several.
    """
    if choice != "auto":
        return choice
    points = dataset in REGISTRY and resolve_name(REGISTRY[dataset]).points
    return "answer" if points else "abstain"


def __getattr__(attribute: str) -> object:
    if attribute in ("Sample", "Samples", "Task"):
        return getattr(import_module("neptune.tasks.base"), attribute)
    raise AttributeError(f"module {__name__!r} has no attribute {attribute!r}")
