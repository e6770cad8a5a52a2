"""What the child sees of this machine's files: Python and its libraries, read-only; and how it is called."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from neptune.sandbox.limits import SandboxLimits

ROOM = Path(__file__).resolve().parent
INSIDE = "/.sandbox"
"""Where the child's own scripts are, inside: a name that no folder of this machine has."""
FONTS = "/.sandbox-fonts"
"""Where lists of fonts are, inside."""
HOME = "/tmp"
"""Its folder, in memory, and empty at the start but for the way to a Python that stands below it. It is mounted first,
so that it hides no Python: one may stand under ``/tmp`` as under ``/home`` or anywhere else."""
NOBODY = 65534

_SYSTEM = ("/bin", "/lib", "/lib32", "/lib64", "/sbin")


def readable() -> list[Path]:
    """Return the folders that are there inside as they are here: the system's programs and libraries, and Python's."""
    found: list[Path] = []
    for folder in (Path("/usr"), Path(sys.base_prefix), Path(sys.prefix), Path(sys.executable).resolve().parent.parent):
        whole = folder.absolute()
        if whole.is_dir() and not any(whole == f or f in whole.parents for f in found):
            found.append(whole)
    return found


def links() -> dict[str, str]:
    """Return the system's folders that are links, and where they lead: ``{"/lib": "usr/lib"}``."""
    return {f: str(Path(f).readlink()) for f in _SYSTEM if Path(f).is_symlink()}


def folders() -> list[Path]:
    """Return the system's folders that are no links, where a system has them beside ``/usr``."""
    return [Path(f) for f in _SYSTEM if Path(f).is_dir() and not Path(f).is_symlink()]


def files() -> list[Path]:
    """Return single files that are there inside: where the loader finds libraries."""
    return [path for path in (Path("/etc/ld.so.cache"),) if path.is_file()]


def fonts() -> list[Path]:
    """Return matplotlib's lists of this machine's fonts, where it has made one: without it each child would make its
    own, which takes seconds."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "matplotlib"
    return sorted(path for path in cache.glob("fontlist-*.json") if path.is_file())


def environment() -> dict[str, str]:
    """Return all of the child's environment; nothing of this process's is passed on."""
    threads = {f"{name}_NUM_THREADS": "1" for name in ("OMP", "OPENBLAS", "MKL", "NUMEXPR", "OPENCV_FOR")}
    return {
        "HOME": HOME,
        "TMPDIR": HOME,
        "MPLCONFIGDIR": HOME,
        "MPLBACKEND": "module://child_figures",
        "PATH": "/usr/bin:/bin",
        "LANG": "C.UTF-8",
        "OPENCV_FOR_THREADS_NUM": "1",
        **threads,
    }


def command() -> list[str]:
    """Return how the child is called, inside."""
    return [str(Path(sys.executable).absolute()), "-s", "-B", f"{INSIDE}/child.py"]


def settings(limits: SandboxLimits) -> dict[str, int]:
    """Return what the child is told of its limits."""
    names = ("memory_mb", "cpu_seconds", "disk_mb", "open_files", "text_chars", "pictures", "picture_pixels")
    return {name: int(getattr(limits, name)) for name in names}
