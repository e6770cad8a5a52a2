"""Masks, depths and words in programs: every name, every comparison, soft; recorded and replayed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from helpers.perceived import Models
from PIL import Image

from dsl import ProgramError
from neptune.answer import Answer
from neptune.engine import Engine
from neptune.errors import NotRecordedError, OracleError
from neptune.perception.percepts.percepts import Percepts
from neptune.scene import Scene
from neptune.scene.domain import Domain
from neptune.scene.picture import Picture
from neptune.scene.seen.texts import TextLine

BOXES = np.array([[10, 10, 40, 30], [60, 50, 90, 90], [120, 20, 190, 95]], dtype=np.float32)
"""Of 600, 1,200 and 5,250 pixels; the first is farthest, the second nearest."""
STOP = 'iota(Object, lambda x: reads(x, "STOP"))'


def models() -> Models:
    return Models([TextLine("STOP", (15, 15, 30, 25), 0.95), TextLine("Exit 42", (130, 30, 170, 50), 0.9)])


def scene() -> Scene:
    return Scene(BOXES, (200, 100), Picture(Image.new("RGB", (200, 100), "grey")))


def engine(seen: Models | None = None, **options: object) -> Engine:
    seen = seen or models()
    options = {"vocabulary": None, "percepts": Percepts(seen, seen, seen), "oracle": "random"} | options  # type: ignore[arg-type]
    return Engine(detector=None, **options)  # type: ignore[arg-type]


ANSWERS = [
    # words
    ('count(Object, lambda x: reads(x, "stop"))', 1),
    ('count(Object, lambda x: reads("STOP", x))', 1),
    ('point(Object, lambda x: reads(x, "42"))', 2),
    ('exists(Object, lambda x: reads(x, "shop"))', False),
    ('count(Object, lambda x: "exit" in text(x))', 1),
    ('count(Object, lambda x: "exit" not in text(x))', 2),
    ('count(Object, lambda x: text(x) == "exit")', 0),
    ('count(Object, lambda x: text(x) == "Exit 42")', 1),
    ('count(Object, lambda x: text(x) != "STOP")', 2),
    ("count(Object, lambda x: text(x))", 2),
    ("count(Object, lambda x: not text(x))", 1),
    ('count(Object, lambda x: text(x) == "")', 1),
    (f"text({STOP})", "STOP"),
    ("text(point(Object, lambda x: not text(x)))", ""),
    (f'said = text({STOP})\nf"it says {{said}}!"', "it says STOP!"),
    ('[text(o) for o in Object if reads(o, "exit")]', ["Exit 42"]),
    # depths
    ("point(Object, lambda x: forall(Object, lambda y: nearer(x, y)))", 1),
    ("point(Object, lambda x: forall(Object, lambda y: farther(x, y)))", 0),
    ("count(Object, lambda x: exists(Object, lambda y: depth(x) < depth(y)))", 2),
    ("count(Object, lambda x: exists(Object, lambda y: depth(y) > depth(x)))", 2),
    ("point(Object, lambda x: forall(Object, lambda y: depth(x) >= depth(y)))", 0),
    ("count(Object, lambda x: depth(x) < 5)", 2),
    ("count(Object, lambda x: 5 < depth(x))", 1),
    ("count(Object, lambda x: 3.5 <= depth(x) < 9)", 2),
    (f"depth({STOP}) > 7", True),
    (f"depth({STOP}) - 1 > depth({STOP})", False),
    (f"nearer({STOP}, point(Object, lambda x: area(x) > 2000))", False),
    ("min(Object, key=lambda o: depth(o))", 1),
    # masks
    ("count(Object, lambda x: area(x) > 1000)", 2),
    ("count(Object, lambda x: 1000 > area(x))", 1),
    ("point(Object, lambda x: forall(Object, lambda y: area(x) > area(y)))", 2),
    ("point(Object, lambda x: forall(Object, lambda y: area(x) <= area(y)))", 0),
    (f"area({STOP})", 600.0),
    (f"area(mask({STOP})) / 2", 300.0),
    (f"mask({STOP})", 0),
    ("exists(Object, lambda x: exists(Object, lambda y: overlap(x, y)))", False),
    ("exists(Object, lambda x: exists(Object, lambda y: inside(x, mask(y))))", False),
    # with one another, and with the connectives
    ('exists(Object, lambda x: reads(x, "exit") and area(x) > 1000 and not depth(x) > 5)', True),
    ('x = score("is it a sign?")\nreturn count(Object, lambda o: depth(o) < 0)', 0),
]


@pytest.mark.parametrize("vocabulary", [None, "clevr"])
@pytest.mark.parametrize(("program", "value"), ANSWERS)
def test_each_name_and_each_comparison(program: str, value: object, vocabulary: str | None) -> None:
    answer = engine(vocabulary=vocabulary).run(program, scene())
    assert answer.value == value or answer.value == pytest.approx(value, rel=1e-4)
    assert not answer.notes


@pytest.mark.parametrize("program", [p for p, _ in ANSWERS])
def test_lazily_and_in_batches_it_is_the_same(program: str) -> None:
    plain = engine().run(program, scene())
    lazy = engine(schedule="lazy").run(program, scene())
    (together,) = engine().run_many([(program, scene())])
    naive = engine(planner="naive").run(program, scene())
    for other in (lazy, together, naive):
        assert other.value == plain.value
    assert together.probability == pytest.approx(plain.probability) or plain.probability is None


def test_what_encloses_a_thing_and_what_covers_it() -> None:
    boxes = np.array([[20, 20, 40, 40], [10, 10, 90, 90], [35, 20, 60, 40]], dtype=np.float32)
    nested = Scene(boxes, (200, 100), Picture(Image.new("RGB", (200, 100), "grey")))
    inside = "count(Object, lambda x: exists(Object, lambda y: inside(x, mask(y))))"
    assert engine().run(inside, nested).value == 2
    answer = engine().run("exists(Object, lambda x: exists(Object, lambda y: overlap(x, y)))", nested)
    assert answer.value is True
    of_nothing = engine(Models(hole=30))
    assert of_nothing.run(inside, nested).value == 0
    assert of_nothing.run("[area(o) for o in Object]", nested).value == [0.0, 400.0, 0.0]


def test_they_are_soft_where_they_carry_a_doubt() -> None:
    def probability(program: str) -> float:
        answer: Answer = engine().run(program, scene())
        assert answer.probability is not None
        return answer.probability if answer.value else 1 - answer.probability

    assert 0.9 < probability('exists(Object, lambda x: reads(x, "STOP"))') <= 0.951
    close, far = (probability(f"exists(Object, lambda x: area(x) > {n})") for n in (5200, 1000))
    assert 0.5 < close < 0.7 < far
    near, clear = (probability(f"depth({STOP}) < {n}") for n in (8.2, 20))
    assert 0.5 < near < 0.7 < clear


@pytest.mark.parametrize(
    ("program", "said"),
    [
        ("count(Object, lambda x: depth(x) + 1 < 5)", "a quantifier binds"),
        ("count(Object, lambda x: mask(x))", "no truth value"),
        ("count(Object, lambda x: depth(x))", "no truth value"),
        ('count(Object, lambda x: nearer(x, "door"))', "'nearer' is applied to a text"),
        ("count(Object, lambda x: reads(x, x))", "'reads' is asked for an object variable"),
        ("count(Object, lambda x: mask(x) > 3)", "not compared so"),
        ('count(Object, lambda x: text(x) > "a")', "by == or in"),
        ("count(Object, lambda x: depth(x) == 3)", "a quantifier binds"),
        ("count(Object, lambda x: depth(x) < area(x))", "not compared so"),
        ("depth(3)", "'depth' is applied to a number"),
        (f"mask({STOP}) + 1", "A mask is no value"),
    ],
)
def test_what_can_not_be_said_is_said(program: str, said: str) -> None:
    with pytest.raises(ProgramError, match=said):
        engine().run(program, scene())


def test_a_model_is_asked_once_for_all_objects_and_all_programs() -> None:
    seen = models()
    one, about = engine(seen), scene()
    one.run("count(Object, lambda x: area(x) > 1000)", about)
    one.run("exists(Object, lambda x: exists(Object, lambda y: overlap(x, y)))", about)
    one.run("count(Object, lambda x: depth(x) < 5)", about)
    one.run(f"nearer({STOP}, point(Object, lambda x: text(x)))", about)
    assert seen.asked == {"masks": [3], "depth": [1], "read": [1]}


def test_a_record_answers_without_the_models_and_the_picture(tmp_path: Path) -> None:
    about, record = scene(), tmp_path / "evidence.jsonl"
    first = engine(record=record)
    said = [first.run(program, about) for program, _ in ANSWERS]
    nobody = Percepts("no-such", "no-such", "no-such")
    again = engine(percepts=nobody, oracle="replay", oracle_options={"path": str(record)})
    for (program, _), answer in zip(ANSWERS, said, strict=True):
        replayed = again.run(program, about)
        assert (replayed.value, replayed.probability) == (answer.value, answer.probability)
    with pytest.raises(NotRecordedError):
        again.run('exists(Object, lambda x: reads(x, "something else"))', about)


def test_under_the_semantics_of_before_they_are_predicates_as_any_other() -> None:
    seen = models()
    engine(seen, semantics=2).run("count(Object, lambda x: exists(Object, lambda y: nearer(x, y)))", scene())
    assert seen.asked["depth"] == []


def test_a_vocabulary_that_knows_a_name_means_its_own() -> None:
    seen = models()
    nlvr = engine(seen, oracle="random", vocabulary="nlvr")
    nlvr.run("count(Object, lambda x: exists(Box, lambda b: inside(x, b)))", scene())
    assert seen.asked["masks"] == []
    names = {"depth": 1, "reads": 2}
    own = {"name": "own", "predicates": {name: {"arity": arity} for name, arity in names.items()}}
    from dsl import Vocabulary

    engine(seen, vocabulary=Vocabulary.from_data(own)).run("count(Object, lambda x: depth(x))", scene())
    assert seen.asked["depth"] == []


def test_no_proxy_stands_in_for_their_models() -> None:
    from neptune.engine.evidence.narrowed import Narrowing
    from neptune.perception.oracle.random import RandomOracle

    class Proxy(RandomOracle):
        def score(self, requests: object) -> object:
            assert all(r.question.percept is None for r in requests)  # type: ignore[attr-defined]
            return super().score(requests)  # type: ignore[arg-type]

    narrowing = Narrowing(Proxy(1), 0.5)
    program = "count(Object, lambda x: depth(x) < 5 and not score('is it blue?')(x))"
    for said, value in (("count(Object, lambda x: depth(x) < 5)", 2), ("count(Object, lambda x: area(x) > 1000)", 2)):
        assert engine(narrowing=narrowing, schedule="lazy").run(said, scene()).value == value
    engine(narrowing=narrowing, schedule="lazy").run(program, scene())


def test_no_detector_looks_for_them() -> None:
    from neptune.engine.analysis.detector_labels import labels_of
    from neptune.engine.evidence.questions import Wording

    programs = ['exists(Object, lambda x: dog(x) and reads(x, "STOP") and depth(x) < area(x) and text(x))']
    assert labels_of(programs, Wording.load()) == ("dog",)


def test_out_of_domain_is_missing_evidence_or_said() -> None:
    other = Domain("the depth estimator 'counting'", "drawings", 3.0)
    program = "count(Object, lambda x: depth(x) < 5)"
    seen = Models(domain=other)
    answer = engine(seen).run(program, scene())
    assert not answer.settled
    answering = Percepts(seen, seen, seen, out_of_domain="answer")  # type: ignore[arg-type]
    answer = engine(percepts=answering).run(program, scene())
    assert answer.value == 2


def test_a_scene_without_its_picture_is_an_error() -> None:
    with pytest.raises(OracleError, match="seen in a picture"):
        engine().run("count(Object, lambda x: depth(x) < 5)", Scene(BOXES, (200, 100)))


REGIONS = [
    ("return image_patch.compute_depth()", pytest.approx(5, abs=0.2)),
    ("return image_patch.crop(0, 0, 190, 20).compute_depth() < image_patch.crop(0, 70, 190, 99).compute_depth()", True),
    ('return image_patch.find("object")[0].compute_depth()', pytest.approx(8.03, abs=0.1)),
    ('return min(image_patch.find("object"), key=lambda p: p.compute_depth())', 1),
    ('return image_patch.find("object")[0].read_text()', "STOP"),
    ("return image_patch.read_text()", "STOP Exit 42"),
    ('return bool_to_yesno(image_patch.reads("exit"))', "yes"),
    ('return bool_to_yesno(image_patch.find("object")[0].reads("exit"))', "no"),
    ('return image_patch.find("object")[2].mask_area()', 5250),
    ('return [p.read_text() for p in image_patch.find("object") if p.mask_area() < 2000]', ["STOP", ""]),
]


@pytest.mark.parametrize(("body", "value"), REGIONS)
def test_in_programs_over_regions(body: str, value: object, tmp_path: Path) -> None:
    program = f"def execute_command(image):\n    image_patch = ImagePatch(image)\n    {body}\n"
    record = tmp_path / "evidence.jsonl"
    answer = engine(record=record).run(program, scene())
    assert answer.value == value
    replayed = engine(percepts=Percepts("x", "x", "x"), oracle="replay", oracle_options={"path": str(record)})
    assert replayed.run(program, scene()).value == answer.value
