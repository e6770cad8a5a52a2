"""Detectors of any words: tiny models of the real classes, through their real processors and the adapter's code."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from dsl.vocabulary import Vocabulary
from neptune.cli import main
from neptune.engine import Engine
from neptune.engine.analysis.detector_labels import labels_of, noun_of_question
from neptune.engine.evidence.questions import Wording
from neptune.errors import ConfigError, DetectorError, MissingExtraError
from neptune.perception import registry
from neptune.perception.detect.boxes import tidy
from neptune.perception.detect.cache import CachedDetector
from neptune.scene.boxes import suppress
from neptune.scene.picture import Picture
from neptune.scene.types import Detections, Detector

pytest.importorskip("transformers", reason="transformers is not installed: make setup")
from helpers import tiny_detectors

from neptune.perception.checkpoints import short_names
from neptune.perception.detect.transformers import NAMES as FILE
from neptune.perception.detect.transformers import TransformersDetector
from neptune.perception.sam3 import Worded

ROOT = Path(__file__).resolve().parents[3]
PICTURE = sorted((ROOT / "examples" / "clevr" / "images").iterdir())[0]
NAMES = tuple(tiny_detectors.BUILDERS)
OPTIONS: dict[str, dict[str, Any]] = {
    "dino": {"threshold": 0.0, "text_threshold": 0.0, "nms": 1.0},
    "owlv2": {"threshold": 0.0, "nms": 1.0},
    "florence": {"nms": 1.0},
    "llmdet": {"threshold": 0.0, "text_threshold": 0.0, "nms": 1.0},
    "sam3": {"threshold": 0.0, "nms": 1.0},
}


@pytest.fixture(autouse=True)
def _short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Random weights never end a list of boxes: 24 of them are enough."""
    monkeypatch.setattr("neptune.perception.detect.families.Florence.new_tokens", 96)


@pytest.fixture(scope="module")
def tiny(one_thread: None) -> dict[str, tuple[Any, Any]]:
    return {name: build() for name, build in tiny_detectors.BUILDERS.items()}


def made(tiny: dict[str, tuple[Any, Any]], name: str, **options: Any) -> TransformersDetector:
    return TransformersDetector(tiny[name], **{**OPTIONS[name], **options})


def check_boxes(found: Detections, picture: Picture) -> None:
    width, height = picture.size
    assert found.boxes.shape == (len(found.scores), 4)
    assert found.boxes.dtype == found.scores.dtype == np.float32
    assert len(found.labels) == len(found.boxes)
    assert (found.boxes >= 0).all()
    assert (found.boxes[:, [0, 2]] <= width).all()
    assert (found.boxes[:, [1, 3]] <= height).all()
    assert (found.boxes[:, 2:] - found.boxes[:, :2] >= 1).all()
    assert (np.diff(found.scores) <= 0).all()


@pytest.mark.parametrize("name", NAMES)
def test_each_finds_boxes_of_the_labels_in_the_picture(tiny: dict[str, Any], name: str) -> None:
    picture = Picture(PICTURE)
    detector = made(tiny, name)
    assert isinstance(detector, Detector)
    found = detector.detect(picture, ["cube", "dining table"])
    check_boxes(found, picture)
    assert len(found.boxes) >= 2
    assert set(found.labels) <= {"cube", "dining table", ""}
    again = detector.detect(picture, ["cube", "dining table"])
    assert again.boxes.tolist() == found.boxes.tolist()
    assert len(made(tiny, name, max_boxes=2).detect(picture, ["cube", "dining table"]).boxes) == 2
    if name != "florence":
        score = float(found.scores[len(found.scores) // 2])
        above = made(tiny, name, threshold=score).detect(picture, ["cube", "dining table"])
        assert 0 < len(above.boxes) < len(found.boxes)
        assert (above.scores >= score).all()


def test_owlv2_is_what_the_library_computes(tiny: dict[str, Any]) -> None:
    model, processor = tiny["owlv2"]
    picture = Picture(PICTURE)
    inputs = processor(images=picture.image, text=[["a photo of a cube", "a photo of a cat"]], return_tensors="pt")
    with torch.no_grad():
        outputs = model(**inputs)
    # Decoded here by hand: the best label of each patch, boxes relative to the picture padded to a square.
    scores, labels = outputs.logits[0].sigmoid().max(dim=1)
    x, y, w, h = (outputs.pred_boxes[0] * max(picture.size)).unbind(1)
    boxes = torch.stack([x - w / 2, y - h / 2, x + w / 2, y + h / 2], dim=1).numpy()
    expected = tidy(boxes, scores.numpy(), [("cube", "cat")[k] for k in labels.tolist()], picture.size)
    found = made(tiny, "owlv2").detect(picture, ["cube", "cat"])
    np.testing.assert_allclose(found.boxes, expected.boxes, rtol=1e-4, atol=1e-2)
    np.testing.assert_allclose(found.scores, expected.scores, rtol=1e-4)
    assert found.labels == expected.labels


def test_florence_writes_all_labels_in_one_batch(tiny: dict[str, Any]) -> None:
    picture, detector = Picture(PICTURE), made(tiny, "florence", max_boxes=1000)
    labels = ["cube", "dining table"]  # of different lengths: the shorter one is padded
    together = detector.detect(picture, labels)
    assert set(together.labels) == set(labels)
    for label in labels:
        alone = detector.detect(picture, [label])
        batched = together.boxes[[k for k, said in enumerate(together.labels) if said == label]]
        assert batched.tolist() == alone.boxes.tolist()


def test_dino_asks_in_parts_what_its_text_encoder_has_no_room_for(tiny: dict[str, Any]) -> None:
    picture, detector = Picture(PICTURE), made(tiny, "dino", max_boxes=1000)
    labels = [f"cube {a} {b}" for a in ("red", "cat", "dog") for b in ("ball", "fire", "object")]
    lengths: list[int] = []
    model = tiny["dino"][0]
    hook = model.register_forward_pre_hook(
        lambda _, args, kwargs: lengths.append(kwargs["input_ids"].shape[1]), with_kwargs=True
    )
    found = detector.detect(picture, labels)
    hook.remove()
    assert len(lengths) > 1
    assert max(lengths) <= model.config.max_text_len
    assert len(found.boxes) > 8  # more than one pass has queries
    check_boxes(found, picture)


def test_sam3_finds_all_labels_in_one_batch_of_one_look(tiny: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    picture, detector, looks = Picture(PICTURE), made(tiny, "sam3", max_boxes=1000), []
    seen = tiny["sam3"][0].get_vision_features
    monkeypatch.setattr(tiny["sam3"][0], "get_vision_features", lambda *a, **k: looks.append(1) or seen(*a, **k))
    labels = ["cube", "dining table", "cat"]
    together = detector.detect(picture, labels)
    assert looks == [1]
    for label in labels:
        alone = detector.detect(picture, [label])
        batched = together.boxes[[k for k, said in enumerate(together.labels) if said == label]]
        np.testing.assert_allclose(batched, alone.boxes, atol=1e-2)


@pytest.mark.parametrize("name", NAMES)
def test_one_pixel(tiny: dict[str, Any], name: str) -> None:
    picture = Picture(np.zeros((1, 1, 3), dtype=np.uint8))
    check_boxes(made(tiny, name).detect(picture, ["cube"]), picture)


@pytest.mark.parametrize("name", NAMES)
def test_boxes_of_a_large_photo_are_those_of_its_file(
    tiny: dict[str, Any], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    pixels = np.random.default_rng(1).integers(0, 255, (960, 1280, 3), dtype=np.uint8)
    monkeypatch.setattr("neptune.scene.picture.KEPT_PIXELS", 640 * 480)
    large = Picture(pixels)
    assert (large.size, large.image.size) == ((1280, 960), (640, 480))
    detector = made(tiny, name)
    found, kept = detector.detect(large, ["cube"]), detector.detect(Picture(large.image), ["cube"])
    check_boxes(found, large)
    assert len(kept.boxes)
    # Those of less than a pixel in the copy are more than one in the file.
    gap = np.abs(found.boxes[None] - 2 * kept.boxes[:, None]).max(axis=2).min(axis=1)
    assert gap.max() < 1e-3


@pytest.mark.parametrize("labels", [(), [""], ["cube", "  "], ["x" * 61]])
def test_labels_that_are_none(tiny: dict[str, Any], labels: list[str]) -> None:
    with pytest.raises(DetectorError, match="label"):
        made(tiny, "dino").detect(Picture(PICTURE), labels)


def test_nothing_found_is_a_scene_without_objects(tiny: dict[str, Any]) -> None:
    engine = Engine("random", made(tiny, "owlv2", threshold=1.0))
    answer = engine.ask(PICTURE, "How many?", "count(Object, lambda x: cube(x))")
    assert answer.value == 0
    assert "no object was found in the picture" in answer.notes


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("dino", {"threshold": 1.5}, "threshold is 1.5"),
        ("dino", {"nms": -0.1}, "nms is -0.1"),
        ("owlv2", {"max_boxes": 0}, "max_boxes is 0"),
        ("owlv2", {"prompt": "a photo"}, "with {label} in it"),
        ("owlv2", {"prompt": "{noun}"}, "with {label} in it"),
        ("florence", {"threshold": 0.3}, "gives no scores"),
    ],
)
def test_wrong_options(tiny: dict[str, Any], name: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises(DetectorError) as error:
        made(tiny, name, **options)
    assert message in error.value.one_line()


def test_names_and_ids(tmp_path: Path, tiny: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match="did you mean 'dino'"):
        registry.detector("dina")
    with pytest.raises(ConfigError, match=r"no option 'treshold'.*did you mean 'threshold'"):
        registry.detector("owlv2", treshold=0.3)
    assert set(short_names(FILE)) == set(NAMES)
    with pytest.raises(ConfigError, match="'cuda:9' is asked for"):
        registry.detector("dino", device="cuda:9")
    # No short name, and no such folder: what the hub's client says, in one line.
    with pytest.raises(DetectorError, match="can not be loaded") as error:
        registry.detector("nobody/nothing", local_files_only=True)
    assert "\n" not in error.value.one_line()
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "config.json").write_text('{"model_type": "bert"}')
    with pytest.raises(DetectorError, match=r"architecture 'bert'.*grounding-dino"):
        registry.detector(str(tmp_path / "other"))
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"neptune-reasoner\[transformers\]"):
        registry.detector("dino")


@pytest.mark.parametrize("name", ["dino", "owlv2", "llmdet", "sam3"])
def test_a_saved_model_is_found_by_its_folder(tiny: dict[str, Any], tmp_path: Path, name: str) -> None:
    for part in tiny[name]:
        if isinstance(part, Worded):
            (tmp_path / "preprocessor_config.json").write_text(json.dumps(part.said))
            part = part.tokenizer
        part.save_pretrained(tmp_path)
    loaded = registry.detector(str(tmp_path), **OPTIONS[name], device="cpu")
    picture = Picture(PICTURE)
    one, other = made(tiny, name).detect(picture, ["cube"]), loaded.detect(picture, ["cube"])
    np.testing.assert_allclose(one.boxes, other.boxes, atol=1e-3)
    assert loaded.identity != made(tiny, name, threshold=0.5).identity  # type: ignore[attr-defined]


# --- boxes ---


def test_boxes_are_clipped_and_doubles_go() -> None:
    boxes = np.array(
        [[-5, -5, 20, 20], [0, 0, 20, 21], [50, 50, 300, 90], [99.5, 0, 120, 9], [5, 5, 5, 9], [np.nan, 0, 9, 9]]
    )
    scores = np.array([0.8, 0.9, 0.7, 0.99, 0.99, 0.99])
    found = tidy(boxes, scores, list("abcdef"), (100, 80), nms=0.8)
    assert found.labels == ("b", "c")
    assert found.boxes.tolist() == [[0, 0, 20, 21], [50, 50, 100, 80]]
    assert tidy(boxes, scores, list("abcdef"), (100, 80), nms=1.0).labels == ("b", "a", "c")
    assert tidy(boxes, scores, list("abcdef"), (100, 80), max_boxes=1).labels == ("b",)
    assert tidy(boxes, scores, list("abcdef"), (100, 80), nms=0.8, max_boxes=2).labels == found.labels
    assert tidy(np.zeros((0, 4)), np.zeros(0), [], (10, 10)).boxes.shape == (0, 4)


def test_suppression_against_the_obvious_loop() -> None:
    rng = np.random.default_rng(0)
    corner = rng.uniform(0, 50, (60, 2))
    boxes = np.concatenate([corner, corner + rng.uniform(5, 40, (60, 2))], axis=1).astype(np.float32)

    def overlap(a: np.ndarray, b: np.ndarray) -> float:
        w, h = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
        both = max(w, 0) * max(h, 0)
        return both / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - both)

    for threshold in (0.1, 0.3, 0.6):
        kept: list[int] = []
        for k in range(60):
            if all(overlap(boxes[k], boxes[j]) <= threshold for j in kept):
                kept.append(k)
        assert suppress(boxes, threshold).tolist() == kept
        assert len(kept) < 60


# --- nouns ---

CLEVR, WORDS = Vocabulary.load("clevr"), Wording.load()


@pytest.mark.parametrize(
    ("program", "clevr", "open_words"),
    [
        ("exists(Object, lambda x: ball(x) and red(x))", "sphere", "ball"),
        ("count(Object, lambda x: red(x))", "object", "object"),
        ("exists(Object, lambda x: cube(x) and left(x, iota(Object, lambda y: red(y))))", "cube object", None),
        ("count(Object, lambda x: cube(x) or ball(x))", "cube sphere", "ball cube"),
        ("count(Object, lambda x: cube(x) or red(x))", "cube object", None),
        ("count(Object, lambda x: not cube(x))", "cube object", None),
        ("forall(Object, lambda x: cube(x) >> red(x))", "cube", "cube"),
        ("describe(Color, iota(Object, lambda x: cube(x)))", "cube", "cube"),
        ("sum([1 for o in Object if cube(o)])", "cube", "cube"),
        ('b = score("is the object in the red box a ball?")\nreturn b("x").exists("x")', "sphere", "ball"),
        ('return score("is the object in the red box a red?")("x").exists("x")', "object", "object"),
        ('c = "cat"\nreturn exists(Object, lambda x: score(f"is it a {c}?")(x))', "object", "object"),
        ("exists(Object, lambda x: cube(x", "object", "object"),
    ],
)
def test_nouns_of_programs(program: str, clevr: str, open_words: str | None) -> None:
    assert " ".join(labels_of([program], WORDS, CLEVR)) == clevr
    assert " ".join(labels_of([program], WORDS)) == (open_words or clevr)


def test_nouns_of_several_programs_and_of_unknown_words() -> None:
    programs = ["exists(Object, lambda x: wombat(x))", "exists(Object, lambda x: fireHydrant(x) and shiny(x))"]
    assert labels_of(programs, WORDS) == ("fire hydrant", "wombat")
    assert labels_of([], WORDS) == ("object",)


@pytest.mark.parametrize(
    ("question", "noun"),
    [
        ("is the object in the red box a red wine glass?", "wine glass"),
        ("is the object in the green box a person wearing a hat?", "person"),
        ("is the object in the red box a glass of water?", "glass"),
        ("is the object in the red box wearing a hat?", None),
        ("is the object in the red box made of metal?", None),
        ("is the object in the red box to the left of the object in the green box?", None),
        ("Is it a wombat?", "wombat"),
    ],
)
def test_nouns_of_questions(question: str, noun: str | None) -> None:
    assert noun_of_question(question, WORDS) == noun


# --- engine, cache, runs ---


class Counting:
    """A real detector that counts its calls and remembers the labels."""

    def __init__(self, inner: TransformersDetector) -> None:
        self.inner, self.name, self.identity = inner, inner.name, inner.identity
        self.asked: list[tuple[str, ...]] = []

    def detect(self, picture: Picture, labels: Any = ()) -> Detections:
        self.asked.append(tuple(labels))
        return self.inner.detect(picture, labels)


def test_the_engine_looks_for_the_nouns_once(tiny: dict[str, Any]) -> None:
    detector = Counting(made(tiny, "dino"))
    engine = Engine("random", detector)
    for program in ("exists(Object, lambda x: ball(x))", "count(Object, lambda x: sphere(x) and red(x))"):
        engine.ask(PICTURE, "?", program)
    assert detector.asked == [("sphere",)]
    engine.ask(PICTURE, "?", "count(Object, lambda x: cube(x))")
    engine.scene(PICTURE)
    assert detector.asked == [("sphere",), ("cube",), ("object",)]
    # A detector that knows no words is not asked again for other nouns.
    plain = Engine("random", "embedded")
    assert plain.scene(PICTURE, labels=("cube",)) is plain.scene(PICTURE, labels=plain.labels("red(x)"))


def test_detections_are_kept_on_disk(tiny: dict[str, Any], tmp_path: Path) -> None:
    path, picture = tmp_path / "sub" / "detections.sqlite", Picture(PICTURE)
    inner = Counting(made(tiny, "dino"))
    first = CachedDetector(inner, path)
    found = first.detect(picture, ["cube"])
    again = CachedDetector(inner, path).detect(Picture(np.asarray(picture.image)), ["cube"])
    assert again.boxes.tobytes() == found.boxes.tobytes()
    assert again.scores.tobytes() == found.scores.tobytes()
    assert again.labels == found.labels
    first.detect(picture, ["ball"])
    CachedDetector(Counting(made(tiny, "dino", max_boxes=1)), path).detect(picture, ["cube"])
    assert inner.asked == [("cube",), ("ball",)]
    nothing = CachedDetector(Counting(made(tiny, "owlv2", threshold=1.0)), path)
    assert [len(nothing.detect(picture, ["cube"]).boxes) for _ in range(2)] == [0, 0]
    assert nothing.hits == 1
    threads = [threading.Thread(target=first.detect, args=(picture, [f"cube {k}"])) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(inner.asked) == 6
    path.write_bytes(b"no database at all" * 100)
    with pytest.raises(DetectorError, match="cache of detections can not be used"):
        first.detect(picture, ["dog"])


def test_a_run_with_a_detector_by_folder(tiny: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    for part in tiny["dino"]:
        part.save_pretrained(tmp_path / "model")
    words = ["--config", "configs/clevr.json", "--num_samples", "6", "--vlm_model_name", "random"]
    words += ["--od_model", str(tmp_path / "model"), "--od_options", json.dumps(OPTIONS["dino"] | {"device": "cpu"})]
    runs = []
    for name in ("one", "two"):
        assert main([*words, "--output_dir", str(tmp_path / name), "--workers", "2"]) == 0
        runs.append([json.loads(line) for line in (tmp_path / name / "samples.jsonl").read_text().splitlines()])
    assert (tmp_path / "detections.sqlite").is_file()
    assert [r["boxes"] for r in runs[0]] == [r["boxes"] for r in runs[1]]
    assert all(r["error"] is None and r["boxes"] for r in runs[0])
