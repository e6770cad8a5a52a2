"""Lists the way of one scene from ``Engine.run`` to the answer, file by file, for docs/architecture.md.

    python docs/scene_way.py            # prints the list
    python docs/scene_way.py --write    # puts it into docs/architecture.md

One line is one stay: a function of another file is handed, as an argument, the scene or something that holds it (its
evidence, the run on it, the running program). What that file's functions hand to one another is the same stay, and so
is the return to the caller; a function that was handed it before, from the same file, counts once. Methods are at home
in the file of their object: what an object was given once is not handed to it again.
"""

from __future__ import annotations

import sys
from pathlib import Path
from types import FrameType
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "architecture.md"
BEGIN, END = "<!-- scene: begin (python docs/scene_way.py --write) -->", "<!-- scene: end -->"
PROGRAM = "count(Object, lambda x: cube(x) and exists(Object, lambda y: red(y) and left(x, y)))"
DEPTH = 3
"""So many objects may stand between a function's argument and the scene: run → what it asks with → evidence → scene."""


def holds(value: Any, scene: Any, depth: int = DEPTH) -> bool:
    """Tell whether a value is the scene, or one of this project's objects that leads to it."""
    if value is scene:
        return True
    if depth == 0 or not type(value).__module__.startswith(("neptune", "dsl")) or isinstance(value, type):
        return False
    names = [*getattr(value, "__dict__", ()), *getattr(type(value), "__slots__", ())]
    return any(holds(getattr(value, name, None), scene, depth - 1) for name in names if name != "__dict__")


def stays() -> list[tuple[str, str]]:
    """Return the stays in order: the file, and the function that was handed the scene."""
    from neptune import Engine, Scene

    engine, scene = Engine(oracle="scene"), Scene.synthetic(6, seed=0)
    engine.run(PROGRAM, Scene.synthetic(6, seed=1))  # what is made on first use is made
    way: list[tuple[str, str]] = []
    seen: set[tuple[str, str, str]] = set()
    stack = [""]

    def watch(frame: FrameType, event: str, argument: Any) -> None:
        if event == "return" and len(stack) > 1:
            stack.pop()
        if event != "call":
            return
        code, here = frame.f_code, stack[-1]
        path = Path(code.co_filename)
        if ROOT in path.parents and path.relative_to(ROOT).parts[0] in ("dsl", "neptune"):
            file = path.relative_to(ROOT).as_posix()
            names = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
            if file != here and any(holds(frame.f_locals.get(name), scene) for name in names if name != "self"):
                if (here, file, code.co_qualname) not in seen:
                    seen.add((here, file, code.co_qualname))
                    way.append((file, code.co_qualname))
                here = file
        stack.append(here)

    sys.setprofile(watch)
    try:
        engine.run(PROGRAM, scene)
    finally:
        sys.setprofile(None)
    return way


def listed() -> str:
    """Return the list as Markdown, between its marks."""
    way = stays()
    lines = [f"{i}. `{file}`: `{function}`" for i, (file, function) in enumerate(way, 1)]
    return f"{BEGIN}\n`{PROGRAM}`: {len(way)} stays.\n\n" + "\n".join(lines) + f"\n{END}"


def updated(page: str) -> str:
    """Return the page with the list of today."""
    start, stop = page.index(BEGIN), page.index(END) + len(END)
    return page[:start] + listed() + page[stop:]


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    if "--write" in sys.argv:
        PAGE.write_text(updated(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
    else:
        print(listed())
