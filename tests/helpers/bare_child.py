"""The sandbox's child without the sandbox, and what the start of either costs: by the clock, and of the processor."""

from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path

from neptune.sandbox import SandboxLimits, places
from neptune.sandbox.process import Child


class Bare:
    """Starts the same child by itself.

    Parameters
    ----------
    folder
        Its home.
    """

    name = "bare"

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def command(self, limits: SandboxLimits, child_pid_to: int, filter_from: int) -> list[str]:
        environment = [f"{k}={v}" for k, v in places.environment().items() if v != places.HOME]
        words = [*places.command()[:-1], str(places.ROOM / "child.py")]
        return ["/usr/bin/env", f"HOME={self.folder}", f"MPLCONFIGDIR={self.folder}", *environment, *words]

    def open_filter(self) -> int:
        return os.open(os.devnull, os.O_RDONLY)

    def clear(self) -> None: ...


def cost_of_start(starter: object, limits: SandboxLimits) -> tuple[float, float]:
    """Return the seconds until a child is ready, and those of the processor that all its processes took."""
    begun = time.perf_counter()
    child = Child(starter, limits)  # type: ignore[arg-type]
    took = time.perf_counter() - begun
    used = processor_seconds(child.process.pid)
    child.close()
    return took, used


def processor_seconds(group: int) -> float:
    """Return how long the living processes of a group have run, from the kernel's scheduler, in seconds."""
    total = 0
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError, ValueError, IndexError):
            if int((folder / "stat").read_text().rpartition(")")[2].split()[2]) == group:
                total += int((folder / "schedstat").read_text().split()[0])
    return total / 1e9
