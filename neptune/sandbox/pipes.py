"""Messages to and from the child, each with a length, within a time and within a size; nothing in them is believed."""

from __future__ import annotations

import os
import select
import struct
import time
from collections.abc import Callable, Sequence

TICK = 0.05
"""So many seconds pass between two looks at what the child uses."""


class ChildEndedError(Exception):
    """The child's pipe ended."""


class TooLateError(Exception):
    """The child did not answer in time."""


class MalformedError(Exception):
    """What the child sent is no message, or too long."""


class Pipes:
    """Both ends of a child's pipes, as the parent holds them.

    Parameters
    ----------
    to, back
        Descriptors: of the child's input, and of its output.
    watch
        Called every :data:`TICK` while the child is waited for; it may raise.
    """

    def __init__(self, to: int, back: int, watch: Callable[[], None]) -> None:
        self.to, self.back, self.watch = to, back, watch
        self.deadline, self.left = 0.0, 0
        os.set_blocking(to, False)
        os.set_blocking(back, False)

    def begin(self, seconds: float, size: int) -> None:
        """Give an exchange so much time and its replies so many bytes."""
        self.deadline, self.left = time.monotonic() + seconds, size

    def waiting(self) -> bool:
        """Tell whether there is something that nobody asked for."""
        return bool(select.select([self.back], [], [], 0)[0])

    def send(self, messages: Sequence[bytes]) -> None:
        """Send messages; a child that does not read is waited for until the deadline."""
        data = memoryview(b"".join(struct.pack(">I", len(m)) + m for m in messages))
        while data:
            self._wait(writing=True)
            try:
                data = data[os.write(self.to, data[: 1 << 16]) :]
            except BlockingIOError:
                continue
            except OSError as error:
                raise ChildEndedError from error

    def message(self) -> bytes:
        """Return the next message."""
        (length,) = struct.unpack(">I", self._bytes(4))
        if length > self.left:
            raise MalformedError(f"a message of {length} bytes")
        self.left -= length
        return self._bytes(length)

    def _bytes(self, amount: int) -> bytes:
        parts: list[bytes] = []
        while amount:
            self._wait(writing=False)
            try:
                part = os.read(self.back, min(amount, 1 << 16))
            except BlockingIOError:
                continue
            except OSError as error:
                raise ChildEndedError from error
            if not part:
                raise ChildEndedError
            parts.append(part)
            amount -= len(part)
        return b"".join(parts)

    def _wait(self, *, writing: bool) -> None:
        """Wait until the pipe is ready."""
        while True:
            left = self.deadline - time.monotonic()
            if left <= 0:
                raise TooLateError
            ready = select.select([] if writing else [self.back], [self.to] if writing else [], [], min(left, TICK))
            if ready[0] or ready[1]:
                return
            self.watch()

    def close(self) -> None:
        """Close both ends."""
        for descriptor in (self.to, self.back):
            os.close(descriptor)
