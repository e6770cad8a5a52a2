"""The lock of a folder that one process at a time writes; it dies with its process."""

from __future__ import annotations

import functools
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar, cast

from neptune.errors import ConfigError, WriteError
from neptune.saving import write_error

LOCK = ".lock"
WAIT_SECONDS = 60.0
"""How long to wait for another process where writing is short."""
_LOOK_SECONDS = 0.05
_TRIES = 100
_NO_LINK = getattr(os, "O_NOFOLLOW", 0)  # the folder may be another's, and the lock is written to

Task = TypeVar("Task", bound=Callable[..., Any])


@contextmanager
def held(path: Path, seconds: float = 0.0) -> Iterator[None]:
    """Hold a folder's lock. Folders that had to be made, and in which nothing is at the end, are taken away.

    Parameters
    ----------
    path
        The folder; made where it is missing.
    seconds
        How long to wait for another process.

    Raises
    ------
    ConfigError
        If another process holds it, or the folder can not be written.
    """
    descriptor, made = lock_made(path, seconds)
    try:
        yield
    finally:
        with suppress(OSError):
            (path / LOCK).unlink()  # who waits for it sees that it is gone, and makes another
        os.close(descriptor)
        remove_empty(made)


def alone(task: Task) -> Task:
    """Let one process at a time run a task in its folder, its second argument `output_dir`; another is refused."""

    @functools.wraps(task)
    def run(config: Any, output_dir: str | Path, *args: Any, **options: Any) -> Any:
        with held(Path(output_dir)):
            return task(config, output_dir, *args, **options)

    return cast(Task, run)


def remove_empty(folders: list[Path]) -> None:
    """Take away folders in which nothing is; they are given outermost first."""
    for folder in reversed(folders):
        with suppress(OSError):
            folder.rmdir()


def missing_folders(path: Path) -> list[Path]:
    """Return the folders that have to be made for `path` to be there, outermost first."""
    missing: list[Path] = []
    for folder in (path, *path.parents):
        if folder.exists():
            break
        missing.insert(0, folder)
    return missing


def lock_made(path: Path, seconds: float = 0.0) -> tuple[int, list[Path]]:
    """Lock a folder; return the lock's descriptor and the folders that were made. Where it fails none of them stays.

    Parameters and errors as of :func:`lock`.
    """
    made = missing_folders(path)
    try:
        return lock(path, seconds), made
    except BaseException as error:
        if made and isinstance(error, WriteError):
            with suppress(OSError):
                (path / LOCK).unlink()
        remove_empty(made)
        raise


def lock(path: Path, seconds: float = 0.0) -> int:
    """Lock a folder, which is made if missing; return the descriptor that holds the lock.

    Raises
    ------
    ConfigError
        If another process holds it, and goes on to for so many `seconds`; or the folder can not be written.
    """
    deadline, tries = time.monotonic() + seconds, 0
    while True:
        try:
            path.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(path / LOCK, os.O_RDWR | os.O_CREAT | _NO_LINK, 0o644)
        except OSError as error:
            if isinstance(error, FileNotFoundError | FileExistsError) and tries < _TRIES:
                tries += 1
                continue  # whoever held it took the folder away just then
            raise ConfigError(
                f"The run folder can not be written: {error.strerror}",
                where=str(path),
                hint="Choose another --output_dir",
            ) from error
        try:
            # The system drops the lock when the process dies, however it dies: no stale locks.
            import fcntl

            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except ImportError:
            return descriptor  # no such locks on this system (Windows)
        except BlockingIOError:
            owner = os.read(descriptor, 32).decode("ascii", "replace").strip()
            os.close(descriptor)
            if time.monotonic() < deadline:
                time.sleep(_LOOK_SECONDS)
                continue
            raise ConfigError(
                f"Another run{f' (process {owner})' if owner else ''} is writing this folder",
                where=str(path),
                hint="Wait for it, or choose another --output_dir",
            ) from None
        except OSError as error:
            os.close(descriptor)
            raise write_error(error, path / LOCK, "The run folder") from error
        try:
            if os.path.samestat(os.fstat(descriptor), os.stat(path / LOCK)):
                os.ftruncate(descriptor, 0)
                os.write(descriptor, f"{os.getpid()}\n".encode())
                return descriptor
        except FileNotFoundError:
            pass
        except OSError as error:
            os.close(descriptor)
            raise write_error(error, path / LOCK, "The run folder") from error
        os.close(descriptor)  # whoever held it took it away just now
