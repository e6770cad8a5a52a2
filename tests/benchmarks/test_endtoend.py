"""The benchmark of whole runs: what it says of where the time went adds up."""

from __future__ import annotations

import endtoend
import pytest


def test_parts_add_up_to_the_clock() -> None:
    found = endtoend.once(endtoend.ROOT, "clevr", str(endtoend.ROOT / "examples" / "clevr"), 3, [])
    assert found["questions"] == 3
    assert sum(found["seconds"].values()) == pytest.approx(found["wall"])
    assert all(found["seconds"][part] >= 0 for part in endtoend.PARTS)
    assert found["calls"] > 0
    assert found["seconds"]["looking inside"] > 0
    assert "clevr" in endtoend.line({**found, "checkout": "this"})


def test_what_fails_is_said() -> None:
    with pytest.raises(SystemExit, match="unknown field"):
        endtoend.once(endtoend.ROOT, "clevr", "examples/clevr", 3, ["--schedul", "lazy"])


def test_other_answers_are_counted() -> None:
    one, other = ["a", "yes", 0.9], ["b", 3, None]
    assert endtoend.different([one, other], [one, other]) == 0
    assert endtoend.different([one, other], [["a", "yes", 0.9 + 1e-8], ["b", 3, None]]) == 0
    assert endtoend.different([one, other], [["a", "no", 0.9], ["b", 3, 0.5]]) == 2
    assert endtoend.different([one], [one, other]) == 1
