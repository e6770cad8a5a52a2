"""How many of the programs that language models wrote to ViperGPT's prompt parse, pass the checks and run; and why not.

    PYTHONPATH=.:benchmarks python benchmarks/viper_programs.py --data DIR [--part 1/4] [--checks] --output part1.json
    PYTHONPATH=.:benchmarks python benchmarks/viper_programs.py --table part1.json part2.json …

DIR holds gzipped JSON lines ``{"question", "program", "from"}``. The programs are only measured with: what is
printed and written names them by file and line, and errors without the words that they quote. `--part K/N` takes every
N-th program from the K-th on; `--checks` leaves the run out. `--table` prints what several parts come to, as Markdown.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import time
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

from patches import OBJECTS, SCENES, attempt, rows

import dsl
from neptune.engine import Engine
from neptune.perception.percepts.percepts import Percepts
from neptune.scene import Scene

STAGES = ("not parsed", "not checked", "not run", "abstained")


def cause(said: str) -> str:
    """Return an error in one line without places, numbers and the words that it quotes, so that no program shows."""
    said = re.sub(r" \(\d+ more\)$", "", said)
    said = re.sub(r" \(line \d+, column \d+\)", "", said)
    said = re.sub(r"'[^']*'", "'…'", re.sub(r'"[^"]*"', '"…"', said))
    return re.sub(r"\d+", "N", said)


def checked(text: str) -> tuple[str, str]:
    """Parse and check one program; return how it went, and an error's line."""
    try:
        dsl.parse(text, dialect="patches")
    except dsl.ProgramError as error:
        return "not parsed", error.one_line()
    try:
        dsl.check(text, dialect="patches")
    except dsl.ProgramError as error:
        return "not checked", error.one_line()
    return "passed", ""


class Made:
    """Knowledge as made as the oracle `random` is: one answer to every question."""

    name = "made"

    def answer(self, question: str, long: bool) -> str:
        """Answer a question."""
        return "a long answer" if long else "1"


def measure(data: Path, part: tuple[int, int], run: bool) -> dict[str, Any]:
    """Measure one part of the programs; return counts of outcomes, of notes, and indices by stage and cause."""
    engine = Engine(
        oracle="random",
        vocabulary=None,
        schedule="lazy",
        dialect="patches",
        knowledge=Made(),
        percepts=Percepts(depth="scene"),
    )
    scenes = [Scene.synthetic(OBJECTS, seed=k) for k in range(SCENES)]
    outcomes: Counter[str] = Counter()
    causes: dict[str, list[str]] = defaultdict(list)
    slips: Counter[str] = Counter()
    start = time.process_time()
    chosen = rows(data)[part[0] - 1 :: part[1]]
    for k, (index, row) in enumerate(chosen):
        if run:
            outcome, said, _ = attempt(engine, row["program"], scenes[k % SCENES], row["question"])
        else:
            outcome, said = checked(row["program"])
        outcomes[outcome] += 1
        if said or outcome in STAGES:
            causes[f"{outcome}: {cause(said)}"].append(index)
        if outcome not in ("not parsed", "not checked"):
            slips.update({cause(note) for note in dsl.check(row["program"], dialect="patches").notes})
    return {
        "programs": len(chosen),
        "part": f"{part[0]}/{part[1]}",
        "run": run,
        "outcomes": dict(outcomes),
        "slips": dict(slips.most_common()),
        "causes": dict(causes),
        "seconds": round(time.process_time() - start, 1),
    }


def table(results: list[dict[str, Any]]) -> str:
    """Return the shares and the tables of slips and causes that several parts come to, as Markdown."""
    outcomes: Counter[str] = Counter()
    slips: Counter[str] = Counter()
    causes: dict[str, list[str]] = defaultdict(list)
    for result in results:
        outcomes.update(result["outcomes"])
        slips.update(result["slips"])
        for name, indices in result["causes"].items():
            causes[name] += indices
    n = sum(result["programs"] for result in results)
    parsed = n - outcomes["not parsed"]
    passed = parsed - outcomes["not checked"]
    lines = ["| of the programs | number | share |", "|---|---|---|", f"| all | {n:,} | 100 % |"]
    lines += [
        f"| parse | {parsed:,} | {100 * parsed / n:.2f} % |",
        f"| pass the checks | {passed:,} | {_share(passed, n)} |",
    ]
    if all(result["run"] for result in results):
        lines.append(f"| run to an answer | {outcomes['answered']:,} | {_share(outcomes['answered'], n)} |")
    lines += ["", "| read, and reported | programs |", "|---|---|"]
    lines += [f"| {_cell(name)} | {count} |" for name, count in slips.most_common()]
    lines += ["", "| what became of it | error | programs | such as |", "|---|---|---|---|"]
    for name, indices in sorted(causes.items(), key=lambda item: (-len(item[1]), item[0])):
        stage, _, said = name.partition(": ")
        lines.append(
            f"| {stage} | {_cell(said) or 'the program has no answer'} | {len(indices)} | {min(indices, key=_place)} |"
        )
    return "\n".join(lines) + "\n"


def _share(part: int, whole: int) -> str:
    return f"{100 * part / whole:.2f} %"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _place(index: str) -> tuple[str, int]:
    file, _, line = index.partition(":")
    return file, int(line)


def main() -> int:
    """Measure one part, or show several."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="folder of *.jsonl.gz")
    parser.add_argument("--part", default="1/1", help="K/N: every N-th program from the K-th on")
    parser.add_argument("--checks", action="store_true", help="parse and check only")
    parser.add_argument("--output", type=Path, help="JSON file to write")
    parser.add_argument("--table", type=Path, nargs="+", help="JSON files to show as one")
    given = parser.parse_args()
    if given.table:
        print(table([json.loads(path.read_text(encoding="utf-8")) for path in given.table]), end="")
        return 0
    match = re.fullmatch(r"([1-9]\d*)/([1-9]\d*)", given.part)
    if match is None or int(match[1]) > int(match[2]):
        parser.error(f"--part is K/N with K from 1 to N, not {given.part!r}")
    if given.data is None or not sorted(given.data.glob("*.jsonl.gz")):
        print(f"no *.jsonl.gz in {given.data}", file=sys.stderr)
        return 1
    result = measure(given.data, (int(match[1]), int(match[2])), not given.checks)
    print(table([result]), end="")
    if given.output:
        given.output.write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
