"""Files that are kept: each is replaced whole or not at all, and grows by whole lines.

Disks fill, network folders go away, devices fail. Whatever the system says then, at whichever step, is one
:class:`neptune.errors.WriteError`; no temporary file stays, and what was there before is there still.
"""

from __future__ import annotations

import io
import itertools
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from neptune.errors import WriteError

RESUME = "Make room, or mend the disk; then give the same command again: it resumes"
"""A hint for what a run writes."""

_NUMBERS = itertools.count()
"""Of temporary files: threads may replace the same file at once."""


def _temporary(path: Path) -> Path:
    return path.with_name(f".{path.name}.{os.getpid()}-{next(_NUMBERS)}.tmp")


@contextmanager
def replacing(
    path: str | Path, what: str = "The file", hint: str = "Make room, or choose another place"
) -> Iterator[BinaryIO]:
    """Give a file to write to, which takes the place of `path` when the block ends well.

    A reader sees the old content or the new one, never half of it. Folders on the way are made.

    Parameters
    ----------
    path
        The file to write.
    what, hint
        What it is called in the error, and what to do about one.

    Raises
    ------
    WriteError
        If the system refuses any step: making, writing, forcing to the disk, closing, renaming.
    """
    path = Path(path)
    temporary = _temporary(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(temporary, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException as error:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise write_error(error, path, what, hint) from error
        raise


@contextmanager
def replacing_files(
    folder: str | Path, what: str = "The files", hint: str = "Make room, or choose another place"
) -> Iterator[Path]:
    """Give an empty folder for somebody else's code to write into: a library that names its own files.

    When the block ends well they take their places in `folder`, one by one, each whole; what else is there stays.
    Parameters and errors as of :func:`replacing`.
    """
    folder = Path(folder)
    temporary = _temporary(folder)
    try:
        temporary.mkdir(parents=True)
        yield temporary
        written = sorted(path for path in temporary.rglob("*") if path.is_file())
        for path in written:
            with open(path, "rb") as file:
                os.fsync(file.fileno())
        for path in written:
            place = folder / path.relative_to(temporary)
            place.parent.mkdir(parents=True, exist_ok=True)
            os.replace(path, place)
    except OSError as error:
        raise write_error(error, folder, what, hint) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def write_whole(
    path: str | Path, content: str | bytes, what: str = "The file", hint: str = "Make room, or choose another place"
) -> None:
    """Replace a file by a text or bytes; see :func:`replacing`."""
    with replacing(path, what, hint) as file:
        # A text that came with a stray surrogate becomes its \udcxx escape, which is what JSON wants too.
        file.write(content if isinstance(content, bytes) else content.encode("utf-8", "backslashreplace"))


def append_whole(file: io.FileIO, content: bytes) -> None:
    """Append to a file that is open without a buffer: all of it or, where the system refuses, nothing.

    Raises
    ------
    OSError
        What the system says; the file is cut back to what it was.
    """
    end = file.seek(0, os.SEEK_END)
    try:
        rest = memoryview(content)
        while rest:
            rest = rest[file.write(rest) :]
    except BaseException:
        with suppress(OSError):  # whoever reads the file leaves out a last line that is torn
            file.truncate(end)
        raise


def append_line(path: str | Path, content: bytes, what: str = "The file", hint: str = RESUME) -> None:
    """Append to a file, all or nothing; after this call it survives a ``kill -9``.

    Raises
    ------
    WriteError
        If it can not be written.
    """
    try:
        with io.FileIO(path, "ab") as file:
            append_whole(file, content)
    except OSError as error:
        raise write_error(error, path, what, hint) from error


@contextmanager
def locked(
    path: str | Path, what: str = "The file", hint: str = "Make room, or choose another place"
) -> Iterator[None]:
    """Hold the lock of a file that several processes change; wait for whoever holds it. It dies with its process.

    Parameters
    ----------
    path
        The file; the lock is ``.<name>.lock`` beside it. Folders on the way are made.
    what, hint
        As of :func:`replacing`.

    Raises
    ------
    WriteError
        If the lock can not be made.
    """
    lock = lock_of(path)
    try:
        lock.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(lock, os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise write_error(error, path, what, hint) from error
    try:
        with suppress(ImportError):  # no such locks on this system (Windows)
            import fcntl

            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def lock_of(path: str | Path) -> Path:
    """Return the file whose lock guards a file."""
    path = Path(path)
    return path.with_name(f".{path.name}.lock")


def write_error(error: OSError, path: str | Path, what: str = "The file", hint: str = RESUME) -> WriteError:
    """Return the error that says what could not be written, and why."""
    return WriteError(f"{what} can not be written: {error.strerror or error}", where=str(path), hint=hint)
