"""The files under deploy/ are sound, by their own linters, and say what the command line takes."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from neptune.config import Config
from neptune.perception.oracle.server.oracle import OpenAIOracle

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"


def compose() -> Any:
    return yaml.safe_load((DEPLOY / "compose.yaml").read_text(encoding="utf-8"))


def test_the_images_are_built_as_their_linter_would() -> None:
    linter = shutil.which("hadolint", path=str(Path(sys.executable).parent))
    if linter is None:
        pytest.skip("hadolint is not installed: make setup-all")
    done = subprocess.run([linter, DEPLOY / "Dockerfile"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_the_services_fit_the_compose_specification() -> None:
    pytest.importorskip("check_jsonschema", reason="check-jsonschema is not installed: make setup-all")
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec"]
    done = subprocess.run([*command, DEPLOY / "compose.yaml"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_what_the_images_copy_is_there() -> None:
    text = (DEPLOY / "Dockerfile").read_text(encoding="utf-8")
    for line in re.findall(r"^COPY (?!--from)(.+) \S+$", text, re.M):
        for name in line.split():
            assert (ROOT / name).exists(), name
    for name in re.findall(r"requirements/\S+\.txt", text):
        assert (ROOT / name).is_file(), name
    stages = set(re.findall(r" AS (\S+)", text))
    assert {service["build"]["target"] for service in compose()["services"].values() if "build" in service} <= stages


@pytest.mark.parametrize("name", ["page", "run"])
def test_a_services_options_are_those_of_the_command_line(name: str) -> None:
    words = [word for word in compose()["services"][name]["command"] if word.startswith("--vlm_options=")]
    options = json.loads(words[0].partition("=")[2])
    assert Config(dataset="clevr", vlm_model_name="openai", vlm_options=options).vlm_options == options
    pytest.importorskip("openai", reason="openai is not installed: make setup")
    assert OpenAIOracle(**options).model == "vlm"
    hosts = set(compose()["services"])
    assert all(re.match(r"http://([\w-]+):8000/v1", url)[1] in hosts for url in options["base_url"])  # type: ignore[index]
