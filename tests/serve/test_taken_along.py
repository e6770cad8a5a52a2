"""An answer that is taken along: `replay` gives it again, with no model, as it was shown."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import pytest
from helpers.served import DATA, PICTURE, RED_CUBES, application, refused

from neptune.cli import main

testclient = pytest.importorskip("starlette.testclient", reason="the extra serve is not installed: make setup-all")

RED = "count(Object, lambda x: red(x))"
PAIRS = "exists(Object, lambda x: cube(x) and exists(Object, lambda y: sphere(y) and same_material(x, y)))"
REGIONS = "def execute_command(image):\n    return ImagePatch(image).exists('red cube')"


def red_lowered(client: Any) -> list[dict[str, Any]]:
    """Return a change that takes the surest red object for one that is not."""
    found = client.post("/v1/ask", json={"picture": PICTURE.name, "program": RED, "evidence": True}).json()
    red = next(e for e in found["evidence"] if e["question"].endswith("red?"))
    k = red["probabilities"].index(max(red["probabilities"]))
    return [{"question": red["question"], "objects": red["objects"][k], "probability": 0.1}]


@pytest.mark.parametrize(
    "asked",
    [
        {"question": "How many red cubes are left of the brown ball?"},
        {"program": RED_CUBES, "logic": "lukasiewicz"},
        {"program": PAIRS, "logic": "frank:0.1", "temperatures": {"oracle": 3.0, "quantifier": 0.4, "iota": 0.5}},
        {"program": RED, "changed": "red"},
        {"program": RED_CUBES, "set": ["box(0)=1,2,30,40", "word(red)=gray", "color(1)=gray", "left(1, 0)=0.9"]},
        {"program": "describe(Color, iota(Object, lambda x: cube(x) and small(x) and brown(x)))"},
        {"program": REGIONS},
        {"program": "1 + 1"},
    ],
    ids=["question", "logic", "temperatures", "changed", "set", "presupposition", "regions", "nothing is asked"],
)
def test_replay_gives_the_same_answer(
    client: Any, tmp_path: Path, asked: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    body = {"picture": PICTURE.name, **asked}
    if "changed" in body:
        body["changed"] = red_lowered(client)
    shown = client.post("/v1/ask", json=body).json()
    got = client.post("/v1/bundle", json=body)
    assert got.status_code == 200, got.text
    assert got.headers["content-type"] == "application/zip"
    path = tmp_path / "answer.zip"
    path.write_bytes(got.content)
    assert main(["replay", str(path), "--output_dir", str(tmp_path / "again")]) == 0
    assert "1 samples replayed, all equal bit for bit" in capsys.readouterr().out
    record = json.loads((tmp_path / "again" / "samples.jsonl").read_text())
    truth = {True: "yes", False: "no"}.get(shown["value"]) if shown["kind"] == "truth" else shown["value"]
    assert record["value"] == truth
    assert record["abstained"] == shown["abstained"]
    if shown["probability"] is None:
        assert record["probability"] is None
    else:
        assert record["probability"] == pytest.approx(shown["probability"], abs=1e-5)
    assert (tmp_path / "again" / "report.html").is_file()


def test_a_changed_score_is_packed_as_it_was_changed(client: Any, tmp_path: Path) -> None:
    values = []
    for k, changed in enumerate(([], red_lowered(client))):
        got = client.post("/v1/bundle", json={"picture": PICTURE.name, "program": RED, "changed": changed})
        (tmp_path / f"{k}.zip").write_bytes(got.content)
        assert main(["replay", str(tmp_path / f"{k}.zip"), "--output_dir", str(tmp_path / str(k))]) == 0
        values.append(json.loads((tmp_path / str(k) / "samples.jsonl").read_text())["value"])
    assert values == [3, 2]


def test_a_bundle_tells_nothing_of_the_server(client: Any) -> None:
    """A picture is packed as its pixels, and a config as what decides the answer: no path, no address."""
    got = client.post("/v1/bundle", json={"picture": PICTURE.name, "question": "Is there a red cube?"})
    with zipfile.ZipFile(io.BytesIO(got.content)) as packed:
        names = set(packed.namelist())
        texts = [packed.read(name).decode() for name in names if not name.endswith(".png")]
    assert {"bundle.json", "config.json", "samples.jsonl", "evidence.jsonl", "report.html", "pictures/0.png"} <= names
    assert not any(str(PICTURE.parent) in text for text in texts)


def test_nothing_is_asked_again(tmp_path: Path) -> None:
    """What the model has said is packed as it was said."""
    import numpy as np

    from neptune.engine import Engine
    from neptune.scene.types import Scores

    class Counted:
        name, asked = "counted", 0

        def score(self, requests: Any) -> list[Any]:
            self.asked += sum(len(q.objects) for q in requests)
            return [Scores.of(np.linspace(-3, 3, len(q.objects))) for q in requests]

        def query(self, requests: Any) -> list[Any]:
            raise AssertionError

    oracle = Counted()
    engine = Engine(oracle, "embedded", out_of_domain="answer")
    with testclient.TestClient(application(engine=engine), base_url="http://127.0.0.1") as client:
        body = {"picture": DATA, "program": RED_CUBES}
        assert client.post("/v1/ask", json=body).status_code == 200
        before = oracle.asked
        assert before
        (tmp_path / "a.zip").write_bytes(client.post("/v1/bundle", json=body).content)
        assert oracle.asked == before
    assert main(["replay", str(tmp_path / "a.zip"), "--output_dir", str(tmp_path / "again")]) == 0


def test_what_can_not_be_answered_has_no_bundle(client: Any) -> None:
    refused(client.post("/v1/bundle", json={"picture": PICTURE.name}), 422, "Nothing is asked")
    refused(client.post("/v1/bundle", json={"picture": PICTURE.name, "program": "existts(1)"}), 422, "existts")
