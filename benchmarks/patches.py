"""Programs over regions: how many real ones run, whether their results are Python's, and what they ask.

    PYTHONPATH=. python benchmarks/patches.py corpus --data DIR [--step 1]
    PYTHONPATH=. python benchmarks/patches.py python --data DIR [--number 150]
    PYTHONPATH=. python benchmarks/patches.py clevr --data DIR [--number 300] [--oracle scene|embedded]

`corpus` and `python`: DIR holds gzipped JSON lines ``{"question", "program", "from"}`` of programs that language models
wrote to ViperGPT's prompt. They are only measured with: what is printed and written names them by file and line, never
by their text. `python` runs each of a sample, drawn with seed 0, in Python too (:mod:`patches_python`, another process,
under bubblewrap where `bwrap` is there), over the same crisp answers. `clevr`: DIR is CLEVR's folder of a split; its
questions are written as programs over regions by our own templates (:mod:`patches_clevr`).
"""

from __future__ import annotations

import argparse
import gzip
import json
import random
import shutil
import subprocess
import sys
import time
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import numpy as np
from patches_clevr import program_of, sides_of
from patches_python import World, run

import dsl
from dsl.syntax.printer import print_program
from neptune.answer import Answer
from neptune.engine import Engine
from neptune.errors import NeptuneError
from neptune.perception.percepts.percepts import Percepts
from neptune.scene import Annotation, Scene
from neptune.scene.picture import Picture

OBJECTS, SCENES = 8, 8


def rows(folder: Path) -> list[tuple[str, dict[str, str]]]:
    """Return (index, record) of all programs; an index is ``file:line``."""
    found = []
    for path in sorted(folder.glob("*.jsonl.gz")):
        with gzip.open(path, "rt", encoding="utf-8") as lines:
            found += [(f"{path.name.split('.')[0]}:{k}", json.loads(line)) for k, line in enumerate(lines)]
    return found


def attempt(engine: Engine, text: str, scene: Scene, question: str) -> tuple[str, str, Answer | None]:
    """Check and run one program; return how it went, an error's line, and the answer."""
    try:
        dsl.parse(text, dialect="patches")
    except dsl.ProgramError as error:
        return "not parsed", error.one_line(), None
    try:
        dsl.check(text, vocabulary=engine.vocabulary, limits=engine.limits, dialect="patches")
    except dsl.ProgramError as error:
        return "not checked", error.one_line(), None
    try:
        answer = engine.run(text, scene, inputs={"query": question})
    except (dsl.ProgramError, NeptuneError) as error:
        return "not run", error.one_line(), None
    return ("answered" if not answer.abstained and answer.kind != "nothing" else "abstained"), "", answer


def made_engine() -> Engine:
    """Return the engine of made scenes: the answers are drawn, the depths those of the scene."""
    percepts = Percepts(depth="scene")
    return Engine(oracle="random", vocabulary=None, schedule="lazy", dialect="patches", percepts=percepts)


def corpus(data: Path, step: int) -> dict[str, Any]:
    """Run every `step` th program on a made scene with the `random` oracle."""
    engine = made_engine()
    scenes = [Scene.synthetic(OBJECTS, seed=k) for k in range(SCENES)]
    outcomes: Counter[str] = Counter()
    stood_in, read = 0, 0
    causes: dict[str, list[str]] = defaultdict(list)
    chosen = rows(data)[::step]
    start = time.process_time()
    for k, (index, row) in enumerate(chosen):
        outcome, said, answer = attempt(engine, row["program"], scenes[k % SCENES], row["question"])
        outcomes[outcome] += 1
        if answer is None:
            causes[f"{outcome}: {kind_of(said)}"].append(index)
        else:
            stood_in += bool(answer.presuppositions)
            read += any("was read as" in note for note in answer.notes)
    n = len(chosen)
    passed = n - outcomes["not parsed"] - outcomes["not checked"]
    return {
        "programs": n,
        "parsed": (n - outcomes["not parsed"]) / n,
        "checked": passed / n,
        "answered_of_checked": outcomes["answered"] / passed,
        "outcomes": outcomes,
        "with_a_stand_in": stood_in,
        "with_a_reading": read,
        "seconds": time.process_time() - start,
        "causes": {c: {"n": len(i), "first": i[:5]} for c, i in sorted(causes.items(), key=lambda x: -len(x[1]))},
    }


def kind_of(said: str) -> str:
    """Return an error without its particulars."""
    import re

    return re.sub(r"\(line.*", "", re.sub(r"'[^']*'", "'…'", said)).strip()[:90]


def plain(answer: Answer) -> Any:
    """Return an answer as Python's run shows its result."""
    if answer.kind == "object":
        return {"object": answer.value}
    if answer.kind == "region":
        return {"box": answer.value}
    if answer.kind == "objects":
        return [{"object": i} for i in answer.value]
    return answer.value


def same(ours: Any, theirs: Any) -> bool:
    """Tell whether two results are equal: truths and their words count as one, numbers to six digits."""
    words = {True: "yes", False: "no"}
    a, b = (words.get(v, v) if isinstance(v, bool) else v for v in (ours, theirs))
    if isinstance(a, int | float) and isinstance(b, int | float):
        return abs(a - b) <= 1e-6 * max(1.0, abs(a), abs(b))
    if isinstance(a, dict) and isinstance(b, dict) and "box" in a and isinstance(b.get("box"), list):
        return all(abs(x - y) < 0.01 for x, y in zip(a["box"], b["box"], strict=True))
    if isinstance(a, dict) and isinstance(b, dict) and b.get("box") == "picture":
        return a.get("box", [1])[:2] == [0, 0]
    return a == b or str(a) == str(b)


def python(data: Path, number: int) -> dict[str, Any]:
    """Compare a sample's results with those of Python's own run of the same programs over the same crisp answers."""
    engine = made_engine()
    drawn = random.Random(0).sample(rows(data), number)
    job: dict[str, Any] = {"oracle": "random", "vocabulary": None, "objects": OBJECTS, "programs": []}
    ours, verdicts = [], Counter()
    for k, (index, row) in enumerate(drawn):
        outcome, said, answer = attempt(
            engine, row["program"], Scene.synthetic(OBJECTS, seed=k % SCENES), row["question"]
        )
        text = ""
        if outcome not in ("not parsed", "not checked"):
            tree = dsl.check(row["program"], vocabulary=engine.vocabulary, dialect="patches").program
            lines = print_program(tree).splitlines()
            text = "\n".join(["def execute_command():", *(f"    {line}" for line in lines)])
        ours.append((index, outcome, said, answer))
        job["programs"].append({"program": text or "x", "seed": k % SCENES, "query": row["question"]})
    theirs = sandboxed(job)
    cases = []
    for (index, outcome, said, answer), other in zip(ours, theirs, strict=True):
        if answer is None:
            verdict = outcome
        elif "error" in other:
            verdict = "python fails, a stand-in here" if answer.presuppositions else "python fails, not here"
        elif answer.presuppositions:
            verdict = "a stand-in here"
        else:
            verdict = "equal" if same(plain(answer), other["value"]) else "different"
        verdicts[verdict] += 1
        if verdict not in ("equal", "python fails, a stand-in here"):
            shown = None if answer is None else str(plain(answer))[:60]
            cases.append([index, verdict, said, shown, str(other.get("value", other.get("error")))[:80]])
    return {"programs": number, "sandbox": bool(shutil.which("bwrap")), "verdicts": verdicts, "cases": cases}


def sandboxed(job: dict[str, Any]) -> list[dict[str, Any]]:
    """Run the job in another process: under bubblewrap where it is there, without network and with nothing to write."""
    here = str(Path(__file__).resolve().parent.parent)
    command = [sys.executable, str(Path(__file__).with_name("patches_python.py"))]
    if shutil.which("bwrap"):
        command = ["bwrap", "--ro-bind", "/", "/", "--dev", "/dev", "--unshare-all", "--die-with-parent", *command]
    done = subprocess.run(
        command,
        input=json.dumps(job),
        capture_output=True,
        text=True,
        timeout=600,
        env={"PYTHONPATH": here},
        check=True,
    )
    return list(json.loads(done.stdout))


def clevr(data: Path, number: int, oracle: str) -> dict[str, Any]:
    """Answer CLEVR questions by programs over regions; compare their calls with those of Python's own eager run."""
    questions = json.loads((data / "questions.json").read_text())["questions"]
    scenes = {s["image_filename"]: s for s in json.loads((data / "scenes.json").read_text())["scenes"]}
    asked = random.Random(0).sample(questions, number)
    engine = Engine(oracle=oracle, detector="scene", schedule="lazy", percepts=Percepts(depth=oracle))
    made: dict[str, Scene] = {}
    right: Counter[str] = Counter()
    total: Counter[str] = Counter()
    calls, eager, distinct, equal = 0, 0, 0, 0
    missed = []
    for question in asked:
        name, nodes = question["image_filename"], question["program"]
        if name not in made:
            made[name] = engine.scene(Picture(data / "images" / name), Annotation.from_clevr(scenes[name]))
        sides = sides_of(nodes)
        group = "left or right" if sides & {"left", "right"} else "front or behind" if sides else "no relation"
        text = program_of(nodes)
        try:
            answer = engine.run(text, made[name])
            said = {True: "yes", False: "no"}[answer.value] if answer.kind == "truth" else answer.value
            calls += answer.usage.oracle_calls
        except NeptuneError as error:  # an empty list's element: the oracle is asked about the whole picture
            said = error.one_line()[:80]
        good = str(said).lower() == str(question["answer"]).lower()
        total[group] += 1
        right[group] += good
        world = World(made[name], engine.oracle, engine.vocabulary)
        other = run(text.replace("execute_command(image)", "execute_command()"), world)
        eager += other["calls"]
        distinct += other["asked"]
        equal += (
            same(said, other["value"]) if "value" in other else "whole picture" in str(said) or "0 objects" in str(said)
        )
        if not good:
            missed.append(
                [question["question_index"], group, str(said), str(question["answer"]), disagreeing(made[name])]
            )
        engine.context.kept._kept.clear()  # each question pays for itself, as in the eager run
    return {
        "questions": number,
        "oracle": oracle,
        "right": {g: f"{right[g]} of {total[g]}" for g in total},
        "calls": {"lazily": calls, "eagerly": eager, "share": calls / eager, "different ones, eagerly": distinct},
        "same_as_python": equal,
        "missed": missed,
    }


def disagreeing(scene: Scene) -> list[list[int]]:
    """Return the pairs of a scene's objects whose boxes' centres disagree with left and right on the ground."""
    assert scene.annotation is not None
    x = (scene.boxes[:, 0] + scene.boxes[:, 2]) / 2
    differ = (x[:, None] < x[None, :]) != scene.annotation.relations["left"]
    return [pair for pair in np.argwhere(differ | differ.T).tolist() if pair[0] < pair[1]]


def main() -> None:
    """Measure what is asked for; print JSON, and write it where asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("corpus", "python", "clevr"))
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--step", type=int, default=1)
    parser.add_argument("--number", type=int, default=None)
    parser.add_argument("--oracle", default="scene")
    parser.add_argument("--output", type=Path)
    given = parser.parse_args()
    if given.what == "corpus":
        result = corpus(given.data, given.step)
    elif given.what == "python":
        result = python(given.data, given.number or 150)
    else:
        result = clevr(given.data, given.number or 300, given.oracle)
    text = json.dumps(result, indent=1, ensure_ascii=False)
    print(text)
    if given.output:
        given.output.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
