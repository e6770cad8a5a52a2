"""The registry: names load on first use; a miss teaches."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from neptune.errors import ConfigError
from neptune.perception import registry
from neptune.perception.oracle.random import RandomOracle
from neptune.scene.types import Detector, Oracle


@pytest.mark.parametrize("name", ["scene", "random"])
def test_oracles_by_name(name: str) -> None:
    oracle = registry.oracle(name, seed=3)
    assert isinstance(oracle, Oracle)
    assert oracle.name == name


def test_detector_by_name() -> None:
    detector = registry.detector("scene")
    assert isinstance(detector, Detector)
    assert detector.name == "scene"


def test_an_oracle_passes_through() -> None:
    oracle = RandomOracle(5)
    assert registry.oracle(oracle) is oracle
    with pytest.raises(ConfigError, match="finished oracle"):
        registry.oracle(oracle, seed=1)


def test_a_miss_suggests() -> None:
    with pytest.raises(ConfigError, match="did you mean 'random'"):
        registry.oracle("randon")
    with pytest.raises(ConfigError, match="expected one of scene, embedded"):
        registry.detector("yolo")
    with pytest.raises(ConfigError, match="class RandomOracle is no oracle"):
        registry.oracle(RandomOracle)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="type int is no detector"):
        registry.detector(3)  # type: ignore[arg-type]


def test_a_wrong_option_names_the_accepted_ones() -> None:
    with pytest.raises(ConfigError, match=r"no option 'nois'.*noise \(default 0.0\).*did you mean 'noise'"):
        registry.oracle("scene", nois=0.1)
    with pytest.raises(ConfigError, match=r"path \(required\)"):
        registry.oracle("replay")


@pytest.mark.parametrize(
    ("make", "options", "said"),
    [
        (registry.oracle, {"noise": "x"}, r"'noise' of the oracle 'scene' is \"x\"; expected a number"),
        (registry.oracle, {"seed": 1.5}, r"'seed' of the oracle 'scene' is 1.5; expected an integer"),
    ],
)
def test_an_option_of_a_wrong_type(make: Any, options: dict[str, object], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        make("scene", **options)
    with pytest.raises(ConfigError, match="'threshold' of the detector 'embedded'"):
        registry.detector("embedded", threshold="x")
    assert registry.oracle("scene", noise=1)  # a whole number is a number


def test_rooms_stay_apart() -> None:
    """Oracles and detectors that need no network load neither the language nor torch."""
    code = (
        "import sys, neptune.perception.oracle, neptune.perception.detect, neptune.perception.registry as r\n"
        "assert 'neptune.perception.oracle.scene' not in sys.modules\n"
        "r.oracle('scene'); r.oracle('random'); r.detector('scene')\n"
        "from neptune.perception.oracle.caching.replay import RecordingOracle\n"
        "from neptune.perception.oracle.wording import concepts_of\n"
        "bad = [m for m in sys.modules if m.startswith(('dsl', 'torch', 'neptune.algebra'))]\n"
        "assert not bad, bad"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
