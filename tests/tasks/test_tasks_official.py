"""Readers of official formats: a few records written as the datasets write them, good ones and bad ones."""

from __future__ import annotations

import json
import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from neptune import tasks
from neptune.answer import Answer
from neptune.errors import DatasetError, MissingExtraError, NeptuneError, PictureError
from neptune.scene import Scene
from neptune.tasks.referring.unpickle import read_pickle

ROOT = Path(__file__).resolve().parents[2]


def picture(path: Path, size: tuple[int, int] = (100, 80)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, (90, 120, 30)).save(path)
    return path


def write(path: Path, content: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return path


def pointing(index: int) -> Answer:
    return Answer(index, "object", 0.9)


def scene(*boxes: list[float]) -> Scene:
    return Scene(np.array(boxes, dtype=np.float32), (100, 80))


# --- RefCOCO, RefCOCO+, RefCOCOg, RefGTA ---

IMAGES = [{"id": 7, "file_name": "COCO_train2014_000000000007.jpg", "width": 100, "height": 80}]
ANNOTATIONS = [
    {"id": 70, "image_id": 7, "category_id": 1, "bbox": [10.0, 10.0, 40.0, 30.0], "segmentation": [[1, 2]]},
    {"id": 71, "image_id": 7, "category_id": 2, "bbox": [60.5, 20.0, 39.9, 50.0], "segmentation": [[1, 2]]},
    {"id": 72, "image_id": 7, "category_id": 2, "bbox": [60.5, 20.0, 0.0, 50.0]},
]
CATEGORIES = [{"id": 1, "name": "person"}, {"id": 2, "name": "dog"}]


def ref(ref_id: int, ann_id: int, split: str, *sentences: str, **more: Any) -> dict[str, Any]:
    sents = [{"sent_id": 10 * ref_id + i, "sent": s, "raw": s, "tokens": s.split()} for i, s in enumerate(sentences)]
    return {
        "ref_id": ref_id, "ann_id": ann_id, "image_id": 7, "category_id": 1, "split": split, "sentences": sents,
        "sent_ids": [s["sent_id"] for s in sents], "file_name": "COCO_train2014_000000000007_1.jpg",
    } | more  # fmt: skip


def refer(root: Path, refs: Any, who: str = "unc", folder: str = "refcoco", protocol: int = 2) -> Path:
    home = root / folder
    home.mkdir(parents=True, exist_ok=True)
    (home / f"refs({who}).p").write_bytes(pickle.dumps(refs, protocol=protocol))
    write(home / "instances.json", {"images": IMAGES, "annotations": ANNOTATIONS, "categories": CATEGORIES})
    picture(root / "images" / "train2014" / IMAGES[0]["file_name"])
    return root


def test_refcoco_has_a_sample_for_each_sentence(tmp_path: Path) -> None:
    refer(tmp_path, [ref(1, 70, "val", "the man", "guy in red"), ref(2, 71, "testA", "dog")])
    task = tasks.load("refcoco", tmp_path, split="val")
    assert [s.question for s in task.samples] == ["the man", "guy in red"]
    first = task.samples[0]
    first.check()
    assert first.id == "refcoco-000000"
    assert first.family == "person"
    assert first.picture is not None
    assert first.picture.size == (100, 80)
    assert first.expected == [10.0, 10.0, 50.0, 40.0]
    assert np.allclose(first.truth().boxes, [[10, 10, 50, 40], [60.5, 20, 100, 70]]), "cut to the picture"
    assert first.truth().attributes["category"] == ("person", "dog")
    assert task.samples[1].annotation is first.annotation, "one picture, one scene"
    with pytest.raises(DatasetError, match="no gold programs"):
        first.gold()
    assert tasks.load("refcoco", tmp_path / "refcoco", split="testA").samples[0].family == "dog"


def test_the_overlap_decides_and_is_measured(tmp_path: Path) -> None:
    task = tasks.load("refcoco", refer(tmp_path, [ref(1, 70, "val", "the man")]))
    sample = task.samples[0]
    seen = scene([12, 10, 50, 40], [10, 10, 30, 30], [60, 20, 100, 70])
    assert task.judge(sample, pointing(0), seen) is True
    assert task.measures(sample, pointing(0), seen) == {"iou": pytest.approx(0.95)}
    assert task.judge(sample, pointing(1), seen) is False
    assert task.measures(sample, pointing(1), seen)["iou"] == pytest.approx(1 / 3, abs=1e-6)
    assert task.measures(sample, pointing(2), seen) == {"iou": 0.0}
    assert task.measures(sample, Answer(True, "truth"), seen) == {"iou": 0.0}
    assert task.judge(sample, Answer([0], "objects"), seen) is True
    assert task.show_answer(sample, pointing(0), seen) == {"object": 0, "box": [12.0, 10.0, 50.0, 40.0]}
    assert task.show_expected(sample) == {"box": [10.0, 10.0, 50.0, 40.0]}


@pytest.mark.parametrize(
    ("name", "folder", "who"),
    [("refcoco+", "refcoco+", "unc"), ("refcocog", "refcocog", "umd"), ("refcocog", "refcocog", "google")],
)
def test_the_other_two_have_their_own_folders(tmp_path: Path, name: str, folder: str, who: str) -> None:
    task = tasks.load(name, refer(tmp_path, [ref(1, 70, "val", "a man")], who, folder, protocol=4))
    assert task.name == name
    assert task.samples[0].question == "a man"


def test_refgta_with_the_numpy_numbers_of_its_measurements(tmp_path: Path) -> None:
    record = ref(1, 70, "test", "a woman by the red car")
    record["sentences"][0]["info"] = [{"if_true": np.bool_(True), "time": np.float64(1234.5)}]
    home = refer(tmp_path, [record], "utokyo", "refgta")
    picture(home / "gta_image" / IMAGES[0]["file_name"])
    (sample,) = tasks.load("refgta", home).samples
    sample.check()
    assert sample.question == "a woman by the red car"
    assert sample.picture is not None
    assert sample.picture.path is not None
    assert sample.picture.path.is_file()


def test_splits_are_asked_for(tmp_path: Path) -> None:
    refer(tmp_path, [ref(1, 70, "val", "a"), ref(2, 71, "testA", "b")])
    with pytest.raises(DatasetError, match=r"the splits testA, val.*Set split, e\.g\. to 'val'"):
        tasks.load("refcoco", tmp_path)
    with pytest.raises(DatasetError, match=r"no split 'testa'.*did you mean 'testA'"):
        tasks.load("refcoco", tmp_path, split="testa")


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (5, "no object but int"),
        (ref(1, 99, "val", "x"), "no annotation 99"),
        (ref(1, 72, "val", "x"), r"The box is \[60.5, 20.0, 0.0, 50.0\]"),
        (ref(1, 70, "val", "x", image_id=8), "no image 8"),
        (ref(1, 70, "val", "x", sentences="x"), "'sentences' is \"x\""),
        (ref(1, 70, "val", "x", sentences=[]), "has no sentence"),
        (ref(1, 70, "val", "x", sentences=[{"sent": 3}]), "'sent' is 3"),
        (ref(1, 70, "val", "x", sentences=[7]), "no object but int"),
    ],
)
def test_a_bad_reference_is_its_own_problem(tmp_path: Path, bad: Any, message: str) -> None:
    task = tasks.load("refcoco", refer(tmp_path, [bad, ref(2, 70, "val", "fine")]), split="val")
    broken, fine = task.samples
    with pytest.raises(DatasetError, match=message):
        broken.check()
    fine.check()
    assert fine.question == "fine"


class Bomb:
    def __reduce__(self) -> Any:
        return os.mkdir, (str(Bomb.target),)

    target: Path


def test_a_pickle_can_not_run_anything(tmp_path: Path) -> None:
    Bomb.target = tmp_path / "owned"
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        refer(tmp_path, [ref(1, 70, "val", "x"), Bomb()], protocol=protocol)
        with pytest.raises(DatasetError, match="more than plain values"):
            tasks.load("refcoco", tmp_path)
    assert not Bomb.target.exists()
    for hostile in (b"cos\nsystem\n(S'true'\ntR.", b"\x80\x04\x8c\x08builtins\x8c\x04eval\x93."):
        path = tmp_path / "x.p"
        path.write_bytes(hostile)
        with pytest.raises(DatasetError, match="more than plain values"):
            read_pickle(path)


def test_damaged_pickles_and_object_arrays(tmp_path: Path) -> None:
    path = tmp_path / "x.p"
    whole = pickle.dumps([{"a": list(range(50))}])
    for content in (b"", b"hello", whole[:-5], whole[:20]):
        path.write_bytes(content)
        with pytest.raises(DatasetError):
            read_pickle(path)
    path.write_bytes(pickle.dumps(np.zeros(3)))
    with pytest.raises(DatasetError, match="more than plain values"):
        read_pickle(path)
    path.write_bytes(b"(lp0\n(dp1\nS'sent'\np2\nS'caf\\xc3\\xa9'\np3\nsa.")  # as Python 2 wrote it
    assert read_pickle(path) == [{"sent": "café"}]
    path.write_bytes(pickle.dumps([np.int64(7), np.float32(0.5), {1, 2}]))
    assert read_pickle(path) == [7, 0.5, {1, 2}]


def test_a_picture_outside_the_folder_is_refused(tmp_path: Path) -> None:
    refer(tmp_path, [ref(1, 70, "val", "x")])
    images = [IMAGES[0] | {"file_name": "../../secret.png"}]
    write(tmp_path / "refcoco/instances.json", {"images": images, "annotations": ANNOTATIONS, "categories": []})
    with pytest.raises(DatasetError, match="The picture's name"):
        tasks.load("refcoco", tmp_path).samples[0].check()


# --- Ref-Adv ---

ADV = {
    "img_file_name": "COCO_train2014_000000000007.jpg",
    "bbox_candidates_map": json.dumps({"1": [10, 10, 40, 30], "2": [60, 20, 30, 50]}),
    "most_confused_bbox_number": "2",
    "most_confused_bbox_GT_desc": "the dog that the man does not hold",
}


def test_refadv_of_2020(tmp_path: Path) -> None:
    picture(tmp_path / "Images" / ADV["img_file_name"])
    bad = [ADV | {"most_confused_bbox_number": "3"}, ADV | {"bbox_candidates_map": "{"}, 3]
    write(tmp_path / "refcocog_adv_annotations.json", {str(i): r for i, r in enumerate([ADV, *bad])})
    good, *broken = tasks.load("refadv", tmp_path).samples
    good.check()
    assert good.question == "the dog that the man does not hold"
    assert good.expected == [60, 20, 90, 70]
    assert len(good.truth()) == 2
    for sample, words in zip(broken, ("number 3", "can not be read", "no object but int")):
        with pytest.raises(DatasetError, match=words):
            sample.check()


def test_refadv_by_difficulty(tmp_path: Path) -> None:
    record = {"annID": "1", "label": "hard", "gt_bbox": "1", "expression": "x", "img_file_name": "a.jpg"}
    write(tmp_path / "adv_easy_hard_annotations.json", [record | {"bboxes": ADV["bbox_candidates_map"]}])
    (sample,) = tasks.load("refadv", tmp_path).samples
    sample.check()
    assert (sample.family, sample.expected) == ("hard", [10, 10, 50, 40])


def test_refadv_of_2026_from_parquet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    datasets = pytest.importorskip("datasets", reason="datasets is not installed: make setup-all")
    monkeypatch.setenv("HF_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    path = picture(tmp_path / "a.png")
    rows = {
        "image": [str(path)] * 2, "file_name": ["a.png"] * 2, "normal_caption": ["the cup not on a table", "the cup"],
        "solution": [[10.0, 10.0, 50.0, 40.0], [1.0, 1.0, 1.0, 1.0]], "use_negation": [True, False],
        "image_source": ["COCO"] * 2, "width": [100] * 2, "height": [80] * 2,
    }  # fmt: skip
    made = datasets.Dataset.from_dict(rows).cast_column("image", datasets.Image())
    (tmp_path / "data").mkdir()
    made.to_parquet(str(tmp_path / "data" / "train-00000-of-00001.parquet"))
    task = tasks.load("refadv", tmp_path)
    good, bad = task.samples
    good.check()
    assert (good.family, good.question) == ("negation", "the cup not on a table")
    assert good.picture is not None
    assert good.picture.size == (100, 80)
    assert task.judge(good, pointing(0), scene([10, 10, 50, 40])) is True
    with pytest.raises(DatasetError, match="The box is"):
        bad.check()
    with pytest.raises(DatasetError, match="no split 'test'"):
        tasks.load("refadv", tmp_path, split="test")


def test_the_hub_needs_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(MissingExtraError, match=r"neptune-reasoner\[data\]"):
        tasks.load("refadv", "hf:dddraxxx/ref-adv-s")


# --- GQA ---

QUESTION = {
    "semantic": [{"operation": "select", "dependencies": [], "argument": "hat (7)"}], "entailed": [], "equivalent": [],
    "question": "What is on the table?", "imageId": "2405722", "isBalanced": True, "answer": "fire extinguisher",
    "fullAnswer": "The fire extinguisher is on the table.", "groups": {"global": None, "local": "x"},
    "types": {"structural": "query", "semantic": "rel", "detailed": "relO"}, "annotations": {}, "semanticStr": "…",
}  # fmt: skip
GRAPH = {
    "2405722": {
        "width": 100, "height": 80,
        "objects": {
            "1": {"name": "table", "x": 5, "y": 40, "w": 90, "h": 39, "attributes": ["brown"], "relations": []},
            "2": {"name": "fire extinguisher", "x": 40, "y": 5, "w": 20, "h": 40, "attributes": [], "relations": []},
        },
    }
}  # fmt: skip


def test_gqa(tmp_path: Path) -> None:
    questions = {
        "1": QUESTION,
        "2": QUESTION | {"answer": "yes", "types": {"structural": "verify"}, "imageId": "9"},
        "3": QUESTION | {"answer": None},
    }
    write(tmp_path / "questions" / "val_balanced_questions.json", questions)
    write(tmp_path / "sceneGraphs" / "val_sceneGraphs.json", GRAPH)
    picture(tmp_path / "images" / "2405722.jpg")
    task = tasks.load("gqa", tmp_path, split="val")
    first, second, third = task.samples
    first.check()
    assert (first.family, second.family) == ("query", "verify")
    assert first.picture is not None
    assert first.picture.size == (100, 80)
    assert first.truth().attributes["name"] == ("table", "fire extinguisher")
    assert task.judge(first, Answer("Fire extinguisher", "text")) is True
    assert task.judge(first, Answer("fire_extinguisher", "text")) is True
    assert task.judge(first, Answer("table", "text")) is False
    assert task.judge(second, Answer(True, "truth")) is True
    assert task.judge(second, Answer(None, "nothing", abstained=True)) is False
    with pytest.raises(DatasetError, match="no picture 9"):
        second.truth()
    with pytest.raises(PictureError, match="does not exist"):
        _ = second.picture.image  # type: ignore[union-attr]
    with pytest.raises(DatasetError, match="'answer' is null"):
        third.check()
    with pytest.raises(DatasetError, match=r"no split 'test'.*val_balanced"):
        tasks.load("gqa", tmp_path, split="test")


def test_gqa_without_scene_graphs(tmp_path: Path) -> None:
    write(tmp_path / "testdev_balanced_questions.json", {"1": QUESTION})
    (sample,) = tasks.load("gqa", tmp_path).samples
    sample.check()
    with pytest.raises(DatasetError, match="no scene graphs"):
        sample.truth()


# --- CLEVR-Humans ---


def test_clevr_humans(tmp_path: Path) -> None:
    asked = {"question": "Is anything shiny?", "image_filename": "CLEVR_val_000001.png", "image_index": 1}
    answers = [asked | {"answer": a, "split": "val", "question_index": 0} for a in ("yes", "3", "Red", None)]
    write(tmp_path / "CLEVR-Humans-val.json", {"info": {}, "questions": answers})
    picture(tmp_path / "images" / "val" / "CLEVR_val_000001.png")
    task = tasks.load("clevr-humans", tmp_path, split="val")
    assert [s.family for s in task.samples][:3] == ["yes/no", "number", "word"]
    assert task.judge(task.samples[1], Answer(3, "number")) is True
    assert task.judge(task.samples[2], Answer("red", "text")) is True
    with pytest.raises(DatasetError, match="no gold programs"):
        task.samples[0].gold()
    with pytest.raises(DatasetError, match="'answer' is null"):
        task.samples[3].check()
    write(tmp_path / "CLEVR-Humans-test.json", {"info": {}, "questions": answers})
    with pytest.raises(DatasetError, match="the splits test, val"):
        tasks.load("clevr-humans", tmp_path)
    assert tasks.load("clevr-humans", tmp_path, split="test").source == "CLEVR-Humans-test.json"  # type: ignore[attr-defined]


# --- all of them ---


@pytest.mark.parametrize("name", tasks.NAMES)
def test_what_is_missing_is_said(tmp_path: Path, name: str) -> None:
    for place in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(NeptuneError) as caught:
            tasks.load(name, place)
        assert "\n" not in caught.value.one_line()
    for junk in ("questions.json", "instances.json", "refcocog_adv_annotations.json", "CLEVR-Humans-val.json"):
        write(tmp_path / junk, "[1, 2")
    with pytest.raises(NeptuneError):
        tasks.load(name, tmp_path)


@pytest.mark.parametrize(("name", "n"), [("clevr-humans", 12), ("refadv", 8), ("refgta", 8)])
def test_the_shipped_samples_are_whole(name: str, n: int) -> None:
    folder = ROOT / ("examples/clevr" if name == "clevr-humans" else f"examples/formats/{name}")
    programs = json.loads((ROOT / "programs" / f"{name}-sample.json").read_text(encoding="utf-8"))
    samples = list(tasks.load(name, folder).samples)
    assert len(samples) == n
    for sample in samples:
        sample.check()
        assert sample.picture is not None
        assert sample.picture.size == (480, 320)
        assert sample.question in programs
        assert len(sample.truth())
