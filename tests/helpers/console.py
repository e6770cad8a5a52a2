"""Examples of a shell in Markdown: blocks marked ``console``, with ``$ command`` lines and what each prints.

``…`` alone on a line stands for any lines, inside a line for any text; the lines shown must come in their order. Run as
a program, with pages as arguments, it runs their commands one after the other in the working directory, and needs
nothing but Python.
"""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

ANY = "…"


@dataclass
class Example:
    """A command, and the lines that it is said to print."""

    command: str
    lines: list[str] = field(default_factory=list)
    place: str = ""


def examples(page: Path, first_lines: int | None = None) -> list[Example]:
    """Return the examples of a page, in order; of its first lines where a number is given."""
    lines = page.read_text(encoding="utf-8").splitlines()
    text = "\n".join(lines[:first_lines]) + "\n"
    found: list[Example] = []
    for block in re.finditer(r"^```console\n(.*?)(?:^```|\Z)", text, re.M | re.S):
        for line in re.sub(r"\\\n\s*", "", block[1]).splitlines():
            if line.startswith("$ "):
                number = text.count("\n", 0, block.start()) + 1
                found.append(Example(line[2:], place=f"{page.name}, block at line {number}"))
            elif line.strip():
                found[-1].lines.append(line.rstrip())
    return found


def missing(example: Example, printed: str) -> str | None:
    """Return the first line that is said and not printed in its place; ``None`` where all are."""
    rest = [line.rstrip() for line in printed.splitlines()]
    skip = False
    for line in example.lines:
        if line == ANY:
            skip = True
            continue
        pattern = ".*".join(map(re.escape, line.split(ANY)))
        hits = [n for n, given in enumerate(rest) if re.fullmatch(pattern, given)]
        if not hits or (hits[0] > 0 and not skip and rest[: hits[0]] != [""] * hits[0]):
            return line
        rest, skip = rest[hits[0] + 1 :], False
    return None


def main(pages: list[str]) -> int:
    """Run the commands of pages, print each with the lines that it is said to print, and return the exit code."""
    number = 0
    for page in pages:
        for example in examples(Path(page)):
            ran = subprocess.run(example.command, shell=True, capture_output=True, text=True, timeout=900)
            printed = ran.stdout + ran.stderr
            line = missing(example, printed)
            print(f"$ {example.command}", *example.lines, sep="\n", flush=True)
            if line is not None or "Traceback" in printed:
                print(f"FAILED ({example.place}): no line {line!r} in its place; it printed:\n{printed}")
                return 1
            number += 1
    print(f"{number} commands, each with its lines")
    return 0 if number else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
