"""Questions in words without a language model: the share understood, and right, of several collections.

    python benchmarks/words.py paraphrases                      tests/writer/paraphrases.json
    python benchmarks/words.py clevr --data_dir FOLDER          CLEVR's questions, by the answers on annotated scenes
    python benchmarks/words.py sample                           programs/clevr-sample.json, against its programs
    python benchmarks/words.py nlvr --data_dir FOLDER           NLVR's sentences, by the labels of all their scenes
    python benchmarks/words.py humans --programs FILE.jsonl.gz  CLEVR-Humans, against a language model's programs

A program is right if its plan is that of the expected one, or if both answer alike on made scenes; a question of a
dataset, if the program gives the dataset's answer on the annotated scene. `--show N` prints what is not.
"""

from __future__ import annotations

import argparse
import gzip
import json
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from llm_programs import SPLITS, held_out

import dsl
from dsl.vocabulary import Vocabulary
from neptune.engine import Engine
from neptune.engine.analysis.equivalence import plan_key
from neptune.errors import NeptuneError
from neptune.scene.scene import Scene
from neptune.writer.english import reader_of

ROOT = Path(__file__).resolve().parents[1]
VOCABULARY = Vocabulary.load("clevr")


class Judge:
    """Says whether two programs mean the same, by their plans or their answers on made scenes."""

    def __init__(self, scenes: int = 40) -> None:
        self.engine = Engine(oracle="scene", detector=None, vocabulary=VOCABULARY, schedule="all")
        self.scenes = [Scene.synthetic(3 + k % 8, seed=k) for k in range(scenes)]

    def alike(self, program: str, expected: str) -> bool:
        """Tell whether two programs have one plan, or the same answers on all made scenes."""
        key = plan_key(expected, VOCABULARY)
        if key is not None and key == plan_key(program, VOCABULARY):
            return True
        return all(self.answer(program, s) == self.answer(expected, s) for s in self.scenes)

    def answer(self, program: str, scene: Scene) -> object:
        """Return a program's answer on a scene."""
        return self.engine.run(program, scene).value


def written(question: str, vocabulary: Vocabulary = VOCABULARY) -> tuple[str | None, str]:
    """Return the program of a question, or ``None`` and what is said instead."""
    try:
        return reader_of(vocabulary).read(question).program, ""
    except NeptuneError as error:
        return None, error.one_line()


def against_programs(rows: Iterable[tuple[str, list[str]]]) -> Iterator[tuple[str, str, str]]:
    """Yield question, ``right``, ``wrong`` or ``not understood``, and what was written or said."""
    judge = Judge()
    for question, expected in rows:
        program, said = written(question)
        if program is None:
            yield question, "not understood", said
            continue
        usable = []
        for text in expected:
            try:
                plan_key(text, VOCABULARY)
                usable.append(text)
            except dsl.ProgramError:
                continue
        if not usable:
            yield question, "nothing to compare with", program
            continue
        try:
            right = any(judge.alike(program, text) for text in usable)
        except (NeptuneError, dsl.ProgramError) as error:
            yield question, "nothing to compare with", f"{program}: {error.one_line()}"
            continue
        yield question, "right" if right else "wrong", program


def clevr(folder: Path, number: int | None) -> Iterator[tuple[str, str, str]]:
    """Yield the same for a folder of CLEVR's questions, judged by the answers on its annotated scenes."""
    from neptune import tasks

    engine = Engine(oracle="scene", detector="scene", vocabulary=VOCABULARY, schedule="all")
    task = tasks.load("clevr", str(folder), num_samples=number)
    for sample in task.samples:
        program, said = written(sample.question)
        if program is None:
            yield sample.question, "not understood", said
            continue
        scene = engine.scene(sample.picture, sample.annotation)
        right = task.judge(sample, engine.run(program, scene), scene)
        yield sample.question, "right" if right else "wrong", program


def nlvr(folder: Path, split: str) -> Iterator[tuple[str, str, str]]:
    """Yield the same for each different sentence of NLVR: right, if it is about every structured scene of its own."""
    from neptune import tasks

    world = Vocabulary.load("nlvr")
    engine = Engine(oracle="scene", detector="scene", vocabulary=world, schedule="all")
    task = tasks.load("nlvr", str(folder), split=split)
    of_each: dict[str, list[tuple[str, Any]]] = {}
    for sample in task.samples:
        of_each.setdefault(sample.question, []).append((str(sample.group), sample))
    examples = right_ones = 0
    for sentence, samples in of_each.items():
        program, said = written(sentence, world)
        if program is None:
            yield sentence, "not understood", said
            continue
        verdicts = []
        for _, sample in samples:
            scene = engine.scene(sample.picture, sample.annotation)
            verdicts.append(task.judge(sample, engine.run(program, scene), scene))
        examples, right_ones = examples + len(verdicts), right_ones + sum(verdicts)
        yield sentence, "right" if all(verdicts) else "wrong", program
    print(f"examples of those read: {right_ones} of {examples} right")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("paraphrases", "clevr", "sample", "nlvr", "humans"))
    parser.add_argument("--data_dir", type=Path)
    parser.add_argument("--programs", type=Path)
    parser.add_argument("--number", type=int)
    parser.add_argument("--nlvr_split", choices=("dev", "test"), default="dev")
    parser.add_argument(
        "--split", choices=SPLITS, default="all", help="of CLEVR-Humans, as benchmarks/llm_programs.py has it"
    )
    parser.add_argument("--step", type=int, default=1, help="take every so many-th question of CLEVR-Humans")
    parser.add_argument("--show", type=int, default=0)
    words = parser.parse_args()
    rows: Iterable[tuple[str, list[str]]]
    if words.what == "clevr":
        found = clevr(words.data_dir, words.number)
    elif words.what == "nlvr":
        found = nlvr(words.data_dir, words.nlvr_split)
    else:
        if words.what == "paraphrases":
            data = json.loads((ROOT / "tests/writer/paraphrases.json").read_text(encoding="utf-8"))
            rows = [(row["question"], [row["program"]]) for row in data]
        elif words.what == "sample":
            data = json.loads((ROOT / "programs/clevr-sample.json").read_text(encoding="utf-8"))
            rows = [(question, [program]) for question, program in data.items()]
        else:
            with gzip.open(words.programs, "rt", encoding="utf-8") as file:
                rows = [(row["question"], row["programs"][:1]) for row in map(json.loads, file)]
            rows = [r for r in rows if words.split == "all" or held_out(r[0]) == (words.split == "held-out")]
            rows = rows[:: words.step][: words.number]
        found = against_programs(rows)
    counts, start, shown = Counter[str](), time.perf_counter(), 0
    for question, outcome, text in found:
        counts[outcome] += 1
        if outcome not in ("right", "nothing to compare with") and shown < words.show and words.split != "held-out":
            shown += 1
            print(f"{outcome}: {question}\n    {text}")
    total, understood = sum(counts.values()), sum(counts.values()) - counts["not understood"]
    judged = counts["right"] + counts["wrong"]
    print(", ".join(f"{n} {what}" for what, n in counts.most_common()))
    right = counts["right"] / max(judged, 1)
    print(f"understood {understood / total:.1%} of {total}; right {right:.1%} of {judged} judged")
    questions = [row[0] for row in rows] if words.what not in ("clevr", "nlvr") else []
    print(
        f"{time.perf_counter() - start:.0f} s in all" + (f", {_pace(questions):.1f} ms a question" if questions else "")
    )


def _pace(questions: list[str]) -> float:
    start = time.perf_counter()
    for question in questions[:500]:
        written(question)
    return 1e3 * (time.perf_counter() - start) / len(questions[:500])


if __name__ == "__main__":
    main()
