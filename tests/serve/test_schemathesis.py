"""Requests that schemathesis makes from the OpenAPI schema: no answer is a bug, and each is of a documented kind.

Schemathesis is no dependency, not even of the tests. Where its program is found, it is run against a server::

    python -m venv /tmp/schemathesis && /tmp/schemathesis/bin/pip install schemathesis
    PATH=$PATH:/tmp/schemathesis/bin python -m pytest tests/serve/test_schemathesis.py
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from helpers.served import IMAGES, PICTURE, RED_CUBES, application, listening

httpx = pytest.importorskip("httpx", reason="httpx is not installed: make setup-all")

CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"
MEANT = {
    "picture": [PICTURE.name],
    "path": [PICTURE.name],
    "folder": ["."],
    "program": [RED_CUBES, "exists(Object, lambda x: red(x))", "describe(Color, iota(Object, lambda x: cube(x)))"],
    "question": ["How many red cubes are there?", "What color is the large cube?"],
    "query": ["a red ball left of a cube"],
    "logic": ["godel", "lukasiewicz", "frank:0.1"],
}
"""What the types of a schema can not say: texts that mean something here. They are tried beside any others."""


def test_requests_made_from_the_schema_end_in_no_500(tmp_path: Path) -> None:
    program = shutil.which("schemathesis")
    if program is None:
        pytest.skip("schemathesis is not on the PATH; how to run it is said at the top of this file")
    with listening(application(roots=(IMAGES,))) as address:
        path = tmp_path / "openapi.json"
        path.write_text(json.dumps(with_meant(httpx.get(f"{address}/openapi.json").json())))
        words = [program, "run", str(path), "--url", address, "--checks", CHECKS, "--seed", "1", "--no-color"]
        words += ["--phases", "coverage,fuzzing", "--max-examples", "10", "--request-timeout", "120"]
        done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, timeout=1500)
    said = done.stdout[-4000:] + done.stderr[-1000:]
    assert done.returncode == 0, said
    made = re.search(r"([\d,]+) generated", said)
    assert made is not None, said
    assert int(made[1].replace(",", "")) > 500
    print(said)


def with_meant(schema: dict[str, Any]) -> dict[str, Any]:
    """Return the schema with texts that mean something, as one way of several."""
    for model in schema["components"]["schemas"].values():
        for name, values in MEANT.items():
            if name in model.get("properties", {}):
                model["properties"][name] = {"anyOf": [{"enum": values}, model["properties"][name]]}
    for methods in schema["paths"].values():
        for operation in methods.values():
            for parameter in operation.get("parameters", ()):
                if parameter["name"] in MEANT:
                    parameter["schema"] = {"anyOf": [{"enum": MEANT[parameter["name"]]}, parameter["schema"]]}
    return schema
