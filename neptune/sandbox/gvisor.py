"""The child in gVisor, whose kernel is a program of its own: the same child under ``runsc``."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import uuid
from pathlib import Path
from typing import Any

from neptune.errors import MissingExtraError
from neptune.sandbox import places
from neptune.sandbox.limits import SandboxLimits

INSTALL = "Install it as https://gvisor.dev/docs/user_guide/install says, or use sandbox: bwrap"


class GVisor:
    """Starts children by ``runsc run``.

    Raises
    ------
    MissingExtraError
        If ``runsc`` is missing.
    """

    name = "gvisor"

    def __init__(self) -> None:
        program = shutil.which("runsc")
        if program is None:
            raise MissingExtraError("gVisor's runsc is not installed", where="sandbox: gvisor", hint=INSTALL)
        self.program = program
        self.folder: tempfile.TemporaryDirectory[str] | None = None

    def command(self, limits: SandboxLimits, child_pid_to: int, filter_from: int) -> list[str]:
        """Return how the child is started; gVisor needs neither descriptor, for its own kernel filters the calls."""
        self.clear()
        self.folder = tempfile.TemporaryDirectory(prefix="neptune-gvisor-")
        bundle = Path(self.folder.name)
        (bundle / "rootfs").mkdir()
        (bundle / "config.json").write_text(json.dumps(specification(limits)), encoding="utf-8")
        words = [self.program, "--network=none", "--ignore-cgroups", "--root", str(bundle / "state")]
        words += [] if os.geteuid() == 0 else ["--rootless"]
        return [*words, "run", "--bundle", str(bundle), f"neptune-{uuid.uuid4().hex}"]

    def open_filter(self) -> int:
        """Return a descriptor of nothing: there is no filter to read."""
        return os.open(os.devnull, os.O_RDONLY)

    def clear(self) -> None:
        """Take away the folder that describes the last child."""
        if self.folder is not None:
            self.folder.cleanup()
            self.folder = None


def specification(limits: SandboxLimits) -> dict[str, Any]:
    """Return the description of the child as the Open Container Initiative has it."""
    shown = [*places.readable(), *places.folders(), *places.files()]
    options = ["nosuid", "nodev", "mode=0777", f"size={limits.disk_mb << 20}"]
    mounts = [{"destination": places.HOME, "type": "tmpfs", "source": "tmpfs", "options": options}]
    mounts += [_bound(str(path), str(path)) for path in shown]
    mounts += [_bound(str(Path(link).resolve()), link) for link in places.links()]
    mounts.append(_bound(str(places.ROOM), places.INSIDE))
    mounts += [_bound(str(path), f"{places.FONTS}/{path.name}") for path in places.fonts()]
    return {
        "ociVersion": "1.0.2",
        "hostname": "sandbox",
        "root": {"path": "rootfs", "readonly": True},
        "process": {
            "user": {"uid": places.NOBODY, "gid": places.NOBODY},
            "args": places.command(),
            "cwd": places.HOME,
            "env": [f"{name}={value}" for name, value in places.environment().items()],
            "noNewPrivileges": True,
            "capabilities": {kind: [] for kind in ("bounding", "effective", "inheritable", "permitted", "ambient")},
        },
        "mounts": mounts,
        "linux": {"namespaces": [{"type": kind} for kind in ("pid", "network", "ipc", "uts", "mount")]},
    }


def _bound(source: str, inside: str) -> dict[str, Any]:
    return {"destination": inside, "type": "bind", "source": source, "options": ["rbind", "ro", "nosuid", "nodev"]}
