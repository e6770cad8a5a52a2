"""One child: started, spoken with, watched, ended with every process of its group."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import signal
import subprocess
from typing import Any

from neptune.errors import NeptuneError
from neptune.sandbox import places
from neptune.sandbox.bubblewrap import Bubblewrap
from neptune.sandbox.gvisor import GVisor
from neptune.sandbox.limits import SandboxLimits
from neptune.sandbox.pipes import ChildEndedError, MalformedError, Pipes, TooLateError


class SandboxError(NeptuneError):
    """The sandbox itself can not be started."""


class TooManyFilesError(Exception):
    """The child wrote more files than it may."""


class Child:
    """A running child.

    Parameters
    ----------
    starter
        What starts it.
    limits
        What it may use.

    Raises
    ------
    SandboxError
        If it does not start; the error says what the starter said.
    """

    def __init__(self, starter: Bubblewrap | GVisor, limits: SandboxLimits) -> None:
        self.starter, self.limits, self.pid = starter, limits, 0
        to_read, to = os.pipe()
        back, back_write = os.pipe()
        pid_from, pid_to = os.pipe()
        theirs, filter_from = [to_read, back_write, pid_to], -1
        try:
            filter_from = starter.open_filter()
            theirs.append(filter_from)
            self.process = subprocess.Popen(
                starter.command(limits, pid_to, filter_from),
                stdin=to_read,
                stdout=back_write,
                stderr=subprocess.PIPE,
                pass_fds=(pid_to, filter_from),
                start_new_session=True,
                env={},
            )
        except OSError as error:
            for descriptor in (to, back, pid_from):
                os.close(descriptor)
            raise SandboxError(f"The sandbox can not be started: {error}", where=starter.name) from error
        finally:
            for descriptor in theirs:
                os.close(descriptor)
        self.pipes = Pipes(to, back, self._watch)
        try:
            self._ready(pid_from)
        finally:
            os.close(pid_from)

    def _ready(self, pid_from: int) -> None:
        """Wait until the child says that it is there, with its limits set."""
        word = secrets.token_hex(8)
        settings = {**places.settings(self.limits), "ready": word}
        try:
            self.pipes.begin(self.limits.start_seconds, 1000)
            self.pipes.send([json.dumps(settings).encode()])
            if json.loads(self.pipes.message()) != {"ready": word}:
                raise MalformedError("no word of its start")
        except (ChildEndedError, TooLateError, MalformedError, ValueError) as error:
            said = self._said()
            self.close()
            raise SandboxError(
                f"The sandbox does not start: {said or type(error).__name__}",
                where=self.starter.name,
                hint="Try its command by hand; a container may have to allow user namespaces",
            ) from error
        os.set_blocking(pid_from, False)
        with contextlib.suppress(OSError, ValueError, KeyError):
            self.pid = int(json.loads(os.read(pid_from, 4000))["child-pid"])

    def _said(self) -> str:
        """Return what the starter said of what went wrong."""
        self._kill()
        stream = self.process.stderr
        said = stream.read(4000).decode("utf-8", "replace") if stream is not None else ""
        return said.strip().splitlines()[-1][:300] if said.strip() else ""

    def exchange(self, code: str, pictures: dict[str, bytes]) -> tuple[dict[str, Any], tuple[bytes, ...]]:
        """Have a block run; return what is said of it, and its pictures.

        Raises
        ------
        TooLateError, ChildEndedError, MalformedError, TooManyFilesError
            The child has to be ended then.
        """
        if self.pipes.waiting():
            raise MalformedError("a reply to nothing")
        number = secrets.token_hex(8)
        self.pipes.begin(self.limits.seconds, self.limits.reply_mb << 20)
        request = json.dumps({"id": number, "code": code, "pictures": list(pictures)}).encode()
        self.pipes.send([request, *pictures.values()])
        try:
            said = json.loads(self.pipes.message())
        except (ValueError, RecursionError) as error:
            raise MalformedError("no JSON") from error
        if not isinstance(said, dict) or said.get("id") != number:
            raise MalformedError("a reply to another block")
        count = said.get("pictures")
        if type(count) is not int or not 0 <= count <= self.limits.pictures:
            raise MalformedError("a number of pictures that can not be")
        return said, tuple(self.pipes.message() for _ in range(count))

    def _watch(self) -> None:
        """Look at how many files there are; their sizes and all else have limits in the kernel."""
        if not self.pid:
            return
        with contextlib.suppress(OSError):
            there = os.statvfs(f"/proc/{self.pid}/root{places.HOME}")
            if there.f_files - there.f_ffree > self.limits.files:
                raise TooManyFilesError

    def _kill(self) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def close(self) -> None:
        """End it, with every process of its group."""
        self._kill()
        if self.process.stderr is not None:
            self.process.stderr.close()
        self.pipes.close()
        self.starter.clear()
