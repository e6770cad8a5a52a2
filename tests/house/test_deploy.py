"""The files under deploy/ are sound, by their own linters, and say what the command line takes."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from neptune.config import Config
from neptune.config.semantic import semantic_problems
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


POD = {
    "type": "object",
    "required": ["spec"],
    "properties": {
        "spec": {
            "type": "object",
            "required": ["containers", "volumes"],
            "additionalProperties": False,
            "properties": {
                "securityContext": {"type": "object"},
                "volumes": {"type": "array"},
                "containers": {
                    "type": "array",
                    "minItems": 1,
                    "items": {
                        "type": "object",
                        "required": ["name", "image", "resources"],
                        "additionalProperties": False,
                        "properties": {
                            "name": {"type": "string"},
                            "image": {"type": "string"},
                            "workingDir": {"type": "string"},
                            "securityContext": {"type": "object"},
                            "env": {"type": "array", "items": {"required": ["name", "value"]}},
                            "volumeMounts": {"type": "array", "items": {"required": ["name", "mountPath"]}},
                            "resources": {
                                "additionalProperties": {"type": "object", "additionalProperties": {"type": "string"}}
                            },
                        },
                    },
                },
            },
        }
    },
}
PARAMETERS = {"type": "object", "additionalProperties": {"type": "string"}}
"""What ``ray start`` is told: texts, numbers too."""
COUNT = {"type": "integer", "minimum": 0}
RAY_JOB = {
    "type": "object",
    "required": ["apiVersion", "kind", "metadata", "spec"],
    "additionalProperties": False,
    "properties": {
        "apiVersion": {"const": "ray.io/v1"},
        "kind": {"const": "RayJob"},
        "metadata": {"required": ["name"]},
        "spec": {
            "type": "object",
            "required": ["entrypoint", "rayClusterSpec"],
            "additionalProperties": False,
            "properties": {
                "entrypoint": {"type": "string"},
                "backoffLimit": COUNT,
                "shutdownAfterJobFinishes": {"type": "boolean"},
                "ttlSecondsAfterFinished": COUNT,
                "rayClusterSpec": {
                    "type": "object",
                    "required": ["headGroupSpec"],
                    "additionalProperties": False,
                    "properties": {
                        "rayVersion": {"type": "string"},
                        "headGroupSpec": {
                            "required": ["rayStartParams", "template"],
                            "additionalProperties": False,
                            "properties": {"rayStartParams": PARAMETERS, "template": POD},
                        },
                        "workerGroupSpecs": {
                            "type": "array",
                            "items": {
                                "required": ["groupName", "maxReplicas", "minReplicas", "rayStartParams", "template"],
                                "additionalProperties": False,
                                "properties": {
                                    "groupName": {"type": "string"},
                                    "replicas": COUNT,
                                    "minReplicas": COUNT,
                                    "maxReplicas": COUNT,
                                    "rayStartParams": PARAMETERS,
                                    "template": POD,
                                },
                            },
                        },
                    },
                },
            },
        },
    },
}
"""What of KubeRay's ``RayJob`` (``ray.io/v1``) is used here, with what its types require; anything else is a mistake,
or a field to be added."""


def ray_job() -> Any:
    return yaml.safe_load((DEPLOY / "rayjob.yaml").read_text(encoding="utf-8"))


def test_the_ray_job_has_the_fields_of_kuberay() -> None:
    jsonschema = pytest.importorskip("jsonschema", reason="check-jsonschema is not installed: make setup-all")
    jsonschema.Draft202012Validator(RAY_JOB).validate(ray_job())


def test_the_pods_of_the_ray_job_are_those_of_kubernetes() -> None:
    validate = pytest.importorskip("kubernetes_validate", reason="kubernetes-validate is not installed: make setup-all")
    cluster = ray_job()["spec"]["rayClusterSpec"]
    for group in [cluster["headGroupSpec"], *cluster["workerGroupSpecs"]]:
        pod = {"apiVersion": "v1", "kind": "PodTemplate", "metadata": {"name": "pod"}, "template": group["template"]}
        validate.validate(pod, validate.latest_version(), strict=True)  # strict: no field that Kubernetes does not know


def test_the_ray_job_runs_what_the_command_line_takes() -> None:
    job = ray_job()
    words = shlex.split(job["spec"]["entrypoint"])
    assert words[:3] == ["neptune-reasoner", "run", "clevr"]
    options = dict(zip((w.removeprefix("--") for w in words[3::2]), words[4::2], strict=True))
    options["vlm_options"] = json.loads(options["vlm_options"])
    config = Config(dataset="clevr", **options)
    assert semantic_problems(config) == []
    assert config.cluster == "auto"
    cluster = job["spec"]["rayClusterSpec"]
    groups = [cluster["headGroupSpec"], *cluster["workerGroupSpecs"]]
    assert all(int(group["rayStartParams"]["object-store-memory"]) <= 2**28 for group in groups)
    for group in groups:
        (container,) = group["template"]["spec"]["containers"]
        assert {"name": "RAY_USAGE_STATS_ENABLED", "value": "0"} in container["env"]
        assert container["volumeMounts"][0]["mountPath"] == "/app"  # the same paths on every node
        mounted = {volume["name"] for volume in group["template"]["spec"]["volumes"]}
        assert {mount["name"] for mount in container["volumeMounts"]} <= mounted


def test_the_image_of_a_node_has_the_version_of_the_cluster() -> None:
    text = (DEPLOY / "Dockerfile").read_text(encoding="utf-8")
    version = ray_job()["spec"]["rayClusterSpec"]["rayVersion"]
    assert f"ARG RAY={version}\n" in text
    assert " AS ray\n" in text
