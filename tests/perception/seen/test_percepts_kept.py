"""Masks, depths and texts as an engine has them: made late, asked once about a content, kept in a file."""

from __future__ import annotations

import numpy as np
import pytest
from helpers.perceived import Models, shapes

from neptune.errors import PerceptionError
from neptune.perception.oracle.caching.store import OracleStore
from neptune.perception.percepts.kept import depth_of, mask_of, reading_of, written
from neptune.perception.percepts.percepts import Percepts
from neptune.scene.domain import Domain
from neptune.scene.picture import Picture
from neptune.scene.seen.depths import Depth
from neptune.scene.seen.masks import Mask
from neptune.scene.seen.texts import TextLine

BOXES = [(10.0, 10.0, 60.0, 50.0), (80.0, 20.0, 140.0, 90.0)]


def made(models: Models, cache: object = None) -> Percepts:
    return Percepts(models, models, models, cache=cache)  # type: ignore[arg-type]


def test_each_content_is_asked_once_and_in_one_batch() -> None:
    models, (picture, _) = Models([TextLine("A", BOXES[0], 0.9)]), shapes()
    percepts = made(models)
    again = Picture(picture.pixels.copy())  # another object with the same pixels
    first = percepts.masks(picture, BOXES)
    assert percepts.masks(again, [BOXES[1], BOXES[0]]) == first[::-1]
    assert percepts.depth(picture) is percepts.depth(again)
    assert percepts.read(picture) == percepts.read(again)
    assert models.asked == {"masks": [2], "depth": [1], "read": [1]}
    percepts.masks(picture, [BOXES[0]], "dog")  # other words are another question
    assert models.asked["masks"] == [2, 1]


def test_a_file_keeps_them_for_other_runs(tmp_path) -> None:
    models, (picture, _) = Models([TextLine("A „b“", BOXES[0], 0.9)], domain=Domain("it", "w", 0.5)), shapes()
    said = made(models, tmp_path / "cache.sqlite")
    masks, depth, reading = said.masks(picture, BOXES), said.depth(picture), said.read(picture)
    later = Models()
    kept = made(later, tmp_path / "cache.sqlite")
    for one, other in zip(kept.masks(picture, BOXES), masks, strict=True):
        np.testing.assert_array_equal(one.full(), other.full())
        assert (one.corner, one.size, one.score) == (other.corner, other.size, other.score)
    np.testing.assert_array_equal(kept.depth(picture).map, depth.map)
    assert (kept.depth(picture).unit, kept.depth(picture).domain) == ("metres", Domain("it", "w", 0.5))
    assert kept.read(picture) == reading
    assert later.asked == {"masks": [], "depth": [], "read": []}
    assert [row["texts"] for row in OracleStore(tmp_path / "cache.sqlite").contents()] == [4]
    other = Models()
    other.identity = "counting-2"  # type: ignore[misc]
    made(other, tmp_path / "cache.sqlite").depth(picture)
    assert other.asked["depth"] == [1]


def test_models_are_made_when_they_are_first_asked() -> None:
    percepts = Percepts("no-such", "no-such", "no-such")
    with pytest.raises(Exception, match="There is no segmenter 'no-such'"):
        percepts.masks(shapes()[0], BOXES)


@pytest.mark.parametrize(
    ("returned", "said"),
    [([], "0 answers to 1 questions"), ([3], "wrong form"), (ZeroDivisionError("no"), "ZeroDivisionError: no")],
)
def test_a_mistake_in_an_adapter_is_an_error_that_names_it(returned: object, said: str) -> None:
    class Wrong(Models):
        def depth(self, pictures: object) -> list[Depth]:
            if isinstance(returned, Exception):
                raise returned
            return returned  # type: ignore[return-value]

    with pytest.raises(PerceptionError, match=said) as error:
        made(Wrong()).depth(shapes()[0])
    assert "adapter" in error.value.one_line()


VALUES = [
    (Mask.of(np.random.default_rng(0).random((5, 7)), (20, 10), (2, 3), (0.5, 0.5), 0.7), mask_of),
    (Mask.of(np.zeros((2, 2)), (20, 10)), mask_of),
    (Depth.of(np.random.default_rng(0).random((5, 7)), (70, 50), "metres"), depth_of),
    ((TextLine("é\n", (0.0, 1.0, 2.0, 3.0), 0.5),), reading_of),
    ((), reading_of),
]


@pytest.mark.parametrize(("value", "read"), VALUES)
def test_what_is_written_is_read_and_nothing_else_is(value, read) -> None:
    text = written(value)
    assert written(read(text)) == text
    for torn in (text[:-2], "", "[1]", "{}", "3", text.replace('"shape": [', '"shape": [9'), text.replace("0", "Z")):
        if torn != text:
            assert read(torn) is None or isinstance(read(torn), type(value))
