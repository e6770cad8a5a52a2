"""The HTTP address: what it answers, and that its schema is kept."""

from __future__ import annotations

import random
from typing import Any

import pytest
from helpers.served import DATA, IMAGES, PICTURE, RED_CUBES, events, refused

httpx = pytest.importorskip("httpx", reason="httpx is not installed: make setup-all")
testclient = pytest.importorskip("starlette.testclient", reason="the extra serve is not installed: make setup-all")


# --- what it answers ---


def test_a_question_and_a_program(client: Any) -> None:
    found = client.post("/v1/ask", json={"picture": DATA, "question": "How many red cubes are left of the brown ball?"})
    assert found.status_code == 200, found.text
    answer = found.json()
    assert answer["value"] == 2
    assert answer["probability"] == pytest.approx(0.991, abs=2e-3)
    assert answer["program"] == RED_CUBES
    assert len(answer["scene"]["boxes"]) == len(answer["scores"])
    assert answer["trace"]
    again = client.post(
        "/v1/ask", json={"picture": "CLEVR_val_000049.png", "program": RED_CUBES, "inside": True, "evidence": True}
    )
    body = again.json()
    assert (body["value"], body["probability"]) == (2, answer["probability"])
    assert any(node.get("scores") for node in body["inside"]["plan"])
    questions = {e["question"]: e for e in body["evidence"]}
    red = next(e for q, e in questions.items() if "red?" in q or " red" in q.rsplit("box", 1)[-1])
    assert red["arity"] == 1
    assert len(red["probabilities"]) == len(body["scene"]["boxes"])


def test_a_picture_is_sent_once_and_a_score_that_is_moved_moves_the_answer(client: Any) -> None:
    sent = client.post("/v1/pictures", files={"file": ("a.png", PICTURE.read_bytes(), "image/png")}).json()
    assert sent["size"] == [480, 320]
    body: dict[str, Any] = {"picture": sent["picture"], "program": "count(Object, lambda x: red(x))", "evidence": True}
    first = client.post("/v1/ask", json=body).json()
    red = next(e for e in first["evidence"] if e["question"].endswith("red?"))  # others may have been asked before
    assert first["value"] == sum(p > 0.5 for p in red["probabilities"]) == 3
    k = red["probabilities"].index(max(red["probabilities"]))
    change = {"question": red["question"], "objects": red["objects"][k], "probability": 0.1}
    moved = client.post("/v1/ask", json=body | {"changed": [change]}).json()
    assert moved["value"] == 2
    assert moved["usage"]["oracle_calls"] == 0
    assert client.post("/v1/ask", json=body).json()["value"] == 3, "the change was for one request"
    refused(
        client.post("/v1/ask", json=body | {"changed": [change | {"question": "is it?"}]}), 422, "This was not asked"
    )
    refused(
        client.post("/v1/ask", json=body | {"changed": [change | {"objects": [99]}]}), 422, "There is no such object"
    )


def test_what_else_is_changed(client: Any) -> None:
    """A box, a word of the program, what the model says: as `--set` takes it, and for one request."""
    body: dict[str, Any] = {"picture": PICTURE.name, "program": "count(Object, lambda x: red(x))"}
    first = client.post("/v1/ask", json=body).json()
    assert "before" not in first
    worded = client.post("/v1/ask", json=body | {"set": ["word(red)=gray"]}).json()
    assert worded["program"] == "count(Object, lambda x: gray(x))"
    assert worded["before"].startswith("3")
    assert worded["value"] == client.post("/v1/ask", json=body | {"program": worded["program"]}).json()["value"]
    red = next(k for k, score in enumerate(first["scores"]) if score > 0.9)
    said = client.post("/v1/ask", json=body | {"set": [f"color({red})=blue"]}).json()
    assert said["value"] == 2
    box = [1.0, 2.0, 30.0, 40.0]
    boxed = client.post("/v1/ask", json=body | {"set": [f"box({red})={','.join(map(str, box))}"]}).json()
    assert boxed["scene"]["boxes"][red] == box
    both = [f"color({red})=blue", "word(red)=blue"]
    blue = client.post("/v1/ask", json=body | {"program": worded["program"].replace("gray", "blue")}).json()["value"]
    assert client.post("/v1/ask", json=body | {"set": both}).json()["value"] == blue + 1
    assert client.post("/v1/ask", json=body).json()["value"] == 3
    refused(client.post("/v1/ask", json=body | {"set": ["red"]}), 422, "changes nothing")
    refused(client.post("/v1/ask", json=body | {"set": ["red(99)=0.1"]}), 422, "99")
    refused(client.post("/v1/ask", json=body | {"set": ["word(blue)=red"]}), 422, "no word of the program")


def test_logics_and_temperatures(client: Any) -> None:
    body = {"picture": DATA, "program": "exists(Object, lambda x: red(x) and cube(x))"}
    chances = {}
    for logic in ("godel", "product", "lukasiewicz", "frank:0.1"):
        found = client.post("/v1/ask", json=body | {"logic": logic}).json()
        assert found["value"] is True
        chances[logic] = found["probability"]
    assert chances["lukasiewicz"] <= chances["product"] <= chances["godel"]
    warm = client.post("/v1/ask", json=body | {"temperatures": {"oracle": 5.0}}).json()["probability"]
    assert 0.5 < warm < chances["godel"]
    refused(client.post("/v1/ask", json=body | {"logic": "goedel"}), 422, "goedel")
    refused(client.post("/v1/ask", json=body | {"temperatures": {"iota": -1}}), 422, "temperatures.iota")


def test_check_says_each_fault_in_its_place(client: Any) -> None:
    assert client.post("/v1/check", json={"program": RED_CUBES}).json() == {"ok": True, "problems": [], "notes": []}
    program = "exists(Object, lambda x: red(x) and existts(Object, lambda y: cube(y)))"
    found = client.post("/v1/check", json={"program": program}).json()
    (problem,) = found["problems"]
    start, end = problem["column"] - 1, problem["end_column"] - 1
    assert program[start:end] == "existts"
    assert "exists" in problem["hint"]
    assert not found["ok"]


def test_explain_score_language_and_batches(client: Any) -> None:
    explained = client.post("/v1/explain", json={"program": RED_CUBES, "objects": 6}).json()
    assert explained["parts"][-1]["oracle_calls"] > 0
    assert "order" in explained["text"]
    scored = client.post("/v1/score", json={"picture": DATA, "formulas": ["red('x')", "left('x', 'y')"]}).json()
    n = len(scored["scene"]["boxes"])
    red, left = scored["tables"]
    assert red["variables"] == ["x"]
    assert len(red["values"]) == n
    assert len(left["values"]) == n == len(left["values"][0])
    names = {word["name"] for word in client.get("/v1/language").json()["names"]}
    assert {"exists", "Color", "red", "left", "lambda"} <= names
    batch = client.post(
        "/v1/batch",
        json={
            "requests": [
                {"do": "ask", "picture": DATA, "question": "Is there a red cube?"},
                {"do": "check", "program": "("},
                {"do": "ask", "picture": DATA, "program": "existts(Object, lambda x: red(x))"},
                {"do": "score", "picture": "AAAA", "formulas": ["red('x')"]},
            ]
        },
    ).json()["results"]
    assert [r["status"] for r in batch] == [200, 200, 422, 422]
    assert batch[0]["body"]["value"] is True
    assert "existts" in batch[2]["error"]["text"]


def test_a_stream_tells_boxes_and_scores_before_the_answer(client: Any) -> None:
    fresh = IMAGES / "CLEVR_val_000004.png"
    found = client.post("/v1/stream", json={"picture": fresh.name, "question": "How many red cubes are there?"})
    assert found.headers["content-type"].startswith("text/event-stream")
    told = events(found.text)
    names = [name for name, _ in told]
    assert names[:2] == ["program", "boxes"]
    assert names[-1] == "answer"
    scores = [data for name, data in told if name == "scores"]
    assert len(scores) >= 2
    assert all(len(s["objects"]) == len(s["probabilities"]) for s in scores)
    wrong = events(client.post("/v1/stream", json={"picture": fresh.name, "program": "("}).text)
    assert wrong[-1][0] == "error"
    assert wrong[-1][1]["status"] == 422


def test_a_folder_is_searched(client: Any) -> None:
    (folder,) = client.get("/v1/folders").json()["folders"]
    assert folder == {"folder": ".", "of": "images", "pictures": 36}
    told = events(client.post("/v1/find", json={"folder": ".", "query": "a red ball left of a cube", "top": 2}).text)
    name, found = told[-1]
    assert name == "done"
    assert [hit["picture"] for hit in found["hits"]] == ["CLEVR_val_000071.png", "CLEVR_val_000102.png"]
    assert found["settled"]
    small = client.get("/v1/file", params={"path": found["hits"][0]["picture"]})
    assert small.headers["content-type"] == "image/jpeg"
    assert small.content[:2] == b"\xff\xd8"
    refused(client.post("/v1/find", json={"folder": "..", "query": "a cube"}), 422, "no such folder")
    refused(client.post("/v1/find", json={"folder": "."}), 422, "Nothing is asked")


# --- the schema ---


def test_the_schema_declares_what_is_refused_and_no_made_request_is_a_bug(client: Any) -> None:
    """Requests made from the schema's own types, right and wrong, end in no 500."""
    schema = client.get("/openapi.json").json()
    assert {"/v1/ask", "/v1/check", "/v1/explain", "/v1/score", "/v1/batch", "/v1/pictures"} <= set(schema["paths"])
    rng = random.Random(0)
    asked = 0
    for path, methods in schema["paths"].items():
        for method, operation in methods.items():
            assert {"401", "403", "413", "422", "503"} <= set(operation["responses"]), path
            content = operation.get("requestBody", {}).get("content", {})
            if "application/json" not in content:
                continue
            for _ in range(6):
                body = made(content["application/json"]["schema"], schema["components"]["schemas"], rng)
                found = client.request(method, path, json=body)
                assert found.status_code in (200, 413, 422), (path, body, found.text)
                asked += 1
    assert asked >= 40


def made(schema: dict[str, Any], known: dict[str, Any], rng: random.Random, depth: int = 0) -> Any:
    """Return a value of a schema, or sometimes of none."""
    if rng.random() < 0.05:
        return rng.choice([None, -1, "", [], {}, 1e308, "é\u2028", True])
    if "$ref" in schema:
        return made(known[schema["$ref"].rpartition("/")[2]], known, rng, depth + 1)
    for key in ("anyOf", "oneOf"):
        if key in schema:
            return made(rng.choice(schema[key]), known, rng, depth + 1)
    if "const" in schema or "enum" in schema:
        return schema.get("const") or rng.choice(schema["enum"])
    kind = schema.get("type")
    if kind == "object":
        needed = schema.get("required", ())
        return {
            n: made(s, known, rng, depth + 1)
            for n, s in schema["properties"].items()
            if n in needed or rng.random() < 0.4
        }
    if kind == "array":
        return [made(schema["items"], known, rng, depth + 1) for _ in range(rng.randint(schema.get("minItems", 0), 2))]
    if kind == "string":
        return rng.choice(
            [PICTURE.name, DATA, RED_CUBES, "red('x')", "godel", "How many cubes are there?", ".", "\x00", "lambda"]
        )
    return {"integer": rng.randint(-1, 12), "number": rng.random() * 3, "boolean": rng.random() < 0.5}.get(str(kind))
