"""What the sandbox needs and is not there is said in one line; what starts it may fail, and pipes may block."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from neptune.errors import ConfigError, MissingExtraError
from neptune.sandbox import Sandbox, SandboxLimits, places
from neptune.sandbox.pipes import Pipes
from neptune.sandbox.process import SandboxError

pytest.importorskip("pyseccomp", reason="the extra 'sandbox' is not installed", exc_type=ImportError)


@pytest.mark.parametrize(("kind", "word"), [("bwrap", "apt install bubblewrap"), ("gvisor", "gvisor.dev")])
def test_what_is_missing_is_one_line_and_nothing_runs(kind: str, word: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(MissingExtraError, match=word) as caught:
        Sandbox(kind)
    assert "\n" not in caught.value.one_line()


def test_an_unknown_kind_is_refused() -> None:
    with pytest.raises(ConfigError, match="did you mean 'bwrap'"):
        Sandbox("bwarp")
    with pytest.raises(ConfigError, match="above 0"):
        SandboxLimits(memory_mb=0)


def test_a_starter_that_fails_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = tmp_path / "bwrap"
    fake.write_text("#!/bin/sh\necho 'bwrap: No permissions to create new namespace' >&2\nexit 1\n")
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SandboxError, match="No permissions to create new namespace"):
        Sandbox().run("1")


def test_gvisor_runs_the_same_child_as_its_bundle_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stand-in for runsc reads the bundle, checks what it promises, and starts the child that it names."""
    fake = tmp_path / "runsc"
    fake.write_text(
        f"#!{places.command()[0]}\n"
        "import json, os, sys\n"
        "bundle = sys.argv[sys.argv.index('--bundle') + 1]\n"
        "spec = json.load(open(bundle + '/config.json'))\n"
        "assert '--network=none' in sys.argv and spec['root']['readonly'] and spec['process']['noNewPrivileges']\n"
        "assert spec['process']['user'] == {'uid': 65534, 'gid': 65534}\n"
        "assert not any(spec['process']['capabilities'].values())\n"
        "assert all('ro' in m['options'] for m in spec['mounts'] if m['type'] == 'bind')\n"
        "assert {n['type'] for n in spec['linux']['namespaces']} >= {'pid', 'network', 'ipc', 'mount'}\n"
        "inside = {m['destination']: m['source'] for m in spec['mounts']}\n"
        "args = [inside['/.sandbox'] + a.removeprefix('/.sandbox') if a.startswith('/.sandbox') else a\n"
        "        for a in spec['process']['args']]\n"
        f"os.environ.update(HOME={str(tmp_path)!r}, MPLCONFIGDIR={str(tmp_path)!r})\n"
        "os.execv(args[0], args)\n"
    )
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    limits = SandboxLimits(seconds=20, cpu_seconds=60, memory_mb=1024)
    with Sandbox("gvisor", limits) as sandbox:
        assert sandbox.run("x = 20\nx + 1").text == "21\n"
        assert sandbox.run("x").text == "20\n"


def test_a_pipe_that_is_not_read_is_given_up_at_the_deadline() -> None:
    from neptune.sandbox.pipes import TooLateError

    unread, to = os.pipe()
    back, unwritten = os.pipe()
    pipes = Pipes(to, back, lambda: None)
    pipes.begin(0.3, 1000)
    with pytest.raises(TooLateError):
        pipes.send([bytes(1 << 20)])
    pipes.close()
    os.close(unread)
    os.close(unwritten)
    assert signal.getsignal(signal.SIGPIPE) == signal.SIG_IGN
