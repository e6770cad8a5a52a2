"""Datasets that are wrong or made to harm: every reader treats each irregularity alike, and no record ends a run."""

from __future__ import annotations

import json
import os
import random
import time
from pathlib import Path
from typing import Any

import pytest
from helpers.dataset_makers import (
    BOX,
    BOXED,
    MAKERS,
    SCENED,
    NlvrMaker,
    ReferMaker,
    deep,
    load,
    outcome,
    picture,
    readers,
    write,
)
from helpers.mutated import mutate

from neptune import tasks
from neptune.answer import Answer
from neptune.errors import DatasetError, NeptuneError
from neptune.tasks.json_files import parse_json

OWN_TESTS = {"vstar", "vlmsareblind", "okvqa", "nextqa", "gqa-normalised"}
"""Datasets whose records, good ones and bad ones, are tested in files of their own."""


def test_every_dataset_is_in_the_table() -> None:
    assert set(MAKERS) == set(tasks.NAMES) - OWN_TESTS


@readers
def test_a_good_dataset_of_the_table_is_read(name: str, root: Path) -> None:
    maker = MAKERS[name]
    maker.write(root, maker.record())
    assert [outcome(s) for s in load(maker, root).samples] == [None, None] * maker.each


NUMBERS: dict[str, Any] = {
    "no area": [10, 10, 0, 30],
    "below nothing": [10, 10, -5, 30],
    "infinite": [0, 0, float("inf"), 10],
    "no number": [0, 0, float("nan"), 10],
    "overflow when added": [1e308, 0, 1e308, 10],
    "beyond single precision": [0, 0, 1e39, 10],
    "lost in single precision": [900_000.0, 0, 0.01, 10],
    "of thousands of digits": [0, 0, 10**4_000, 10],
    "three numbers": [1, 2, 3],
    "texts": ["1", "2", "3", "4"],
    "truths": [True, False, True, True],
    "nested": [[0, 0], [1, 1], 5, 5],
    "nothing": None,
    "a text": "0 0 5 5",
    "deep": deep(500),
}


@pytest.mark.parametrize("name", BOXED)
@pytest.mark.parametrize("kind", NUMBERS)
def test_a_box_that_is_none_is_its_own_records_error(name: str, kind: str, root: Path, recwarn: Any) -> None:
    maker = MAKERS[name]
    maker.with_box(root, NUMBERS[kind])
    samples = load(maker, root).samples
    assert isinstance(outcome(samples[1]), DatasetError)
    assert outcome(samples[0]) is None
    assert not [w for w in recwarn if issubclass(w.category, RuntimeWarning)]


@pytest.mark.parametrize("name", SCENED)
@pytest.mark.parametrize("kind", NUMBERS)
def test_a_box_that_is_none_costs_what_is_known_of_its_scene(name: str, kind: str, root: Path, recwarn: Any) -> None:
    """The picture is there, and can be asked about; only who needs the scene's objects is refused."""
    maker = MAKERS[name]
    maker.with_box(root, NUMBERS[kind])
    samples = load(maker, root).samples
    assert [outcome(s) for s in samples] == [None, None] * maker.each
    for sample in samples[maker.each :]:
        with pytest.raises(DatasetError):
            sample.truth()
    assert all(len(sample.truth()) for sample in samples[: maker.each])
    assert not [w for w in recwarn if issubclass(w.category, RuntimeWarning)]


def test_an_object_without_area_that_is_not_asked_for_is_left_out(root: Path) -> None:
    boxes = {"1": BOX, "2": [5, 5, 0, 0], "3": [1e308, 0, 1e308, 1], "4": [1, 1, 5, 5]}
    advs = MAKERS["refadv"]
    advs.write(root, advs.record() | {"bbox_candidates_map": boxes})
    lines = MAKERS["folder"]
    lines.write(
        root, lines.record() | {"boxes": [[10, 10, 50, 40], [5, 5, 5, 5], [0, 0, float("inf"), 2], [1, 1, 6, 6]]}
    )
    gqa = MAKERS["gqa"]
    gqa.write(root, gqa.record())
    sides = {k: dict(zip("xywh", box), name="cube") for k, box in boxes.items()}
    write(root / "val_sceneGraphs.json", {"good": {"width": 100, "height": 80, "objects": sides}})
    refs = MAKERS["refcoco"]
    refs.write(root, refs.record())
    content = json.loads((root / "instances.json").read_text())
    content["annotations"] += [{"id": 100 + k, "image_id": 8, "bbox": box} for k, box in enumerate(boxes.values())][1:]
    write(root / "instances.json", content)
    for maker in (advs, lines, gqa, refs):
        sample = load(maker, root).samples[1]
        assert outcome(sample) is None, maker.name
        assert len(sample.truth()) == 2, maker.name


ANSWER = Answer(True, "truth")


@readers
def test_a_split_without_answers_is_answered_and_not_judged(name: str, root: Path) -> None:
    maker = MAKERS[name]
    record = maker.record()
    for field in (maker.answer_field, "box"):
        record.pop(field, None)
    maker.write(root, record, good=False)
    task = load(maker, root)
    assert len(task.samples) == maker.each
    for sample in task.samples:
        assert outcome(sample) is None
        assert sample.question
        assert sample.expected is None
        assert task.judge(sample, ANSWER) is None
        assert task.show_expected(sample) is None
        assert task.measures(sample, ANSWER) == {}


@pytest.mark.parametrize("name", [n for n in MAKERS if n != "folder"])
def test_a_record_without_its_answer_is_wrong_where_others_have_one(name: str, root: Path) -> None:
    maker = MAKERS[name]
    record = maker.record()
    del record[maker.answer_field]
    maker.write(root, record)
    samples = load(maker, root).samples
    assert [outcome(s) for s in samples[: maker.each]] == [None] * maker.each
    assert all(isinstance(outcome(s), DatasetError) for s in samples[maker.each :])


def test_the_splits_whose_answers_are_kept_back(tmp_path: Path) -> None:
    asked = {"question": "What is it?", "image_filename": "CLEVR_test_000000.png", "image_index": 0, "split": "test"}
    write(tmp_path / "questions" / "CLEVR_test_questions.json", {"questions": [asked, asked | {"answer": "red"}]})
    picture(tmp_path / "images" / "test" / "CLEVR_test_000000.png")
    task = tasks.load("clevr", tmp_path, split="test")
    assert [outcome(s) for s in task.samples] == [None, None]
    assert [task.judge(s, Answer("red", "text")) for s in task.samples] == [None, True]
    questions = {"1": {"question": "Is it?", "imageId": "n1", "isBalanced": True}}
    write(tmp_path / "gqa" / "submission_all_questions.json", questions)
    picture(tmp_path / "gqa" / "images" / "n1.jpg")
    task = tasks.load("gqa", tmp_path / "gqa", split="submission_all")
    assert outcome(task.samples[0]) is None
    assert task.judge(task.samples[0], ANSWER) is None


IDS = [None, True, 1.5, [], [1], {}, {"a": 1}, deep(20), float("nan")]


@pytest.mark.parametrize("given", IDS, ids=range(len(IDS)))
@pytest.mark.parametrize("field", ["image_id", "ann_id", "category_id", "ref_id"])
def test_ids_of_another_type_are_their_own_records_error(field: str, given: Any, root: Path) -> None:
    maker = MAKERS["refcoco"]
    maker.write(root, maker.record() | {field: given})
    good, bad = load(maker, root).samples
    assert outcome(good) is None
    assert (outcome(bad) is None) == (field in ("category_id", "ref_id"))
    # And in instances.json.
    content = json.loads((root / "instances.json").read_text())
    for part in content.values():
        part.append({"id": given, "file_name": "x", "bbox": BOX, "image_id": given, "category_id": given})
    write(root / "instances.json", content)
    assert outcome(load(maker, root).samples[0]) is None


@pytest.mark.parametrize("given", IDS, ids=range(len(IDS)))
@pytest.mark.parametrize("field", ["identifier", "directory", "sentence", "label", "structured_rep"])
@pytest.mark.parametrize("name", [name for name, maker in MAKERS.items() if isinstance(maker, NlvrMaker)])
def test_fields_of_a_drawing_of_another_type_are_their_own_records_error(
    name: str, field: str, given: Any, root: Path
) -> None:
    maker = MAKERS[name]
    maker.write(root, maker.record() | {field: given})
    samples = load(maker, root).samples
    assert [outcome(s) for s in samples[: maker.each]] == [None] * maker.each
    for sample in samples[maker.each :]:
        if field == "structured_rep":
            with pytest.raises(DatasetError):
                sample.truth()
        elif field != "label" or given is not True:
            assert isinstance(outcome(sample), DatasetError)


def test_two_with_one_id_are_none(root: Path) -> None:
    maker = MAKERS["refcoco"]
    for part, said in (("images", "image"), ("annotations", "annotation")):
        maker.write(root, maker.record())
        content = json.loads((root / "instances.json").read_text())
        content[part].append(content[part][1] | {"file_name": "other.png", "bbox": [0, 0, 5, 5]})
        write(root / "instances.json", content)
        good, bad = load(maker, root).samples
        assert outcome(good) is None
        assert f"{said} " in str(outcome(bad))
        assert "twice" in str(outcome(bad))


def test_a_field_or_a_record_given_twice(root: Path) -> None:
    write(root / "questions.jsonl", '{"image": "good.png", "question": "a", "question": "b"}')
    assert "given twice" in str(outcome(tasks.load("folder", root).samples[0]))
    record = json.dumps(MAKERS["gqa"].record())
    write(root / "val_balanced_questions.json", f'{{"1": {record}, "2": {record}, "2": {record}}}')
    good, bad = tasks.load("gqa", root).samples
    assert outcome(good) is None
    assert "given twice" in str(outcome(bad))


@readers
def test_numbers_without_end_and_deep_lists_cost_their_own_record(name: str, root: Path) -> None:
    maker = MAKERS[name]
    maker.write(root, maker.record() | {"extra": "JUNK"})
    if isinstance(maker, ReferMaker):
        content = json.loads((root / "instances.json").read_text())
        content["annotations"][-1]["bbox"] = "JUNK"
        write(root / "instances.json", content)
    (file,) = [path for path in root.glob("*.json*") if "JUNK" in path.read_text()]
    whole = file.read_text()
    for junk in ("9" * 5_000, "[" * 30_000 + "]" * 30_000, '{"a":' * 30_000 + "1" + "}" * 30_000):
        file.write_text(whole.replace('"JUNK"', junk))
        task = load(maker, root)
        assert len(task.samples) == 2 * maker.each
        assert outcome(task.samples[0]) is None, junk[:10]
        for sample in task.samples:
            outcome(sample)


@pytest.mark.parametrize("name", ["folder", "nlvr", "nlvr-pictures"])
@pytest.mark.parametrize(
    ("line", "words"),
    [
        (b'{"id": "\xe9", "question": "caf\xe9"}', "no UTF-8 at column 9"),
        (b"\xff\xfe", "no UTF-8"),
        (b'{"question": "\0"}', "no JSON"),
        (b'{"question": ', "no JSON"),
        (b"\xed\xa0\x80", "no UTF-8"),
        (b"7", "no object"),
    ],
)
def test_a_line_that_can_not_be_read_is_its_own_records_error(name: str, line: bytes, words: str, root: Path) -> None:
    maker = MAKERS[name]
    maker.write(root, maker.record())
    (file,) = root.glob("*.json*")
    good = file.read_bytes().split(b"\n")[0]
    file.write_bytes(b"\xef\xbb\xbf" + good + b"\n" + line + b"\n\n" + good)
    samples = load(maker, root).samples
    assert len(samples) == 3 * maker.each
    for k, sample in enumerate(samples):
        error = outcome(sample)
        if k // maker.each == 1:
            assert isinstance(error, DatasetError)
            assert words in error.one_line()
            json.dumps([sample.id, sample.question, dict(sample.extra)], ensure_ascii=False).encode()
        else:
            assert error is None
    # A file of which not one line is text is an error of its own.
    for content in (good.decode().encode("utf-16"), b"\xe9\n\xff"):
        file.write_bytes(content)
        with pytest.raises(DatasetError, match="can not be read"):
            load(maker, root)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes on this system")
def test_a_pipe_beside_the_sentences_is_not_waited_for(root: Path) -> None:
    maker = MAKERS["nlvr"]
    maker.write(root, maker.record())
    os.mkfifo(root / "pipe.json")
    assert [outcome(s) for s in tasks.load("nlvr", root).samples] == [None, None]


def deep_null(value: Any) -> Any:
    """Return the value, if it is lists in lists around a null."""
    inner = value
    while isinstance(inner, list) and len(inner) == 1:
        (inner,) = inner
    return value if inner is None else object()


def test_what_is_read_of_json_is_what_stands_there() -> None:
    rng = random.Random(3)

    def value(depth: int) -> Any:
        if depth == 0 or rng.random() < 0.3:
            return rng.choice([None, True, 1, -2.5, 'a"]}[{', "é\u2028", ""])
        if rng.random() < 0.5:
            return [value(depth - 1) for _ in range(rng.randrange(4))]
        return {f"k{i}": value(depth - 1) for i in range(rng.randrange(4))}

    for number in range(200):
        given = value(6)
        assert parse_json(json.dumps(given)) == given
        for junk in ("7" * 4_400, "[" * 3_000 + "]" * 3_000) if number % 10 == 0 else ():
            text = json.dumps({"a": given, "n": "JUNK", "b": [given]}).replace('"JUNK"', junk)
            assert parse_json(text) == {"a": given, "n": parse_json(text)["n"], "b": [given]}
            assert parse_json(text)["n"] in (float("inf"), deep_null(parse_json(text)["n"]))
    cut_ = parse_json('{"a": ' + "[" * 50_000 + "]" * 50_000 + ', "b": [1, "]["], "c": {"d": [2]}}')
    assert (cut_["b"], cut_["c"]) == ([1, "]["], {"d": [2]})


def test_mutated_pickles_and_coco_files_end_in_documented_errors(root: Path, full: bool) -> None:
    """Bytes of the pickle and of the JSON, and values in its tree, are changed at random."""
    maker = MAKERS["refcoco"]
    maker.write(root, maker.record())
    rng = random.Random(5)
    refs, instances = root / "refs(unc).p", root / "instances.json"
    good, content = refs.read_bytes(), json.loads(instances.read_text())
    odd = [
        None,
        True,
        -1,
        10**30,
        1e308,
        float("nan"),
        float("inf"),
        "",
        "../x",
        "a\0",
        [],
        {},
        [[]],
        deep(60),
        "😀" * 50,
    ]
    begun = time.process_time()
    for number in range(5_000 if full else 250):
        changed = json.loads(json.dumps(content))
        blob = bytearray(good)
        if number % 2:
            for _ in range(rng.randrange(1, 4)):
                blob[rng.randrange(len(blob))] = rng.randrange(256)
        else:
            mutate(changed, rng, odd)
        refs.write_bytes(bytes(blob))
        text = json.dumps(changed)
        if number % 7 == 0:
            at = rng.randrange(len(text))
            text = text[:at] + rng.choice(["", "}", "[", '"', "\\", "0", "\ud800"]) + text[at + rng.randrange(3) :]
        instances.write_bytes(text.encode("utf-8", "surrogatepass"))
        try:
            task = tasks.load("refcoco", root, split=None)
            for sample in task.samples:
                outcome(sample)
                json.dumps([task.show_expected(sample), dict(sample.extra), sample.family], default=str)
        except NeptuneError as error:
            if not error.what:
                raise
    assert time.process_time() - begun < (400 if full else 30)
