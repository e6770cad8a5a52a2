"""Make small samples in the formats of CLEVR-Humans, Ref-Adv and RefGTA from the shipped pictures.

    python examples/make_formats.py

writes ``examples/clevr/CLEVR-Humans-val.json``, ``examples/formats/refadv/``, ``examples/formats/refgta/`` and the
programs of their questions. Only the *formats* are those of the datasets: questions, boxes and pictures are this
project's own, so that the configs run, and the readers are shown, on a fresh clone. Every program is run on the true
scene first; one that does not give the answer below ends in an error.
"""

from __future__ import annotations

import json
import pickle
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from neptune.answer import Answer  # noqa: E402
from neptune.engine import Engine  # noqa: E402
from neptune.scene import Annotation, Scene  # noqa: E402
from neptune.scene.picture import Picture  # noqa: E402
from neptune.tasks.base import plain  # noqa: E402

CLEVR = ROOT / "examples" / "clevr"
FORMATS = ROOT / "examples" / "formats"

HUMANS = [
    ("000004", "Are there more balls than blocks?", "greater_than(count(Object, lambda x: sphere(x)), "
     "count(Object, lambda x: cube(x)))", "yes"),
    ("000004", "How many things are tiny and brown?", "count(Object, lambda x: small(x) and brown(x))", "2"),
    ("000004", "What is the shiny thing shaped like?", "describe(Shape, iota(Object, lambda x: metal(x)))", "cylinder"),
    ("000006", "Is everything in the picture shiny?", "forall(Object, lambda x: metal(x))", "yes"),
    ("000006", "How many of the cylinders are big?", "count(Object, lambda x: cylinder(x) and large(x))", "2"),
    ("000009", "What color is the cube that reflects light?", "describe(Color, iota(Object, lambda x: cube(x) and "
     "metal(x)))", "yellow"),
    ("000009", "Do any two balls have the same color?", "exists(Object, lambda x: sphere(x) and exists(Object, "
     "lambda y: sphere(y) and same_color(x, y)))", "yes"),
    ("000027", "If you took away all cubes, how many objects would be left?",
     "count(Object, lambda x: not cube(x))", "2"),
    ("000027", "Is the big thing behind the green one?", "behind(iota(Object, lambda x: large(x)), "
     "iota(Object, lambda y: green(y)))", "no"),
    ("000049", "Of the red items, how many are blocks?", "count(Object, lambda x: red(x) and cube(x))", "2"),
    ("000049", "Is there a green cube?", "exists(Object, lambda x: green(x) and cube(x))", "no"),
    ("000049", "What material is the large cylinder made of?", "describe(Material, iota(Object, lambda x: large(x) and "
     "cylinder(x)))", "metal"),
]  # fmt: skip
"""Picture, question as a person would put it, program, answer."""

POINTED = [
    ("000004", "the red block beside the brown cans", "red(x) and cube(x)", 1),
    ("000004", "the cyan ball, not the gray one", "cyan(x) and sphere(x) and not gray(x)", 3),
    ("000006", "the big purple can behind the gray block", "large(x) and purple(x) and cylinder(x) and "
     "behind(x, iota(Object, lambda y: gray(y) and cube(y)))", 2),
    ("000006", "the shiny block with nothing like it around", "cube(x) and metal(x)", 3),
    ("000009", "the gray thing that is not a cube", "gray(x) and not cube(x)", 6),
    ("000009", "the large ball to the right of the blue ball", "large(x) and sphere(x) and "
     "right(x, iota(Object, lambda y: blue(y) and sphere(y)))", 1),
    ("000049", "the matte ball", "rubber(x) and sphere(x)", 7),
    ("000049", "the metal cube, not any of the rubber ones", "metal(x) and cube(x) and not rubber(x)", 0),
]  # fmt: skip
"""Picture, expression, what must hold of x, the object meant."""


def main() -> None:
    """Check every program and write the samples."""
    scenes = json.loads((CLEVR / "scenes.json").read_text(encoding="utf-8"))["scenes"]
    truth = {s["image_filename"].split("_")[2].removesuffix(".png"): Annotation.from_clevr(s) for s in scenes}
    engine = Engine(oracle="scene")

    def answered(picture: str, program: str) -> Answer:
        return engine.run(program, Scene.from_annotation(truth[picture]))

    for picture, question, program, answer in HUMANS:
        said = plain(answered(picture, program))
        if str(said) != answer:
            raise SystemExit(f"{question}: {said}, not {answer}")
    programs = [f"point(Object, lambda x: {formula})" for _, _, formula, _ in POINTED]
    for (picture, expression, _, index), program in zip(POINTED, programs):
        said = answered(picture, program).value
        if said != index:
            raise SystemExit(f"{expression}: object {said}, not {index}")

    write_humans()
    write_programs("clevr-humans", {q: p for _, q, p, _ in HUMANS})
    for name, write in (("refadv", write_refadv), ("refgta", write_refgta)):
        images = FORMATS / name / ("Images" if name == "refadv" else "images")
        images.mkdir(parents=True, exist_ok=True)
        for picture in sorted({p for p, *_ in POINTED}):
            Picture(CLEVR / "images" / f"CLEVR_val_{picture}.png").image.save(
                images / f"CLEVR_val_{picture}.jpg", quality=92
            )
        write(FORMATS / name, truth)
        write_programs(name, {e: p for (_, e, _, _), p in zip(POINTED, programs)})


def write_humans() -> None:
    """Write the questions in CLEVR-Humans' format: CLEVR's, without programs."""
    questions = [
        {"question_index": i, "question": q, "answer": a, "split": "val"}
        | {"image_filename": f"CLEVR_val_{p}.png", "image_index": int(p)}
        for i, (p, q, _, a) in enumerate(HUMANS)
    ]
    content = {"info": {"note": "this project's own questions, in the format of CLEVR-Humans"}}
    write_json(CLEVR / "CLEVR-Humans-val.json", content | {"questions": questions})


def write_refadv(folder: Path, truth: dict[str, Annotation]) -> None:
    """Write ``refcocog_adv_annotations.json``."""
    records = {}
    for i, (picture, expression, _, index) in enumerate(POINTED):
        boxes = {str(k + 1): box for k, box in enumerate(sized(truth[picture]))}
        records[str(i)] = {
            "img_file_name": f"CLEVR_val_{picture}.jpg",
            "bbox_candidates_map": json.dumps(boxes),
            "most_confused_bbox_number": str(index + 1),
            "most_confused_bbox_GT_desc": expression,
        }
    write_json(folder / "refcocog_adv_annotations.json", records)


def write_refgta(folder: Path, truth: dict[str, Annotation]) -> None:
    """Write ``refs(utokyo).p`` and ``instances.json``."""
    images, annotations, refs = [], [], []
    for picture in sorted({p for p, *_ in POINTED}):
        name = f"CLEVR_val_{picture}.jpg"
        images.append({"id": int(picture), "file_name": name, "width": 480, "height": 320})
        for k, box in enumerate(sized(truth[picture])):
            entry = {"id": int(picture) * 100 + k, "image_id": int(picture), "category_id": 1, "bbox": box}
            annotations.append(entry)
    for i, (picture, expression, _, index) in enumerate(POINTED):
        sentence = {"sent_id": i, "sent": expression, "raw": expression, "tokens": expression.split()}
        refs.append(
            {"ref_id": i, "ann_id": int(picture) * 100 + index, "image_id": int(picture), "category_id": 1}
            | {"split": "val", "sent_ids": [i], "sentences": [sentence]}
        )
    content = {"images": images, "annotations": annotations, "categories": [{"id": 1, "name": "object"}]}
    write_json(folder / "instances.json", content)
    (folder / "refs(utokyo).p").write_bytes(pickle.dumps(refs, protocol=2))


def sized(truth: Annotation) -> list[list[float]]:
    """Return the boxes as COCO writes them: x, y, width, height."""
    return [[x0, y0, x1 - x0, y1 - y0] for x0, y0, x1, y1 in truth.boxes.tolist()]


def write_programs(name: str, programs: dict[str, str]) -> None:
    """Write the programs by question."""
    write_json(ROOT / "programs" / f"{name}-sample.json", programs)


def write_json(path: Path, content: Any) -> None:
    """Write a readable JSON file."""
    path.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    print(path.relative_to(ROOT))


if __name__ == "__main__":
    main()
