"""How long parsing and checking take: cold, and when the same text was seen before.

    PYTHONPATH=. python benchmarks/parsing.py [--data DIR] [--count 2000]

Without --data the programs are the examples of ``docs/language.md``, each with a comment of its own so that
no text repeats.
"""

from __future__ import annotations

import argparse
import re
import statistics
import time
from pathlib import Path

import dsl
from dsl import Vocabulary

ROOT = Path(__file__).resolve().parent.parent


def texts(folder: Path | None, count: int) -> list[str]:
    """Return distinct programs: real ones, or those shipped with the tests, varied."""
    if folder is not None:
        import random

        from llm_programs import programs

        found = list(dict.fromkeys(p for _, _, p in programs(folder)))
        return random.Random(0).sample(found, min(count, len(found)))
    blocks = re.findall(r"^```neptune\n(.*?)^```", (ROOT / "docs/language.md").read_text(encoding="utf-8"), re.M | re.S)
    return [f"{blocks[i % len(blocks)].strip()}  # {i}" for i in range(count)]


def medians(programs: list[str]) -> tuple[float, float, float]:
    """Return the median seconds of parse and check cold, of the 95th percentile cold, and of a repeated check."""
    words = Vocabulary.load("clevr")
    dsl.check("exists(Object, lambda x: red(x))", vocabulary=words)  # compiles the grammar, once
    cold, again = [], []
    for text in programs:
        for kept in (cold, again):
            started = time.perf_counter()
            try:
                dsl.check(text, vocabulary=words)
            except dsl.ProgramError:
                break
            kept.append(time.perf_counter() - started)
    return statistics.median(cold), statistics.quantiles(cold, n=20)[-1], statistics.median(again)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--data", type=Path, help="folder of *.jsonl.gz")
    parser.add_argument("--count", type=int, default=2000)
    args = parser.parse_args()
    cold, slow, again = medians(texts(args.data, args.count))
    print(f"parse and check, cold    median {1e3 * cold:.3f} ms   95th percentile {1e3 * slow:.3f} ms")
    print(f"the same text again      median {1e6 * again:.1f} µs")


if __name__ == "__main__":
    main()
