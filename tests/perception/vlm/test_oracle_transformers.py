"""The transformers oracle on tiny random models of the real classes, through their real processors."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from helpers.tiny_models import VLMS, tiny_vlm
from helpers.vlm_scenes import BALL, COLOR, LEFT, ONES, PAIRS, TOLERANCE, logits, make, requests, scene, watched

from neptune.perception import registry
from neptune.perception.oracle.vlm.oracle import TransformersOracle
from neptune.perception.oracle.vlm.reader import SHARING
from neptune.scene.picture import Picture
from neptune.scene.types import QueryRequest, Question, ScoreRequest

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
    words = [{"type": "image"}, {"type": "text", "text": "Is the object in the red box a ball? Answer with yes or no."}]
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
def test_open_questions_share_the_prefix_of_their_picture(kind: str) -> None:
    """Five boxes and two questions of different lengths on one picture: the texts are those of the whole prompts."""
    boxes = [[5, 5, 40, 40], [50, 10, 100, 60], [20, 30, 90, 75], [1, 1, 20, 20], [60, 40, 110, 79]]
    of = scene(boxes=boxes)
    what = Question("what is it that one sees in the whole of the box that was drawn there?", 1)
    asked = [QueryRequest(of, question, np.arange(5)[:, None]) for question in (COLOR, what)]
    alone = make(kind, form="coordinates", share_prefix=False, batch_size=1)
    shared = make(kind, form="coordinates")
    with watched(shared) as rows:
        found = shared.query(asked)
    assert found == alone.query(asked)
    assert all(isinstance(text, str) for texts in found for text in texts)
    assert len({text for texts in found for text in texts}) > 1
    assert shared.reader.prefixes.computed == 1
    assert alone.reader.prefixes.computed == 0
    assert rows[0] == 1, "the picture goes through the model once"
    lengths = {len(ids) for ids in (shared.reader.ids(p.text) for request in asked for p in shared.prompts(request))}
    (prefix,) = shared.reader.prefixes._known.values()
    groups = len(lengths) if prefix.even else 1
    assert len(rows) == 1 + 16 * groups, "and its questions together, those of a length, a token at a time"
    assert sum(rows) == 1 + 16 * 10
    shared.score([ScoreRequest(of, BALL, np.arange(5)[:, None])])
    assert shared.reader.prefixes.computed == 1, "of scores, too"


@pytest.mark.parametrize("kind", ["qwen2_vl", "internvl"])
def test_an_answer_on_a_shared_prefix_ends_where_the_model_ends_it(kind: str) -> None:
    asked = [QueryRequest(scene(), COLOR, ONES)]
    plain, shared = (make(kind, form="coordinates", share_prefix=share) for share in (False, True))
    whole = shared.query(asked)
    ids = [plain.reader.ids(str(text)) for text in whole[0]]
    ends = sorted({row[len(row) // 2] for row in ids})  # what is written in the middle now ends the answer
    for oracle in (plain, shared):
        oracle.reader.model.generation_config.eos_token_id = ends
        oracle.reader.__dict__.pop("ends", None)
    assert shared.query(asked) == plain.query(asked)
    assert shared.query(asked) != whole


def test_open_questions_of_many_requests_go_through_the_model_together() -> None:
    pictures = [scene(seed=k) for k in range(4)]
    free = [QueryRequest(of, COLOR, ONES) for of in pictures]
    closed = [
        QueryRequest(of, COLOR, ONES, ("red", "blue", "light blue")[: 2 + k % 2]) for k, of in enumerate(pictures)
    ]
    expected = [make(batch_size=1).query([request])[0] for request in (*free, *closed)]
    oracle = make(share_prefix=False)
    oracle.reader.batches.tokens = 10**6
    generate, calls = oracle.reader.model.generate, []

    def counted(**inputs: Any) -> Any:
        calls.append(len(inputs["input_ids"]))
        return generate(**inputs)

    oracle.reader.model.generate = counted
    with watched(oracle) as rows:
        mixed = [request for pair in zip(free, closed) for request in pair]
        found = oracle.query([*mixed, free[0]])
    assert calls == [12], "each picture and box once"
    assert len(rows) <= 16 + 1, "one forward pass a token, and one for all choices"
    assert [*found[0:8:2], *found[1:8:2]] == expected
    assert found[8] == found[0]


@pytest.mark.parametrize("kind", VLMS)
def test_a_saved_model_is_loaded_from_its_folder(kind: str, tmp_path: Path) -> None:
    model, processor = tiny_vlm(kind)
    model.save_pretrained(tmp_path)
    processor.save_pretrained(tmp_path)
    loaded = registry.oracle(str(tmp_path), device="cpu", local_files_only=True)
    assert isinstance(loaded, TransformersOracle)
    np.testing.assert_allclose(logits(loaded, requests(scene())), logits(make(kind), requests(scene())), atol=TOLERANCE)


# --- what is asked -----------------------------------------------------------------------------------


def test_a_choice_is_as_likely_as_the_model_writes_it() -> None:
    oracle, of = make(), scene()
    request = QueryRequest(of, COLOR, np.array([[0]]), ("red", "blue"))
    (prompt,) = oracle.prompts(request)
    model, processor = tiny_vlm()
    expected = {}
    for choice in request.choices:
        total = 0.0
        for spelt in (choice, choice.capitalize()):
            ids = processor.tokenizer(spelt + "<|im_end|>")["input_ids"]
            made = processor(text=[prompt.text + spelt + "<|im_end|>"], images=[[prompt.draw()]], return_tensors="pt")
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

    picture = Picture(Path(__file__).resolve().parents[3] / "examples/clevr/images/CLEVR_val_000049.png")
    engine = Engine(oracle=make(form="coordinates"), detector="embedded")
    answer = engine.run("count(Object, lambda x: cube(x) and metal(x))", engine.scene(picture))
    assert isinstance(answer.value, int)
    assert answer.usage.oracle_calls == 2 * len(engine.scene(picture))
