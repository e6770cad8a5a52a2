"""Distillation: rationales drawn for reading, and students of four kinds of lessons, beside the engine.

    python benchmarks/distil.py draw FOLDER --count 200 > page.md        rationales of a folder of task distil
    python benchmarks/distil.py plans DATA/clevr/train              the reader's programs: do they have the gold plans?
    python benchmarks/distil.py pick DATA/clevr/train FOLDER --count 200      a dataset of questions drawn with a seed
    python benchmarks/distil.py students --data_dir DATA/clevr/train --val_dir DATA/clevr/val --out OUT

A student is a Qwen2-VL of half a million parameters, trained on one thread in a few minutes: on questions that it can
learn at that size (attributes, existence, counts up to 3, relations of two) and on pictures made small for it. All
start from the same eyes (benchmarks/distil_start.py); the rest of it starts from random weights. The arms:

    a  answers alone                     c  soft targets and rationales
    b  answers and rationales            d  as c; the pictures of one half without labels, answered by the engine

All arms make the same number of steps, with --seeds seeds each; each is then asked the questions of val, by task
direct, and so is the engine. Each step is kept in OUT: the same command goes on where it was, and prints the table.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import random
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

from distil_start import PIXELS, SHOWN, begun, eyes

import dsl
from dsl.vocabulary import Vocabulary
from neptune import tasks
from neptune.cli import main as command
from neptune.engine.analysis.equivalence import plan_key
from neptune.errors import NeptuneError
from neptune.learn.distil.export import ANSWER, DISTILLED, RATIONALE, read_distilled
from neptune.learn.distil.task import DistilConfig, distil
from neptune.learn.student.task import StudentConfig, student
from neptune.runs.evaluate.intervals import interval
from neptune.runs.evaluate.side_by_side import figures
from neptune.runs.evaluate.summary import picture_of
from neptune.runs.record.kept import scan
from neptune.writer.vote import canonical
from neptune.writer.writer import Writer

ARMS = ("a", "b", "c", "d")


def learnable(question: str, program: str, answer: Any) -> bool:
    """Whether a small student can learn a question: at most two things are spoken of, and counts are small."""
    number = str(answer)
    few = not number.isdecimal() or int(number) <= 3
    compared = "equal(" in program or "same_" in program
    return few and program.count("lambda") <= 2 and len(question.split()) <= 24 and not compared


def half(picture: str) -> bool:
    """Which half a picture belongs to, by its name: True for the one that is labelled for every arm."""
    return hashlib.sha256(Path(picture).name.encode()).digest()[0] % 2 == 0


def dataset(data_dir: Path, out: Path, count: int | None, only: bool | None = None) -> Path:
    """Write CLEVR's questions that a student can learn, in CLEVR's own form, and return the folder.

    `only` keeps the pictures of one half: the labelled one, or the other one, whose answers are left out.
    """
    folder = out / "data" / (data_dir.name + {None: "", True: "-labelled", False: "-hidden"}[only])
    if not (folder / "questions.json").is_file():
        loaded = tasks.load("clevr", data_dir)
        records = json.loads((data_dir / "questions.json").read_text(encoding="utf-8"))["questions"]
        pairs = zip(records, loaded.samples, strict=True)
        chosen = [r for r, s in pairs if s.program and learnable(s.question, s.program, s.expected)]
        random.Random(0).shuffle(chosen)
        kept = [r for r in chosen[:count] if only is None or half(r["image_filename"]) == only]
        if only is False:
            kept = [{k: v for k, v in r.items() if k != "answer"} for r in kept]
        kept.sort(key=lambda r: str(r["image_filename"]))  # each picture is looked at once
        folder.mkdir(parents=True, exist_ok=True)
        for name in ("images", "scenes.json"):
            if not (folder / name).exists():
                (folder / name).symlink_to((data_dir / name).resolve())
        (folder / "questions.json").write_text(json.dumps({"questions": kept}), encoding="utf-8")
    return folder


def small(picture: Path, folder: Path) -> Path:
    """Write a picture as small as a student sees it, once, and return its path."""
    path = folder / picture.name
    if not path.is_file():
        from PIL import Image

        folder.mkdir(parents=True, exist_ok=True)
        with Image.open(picture) as whole:
            whole.convert("RGB").resize(SHOWN, Image.Resampling.LANCZOS).save(path, quality=95)
    return path


def small_dataset(folder: Path, out: Path) -> Path:
    """Write a dataset with small pictures, for students, and return its folder."""
    copy = out / "small" / folder.name
    if not (copy / "questions.json").is_file():
        copy.mkdir(parents=True, exist_ok=True)
        text = (folder / "questions.json").read_text(encoding="utf-8")
        for record in json.loads(text)["questions"]:
            small(folder / "images" / record["image_filename"], copy / "images")
        (copy / "questions.json").write_text(text, encoding="utf-8")
    return copy


def distilled(data: Path, out: Path) -> Path:
    """Distil a dataset with the embedded models and the reader of questions; return the folder."""
    folder = out / "distilled" / data.name
    if not (folder / "results.json").is_file():
        fields = {"data_dir": str(data), "follow_links": True, "code_gen_provider": "embedded"}
        _, code = distil(DistilConfig(**fields), folder)
        if code:
            sys.exit(code)
    return folder / DISTILLED


def lessons(arm: str, labelled: Path, unlabelled: Path, out: Path) -> Path:
    """Write what an arm learns: of the labelled half, and for arm d of the other half what the engine answers."""
    path = out / "lessons" / f"{arm}.jsonl"
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        text = ""
        for row in (*read_distilled(labelled), *(read_distilled(unlabelled) if arm == "d" else ())):
            if row["kind"] == ANSWER or arm != "a":
                row["images"] = [str(small(Path(row["images"][0]), out / "small" / "pictures"))]
                text += json.dumps(row, ensure_ascii=False) + "\n"
        path.write_text(text, encoding="utf-8")
    return path


def start(labelled: Path, args: argparse.Namespace) -> Path:
    """Return the folder of what all students start from: eyes that the labelled pictures taught, and words."""
    folder = args.out / "start"
    if not (folder / "config.json").is_file():
        rows = list(read_distilled(labelled))
        shown = {Path(row["images"][0]).name for row in rows}
        scenes = json.loads((args.data_dir / "scenes.json").read_text(encoding="utf-8"))["scenes"]
        scenes = [scene for scene in scenes if scene["image_filename"] in shown]
        texts = [m["content"] for row in rows for m in row["messages"]]
        eyes(texts, scenes, args.data_dir / "images", folder, args.start_steps)
    return folder


def one(arm: str, seed: int, path: Path, first: Path, val: Path, args: argparse.Namespace) -> dict[str, Any]:
    """Train and ask one student, where that was not done before; return its figures on val."""
    out = args.out / "students" / f"{arm}-{seed}"
    options = {"max_pixels": PIXELS, "device": "cpu"}
    if not (out / "model" / "config.json").is_file():
        first = begun(first, seed, args.out / "begun" / str(seed))
        config = StudentConfig.model_validate(
            {
                "data": str(path),
                "seed": seed,
                "vlm_model_name": str(first),
                "vlm_options": options,
                "tuning": "full",
                "softness": 0.5 if arm in "cd" else 0.0,
                "steps": {"epochs": 1000, "max_steps": args.steps, "batch": args.batch, "lr": 1.5e-3, "save_every": 50},
                "gradient_checkpointing": False,
                "mixed_precision": "no",
                "device": "cpu",
                "threads": args.threads,
            }
        )
        student(config, out)
    val = small_dataset(val, args.out)
    return asked(out / "direct", val, ["--task", "direct", "--vlm_model_name", str(out / "model")], options, args)


def asked(out: Path, val: Path, words: list[str], options: dict[str, Any], args: argparse.Namespace) -> dict[str, Any]:
    """Ask the questions of val, as far as that was not done, and return the figures."""
    words = ["run", "clevr", *words, "--data_dir", str(val), "--follow_links", "true", "--output_dir", str(out)]
    command([*words, "--num_samples", str(args.val), "--vlm_options", json.dumps(options), "--oracle_cache", "null"])
    records = [record for record, _ in scan(out / "samples.jsonl")]
    right = [bool(r.get("correct")) for r in records]
    return figures(records) | {"interval": interval(right, [picture_of(r) for r in records])}


def students(args: argparse.Namespace) -> None:
    """Train all students that are not there yet, and print what each is worth."""
    val = dataset(args.val_dir, args.out, args.val)
    labelled, hidden = (
        distilled(dataset(args.data_dir, args.out, args.train, only), args.out) for only in (True, False)
    )
    first = start(labelled, args)
    rows = [("engine", "–", asked(args.out / "engine", val, ["--code_gen_provider", "embedded"], {}, args))]
    for seed in range(args.seeds):
        for arm in args.arms:
            rows.append((arm, str(seed), one(arm, seed, lessons(arm, labelled, hidden, args.out), first, val, args)))
    print("| arm | seed | right | 95 % | calibration error | seconds a question | calls |")
    print("|---|---|---:|---:|---:|---:|---:|")
    for arm, seed, row in rows:
        low, high = row["interval"] or (0.0, 1.0)
        ece = "–" if row["ece"] is None else f"{row['ece']:.3f}"
        print(
            f"| {arm} | {seed} | {row['accuracy']:.1%} | {low:.1%} – {high:.1%} | {ece} | {row['seconds']:.3f} | "
            f"{row['calls']:.1f} |"
        )


def draw(args: argparse.Namespace) -> None:
    """Print rationales of a folder of task distil, drawn with a seed."""
    rows = [row for row in read_distilled(args.folder / DISTILLED) if row["kind"] == RATIONALE]
    for number, row in enumerate(random.Random(args.seed).sample(rows, min(args.count, len(rows))), 1):
        print(f"{number}. `{row['id'].split('/')[0]}` **{row['question']}** {row['messages'][1]['content']}\n")


def plans(args: argparse.Namespace) -> None:
    """Compare the reader's program of each question with the gold one: by text, else by plan, without running it."""
    vocabulary = Vocabulary.load("clevr")
    writer = Writer.embedded(vocabulary)
    counts: Counter[str] = Counter()
    begun = time.process_time()
    for sample in tasks.load("clevr", args.data_dir).samples[args.start :: args.step]:
        counts["questions"] += 1
        try:
            program = writer.write(sample.question, "clevr").program
        except NeptuneError as error:
            counts[f"not read: {type(error).__name__}"] += 1
            continue
        gold = sample.gold()
        if canonical(dsl.parse(program)) == canonical(dsl.parse(gold)):
            counts["the same text"] += 1
        elif plan_key(program, vocabulary) == plan_key(gold, vocabulary):
            counts["the same plan"] += 1
        else:
            counts["another plan"] += 1
            print(f"{sample.id} {sample.question}\n  {program}\n  {gold}", flush=True)
    print(json.dumps({**counts, "seconds of one core": round(time.process_time() - begun, 1)}), flush=True)


def pick(args: argparse.Namespace) -> None:
    """Write a dataset of some questions of another, drawn with a seed."""
    records = json.loads((args.data_dir / "questions.json").read_text(encoding="utf-8"))["questions"]
    args.folder.mkdir(parents=True, exist_ok=True)
    for name in ("images", "scenes.json"):
        if not (args.folder / name).exists():
            (args.folder / name).symlink_to((args.data_dir / name).resolve())
    drawn = random.Random(args.seed).sample(records, args.count)
    (args.folder / "questions.json").write_text(json.dumps({"questions": drawn}), encoding="utf-8")


def main() -> None:
    """Read the command line, and do what it says."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parts = parser.add_subparsers(required=True)
    drawing = parts.add_parser("draw")
    drawing.add_argument("folder", type=Path)
    drawing.add_argument("--count", type=int, default=200)
    drawing.add_argument("--seed", type=int, default=0)
    drawing.set_defaults(do=draw)
    comparing = parts.add_parser("plans")
    comparing.add_argument("data_dir", type=Path)
    comparing.add_argument("--start", type=int, default=0)
    comparing.add_argument("--step", type=int, default=1)
    comparing.set_defaults(do=plans)
    picking = parts.add_parser("pick")
    picking.add_argument("data_dir", type=Path)
    picking.add_argument("folder", type=Path)
    picking.add_argument("--count", type=int, default=200)
    picking.add_argument("--seed", type=int, default=0)
    picking.set_defaults(do=pick)
    teaching = parts.add_parser("students")
    teaching.add_argument("--data_dir", type=Path, required=True)
    teaching.add_argument("--val_dir", type=Path, required=True)
    teaching.add_argument("--out", type=Path, required=True)
    teaching.add_argument("--arms", default="".join(ARMS))
    teaching.add_argument("--seeds", type=int, default=3)
    teaching.add_argument("--steps", type=int, default=450)
    teaching.add_argument("--batch", type=int, default=16, help="lessons a step")
    teaching.add_argument("--train", type=int, help="questions that are distilled, at most")
    teaching.add_argument("--start_steps", type=int, default=400, help="steps in which the eyes are taught")
    teaching.add_argument("--val", type=int, default=300, help="questions that are asked, at most")
    teaching.add_argument("--threads", type=int, default=1)
    teaching.set_defaults(do=students)
    args = parser.parse_args()
    args.do(args)


if __name__ == "__main__":
    main()
