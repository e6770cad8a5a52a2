"""Pictures on their way into a local model: processed once, in threads beside the model, in batches that fit."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
import torch
from helpers.tiny_models import OTHERS, VLMS
from helpers.vlm_scenes import BALL, ONES, TOLERANCE, logits, make, requests, scene
from torch import Tensor

from neptune.perception.oracle.vlm.oracle import TransformersOracle
from neptune.perception.oracle.vlm.reader import SHARING
from neptune.scene.types import ScoreRequest


@contextmanager
def processed(oracle: TransformersOracle) -> Iterator[list[tuple[int, str]]]:
    """Collect how many pictures go through the image processor at each call, and in which thread."""
    kind = type(oracle.reader.processor.image_processor)
    inner, seen = kind._preprocess, []

    def watched(self: Any, images: Any, *rest: Any, **named: Any) -> Any:
        seen.append((len(images), threading.current_thread().name))
        return inner(self, images, *rest, **named)

    kind._preprocess = watched
    try:
        yield seen
    finally:
        kind._preprocess = inner


@contextmanager
def encoded(oracle: TransformersOracle) -> Iterator[list[int]]:
    """Collect how many numbers of pixels go into the vision encoder."""
    model, seen = oracle.reader.model.model, []
    encoder = next(getattr(model, n) for n in ("visual", "vision_tower", "vision_model") if hasattr(model, n))

    def before(module: Any, args: tuple[Any, ...], named: dict[str, Any]) -> None:
        seen.append(next(v for v in (*args, *named.values()) if isinstance(v, Tensor)).numel())

    handle = encoder.register_forward_pre_hook(before, with_kwargs=True)
    try:
        yield seen
    finally:
        handle.remove()


def shapes(oracle: TransformersOracle, seen: list[Sequence[int]]) -> Any:
    """Collect the shapes of the model's tokens."""
    return oracle.reader.model.register_forward_pre_hook(
        lambda module, args, named: seen.append(tuple(named["input_ids"].shape)), with_kwargs=True
    )


@pytest.mark.parametrize("kind", VLMS)
def test_a_marked_picture_is_processed_and_encoded_once_for_all_its_questions(kind: str) -> None:
    asked = requests(scene())  # 13 prompts on 10 pictures: two questions about each of 3 boxes, 6 pairs, the whole
    oracle = make(kind, share_prefix=False, batch_size=64)
    with processed(oracle) as pictures, encoded(oracle) as once:
        oracle.score(asked)
    assert sum(count for count, _ in pictures) == 10
    oracle.reader._once = False
    with encoded(oracle) as each:
        oracle.score(asked)
    assert len(once) == len(each) == 1, "one batch"
    assert once[0] * 13 == each[0] * 10


@pytest.mark.parametrize("kind", VLMS)
def test_batches_are_as_large_as_the_prepared_rows_say(kind: str) -> None:
    oracle = make(kind, share_prefix=False)
    oracle.reader.batches.tokens = 300
    seen: list[Sequence[int]] = []
    handle = shapes(oracle, seen)
    try:
        oracle.score(requests(scene(160, 80)))
    finally:
        handle.remove()
    assert sum(rows for rows, _ in seen) == 13
    assert all(rows == 1 or rows * length <= 300 for rows, length in seen)
    assert max(rows for rows, _ in seen) > 1


def test_threads_prepare_pictures_one_by_one_while_the_model_works() -> None:
    oracle = make(share_prefix=False, batch_size=4)
    oracle.reader.batches.ahead = 2
    asked = requests(scene())
    overtaken: list[bool] = []

    def work(*_: Any) -> None:
        before, deadline = len(pictures), threading.Event()
        for _ in range(300):  # until a picture of a later batch is prepared, or 3 s
            if len(pictures) > max(before, 1) or len(pictures) == 10:
                break
            deadline.wait(0.01)
        overtaken.append(len(pictures) > before or len(pictures) == 10)

    handle = oracle.reader.model.register_forward_pre_hook(work)
    try:
        with processed(oracle) as pictures:
            found = logits(oracle, asked)
    finally:
        handle.remove()
        oracle.close()
    np.testing.assert_allclose(found, logits(make(share_prefix=False, batch_size=1), asked), atol=TOLERANCE)
    assert len(overtaken) > 2
    assert all(overtaken)
    assert all(count == 1 and thread.startswith("neptune-prepare") for count, thread in pictures)
    assert len({thread for _, thread in pictures}) == 2


def test_the_next_pictures_are_prepared_while_a_prefix_is_computed() -> None:
    oracle = make(form="coordinates")
    oracle.reader.batches.ahead = 1
    asked = [ScoreRequest(scene(seed=s), BALL, ONES) for s in range(3)]
    expected = logits(make(form="coordinates"), asked)
    with processed(oracle) as pictures:
        at: list[int] = []

        def work(*_: Any) -> None:
            waited = threading.Event()
            for _ in range(300):
                if len(pictures) >= 2:
                    break
                waited.wait(0.01)
            at.append(len(pictures))

        handle = oracle.reader.model.register_forward_pre_hook(work)
        try:
            found = logits(oracle, asked)
        finally:
            handle.remove()
            oracle.close()
    assert at[0] >= 2, "the second picture was ready before the first prefix was"
    assert len(at) == 6, "three prefixes, and the questions on each"
    np.testing.assert_allclose(found, expected, atol=TOLERANCE)


def test_prefixes_are_kept_by_their_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    oracle = make(form="coordinates")
    scenes = [scene(seed=s) for s in range(8)]
    for _ in range(3):
        for of in scenes:
            oracle.score([ScoreRequest(of, BALL, ONES)])
    assert oracle.reader.prefixes.computed == 8
    (first, *_) = oracle.reader.prefixes._known.values()
    monkeypatch.setattr("neptune.perception.oracle.vlm.prefix.KEPT", {"cpu": 3 * first.bytes, "cuda": 0})
    oracle.score([ScoreRequest(scene(seed=8), BALL, ONES)])
    assert len(oracle.reader.prefixes._known) == 3


def test_where_memory_runs_out_prefixes_are_let_go_before_batches_shrink() -> None:
    oracle = make(form="coordinates")
    oracle.score(requests(scene(seed=1)))
    before = oracle.reader.batches.tokens
    failures = iter([True])

    def fail(*_: Any) -> None:
        if next(failures, False):
            assert oracle.reader.prefixes._known
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB.")
        assert len(oracle.reader.prefixes._known) <= 1

    handle = oracle.reader.model.register_forward_pre_hook(fail)
    try:
        found = logits(oracle, requests(scene()))
    finally:
        handle.remove()
    assert next(failures, None) is None
    assert oracle.reader.batches.tokens == before
    np.testing.assert_allclose(found, logits(make(form="coordinates"), requests(scene())), atol=TOLERANCE)


@pytest.mark.parametrize("kind", ["qwen2_vl", "internvl"])
def test_a_processor_that_changes_the_words_is_asked_for_each_prompt(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def odd(oracle: TransformersOracle) -> TransformersOracle:
        real = oracle.reader.processor

        def process(text: list[str], **named: Any) -> Any:
            return real(text=[t + "?" for t in text], **named)

        monkeypatch.setattr(oracle.reader, "own_processor", lambda: process)
        return oracle

    together, alone = odd(make(kind)), odd(make(kind, share_prefix=False, batch_size=1))
    asked = requests(scene())
    with processed(together) as pictures:
        found = logits(together, asked)
    assert sum(count for count, _ in pictures) == 13, "once for each prompt, though only 10 pictures differ"
    np.testing.assert_allclose(found, logits_one_by_one(alone, asked), atol=TOLERANCE)
    assert np.abs(found - logits(make(kind), asked)).max() > 1e-3


@pytest.mark.parametrize("form", ["mark", "crop", "coordinates"])
@pytest.mark.parametrize("kind", OTHERS)
def test_any_other_architecture_is_read_as_one_by_one(kind: str, form: str) -> None:
    """Tiles beside each other with sizes (LLaVA-NeXT)."""
    assert kind not in SHARING
    asked = requests(scene())
    oracle = make(kind, form=form)
    with processed(oracle) as pictures:
        together = logits(oracle, asked)
    assert sum(count for count, _ in pictures) == {"mark": 10, "crop": 10, "coordinates": 1}[form]
    alone = logits_one_by_one(make(kind, form=form, batch_size=1), asked)
    assert np.abs(together - alone).max() < TOLERANCE
    assert np.ptp(together[:3]) > 50 * TOLERANCE, "the objects look different"


def logits_one_by_one(oracle: TransformersOracle, asked: list[ScoreRequest]) -> Any:
    """Each cell in a call of its own, so that no row is made out of another."""
    cells = [ScoreRequest(r.scene, r.question, row[None]) for r in asked for row in r.objects]
    return np.concatenate([logits(oracle, [cell]) for cell in cells])
