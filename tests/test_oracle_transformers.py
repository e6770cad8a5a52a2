"""The transformers oracle on tiny random models of the real classes, through their real processors."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_models import VLMS, tiny_vlm
from vlm_scenes import (
    BALL,
    COLOR,
    LEFT,
    ONES,
    PAIRS,
    TOLERANCE,
    logits,
    make,
    requests,
    scene,
    watched,
)

from neptune import registry
from neptune.oracle.vlm.oracle import TransformersOracle
from neptune.oracle.vlm.reader import SHARING
from neptune.picture import Picture
from neptune.types import QueryRequest, Question, ScoreRequest

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
