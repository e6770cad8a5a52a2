"""Code in the sandbox reaches nothing, whatever it tries, and its limits end it; the parent goes on."""

from __future__ import annotations

import contextlib
import io
import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from helpers.bare_child import Bare, cost_of_start
from PIL import Image

from neptune.errors import MissingExtraError
from neptune.sandbox import Sandbox, SandboxLimits, places
from neptune.sandbox.process import SandboxError

pytest.importorskip("pyseccomp", reason="the extra 'sandbox' is not installed", exc_type=ImportError)


def _refused() -> str:
    """Return why no sandbox can be started here."""
    if shutil.which("bwrap") is None:
        return "bubblewrap is not installed: apt install bubblewrap"
    try:
        with Sandbox() as sandbox:
            sandbox.start()
    except (SandboxError, MissingExtraError) as error:
        return error.one_line()
    return ""


REFUSED = _refused()
needs_bwrap = pytest.mark.skipif(bool(REFUSED), reason=REFUSED)
LIMITS = SandboxLimits(seconds=20, cpu_seconds=60, memory_mb=1024, disk_mb=16, files=200, text_chars=2000)


def png(colour: str = "red", size: tuple[int, int] = (60, 40)) -> bytes:
    kept = io.BytesIO()
    Image.new("RGB", size, colour).save(kept, "PNG")
    return kept.getvalue()


@pytest.fixture(scope="module")
def shared() -> Iterator[Sandbox]:
    with Sandbox(limits=LIMITS) as sandbox:
        yield sandbox


def alive(sandbox: Sandbox) -> bool:
    return sandbox.run("1 + 1").text == "2\n"


def running(group: int) -> list[str]:
    """Return the processes of a group that still run a while after they were killed."""
    ends = time.monotonic() + 10
    while True:
        found = []
        for folder in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                state, _, of_group = (folder / "stat").read_text().rpartition(")")[2].split()[:3]
                if int(of_group) == group and state != "Z":
                    found.append(folder.name)
        if not found or time.monotonic() > ends:
            return found
        time.sleep(0.05)


# --- what it does ---


@needs_bwrap
def test_what_blocks_define_stays_and_what_they_show_comes_back(shared: Sandbox) -> None:
    first = shared.run("def half(x):\n    return x / 2\nkept = half(3)\nprint('so far')\nkept")
    assert (first.text, first.error, first.values) == ("so far\n1.5\n", "", {"half": "function", "kept": 1.5})
    second = shared.run("show(picture.crop((0, 0, 5, 7)))\nhalf(kept)", {"picture": png()})
    assert second.text == "0.75\n"
    assert Image.open(io.BytesIO(second.pictures[0])).size == (5, 7)
    third = shared.run("import numpy as np\nnp.array(picture).shape", {"picture": png()})
    assert third.text == "(40, 60, 3)\n"


@needs_bwrap
def test_figures_are_shown_as_matplotlib_shows_them(shared: Sandbox) -> None:
    pytest.importorskip("matplotlib")
    ran = shared.run("import matplotlib.pyplot as plt\nplt.imshow([[0, 1], [1, 0]])\nplt.show()\nplt.get_fignums()")
    assert (ran.error, ran.text, len(ran.pictures)) == ("", "[]\n", 1)
    assert Image.open(io.BytesIO(ran.pictures[0])).width > 100


@needs_bwrap
def test_a_return_outside_a_function_is_the_answer(shared: Sandbox) -> None:
    ran = shared.run("def f():\n    return 1\nfor k in range(9):\n    if k == 4:\n        return [k, f()]")
    assert (ran.answered, ran.answer, ran.error) == (True, [4, 1], "")
    assert shared.run("return").answered


@needs_bwrap
def test_a_mistake_is_told_with_its_line_and_the_child_goes_on(shared: Sandbox) -> None:
    assert shared.run("x = 5\ny = x / 0").error == "ZeroDivisionError: division by zero (line 2)"
    assert shared.run("x").text == "5\n"
    assert shared.run("if x").error.startswith("SyntaxError: ")
    assert shared.run("raise SystemExit(3)").error.startswith("SystemExit: 3")
    assert alive(shared)


@needs_bwrap
def test_what_is_printed_is_cut_in_the_middle_however_much_it_is(shared: Sandbox) -> None:
    ran = shared.run("print('begin')\nfor k in range(500):\n    print('x' * 1_000_000)\nprint('end')")
    assert len(ran.text) < LIMITS.text_chars + 100
    assert ran.text.startswith("begin\n")
    assert ran.text.endswith("end\n")
    assert "characters left out" in ran.text


# --- what it may not ---

REFUSALS = {
    "reading outside": "open('/etc/passwd').read()",
    "reading the home of who runs it": f"open({str(Path.home() / '.bashrc')!r}).read()",
    "reading the keys": f"open({str(Path.cwd() / '.env')!r}).read()",
    "writing outside": "open('/usr/lib/planted', 'w')",
    "writing to Python": f"open({str(Path(os.__file__))!r}, 'a')",
    "writing to the root": "open('/planted', 'w')",
    "writing to its own script": "open('/.sandbox/child.py', 'a')",
    "making a folder outside": "import os\nos.mkdir('/usr/planted')",
    "network": "import urllib.request\nurllib.request.urlopen('http://127.0.0.1:9', timeout=5)",
    "a socket": "import socket\nsocket.socket()",
    "a socket of a file": "import socket\nsocket.socket(socket.AF_UNIX)",
    "a pair of sockets": "import socket\nsocket.socketpair()",
    "a name of the network": "import socket\nsocket.gethostbyname('localhost')",
    "a process": "import os\nos.fork()",
    "a command": "import subprocess\nsubprocess.run(['/bin/ls'])",
    "a shell": "import os\nassert os.system('true') == 0",
    "a thread": "import threading\nthreading.Thread(target=print).start()",
    "a pool": "import multiprocessing\nmultiprocessing.Pool(2)",
    "/proc": "open('/proc/self/status').read()",
    "/proc of the root": "open('/proc/1/root/etc/passwd').read()",
    "/proc of the parent": f"open('/proc/{os.getpid()}/environ', 'rb').read()",
    "/sys": "import os\nos.listdir('/sys')",
    "a device": "open('/dev/mem', 'rb')",
    "a disk": "open('/dev/vda', 'rb')",
    "making a device": "import os\nos.mknod('/tmp/device', 0o060600, os.makedev(8, 0))",
    "a mount": "import ctypes\nassert ctypes.CDLL(None).mount(b'none', b'/tmp', b'tmpfs', 0, None) == 0",
    "a namespace": "import os\n(os.unshare(0x10000000) if hasattr(os, 'unshare') else open('/none'))",
    "a namespace by its number": "import ctypes\nassert ctypes.CDLL(None).unshare(0x10000000) == 0",
    "another root": "import os\nos.chroot('/tmp')",
    "another user": "import os\nos.setuid(0)",
    "another owner": "import os\nopen('mine', 'w')\nos.chown('mine', 0, 0)",
    "higher limits": "import resource\nresource.setrlimit(resource.RLIMIT_AS, (1 << 40, 1 << 40))",
    "tracing": "import ctypes\nassert ctypes.CDLL(None).ptrace(16, 1, 0, 0) == 0",
    "memory without a name": "import os\nos.memfd_create('big')",
    "keys of the kernel": "import ctypes\nassert ctypes.CDLL(None).syscall(250, 0, -3, 0) == 0",
    "programs in the kernel": "import ctypes\nassert ctypes.CDLL(None).syscall(321, 0, 0, 0) >= 0",
    "calls by a ring": "import ctypes\nassert ctypes.CDLL(None).syscall(425, 8, 0) >= 0",
    "a symbolic link out": "import os\nos.symlink('/etc/passwd', 'link')\nopen('link').read()",
    "a symbolic link out, through its parents": "import os\nos.symlink('../../../../etc', 'up')\nos.listdir('up/ssh')",
    "a hard link out": "import os\nos.link('/.sandbox/child.py', 'hard')",
    "a signal to the parent": f"import os\nos.kill({os.getpid()}, 9)",
    "a signal to the parent's group": f"import os\nos.killpg({os.getpgrp()}, 9)",
    "typing into the terminal": "import fcntl\nfcntl.ioctl(0, 0x5412, b'x')",
}


@needs_bwrap
@pytest.mark.parametrize("code", REFUSALS.values(), ids=REFUSALS.keys())
def test_it_is_refused(shared: Sandbox, code: str) -> None:
    ran = shared.run(code)
    assert ran.error, f"not refused: {ran}"
    assert ran.ended == ""
    assert alive(shared)


@needs_bwrap
def test_a_python_may_stand_below_the_childs_own_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    """As with a checkout under /tmp: it is seen, not written to, and the rest of that folder is neither."""
    folders = [Path(places.HOME) / f"neptune-{os.getpid()}" / name for name in ("python", "secret")]
    try:
        for folder in folders:
            folder.mkdir(parents=True)
            (folder / "word").write_text("swordfish", encoding="utf-8")
        real = places.readable()
        monkeypatch.setattr(places, "readable", lambda: [*real, folders[0]])
        with Sandbox(limits=LIMITS) as sandbox:
            assert sandbox.run(f"open('{folders[0]}/word').read()").text == "'swordfish'\n"
            assert "Read-only file system" in sandbox.run(f"open('{folders[0]}/other', 'w')").error
            assert sandbox.run(f"open('{folders[1]}/word').read()").error.startswith("FileNotFoundError")
            assert sandbox.run("open('/tmp/own', 'w').write('1')").text == "1\n"
    finally:
        shutil.rmtree(folders[0].parent)


@needs_bwrap
def test_it_is_nobody_without_capabilities_in_an_empty_home(shared: Sandbox) -> None:
    with Sandbox(limits=LIMITS) as sandbox:
        code = "import os\nprint(os.getuid(), os.getgid(), os.getpid() < 9, os.getcwd(), len(os.listdir('/tmp')))"
        assert sandbox.run(code).text.split()[:4] == ["65534", "65534", "True", "/tmp"]
        left = sandbox.run("import os\n[n for n in os.listdir('/tmp') if not n.startswith('fontlist')]")
        assert left.text == f"{sorted({p.parts[2] for p in places.readable() if p.parts[1] == 'tmp'})}\n"
        names = sandbox.run("import os\nsorted(os.environ)").text
        assert not [name for name in os.environ if name.endswith(("KEY", "TOKEN")) and name in names]
        assert sandbox.run("import os\n[f for f in range(3, 64) if os.path.exists('/')][:1]").text == "[3]\n"


@needs_bwrap
def test_only_its_own_pipes_are_open() -> None:
    code = (
        "import os\nfound = []\nfor f in range(64):\n    try:\n        os.fstat(f)\n        found.append(f)\n"
        "    except OSError:\n        pass\nlen(found)"
    )
    with Sandbox(limits=LIMITS) as sandbox:
        assert int(sandbox.run(code).text) <= 6  # three that lead nowhere, two pipes, the device behind the three


@needs_bwrap
def test_signals_to_the_init_of_its_world_are_lost(shared: Sandbox) -> None:
    shared.run("import os, signal\nos.kill(1, signal.SIGKILL)\nos.kill(1, signal.SIGTERM)")
    assert alive(shared)
    with Sandbox(limits=LIMITS) as sandbox:
        sandbox.run("import os\nos.kill(-1, 9)")
        assert alive(sandbox)


# --- what its limits end ---

ENDS = {
    "an endless loop": ("while True:\n    pass", {"seconds": 1.0}, "timeout"),
    "a loop that catches everything": (
        "while True:\n    try:\n        while True:\n            pass\n    except BaseException:\n        pass",
        {"seconds": 1.0},
        "timeout",
    ),
    "sleeping": ("import time\ntime.sleep(60)", {"seconds": 1.0}, "timeout"),
    "deaf to signals": (
        "import signal, time\nfor s in range(1, 32):\n    try:\n        signal.signal(s, signal.SIG_IGN)\n"
        "    except (OSError, ValueError):\n        pass\ntime.sleep(60)",
        {"seconds": 1.0},
        "timeout",
    ),
    "processor time": ("while True:\n    pass", {"cpu_seconds": 1}, "died"),
    "ending itself": ("import os\nos._exit(0)", {}, "died"),
    "a crash": ("import ctypes\nctypes.string_at(0)", {}, "died"),
    "another program": ("import os\nos.execv('/bin/true', ['true'])", {}, "died"),
    "many files": ("k = 0\nwhile True:\n    open(f'f{k}', 'w').close()\n    k += 1", {}, "files"),
    "a reply of its own": ("import os\nos.write(4, b'\\x00\\x00\\x00\\x02{}')\nwhile True: pass", {}, "protocol"),
    "a reply that is too long": ("import os\nos.write(4, b'\\xff\\xff\\xff\\xff')\nwhile True: pass", {}, "protocol"),
    "a reply that is no text": ("import os\nos.write(4, b'\\x00\\x00\\x00\\x04\\x80\\x02N.')\nwhile True: pass", {},
                                "protocol"),
    "half a reply": ("import os\nos.write(4, b'\\x00\\x00\\x00')\nwhile True: pass", {"seconds": 1.0}, "timeout"),
}  # fmt: skip


@needs_bwrap
@pytest.mark.parametrize(("code", "changed", "ended"), ENDS.values(), ids=ENDS.keys())
def test_it_is_ended_and_the_next_block_starts_clean(code: str, changed: dict[str, float], ended: str) -> None:
    limits = SandboxLimits(**{"seconds": 20, "memory_mb": 1024, "disk_mb": 16, "files": 200, **changed})  # type: ignore[arg-type]
    with Sandbox(limits=limits) as sandbox:
        assert sandbox.run("kept = 1").ended == ""
        process = sandbox._child.process  # type: ignore[union-attr]
        ran = sandbox.run(code)
        assert (ran.ended, bool(ran.error)) == (ended, True)
        assert process.poll() is not None
        assert not running(process.pid)
        after = sandbox.run("'kept' in globals()")
        assert (after.text, after.fresh) == ("False\n", True)


@needs_bwrap
def test_a_new_child_is_given_all_pictures_again() -> None:
    with Sandbox(limits=LIMITS) as sandbox:
        assert sandbox.run("picture.size", {"picture": png()}).text == "(60, 40)\n"
        assert sandbox.run("import os\nos._exit(0)", {"picture": png()}).ended == "died"
        assert sandbox.run("picture.size", {"picture": png()}).text == "(60, 40)\n"


@needs_bwrap
def test_memory_disk_and_files_have_ends_that_the_child_survives(shared: Sandbox) -> None:
    assert shared.run("b'x' * (4 << 30)").error.startswith("MemoryError")
    assert shared.run("kept = []\nwhile True:\n    kept.append(bytearray(16 << 20))").error.startswith("MemoryError")
    assert shared.run("del kept").error == ""
    disk = shared.run("with open('big', 'wb') as file:\n    for k in range(64):\n        file.write(bytes(1 << 20))")
    assert disk.error.startswith(("OSError: [Errno 28]", "OSError: [Errno 27]"))
    assert shared.run("import os\nos.remove('big')\nos.listdir('/tmp').count('big')").text == "0\n"
    opened = shared.run("kept = [open('/dev/null') for k in range(5000)]")
    assert "Too many open files" in opened.error
    assert alive(shared)


@needs_bwrap
def test_a_fork_bomb_makes_no_process(shared: Sandbox) -> None:
    tried = "    try:\n        os.fork()\n        made += 1\n    except OSError:\n        pass\n"
    bomb = f"import os\nmade = 0\nfor k in range(1000):\n{tried}made"
    assert shared.run(bomb).text == "0\n"


@needs_bwrap
def test_a_reply_after_the_timeout_is_never_taken_for_the_next_one() -> None:
    with Sandbox(limits=SandboxLimits(seconds=0.7)) as sandbox:
        sandbox.start()
        assert sandbox.run("import time\ntime.sleep(1.0)\nprint('stale')").ended == "timeout"
        assert sandbox.run("print('new')").text == "new\n"
    with Sandbox(limits=LIMITS) as sandbox:
        # Written ahead: a block that answers for the next one.
        ahead = 'import os, struct, json\nsaid = json.dumps({"id": "x", "text": "forged"}).encode()\nimport sys\n'
        ahead += "class Late:\n    def __del__(self):\n        os.write(4, struct.pack('>I', len(said)) + said)\n"
        ran = sandbox.run(ahead + "os.write(4, struct.pack('>I', len(said)) + said)")
        assert ran.ended == "protocol"
        assert sandbox.run("print('true')").text == "true\n"


@needs_bwrap
def test_pictures_that_are_too_many_or_too_large_are_left_out(shared: Sandbox) -> None:
    many = shared.run("for k in range(100):\n    show(picture)", {"picture": png()})
    assert len(many.pictures) == LIMITS.pictures
    large = shared.run("from PIL import Image\nshow(Image.new('1', (20000, 20000)))")
    assert "too large" in large.error
    assert alive(shared)


@needs_bwrap
def test_the_child_ends_with_its_parent() -> None:
    code = "import time\nfrom neptune.sandbox import Sandbox\ns = Sandbox()\ns.start()\n"
    code += "print(s._child.pid, flush=True)\ntime.sleep(60)"
    parent = subprocess.Popen([places.command()[0], "-c", code], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    pid = int(parent.stdout.readline())
    assert Path(f"/proc/{pid}").exists()
    parent.kill()
    parent.wait()
    parent.stdout.close()
    ends = time.monotonic() + 10
    while Path(f"/proc/{pid}").exists() and time.monotonic() < ends:
        time.sleep(0.05)
    state = Path(f"/proc/{pid}/stat")
    assert not state.exists() or state.read_text().split()[2] == "Z"


@needs_bwrap
def test_it_costs_at_most_100_ms_more_than_the_same_child_alone(tmp_path: Path) -> None:
    boxed, alone = Sandbox()._starter, Bare(tmp_path)
    # Of the processor, and the least of each: what else runs on this machine makes the clock say anything.
    pairs = [(cost_of_start(boxed, LIMITS)[1], cost_of_start(alone, LIMITS)[1]) for _ in range(7)]
    assert min(b for _, b in pairs) > 0.005, "the child alone has run"
    assert min(a for a, _ in pairs) - min(b for _, b in pairs) < 0.1, pairs


@needs_bwrap
def test_the_example_of_the_page_runs() -> None:
    page = Path("docs/sandbox.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"^``` \{\.python \.sandbox\}\n(.*?)^```", page, re.M | re.S)
    exec(compile(example, "example", "exec"), {"png_bytes": png()})
