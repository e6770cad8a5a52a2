"""What code in a sandbox may use."""

from __future__ import annotations

from dataclasses import dataclass, fields

from neptune.errors import ConfigError


@dataclass(frozen=True, slots=True)
class SandboxLimits:
    """What code in a sandbox may use; all above 0.

    Parameters
    ----------
    seconds
        Time of one block of code, by the clock.
    start_seconds
        Time of the child's start, by the clock.
    cpu_seconds
        Processor time of one child in all.
    memory_mb
        Address space of the child.
    disk_mb
        What its folder, which is in memory, holds in all; no file is larger either.
    files
        So many files and folders in it.
    open_files
        So many open at once.
    text_chars
        So many characters of what one block prints are kept, its beginning and its end.
    pictures, picture_pixels
        So many pictures may one block show, each of so many pixels.
    reply_mb
        What one block may send in all.

    Raises
    ------
    ConfigError
        If one of them is not above 0.
    """

    seconds: float = 20.0
    start_seconds: float = 30.0
    cpu_seconds: int = 600
    memory_mb: int = 3072
    disk_mb: int = 64
    files: int = 2000
    open_files: int = 128
    text_chars: int = 10_000
    pictures: int = 8
    picture_pixels: int = 16_000_000
    reply_mb: int = 32

    def __post_init__(self) -> None:
        for field in fields(self):
            if not getattr(self, field.name) > 0:
                raise ConfigError(
                    f"The sandbox's limit '{field.name}' is {getattr(self, field.name)}", expected="a number above 0"
                )
