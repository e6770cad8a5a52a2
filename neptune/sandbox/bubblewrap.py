"""The child in bubblewrap: namespaces of its own, no capability, a filter of the kernel's calls."""

from __future__ import annotations

import functools
import os
import shutil
import tempfile
from pathlib import Path

from neptune.errors import MissingExtraError
from neptune.sandbox import places
from neptune.sandbox.limits import SandboxLimits
from neptune.sandbox.syscalls import write_filter

INSTALL = "Install it: apt install bubblewrap (or your system's package of that name)"


class Bubblewrap:
    """Starts children by ``bwrap``.

    Raises
    ------
    MissingExtraError
        If bubblewrap, libseccomp or its Python binding is missing.
    """

    name = "bwrap"

    def __init__(self) -> None:
        program = shutil.which("bwrap")
        if program is None:
            raise MissingExtraError("bubblewrap is not installed", where="sandbox: bwrap", hint=INSTALL)
        self.program = program
        self.filter = _filter()

    def command(self, limits: SandboxLimits, child_pid_to: int, filter_from: int) -> list[str]:
        """Return how the child is started.

        Parameters
        ----------
        limits
            What it may use.
        child_pid_to
            The descriptor to which its number, outside, is written.
        filter_from
            The descriptor from which the filter is read.
        """
        words = [self.program, "--unshare-all", "--unshare-user", "--die-with-parent", "--cap-drop", "ALL"]
        words += ["--uid", str(places.NOBODY), "--gid", str(places.NOBODY), "--hostname", "sandbox", "--clearenv"]
        words += [word for name, value in places.environment().items() for word in ("--setenv", name, value)]
        words += ["--size", str(limits.disk_mb << 20), "--tmpfs", places.HOME]
        for path in (*places.readable(), *places.folders(), *places.files()):
            words += ["--ro-bind", str(path), str(path)]
        words += [word for link, to in places.links().items() for word in ("--symlink", to, link)]
        words += ["--ro-bind", str(places.ROOM), places.INSIDE]
        words += [w for path in places.fonts() for w in ("--ro-bind", str(path), f"{places.FONTS}/{path.name}")]
        # Of the devices these four; there is no /proc, so that nothing leads out through it.
        for device in ("/dev/null", "/dev/zero", "/dev/random", "/dev/urandom"):
            words += ["--dev-bind", device, device]
        words += ["--remount-ro", "/", "--chdir", places.HOME]
        words += ["--info-fd", str(child_pid_to), "--seccomp", str(filter_from), "--"]
        return words + places.command()

    def open_filter(self) -> int:
        """Return a descriptor from which the filter can be read."""
        return os.open(self.filter, os.O_RDONLY)

    def clear(self) -> None:
        """Take away what was made for one child: nothing here."""


@functools.cache
def _filter() -> Path:
    """Return the file of the filter, made once a process."""
    folder = tempfile.TemporaryDirectory(prefix="neptune-filter-")
    _KEPT.append(folder)
    path = Path(folder.name) / "filter.bpf"
    with path.open("wb") as file:
        write_filter(file)
    return path


_KEPT: list[tempfile.TemporaryDirectory[str]] = []
"""The filter's folder, taken away when the process ends."""
