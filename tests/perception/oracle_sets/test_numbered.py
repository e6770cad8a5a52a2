"""Many objects in one request: what is shown and asked, how replies are read, and that exactness survives."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import pytest

from neptune.config import make_config
from neptune.config.validation import ConfigProblems
from neptune.engine import Engine
from neptune.engine.evidence.narrowed import Narrowing
from neptune.errors import ConfigError
from neptune.perception.oracle.sets.numbered import NumberedOracle, members_in
from neptune.scene import Scene
from neptune.scene.picture import Picture
from neptune.scene.types import QueryRequest, Question, ScoreRequest


class Scripted:
    """A model that says what a function makes of the words, and keeps what it was shown."""

    name = "scripted"

    def __init__(self, reply: Callable[[str], str | None]) -> None:
        self.reply, self.asked = reply, list[QueryRequest]()

    def score(self, requests: Sequence[ScoreRequest]) -> list[object]:
        raise AssertionError("it is asked openly")

    def query(self, requests: Sequence[QueryRequest]) -> list[list[str | None]]:
        self.asked += requests
        return [[self.reply(r.question.text)] for r in requests]


def scene(n: int = 4) -> Scene:
    drawn = Scene.synthetic(n, seed=2)
    picture = Picture.of(np.full((drawn.size[1], drawn.size[0], 3), 120, dtype=np.uint8))
    return Scene(drawn.boxes, drawn.size, picture, drawn.annotation, name="drawn")


@pytest.mark.parametrize(
    ("reply", "named"),
    [
        ("1, 3", {1, 3}), ("1 and 4.", {1, 4}), ("Objects 2, 3", {2, 3}), ("#2", {2}), ("[1, 2]", {1, 2}),
        ("The answer is 3", {3}), ("None.", set()), ("none of them", set()), ("No objects", set()), ("0", set()),
        ("all", {1, 2, 3, 4}), ("All of them", {1, 2, 3, 4}),
        ("", None), ("7", None), ("all but 2", None), ("1, or perhaps 2", None), ("I can not tell", None),
        ("not 3", None), ("red", None), ("all except the first", None),
    ],
)  # fmt: skip
def test_a_reply_is_read_or_it_is_not(reply: str, named: set[int] | None) -> None:
    assert members_in(reply, 4) == named


def test_one_request_answers_for_all_objects() -> None:
    model = Scripted(lambda words: "2, 3")
    proxy = NumberedOracle(model)
    request = ScoreRequest(scene(), Question("is the object in the red box red?", 1, "red"), np.arange(4)[:, None])
    (scores,) = proxy.score([request])
    assert len(model.asked) == 1
    assert '"is object N red?"' in model.asked[0].question.text
    high = math.log(9)
    assert scores.logits.tolist() == pytest.approx([-high, high, high, -high])
    shown = np.asarray(model.asked[0].scene.picture.image)  # type: ignore[union-attr]
    assert (shown != 120).any()  # numbers are drawn


def test_of_a_relation_one_request_a_second_object_stands() -> None:
    model = Scripted(lambda words: "none")
    text = "is the object in the red box to the left of the object in the green box?"
    pairs = np.array([(i, j) for i in range(4) for j in range(4) if i != j])
    (scores,) = NumberedOracle(model).score([ScoreRequest(scene(), Question(text, 2, "left"), pairs)])
    assert len(model.asked) == 4
    assert '"is object N to the left of the object in the red box?"' in model.asked[0].question.text
    assert (scores.logits < 0).all()


def test_what_can_not_be_read_is_unknown_and_exactness_survives() -> None:
    """A proxy that is never understood spares nothing: the decision is that of asking, as without it."""
    model = Scripted(lambda words: "what a nice picture")
    request = ScoreRequest(scene(), Question("is the object in the red box red?", 1, "red"), np.arange(4)[:, None])
    (scores,) = NumberedOracle(model).score([request])
    assert np.isnan(scores.logits).all()
    assert scores.cost is not None
    assert scores.cost.failures == {"the numbers can not be read": 4}
    program = "count(Object, lambda x: red(x)) > 1"
    plain = Engine("scene", schedule="lazy").run(program, scene())
    under = Engine("scene", schedule="lazy", narrowing=Narrowing(NumberedOracle(model), 1.0)).run(program, scene())
    assert (under.value, under.usage.oracle_calls) == (plain.value, plain.usage.oracle_calls)


def test_a_proxy_that_is_right_spares_the_oracle() -> None:
    on = scene(6)
    colours = on.annotation.attributes["color"]  # type: ignore[union-attr]
    said = ", ".join(str(k + 1) for k in range(6) if colours[k] == "red") or "none"
    model = Scripted(lambda words: said)
    program = "exists(Object, lambda x: red(x))"
    plain = Engine("scene", schedule="lazy").run(program, on)
    under = Engine("scene", schedule="lazy", narrowing=Narrowing(NumberedOracle(model), 0.5)).run(program, on)
    assert under.value == plain.value
    assert under.usage.oracle_calls < plain.usage.oracle_calls
    assert under.guarantee == "certified"


def test_it_is_a_proxy_and_no_oracle(tmp_path: object) -> None:
    with pytest.raises(ConfigProblems, match="numbered"):
        make_config({"dataset": "clevr", "data_dir": "/", "vlm_model_name": "numbered"}, "test")
    config = {"dataset": "clevr", "data_dir": "/", "task": "certify", "proxy_model_name": "numbered"}
    assert make_config(config, "test").proxy_model_name == "numbered"
    with pytest.raises(ConfigError, match="probability"):
        NumberedOracle(Scripted(lambda words: ""), sure=1.0)
