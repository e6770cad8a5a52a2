"""How many programs of a language model are right: plain, bound to the grammar, with repair.

    python benchmarks/local_writer.py --base_url http://127.0.0.1:8080/v1 --model coder
    python benchmarks/local_writer.py --gguf coder.gguf --n 20        # serves the file with xllamacpp, one thread
    python benchmarks/local_writer.py --gguf coder.gguf --n 10 --dialect patches --modes plain grammar

Questions are spread over CLEVR's sample in ``examples/clevr``; answers come from the annotations (oracle ``scene``),
so that only the program can be wrong. Of the model's replies it is counted how many were cut off, and how many of the
others parse as they stand; bound to the grammar, those are texts of ``generate``.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
import time
from functools import partial
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

import dsl  # noqa: E402
from neptune import tasks  # noqa: E402
from neptune.answer import Answer  # noqa: E402
from neptune.engine import Engine  # noqa: E402
from neptune.errors import NeptuneError  # noqa: E402
from neptune.scene import Scene  # noqa: E402
from neptune.writer.chat import Chat, Reply, Settings, Spent  # noqa: E402
from neptune.writer.extract import extract  # noqa: E402
from neptune.writer.vote import answer_together  # noqa: E402
from neptune.writer.writer import Writer  # noqa: E402

MODES = {
    "plain": {"constrained": "off", "repairs": 0},
    "repair": {"constrained": "off", "repairs": 2},
    "grammar": {"constrained": "gbnf", "repairs": 0},
    "grammar and repair": {"constrained": "gbnf", "repairs": 2},
}


class Heard(Chat):
    """A model, and all that it replied."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self.replies: list[Reply] = []

    def ask(self, *args: Any, **kwargs: Any) -> tuple[list[Reply], Spent]:
        """Ask, and keep what is replied."""
        replies, spent = super().ask(*args, **kwargs)
        self.replies += replies
        return replies, spent

    def counts(self, dialect: str | None) -> dict[str, int]:
        """Return how many replies there were, how many were cut off, and how many of the others parse."""
        ended = [reply.text for reply in self.replies if reply.failure is None]
        bound = self.settings.constrained == "gbnf"
        parsed = 0
        for text in ended:
            with contextlib.suppress(dsl.ProgramError):
                program, start = (text, "generate") if bound else (extract(text).program, "accept")
                dsl.parse(program, start=start, dialect=dialect)
                parsed += 1
        return {"replies": len(self.replies), "cut off": len(self.replies) - len(ended), "parsed": parsed}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--base_url")
    parser.add_argument("--gguf", help="serve this file with xllamacpp")
    parser.add_argument("--model", default="local")
    parser.add_argument("--n", type=int, default=20)
    parser.add_argument("--task", choices=("clevr", "clevr-refexps"), default="clevr")
    parser.add_argument("--dialect", choices=("first_order", "neptune", "patches"), default="first_order")
    parser.add_argument("--length", default="short")
    parser.add_argument("--max_tokens", type=int, default=120)
    parser.add_argument("--timeout", type=float, default=600, help="seconds for a reply")
    parser.add_argument("--modes", nargs="+", choices=MODES, default=list(MODES))
    parser.add_argument("--show", action="store_true", help="print each program")
    words = parser.parse_args()
    if not (words.base_url or words.gguf):
        print("give --base_url of a server, or --gguf of a model: see the top of this file")
        return
    with contextlib.ExitStack() as stack:
        url = words.base_url
        if words.gguf:
            sys.path.insert(0, str(ROOT / "tests"))
            from helpers.local_server import llama_server

            url = stack.enter_context(llama_server(words.gguf))
        for mode in words.modes:
            print(json.dumps(measure(mode, url, words)), flush=True)


def measure(mode: str, url: str, words: argparse.Namespace) -> dict[str, object]:
    task = tasks.load(words.task, ROOT / "examples" / "clevr")
    step = max(1, len(task.samples) // words.n)
    samples = [task.samples[i] for i in range(0, len(task.samples), step)][: words.n]
    patches = words.dialect == "patches"
    engine = Engine(oracle="scene", detector="scene", dialect="patches" if patches else "auto")
    settings = Settings(
        "local", words.model, url, max_tokens=words.max_tokens, timeout=words.timeout, retries=0, concurrency=1,
        constrained=MODES[mode]["constrained"],
    )  # fmt: skip
    chat = Heard(settings)
    writer = Writer(
        chat, vocabulary=engine.vocabulary, repairs=MODES[mode]["repairs"], dialect=words.dialect, length=words.length
    )
    counts = dict.fromkeys(("right", "wrong", "no program", "fails when run"), 0)
    start = time.perf_counter()
    for sample in samples:
        program, outcome = "", "no program"
        try:
            written = writer.write(sample.question, words.task)
            program, outcome = written.program, "fails when run"
            scene = engine.scene(sample.picture, sample.truth())
            given = {"query": sample.question} if patches else None
            run = partial(run_on, engine, scene, given)
            answer, _ = answer_together(written.candidates, run)
            outcome = "right" if task.judge(sample, answer, scene) else "wrong"
        except (dsl.ProgramError, NeptuneError) as error:
            program = program or f"{type(error).__name__}: {error.one_line()}"
        counts[outcome] += 1
        if words.show:
            print(f"  {outcome}: {sample.question}\n    {program}", flush=True)
    seconds = (time.perf_counter() - start) / len(samples)
    heard = chat.counts("patches" if patches else None)
    spent = writer.spent.as_dict()
    return {"mode": mode, "n": len(samples), **counts, **heard, "seconds each": round(seconds, 1), **spent}


def run_on(engine: Engine, scene: Scene, given: dict[str, Any] | None, program: str) -> Answer:
    return engine.run(program, scene, inputs=given)


if __name__ == "__main__":
    main()
