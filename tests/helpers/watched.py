"""Runs hostile programs in a process that watches itself: a JSON line for each, with what the audit hook saw.

    python tests/helpers/watched.py FILE [patches]

After a warm-up (grammar compiled, modules loaded) nothing may be opened, imported, connected, compiled or started.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

FORBIDDEN = ("open", "import", "exec", "compile", "socket", "subprocess", "os.", "shutil", "ctypes", "pty", "pathlib",
             "tempfile", "urllib", "http", "ftplib", "smtplib", "glob", "sqlite3", "winreg", "webbrowser",
             "code.__new__", "function.__new__", "object.__setattr__", "object.__delattr__")  # fmt: skip


def main() -> None:
    """Run the programs and print what happened."""
    import dsl
    from neptune.engine import Engine
    from neptune.errors import NeptuneError
    from neptune.scene import Scene

    programs = Path(sys.argv[1]).read_text(encoding="utf-8", errors="surrogatepass").split("\n%%\n")
    dialect = sys.argv[2] if len(sys.argv) > 2 else "auto"
    engine, scene = Engine(oracle="random", dialect=dialect), Scene.synthetic(6, seed=1)
    seen: list[str] = []
    watching = False

    def watch(event: str, args: tuple[object, ...]) -> None:
        if watching and event.startswith(FORBIDDEN):
            seen.append(f"{event} {str(args)[:80]}")

    def run(program: str) -> tuple[str, str]:
        try:
            return "answer", engine.run(program, scene).kind
        except dsl.ProgramError as error:
            return "ProgramError", error.one_line()
        except NeptuneError as error:
            return "NeptuneError", error.one_line()
        except BaseException as error:
            return "other", repr(error)

    for program in programs:  # warm-up: whatever is imported lazily is imported now
        run(program)
    engine = Engine(oracle="random", dialect=dialect)
    run("exists(Object, lambda x: red(x))")
    sys.addaudithook(watch)
    results = []
    for program in programs:
        started = time.process_time()  # its own CPU time: machines are busy
        watching = True
        outcome, text = run(program + "\n#")  # not a text seen before: parsed and checked again
        watching = False
        results.append(
            {"program": program, "outcome": outcome, "text": text, "seconds": time.process_time() - started,
             "seen": list(seen)}
        )  # fmt: skip
        seen.clear()
    watching = True
    open(sys.argv[1]).close()  # the hook works: this one it must see
    watching = False
    results.append({"program": "control", "outcome": "control", "text": "", "seconds": 0.0, "seen": list(seen)})
    for row in results:
        print(json.dumps(row))


if __name__ == "__main__":
    main()
