"""Programs over regions, whatever they say: an answer or an error of ours, within the limits, in time."""

from __future__ import annotations

import os

import pytest
from helpers.fuzzed_regions import region_programs
from helpers.fuzzing import ends_of

from neptune.engine import Engine

PART = 10_000
FULL_PARTS = 10


def attack(seed: int, count: int) -> dict[str, int]:
    """Run programs; return how many ended how."""
    engines = [
        Engine(oracle="random", dialect="patches"),
        Engine(oracle="random", schedule="all", dialect="patches", missing_region="abstain"),
        Engine(oracle="random", vocabulary=None, logic="product", dialect="patches"),
    ]
    return ends_of(region_programs(seed, count), engines, (1, 3, 5), seed)


pytestmark = pytest.mark.usefixtures("one_thread")


def test_fuzzed_programs_over_regions_end_well() -> None:
    count = int(os.environ.get("NEPTUNE_FUZZ", "1500"))
    ends = attack(0, count)
    assert sum(ends.values()) == count
    assert ends["answer"] > count // 10, "some of them mean something"


@pytest.mark.full
@pytest.mark.parametrize("part", range(1, FULL_PARTS + 1))
def test_many_fuzzed_programs_over_regions_end_well(part: int) -> None:
    ends = attack(part, PART)
    assert sum(ends.values()) == PART
