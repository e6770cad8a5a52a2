"""The transformers oracle on tiny random models of the real classes, through their real processors."""

from __future__ import annotations

import importlib.util
import json
import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from tiny_models import VLMS, tiny_vlm

from neptune import registry
from neptune.errors import ConfigError, MissingExtraError, OracleError, OracleFailedError, PictureError
from neptune.oracle.models import short_names
from neptune.oracle.vlm.oracle import TransformersOracle
from neptune.oracle.vlm.reader import SHARING
from neptune.picture import Picture
from neptune.scene import Scene
from neptune.types import IntArray, Oracle, QueryRequest, Question, ScoreRequest

BALL = Question("is the object in the red box a ball?", 1)
CUBE = Question("is the object in the red box a cube?", 1)
LEFT = Question("is the object in the red box left of the object in the green box?", 2)
DARK = Question("is the picture dark?", 0)
COLOR = Question("what color is the object in the red box?", 1)
PAIRS: IntArray = np.array([(i, j) for i in range(3) for j in range(3) if i != j])
ONES: IntArray = np.arange(3)[:, None]
NONE: IntArray = np.zeros((1, 0), dtype=np.int64)
TOLERANCE = 2e-5
"""Of logits in float32, on the CPU; those of the tiny models spread over about 1."""


def scene(width: int = 120, height: int = 80, seed: int = 0, boxes: Any = None) -> Scene:
    pixels = np.random.default_rng(seed).integers(0, 255, (height, width, 3), dtype=np.uint8)
    found = [[5, 5, 40, 40], [50, 10, 100, 60], [20, 30, 90, 75]] if boxes is None else boxes
    return Scene(np.array(found, dtype=np.float32), (width, height), Picture(pixels), name=f"seed {seed}")


def requests(of: Scene) -> list[ScoreRequest]:
    return [
        ScoreRequest(of, BALL, ONES),
        ScoreRequest(of, CUBE, ONES),
        ScoreRequest(of, LEFT, PAIRS),
        ScoreRequest(of, DARK, NONE),
    ]


def logits(oracle: Oracle, asked: list[ScoreRequest]) -> np.ndarray[Any, Any]:
    return np.concatenate([scores.logits for scores in oracle.score(asked)])


def make(kind: str = "qwen2_vl", **options: Any) -> TransformersOracle:
    return TransformersOracle(tiny_vlm(kind), **options)


@contextmanager
def watched(oracle: TransformersOracle, most: float = math.inf) -> Iterator[list[int]]:
    """Collect the rows of each call of the model; memory "runs out" for more than `most` of them."""
    rows: list[int] = []

    def before(module: Any, args: Any, inputs: dict[str, Any]) -> None:
        count = inputs["input_ids"].shape[0]
        if count > most:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB.")
        rows.append(count)

    handle = oracle.reader.model.register_forward_pre_hook(before, with_kwargs=True)
    try:
        yield rows
    finally:
        handle.remove()


# --- each class --------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["mark", "coordinates"])
@pytest.mark.parametrize("kind", VLMS)
def test_batched_and_shared_equal_one_by_one(kind: str, form: str) -> None:
    asked = requests(scene()) + requests(scene(64, 100, seed=1))
    alone = make(kind, form=form, share_prefix=False, batch_size=1)
    batched, shared = make(kind, form=form, share_prefix=False), make(kind, form=form)
    expected = np.concatenate([logits(alone, [request]) for request in asked])
    assert np.isfinite(expected).all()
    assert expected.std() > 0.05, "the model tells the cells apart"
    with watched(batched) as rows:
        np.testing.assert_allclose(logits(batched, asked), expected, atol=TOLERANCE)
    assert max(rows) > 4, "batches were made"
    np.testing.assert_allclose(logits(shared, asked), expected, atol=TOLERANCE)
    assert shared.reader.prefixes.computed > 0, "prefixes were shared"
    assert batched.reader.prefixes.computed == 0


@pytest.mark.parametrize("kind", VLMS)
def test_a_score_is_what_the_model_says_to_the_chat(kind: str) -> None:
    """The reference: the processor's own chat template, one forward, yes and no picked out of the vocabulary."""
    oracle, of = make(kind, form="mark"), scene()
    model, processor = tiny_vlm(kind)
    image = oracle.form.picture(oracle.canvases.of(of), (1,))
    words = [
        {"type": "image"},
        {"type": "text", "text": "Is the object in the red box a ball? Answer with yes or no."},
    ]
    chat = processor.tokenizer.apply_chat_template(
        [{"role": "user", "content": words}],
        chat_template=processor.chat_template,
        tokenize=False,
        add_generation_prompt=True,
    )
    with torch.inference_mode():
        p = model(**processor(text=[chat], images=[[image]], return_tensors="pt")).logits[0, -1].softmax(-1)
    spelt = dict.fromkeys(("yes", "no"), 0.0)
    for token, number in processor.tokenizer.get_vocab().items():
        word = token.strip("Ġ").lower()
        if word in spelt:
            spelt[word] += float(p[number])
    said = oracle.score([ScoreRequest(of, BALL, np.array([[1]]))])[0]
    assert said.logits[0] == pytest.approx(math.log(spelt["yes"] / spelt["no"]), abs=1e-4)
    assert said.mass[0] == pytest.approx(spelt["yes"] + spelt["no"], abs=1e-5)


@pytest.mark.parametrize("kind", VLMS)
def test_open_questions(kind: str) -> None:
    of, choices = scene(), ("red", "blue", "light blue")
    free, chosen = QueryRequest(of, COLOR, ONES), QueryRequest(of, COLOR, ONES, choices)
    alone, together = make(kind, share_prefix=False, batch_size=1), make(kind, form="mark")
    assert together.query([free]) == alone.query([free])
    assert together.query([chosen]) == alone.query([chosen])
    assert set(together.query([chosen])[0]) <= set(choices)


@pytest.mark.parametrize("kind", VLMS)
def test_a_saved_model_is_loaded_from_its_folder(kind: str, tmp_path: Path) -> None:
    model, processor = tiny_vlm(kind)
    model.save_pretrained(tmp_path)
    processor.save_pretrained(tmp_path)
    loaded = registry.oracle(str(tmp_path), device="cpu", local_files_only=True)
    assert isinstance(loaded, TransformersOracle)
    np.testing.assert_allclose(
        logits(loaded, requests(scene())), logits(make(kind), requests(scene())), atol=TOLERANCE
    )


# --- what is asked -----------------------------------------------------------------------------------


def test_a_choice_is_as_likely_as_the_model_writes_it() -> None:
    oracle, of = make(), scene()
    request = QueryRequest(of, COLOR, np.array([[0]]), ("red", "blue"))
    (prompt,) = oracle.prompts(request, request.choices)
    model, processor = tiny_vlm()
    expected = {}
    for choice in request.choices:
        total = 0.0
        for spelt in (choice, choice.capitalize()):
            ids = processor.tokenizer(spelt + "<|im_end|>")["input_ids"]
            made = processor(
                text=[prompt.text + spelt + "<|im_end|>"], images=[[prompt.draw()]], return_tensors="pt"
            )
            with torch.inference_mode():
                log_p = model(**made).logits[0, -len(ids) - 1 : -1].log_softmax(-1)
            total += math.exp(log_p.gather(1, torch.tensor(ids)[:, None]).sum())
        expected[choice] = total
    assert oracle.query([request]) == [[max(expected, key=lambda c: expected[c])]]


def test_the_same_prompt_goes_through_the_model_once() -> None:
    oracle, of = make(share_prefix=False), scene()
    twice = [ScoreRequest(of, BALL, ONES), ScoreRequest(of, BALL, ONES[::-1])]
    with watched(oracle) as rows:
        first, second = oracle.score(twice)
    assert sum(rows) == 3
    np.testing.assert_array_equal(first.logits, second.logits[::-1])


def test_a_picture_is_processed_once_for_all_its_questions(monkeypatch: pytest.MonkeyPatch) -> None:
    oracle, of = make(form="coordinates"), scene()
    seen: list[int] = []
    images = type(oracle.reader.processor.image_processor)
    preprocess = images._preprocess
    monkeypatch.setattr(
        images,
        "_preprocess",
        lambda self, images, *a, **k: seen.append(len(images)) or preprocess(self, images, *a, **k),
    )
    oracle.score(requests(of))
    oracle.score([ScoreRequest(of, Question("is the object in the red box small?", 1), ONES)])
    assert sum(seen) == 1, "also in the next round"


def test_a_prefix_is_computed_where_enough_questions_share_it() -> None:
    oracle, of = make(form="coordinates"), scene()
    oracle.reader.prefixes.least = 4
    oracle.score([ScoreRequest(of, BALL, ONES)])
    assert oracle.reader.prefixes.computed == 0
    oracle.score([ScoreRequest(of, LEFT, PAIRS)])
    oracle.score([ScoreRequest(of, BALL, ONES)])
    assert oracle.reader.prefixes.computed == 1, "and then serves few questions too"
    oracle.reader.prefixes.forget()
    oracle.score([ScoreRequest(of, LEFT, PAIRS)])
    assert oracle.reader.prefixes.computed == 2


def test_pictures_and_boxes_matter() -> None:
    for form in ("mark", "coordinates", "crop", "mark+crop"):
        oracle = make(form=form)
        here, there = (logits(oracle, [ScoreRequest(scene(seed=s), BALL, ONES)]) for s in (0, 1))
        assert np.abs(here - there).max() > 1e-3
        assert len(set(here.tolist())) == 3


def test_no_requests_and_no_objects() -> None:
    oracle = make()
    assert oracle.score([]) == []
    assert oracle.query([]) == []
    empty = np.zeros((0, 1), dtype=np.int64)
    (scores,) = oracle.score([ScoreRequest(scene(), BALL, empty)])
    assert scores.logits.shape == scores.mass.shape == (0,)
    assert oracle.query([QueryRequest(scene(), COLOR, empty, ("red",))]) == [[]]


def test_broken_numbers_are_missing_evidence() -> None:
    model, processor = VLMS["qwen2_vl"]()
    with torch.no_grad():
        model.lm_head.weight.fill_(math.nan)
    (scores,) = TransformersOracle((model, processor)).score([ScoreRequest(scene(), BALL, ONES)])
    assert np.isnan(scores.logits).all()
    assert (scores.mass == 0).all()


def test_only_architectures_held_to_it_share_their_prefix() -> None:
    assert set(VLMS) == SHARING
    oracle = make()
    oracle.reader.model_type = "paligemma"
    assert "paligemma" not in SHARING


def test_a_program_runs_on_a_vision_language_model() -> None:
    from neptune import Engine

    picture = Picture(Path(__file__).parent.parent / "examples/clevr/images/CLEVR_val_000049.png")
    engine = Engine(oracle=make(form="coordinates"), detector="embedded")
    answer = engine.run("count(Object, lambda x: cube(x) and metal(x))", engine.scene(picture))
    assert isinstance(answer.value, int)
    assert answer.usage.oracle_calls == 2 * len(engine.scene(picture))


# --- memory ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["mark", "coordinates"])
def test_batches_shrink_where_memory_runs_out(form: str) -> None:
    asked = requests(scene())
    expected = logits(make(form=form), asked)
    oracle = make(form=form)
    with watched(oracle, most=3) as rows:
        np.testing.assert_allclose(logits(oracle, asked), expected, atol=TOLERANCE)
        assert max(rows) <= 3
        first = len(rows)
        logits(oracle, requests(scene(seed=3)))
        assert len(rows) - first <= first, "what fits is remembered"


@pytest.mark.parametrize("most", [math.inf, 2])
def test_batches_prepared_ahead_are_the_same(most: float) -> None:
    asked = requests(scene()) + requests(scene(seed=2))
    oracle = make(share_prefix=False, batch_size=3)
    oracle.reader.batches.ahead = 4
    with watched(oracle, most) as rows:
        found = logits(oracle, asked)
    assert len(rows) > 4
    oracle.close()
    np.testing.assert_allclose(found, logits(make(share_prefix=False, batch_size=1), asked), atol=TOLERANCE)


def test_out_of_memory_for_one_picture_is_said_in_one_line() -> None:
    oracle = make()
    with watched(oracle, most=0), pytest.raises(OracleError, match=r"Memory runs out .*max_pixels"):
        oracle.score([ScoreRequest(scene(), BALL, ONES)])
    assert np.isfinite(logits(oracle, requests(scene()))).all(), "and the oracle goes on"


def test_other_failures_are_not_taken_for_a_lack_of_memory() -> None:
    oracle = make()

    def fail(*_: Any) -> None:
        raise RuntimeError("shapes do not match")

    handle = oracle.reader.model.register_forward_pre_hook(fail)
    try:
        with pytest.raises(RuntimeError, match="shapes"):
            oracle.score([ScoreRequest(scene(), BALL, ONES)])
    finally:
        handle.remove()


# --- bad input ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["mark", "coordinates"])
@pytest.mark.parametrize("kind", VLMS)
def test_a_picture_of_one_pixel_and_a_strip(kind: str, form: str) -> None:
    dot = Scene(np.array([[0, 0, 1, 1]]), (1, 1), Picture(Image.new("RGB", (1, 1), (200, 0, 0))))
    strip = Scene(np.array([[0, 0, 900, 1]]), (1000, 1), Picture(Image.new("RGB", (1000, 1))))
    asked = [ScoreRequest(s, BALL, np.array([[0]])) for s in (dot, strip)]
    assert np.isfinite(logits(make(kind, form=form, max_pixels=4096), asked)).all()


def test_a_picture_of_60_megapixels_is_scaled_down_and_one_of_100_is_refused() -> None:
    boxes = np.array([[0, 0, 5000, 900]])
    large = Scene(boxes, (7750, 7750), Picture(Image.new("RGB", (7750, 7750))))
    oracle = make(form="coordinates", max_pixels=4096)
    assert np.isfinite(logits(oracle, [ScoreRequest(large, BALL, np.array([[0]]))])).all()
    assert oracle.canvases.of(large).image.size == (64, 64)
    image = Image.new("RGB", (10_000, 10_000))
    with pytest.raises(PictureError, match="100,000,000 pixels"):
        Picture(image)


@pytest.mark.parametrize(
    ("bad", "problem"),
    [
        (scene(boxes=[[500, 5, 600, 40]]), "lies outside the picture"),
        (scene(boxes=[[5, 5, 5, 40]]), "has no area"),
        (scene(boxes=[[math.nan, 5, 9, 40]]), "has no area"),
        (Scene.synthetic(2), "no picture"),
        (Scene(np.array([[0, 0, 9, 9]]), (9, 9), Picture("missing.png")), "does not exist"),
    ],
)
def test_a_cell_that_can_not_be_shown_is_said_before_anything_is_asked(bad: Scene, problem: str) -> None:
    oracle = make()
    asked = [*requests(scene()), ScoreRequest(bad, BALL, np.array([[0]]))]
    with watched(oracle) as rows, pytest.raises((OracleError, PictureError), match=problem) as caught:
        oracle.score(asked)
    assert not rows
    assert "\n" not in caught.value.one_line()


def test_objects_that_do_not_fit_the_question() -> None:
    with pytest.raises(OracleError, match=r"shape \(M, 2\)"):
        make().score([ScoreRequest(scene(), LEFT, ONES)])
    with pytest.raises(OracleError, match="no object 7"):
        make().score([ScoreRequest(scene(), BALL, np.array([[7]]))])


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"form": "marked"}, "did you mean 'mark'"),
        ({"form_options": {"widht": 2}}, "did you mean 'width'"),
        ({"batch_size": 0}, "an integer ≥ 1"),
        ({"max_pixels": 10}, "an integer ≥ 1024"),
        ({"max_new_tokens": True}, "an integer ≥ 1"),
    ],
)
def test_wrong_options_of_the_oracle(options: dict[str, Any], problem: str) -> None:
    with pytest.raises(ConfigError, match=problem):
        make(**options)


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"dtype": "float8"}, "one of auto, float32"),
        ({"attention": "flash"}, "flash_attention_2"),
        ({"quantisation": "2bit"}, "one of null, 4bit, 8bit"),
        ({"quantisation": "4bit", "device": "cpu"}, "need a GPU"),
        ({"device": "gpu"}, "no device 'gpu'"),
        ({"device": "cuda:99"}, "'cuda:99' is asked for, and this machine has"),
    ],
)
def test_wrong_options_of_loading(options: dict[str, Any], problem: str, tmp_path: Path) -> None:
    model, processor = tiny_vlm()
    model.save_pretrained(tmp_path)
    processor.save_pretrained(tmp_path)
    with pytest.raises(ConfigError, match=problem):
        registry.oracle(str(tmp_path), **options)


def test_a_model_that_can_not_be_found_or_read(tmp_path: Path) -> None:
    with pytest.raises(
        OracleFailedError, match=r"'nobody/nothing' can not be loaded.*Check the id"
    ) as caught:
        registry.oracle("nobody/nothing", local_files_only=True)
    assert "\n" not in caught.value.one_line()
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "bert"}))
    with pytest.raises(OracleFailedError, match="Look at the folder's files"):
        registry.oracle(str(tmp_path), local_files_only=True)


def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *a: None if name == "transformers" else find(name, *a)
    )
    with pytest.raises(MissingExtraError, match=r"pip install 'neptune-reasoner\[transformers\]'"):
        registry.oracle("qwen2_2b")


def test_a_model_without_a_chat_template_is_an_error() -> None:
    model, processor = VLMS["ovis2"]()
    processor.chat_template = None
    with pytest.raises(OracleError, match="no chat template"):
        TransformersOracle((model, processor))


# --- names and identity ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["intern25_1b", "intern25_26b", "ovis2_1b", "ovis2_8b", "qwen2", "qwen3", "smolvlm"]
)
def test_neptunes_short_names_are_known(name: str) -> None:
    model = short_names()[name]
    assert model.architecture in SHARING
    assert registry.address_of("oracle", name) == registry.ORACLES["transformers"]
    assert registry.address_of("oracle", model.id) == registry.ORACLES["transformers"]
    assert model.id.count("/") == 1


def test_an_unknown_name_is_met_with_the_nearest() -> None:
    with pytest.raises(ConfigError, match="did you mean 'smolvlm'"):
        registry.oracle("smolvml")
    with pytest.raises(ConfigError, match="did you mean 'intern25_8b'"):
        registry.oracle("intern25_8")


def test_the_identity_holds_what_changes_a_score_and_nothing_else(tmp_path: Path) -> None:
    plain = make().identity
    assert json.loads(plain)["adapter"] == "transformers"
    assert make(batch_size=1, share_prefix=False).identity == plain
    others = [make("qwen3_vl"), make(form="crop"), make(form_options={"width": 5}), make(max_pixels=4096)]
    assert len({plain, *(o.identity for o in others)}) == 5
    model, processor = tiny_vlm()
    for folder in ("one", "two"):
        model.save_pretrained(tmp_path / folder)
        processor.save_pretrained(tmp_path / folder)
    one, two = (registry.oracle(str(tmp_path / f), device="cpu") for f in ("one", "two"))
    assert one.identity == two.identity, "a copy is the same model"  # type: ignore[attr-defined]
