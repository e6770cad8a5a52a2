"""The lock of a run folder, which dies with its process."""

from __future__ import annotations

import os
from pathlib import Path

from neptune.errors import ConfigError
from neptune.saving import write_error


def missing_folders(path: Path) -> list[Path]:
    """Return the folders that have to be made for `path` to be there, outermost first."""
    missing: list[Path] = []
    for folder in (path, *path.parents):
        if folder.exists():
            break
        missing.insert(0, folder)
    return missing


def lock(path: Path) -> int:
    """Lock a folder, which is made if missing; return the descriptor that holds the lock."""
    while True:
        try:
            path.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(path / ".lock", os.O_RDWR | os.O_CREAT, 0o644)
        except OSError as error:
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
            raise ConfigError(
                f"Another run{f' (process {owner})' if owner else ''} is writing this folder",
                where=str(path),
                hint="Wait for it, or choose another --output_dir",
            ) from None
        except OSError as error:
            os.close(descriptor)
            raise write_error(error, path / ".lock", "The run folder") from error
        try:
            if os.path.samestat(os.fstat(descriptor), os.stat(path / ".lock")):
                os.ftruncate(descriptor, 0)
                os.write(descriptor, f"{os.getpid()}\n".encode())
                return descriptor
        except FileNotFoundError:
            pass
        except OSError as error:
            os.close(descriptor)
            raise write_error(error, path / ".lock", "The run folder") from error
        os.close(descriptor)  # a run that was refused took its folder away just now
