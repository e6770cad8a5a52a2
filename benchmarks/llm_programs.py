"""How much of what language models really write has a meaning here, and what is said of the rest.

    PYTHONPATH=. python benchmarks/llm_programs.py --data DIR [--split known] [--step 7] [--output FILE]

DIR holds gzipped JSON lines ``{"question": …, "programs": [text, …]}`` (LEFT's GPT-3.5 programs for CLEVR-Humans and
GPT-4 programs for the transfer tasks). Each program is parsed, checked and run on a synthetic scene with the
`random` oracle. Prints what was normalised and every rejected class with its share and an example; writes JSON.

A quarter of the questions is held out, chosen by a hash of the question: nobody who changes the normaliser reads them.
With them only totals are printed and written, so that its figure stays one about programs not seen before.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import json
import re
import sys
import time
from collections import Counter, defaultdict
from pathlib import Path

import torch

import dsl
from neptune.engine import Engine
from neptune.errors import NeptuneError
from neptune.scene import Scene

SPLITS = ("known", "held-out", "all")


def held_out(question: str) -> bool:
    """Return whether a question is held out: the first hexadecimal digit of its SHA-256 is 0 to 3."""
    return hashlib.sha256(question.encode("utf-8")).hexdigest()[0] in "0123"


def programs(folder: Path, split: str = "all") -> list[tuple[str, str, str]]:
    """Return (file, question, program) of every program in a folder; ``split`` is one of :data:`SPLITS`."""
    rows: list[tuple[str, str, str]] = []
    for path in sorted(folder.glob("*.jsonl.gz")):
        with gzip.open(path, "rt", encoding="utf-8") as lines:
            for line in lines:
                row = json.loads(line)
                if split != "all" and held_out(row["question"]) != (split == "held-out"):
                    continue
                rows += [(path.name.removesuffix(".jsonl.gz"), row["question"], p) for p in row["programs"]]
    return rows


def kind_of(text: str) -> str:
    """Return an error or a note without its particulars, so that like is counted with like."""
    return re.sub(r"\b\d+\b", "N", re.sub(r"'[^']*'", "'…'", text))


def measure(rows: list[tuple[str, str, str]]) -> dict[str, object]:
    """Parse, check and run each program; return shares, notes, rejected classes and seconds."""
    engine = Engine(oracle="random", vocabulary="clevr")
    scenes = [Scene.synthetic(6 + k, seed=k) for k in range(5)]
    reached: dict[str, Counter[str]] = defaultdict(Counter)
    notes: Counter[str] = Counter()
    normalised, slowest = 0, 0.0
    rejected: dict[str, list[dict[str, str]]] = defaultdict(list)
    for i, (source, question, text) in enumerate(rows):
        reached[source]["programs"] += 1
        stage, started = "parse", time.perf_counter()
        try:
            dsl.parse(text)
            reached[source]["parsed"] += 1
            stage = "check"
            checked = dsl.check(text, vocabulary=engine.vocabulary)
            reached[source]["checked"] += 1
            stage = "run"
            answer = engine.run(text, scenes[i % len(scenes)])
            found = {kind_of(n) for n in (*checked.notes, *answer.notes)}
            reached[source]["answered"] += answer.kind != "nothing"
            normalised += bool(found)
            notes.update(found)
        except (dsl.ProgramError, NeptuneError) as error:
            what = error.what if isinstance(error, dsl.ProgramError) else str(error)
            row = {"question": question, "program": text, "error": error.one_line()}
            rejected[f"{stage}: {kind_of(what)}"].append(row)
        slowest = max(slowest, time.perf_counter() - started)
    classes = [
        {"class": name, "count": len(found), "share": len(found) / len(rows), "example": found[0]}
        for name, found in sorted(rejected.items(), key=lambda item: -len(item[1]))
    ]
    return {
        "programs": len(rows),
        "reached": {name: dict(counts) for name, counts in reached.items()},
        "normalised": normalised,
        "notes": dict(notes.most_common()),
        "rejected": classes,
        "slowest_seconds": slowest,
    }


def show(result: dict[str, object]) -> None:
    """Print the tables: the totals, and where the result has them the notes and the rejected classes."""
    total: Counter[str] = Counter()
    reached: dict[str, dict[str, int]] = result["reached"]  # type: ignore[assignment]
    for name, counts in reached.items():
        total.update(counts)
        print(f"{name:34}" + "".join(f"  {k} {v}" for k, v in counts.items()))
    for key in ("parsed", "checked", "answered"):
        print(f"{key:10} {total[key]:6} of {total['programs']}  {100 * total[key] / total['programs']:.2f} %")
    print(f"normalised {result['normalised']:6}   slowest {result['slowest_seconds']:.2f} s")
    if "notes" not in result:
        return
    print("\nnormalised:")
    for note, count in result["notes"].items():  # type: ignore[attr-defined]
        print(f"{count:6}  {note}")
    print("\nrejected:")
    for row in result["rejected"]:  # type: ignore[attr-defined]
        print(f"{row['count']:6}  {100 * row['share']:.2f} %  {row['class']}")
        print(f"               {row['example']['error'][:200]}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of *.jsonl.gz")
    parser.add_argument("--split", choices=SPLITS, default="known", help="which questions (default: known)")
    parser.add_argument("--step", type=int, default=1, help="every step-th program only")
    parser.add_argument("--output", type=Path, help="JSON file to write")
    args = parser.parse_args()
    torch.set_num_threads(1)
    rows = programs(args.data, args.split)[:: args.step]
    if not rows:
        print(f"no *.jsonl.gz in {args.data}", file=sys.stderr)
        return 1
    result = measure(rows)
    if args.split != "known":  # totals only: an example or a note's wording would give a program away
        del result["notes"], result["rejected"]
    show(result)
    if args.output:
        args.output.write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
