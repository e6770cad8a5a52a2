"""Where a model's programs for one question differ: the vote, plain repair, and repair with a scene that parts them.

    PYTHONPATH=. python benchmarks/settling.py --base_url http://127.0.0.1:8080/v1 --model coder --n 20

Questions are spread over CLEVR's sample in ``examples/clevr``; the model is asked for several programs of each. Of
questions where these differ on a small made scene three ways on are taken from the same programs: the vote; the model
is told that they differ, and writes again; it is shown the scene, what each program says of it, and writes again.
Answers come from the annotations, so that only the program can be wrong.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

import dsl  # noqa: E402
from neptune import tasks  # noqa: E402
from neptune.config import Config  # noqa: E402
from neptune.engine import Engine  # noqa: E402
from neptune.engine.assemble import several_of  # noqa: E402
from neptune.errors import NeptuneError  # noqa: E402
from neptune.tasks import Sample  # noqa: E402
from neptune.writer.chat import Chat, Settings  # noqa: E402
from neptune.writer.several.settle import Asker, Settled, Several  # noqa: E402
from neptune.writer.vote import Candidate  # noqa: E402
from neptune.writer.writer import Writer  # noqa: E402

PLAIN = """Your programs for this question do not mean the same:

{programs}

The question is: {question}

Write one whole program that means what the question asks. Write the program only."""


class Compared(Several):
    """Takes all three ways on, and keeps what came of each."""

    ways: dict[str, str]

    def settled(self, candidates: Sequence[Candidate], question: str, ask: Asker) -> Settled:
        """Return the vote; see :class:`Several`."""
        found = Several(self.compare, self.test).settled(candidates, question, ask)
        voted = found.candidates
        object.__setattr__(self, "ways", {"vote": voted[0].program})
        if len(voted) > 1:
            text = PLAIN.format(programs="\n".join(c.program for c in voted), question=question)
            plain, _ = ask(text, True)
            shown = Several(self.compare, self.test, frozenset({"scene"})).settled(voted, question, ask).candidates
            self.ways.update(plain=plain or voted[0].program, scene=shown[0].program)
        return found


def main() -> None:
    """Run, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--base_url", required=True)
    parser.add_argument("--model", default="local")
    parser.add_argument("--n", type=int, default=20)
    parser.add_argument("--samples", type=int, default=3)
    parser.add_argument("--minutes", type=float, default=60, help="no question is begun after so long")
    words = parser.parse_args()
    task, engine = tasks.load("clevr", ROOT / "examples" / "clevr"), Engine("scene", "scene")
    settings = Settings(
        "local", words.model, words.base_url, max_tokens=100, timeout=600, retries=0, concurrency=1, temperature=0.8,
        constrained="gbnf",
    )  # fmt: skip
    base = several_of(Config(dataset="clevr"))
    step = max(1, len(task.samples) // words.n)
    right = dict.fromkeys(("vote", "plain", "scene"), 0)
    asked = differing = 0
    begun = time.monotonic()
    for index in range(0, len(task.samples), step):
        if asked == words.n or time.monotonic() - begun > 60 * words.minutes:
            break
        sample, several = task.samples[index], Compared(base.compare, base.test)
        object.__setattr__(several, "ways", {})
        writer = Writer(
            Chat(settings), vocabulary=engine.vocabulary, samples=words.samples, repairs=0, length="short",
            several=several,
        )  # fmt: skip
        asked += 1
        try:
            writer.write(sample.question, "clevr")
        except (dsl.ProgramError, NeptuneError) as error:
            print(f"  {sample.question}: {error.one_line()}", flush=True)
            continue
        if len(several.ways) == 3:
            differing += 1
            for way, program in several.ways.items():
                hit = judged(engine, task, sample, program)
                right[way] += hit
                print(f"  {way}: {'right' if hit else 'wrong'}: {program}", flush=True)
        print(json.dumps({"asked": asked, "differing": differing, "right": right}), flush=True)
    print(json.dumps({"minutes": round((time.monotonic() - begun) / 60, 1), "asked": asked, "differing": differing,
                      "right": right}))  # fmt: skip


def judged(engine: Engine, task: tasks.Task, sample: Sample, program: str) -> bool:
    """Return whether a program's answer is right."""
    scene = engine.scene(sample.picture, sample.truth())
    try:
        return task.judge(sample, engine.run(program, scene), scene) is True
    except (dsl.ProgramError, NeptuneError):
        return False


if __name__ == "__main__":
    main()
