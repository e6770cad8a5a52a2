"""Where a model's programs for one question differ: the vote, plain repair, and repair with a scene that parts them.

    PYTHONPATH=. python benchmarks/settling.py --base_url http://127.0.0.1:8080/v1 --model coder --n 20

The model is asked for several programs of each question of CLEVR's sample in ``examples/clevr``; or they are those that
it wrote before (``--programs``, as ``task: distil`` keeps them, with its ``--data_dir``). Of ``--n`` questions where
these differ on a small made scene three ways on are taken from the same programs: the vote; the model is told that they
differ, and writes again; it is shown the scene, what each program says of it, and writes again. Answers come from the
annotations, so that only the program can be wrong. A reply that is no program leaves the vote as it is.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
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
from neptune.writer.vote import Candidate  # noqa: E402
from neptune.writer.writer import Writer  # noqa: E402

PLAIN = """Your programs for this question do not mean the same:

{programs}

The question is: {question}

Write one whole program that means what the question asks. Write the program only."""


def main() -> None:
    """Run, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--base_url", required=True)
    parser.add_argument("--model", default="local")
    parser.add_argument("--n", type=int, default=20, help="questions whose programs differ")
    parser.add_argument("--samples", type=int, default=3)
    parser.add_argument("--data_dir", type=Path, default=ROOT / "examples" / "clevr")
    parser.add_argument("--programs", type=Path, help="programs.jsonl of task distil")
    parser.add_argument("--minutes", type=float, default=60, help="no question is begun after so long")
    words = parser.parse_args()
    task, engine = tasks.load("clevr", words.data_dir, follow_links=True), Engine("scene", "scene")
    settings = Settings(
        "local", words.model, words.base_url, max_tokens=100, timeout=1200, retries=0, concurrency=1, temperature=0.8,
        constrained="gbnf",
    )  # fmt: skip
    writer = Writer(Chat(settings), vocabulary=engine.vocabulary, repairs=0, length="short")
    voting = several_of(Config(dataset="clevr"))
    right = dict.fromkeys(("vote", "plain", "scene"), 0)
    looked = differing = replies = 0
    begun = time.monotonic()
    for sample, given in candidates_of(task, writer, words.samples, words.programs):
        if differing == words.n or time.monotonic() - begun > 60 * words.minutes:
            break
        looked += 1
        ask = writer._asker(writer.prompt("clevr").ask(sample.question))
        voted = voting.settled(given, sample.question, ask)
        if voted.dispute is None:
            continue
        differing += 1
        programs = "\n".join(c.program for c in voted.candidates)
        plain, _ = ask(PLAIN.format(programs=programs, question=sample.question), True)
        shown = replace(voting, checks=frozenset({"scene"})).settled(voted.candidates, sample.question, ask)
        replies += (plain is not None) + ("wrote no program" not in shown.notes[-1])
        first = voted.candidates[0].program
        for way, program in (("vote", first), ("plain", plain or first), ("scene", shown.candidates[0].program)):
            hit = judged(engine, task, sample, program)
            right[way] += hit
            print(f"  {way}: {'right' if hit else 'wrong'}: {program}", flush=True)
        print(json.dumps({"looked": looked, "differing": differing, "right": right, "programs": replies}), flush=True)
    print(json.dumps({"minutes": round((time.monotonic() - begun) / 60, 1), "looked": looked, "differing": differing,
                      "right": right}))  # fmt: skip


def candidates_of(
    task: tasks.Task, writer: Writer, samples: int, kept: Path | None
) -> Iterator[tuple[Sample, list[Candidate]]]:
    """Yield questions with several programs: those that are kept, or such as the model writes now."""
    if kept is not None:
        by_id = {str(sample.id): sample for sample in task.samples}
        for line in kept.read_text(encoding="utf-8").splitlines():
            row = json.loads(line)
            if len(row["programs"]) > 1:
                yield by_id[row["id"]], [Candidate(p, 1.0 / len(row["programs"])) for p in row["programs"]]
        return
    writing = Writer(writer.chat, vocabulary=writer.vocabulary, samples=samples, repairs=0, length="short")
    for sample in task.samples:
        try:
            written = writing.write(sample.question, "clevr")
        except (dsl.ProgramError, NeptuneError) as error:
            print(f"  {sample.question}: {error.one_line()}", flush=True)
            continue
        if len(written.candidates) > 1:
            yield sample, list(written.candidates)


def judged(engine: Engine, task: tasks.Task, sample: Sample, program: str) -> bool:
    """Return whether a program's answer is right."""
    scene = engine.scene(sample.picture, sample.truth())
    try:
        return task.judge(sample, engine.run(program, scene), scene) is True
    except (dsl.ProgramError, NeptuneError):
        return False


if __name__ == "__main__":
    main()
