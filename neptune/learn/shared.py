"""What all training tasks share: progress on the terminal, threads, checkpoints, the commit they were run at."""

from __future__ import annotations

import contextlib
import io
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

from neptune.errors import ConfigError, NeptuneError
from neptune.saving import RESUME, write_whole

Progress = Callable[[str, float, str], None]
"""Called with the part's name, the share done in [0, 1] and a short message."""


def hold_out(pictures: int, holdout: int, seed: int) -> tuple[list[int], list[int]]:
    """Return the indices of the pictures held out, and of those trained on, shuffled by a seed.

    Raises
    ------
    ConfigError
        If no picture is left to train on.
    """
    if holdout >= pictures:
        raise ConfigError(
            f"{holdout} pictures are held out of {pictures}", where="holdout", expected=f"fewer than {pictures}"
        )
    shuffled = np.random.default_rng(seed).permutation(pictures).tolist()
    return shuffled[:holdout], shuffled[holdout:]


def save_checkpoint(path: Path, content: dict[str, Any]) -> None:
    """Write a checkpoint so that a kill leaves the old or the new one, never half of one."""
    whole = io.BytesIO()  # torch.save hides what a disk says behind an error of its own
    torch.save(content, whole)
    write_whole(path, whole.getvalue(), "The checkpoint", RESUME)


def load_checkpoint(path: Path, device: torch.device | str = "cpu") -> dict[str, Any] | None:
    """Return what a checkpoint holds; ``None`` if there is none.

    Raises
    ------
    NeptuneError
        If it can not be read.
    """
    if not path.is_file():
        return None
    try:
        content: dict[str, Any] = torch.load(path, map_location=device, weights_only=True)
    except Exception as error:  # torch, pickle and zip each raise their own
        raise NeptuneError(
            f"The checkpoint can not be read: {error}", where=str(path), hint="Remove it to begin anew"
        ) from error
    return content


@contextlib.contextmanager
def threads(count: int | None) -> Iterator[int]:
    """Let PyTorch use so many CPU threads within (``None``: as many as before), and say how many they are."""
    before = torch.get_num_threads()
    torch.set_num_threads(count or before)
    try:
        yield count or before
    finally:
        torch.set_num_threads(before)


def commit() -> str:
    """Return the git commit of this checkout, or ``""``."""
    try:
        run = subprocess.run(
            ["git", "rev-parse", "HEAD"], cwd=Path(__file__).parent, capture_output=True, text=True, timeout=5
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return run.stdout.strip() if run.returncode == 0 else ""


@contextlib.contextmanager
def shown(progress: Progress | None) -> Iterator[Progress]:
    """Give the caller's progress function, or one that moves a bar on the terminal."""
    if progress is not None:
        yield progress
        return
    from rich.progress import BarColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    columns = (TextColumn("{task.description:9}"), BarColumn(), TextColumn("{task.fields[message]}"))
    with Bar(*columns, TimeElapsedColumn(), TimeRemainingColumn()) as bar:
        tasks: dict[str, Any] = {}

        def report(part: str, share: float, message: str) -> None:
            if part not in tasks:
                tasks[part] = bar.add_task(part, total=1.0, message="")
            bar.update(tasks[part], completed=share, message=message)

        yield report
