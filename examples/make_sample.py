"""Make a small sample of a folder in CLEVR format, and the program caches of its questions.

    python examples/make_sample.py --data_dir PATH/TO/clevr/val

writes ``examples/clevr/`` (36 pictures, at most 120 questions and 60 of each transfer task) and
``programs/clevr*-sample.json``. The pictures are chosen so that numbers of objects, kinds of objects and
families of questions are all covered; nothing is random, so the same folder always gives the same sample.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from neptune import tasks  # noqa: E402
from neptune.errors import NeptuneError  # noqa: E402
from neptune.tasks.base import Sample  # noqa: E402
from neptune.tasks.clevr.clevr import ClevrTask  # noqa: E402
from neptune.tasks.reading import Folder, read_records  # noqa: E402

NAMES = ("clevr", "clevr-refexps", "clevr-puzzle", "clevr-rpm")
PROGRAM_FILES = {name: f"{name}-sample.json" for name in NAMES}


def take(features: Mapping[int, Sequence[Any]], n: int, seen: Counter[Any]) -> list[int]:
    """Choose up to `n` keys, each time the one whose features were chosen least; ties by the lower key."""
    left = dict(features)
    chosen: list[int] = []
    while left and len(chosen) < n:
        best = max(left, key=lambda i: (sum(1 / (1 + seen[f]) ** 2 for f in left[i]), -i))
        seen.update(left.pop(best))
        chosen.append(best)
    return sorted(chosen)


def scene_features(scene: Mapping[str, Any], samples: Iterable[Sample]) -> list[Any]:
    """Return what makes a picture worth having: its objects' number and kinds, its questions' families."""
    objects = scene["objects"]
    found: list[Any] = [("number", len(objects))] * 6
    found += [(o["shape"], o["material"], o["size"]) for o in objects]
    found += [(o["color"], o["shape"]) for o in objects]
    return found + [question_features(sample)[0] for sample in samples]


def question_features(sample: Sample) -> list[Any]:
    """Return what makes a question worth having: its family and template with its answer, and its picture."""
    family = (sample.dataset, sample.family, sample.extra.get("template"))
    answer = (sample.dataset, sample.family, str(sample.expected))
    assert sample.picture is not None
    template = (sample.dataset, "template", sample.extra.get("template"))
    return [family, template, answer, (sample.dataset, sample.picture.name)]


def main() -> None:
    """Choose, copy, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data_dir", required=True, help="a folder in CLEVR format")
    parser.add_argument("--output", default=str(ROOT / "examples" / "clevr"))
    parser.add_argument("--programs", default=str(ROOT / "programs"))
    parser.add_argument("--pictures", type=int, default=36)
    parser.add_argument("--questions", type=int, default=120)
    parser.add_argument("--transfer", type=int, default=60, help="of each transfer task")
    options = parser.parse_args()
    try:
        make(options)
    except NeptuneError as error:
        print(error.one_line(), file=sys.stderr)
        raise SystemExit(2) from None


def make(options: argparse.Namespace) -> None:
    """Make the sample."""
    folder, output = Folder(options.data_dir), Path(options.output)
    scenes = read_records(folder.file("scenes"), "scenes")
    loaded: dict[str, ClevrTask] = {}
    by_picture: dict[str, list[tuple[str, int, Sample]]] = {}
    for name in NAMES:
        task = tasks.load(name, options.data_dir)
        assert isinstance(task, ClevrTask)
        loaded[name] = task
        for index, sample in enumerate(task.samples):
            sample.check()
            assert sample.picture is not None
            by_picture.setdefault(sample.picture.name, []).append((name, index, sample))

    features = {
        i: scene_features(scene, (s for _, _, s in by_picture.get(scene["image_filename"], [])))
        for i, scene in enumerate(scenes)
    }
    kept = take(features, options.pictures, Counter())
    number = {scenes[i]["image_filename"]: new for new, i in enumerate(kept)}

    shutil.rmtree(output / "images", ignore_errors=True)
    (output / "images").mkdir(parents=True)
    for filename in number:
        path = folder.picture(filename).path
        assert path is not None
        shutil.copyfile(path, output / "images" / filename)
    write(output / "scenes.json", folder.file("scenes"), "scenes", [dict(scenes[i]) for i in kept], number)

    for name, task in loaded.items():
        candidates = {
            index: question_features(sample)
            for filename in number
            for of, index, sample in by_picture.get(filename, [])
            if of == name
        }
        limit = options.questions if name == "clevr" else options.transfer
        records = [dict(task.records[i]) for i in take(candidates, limit, Counter())]
        write(output / f"{task.file}.json", task.folder.file(task.file), task.key, records, number)

    for name, file in PROGRAM_FILES.items():
        programs: dict[str, str] = {}
        for sample in tasks.load(name, output).samples:
            programs.setdefault(sample.question, sample.gold())
        path = Path(options.programs) / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(programs, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        print(f"{path.name}: {len(programs)} programs")


def write(path: Path, source: Path, key: str, records: list[dict[str, Any]], number: Mapping[str, int]) -> None:
    """Write records in the source file's format, one a line, with pictures and questions numbered anew."""
    for position, record in enumerate(records):
        for field in ("image_index", "scene_index"):
            if field in record:
                record[field] = number[record["image_filename"]]
        if "question_index" in record:
            record["question_index"] = position
    head = {k: v for k, v in json.loads(source.read_text(encoding="utf-8")).items() if k != key}
    lines = ",\n".join(json.dumps(record) for record in records)
    start = json.dumps(head)[1:-1] + ", " if head else ""
    path.write_text(f"{{{start}{json.dumps(key)}: [\n{lines}\n]}}\n", encoding="utf-8")
    print(f"{path.name}: {len(records)} records")


if __name__ == "__main__":
    main()
