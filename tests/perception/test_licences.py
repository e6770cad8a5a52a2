"""The dry run says under which licence a checkpoint is, and what it needs."""

from __future__ import annotations

import pytest

from neptune.cli import dryrun_models
from neptune.perception.licences import licence_of
from neptune.runs.runner.preflight import Findings


@pytest.mark.parametrize(
    ("model", "licence"),
    [
        ("depth-anything/Depth-Anything-V2-Small-hf", "Apache-2.0"),
        ("depth-anything/Depth-Anything-V2-Base-hf", "CC-BY-NC-4.0: not for commercial use"),
        ("depth-anything/Depth-Anything-V2-Metric-Indoor-Small-hf", "Apache-2.0"),
        ("depth-anything/Depth-Anything-V2-Metric-Outdoor-Large-hf", "CC-BY-NC-4.0: not for commercial use"),
        ("facebook/sam2.1-hiera-tiny", "Apache-2.0"),
        ("rapidocr", "Apache-2.0"),
        ("owner/model", None),
    ],
)
def test_licences(model: str, licence: str | None) -> None:
    assert licence_of(model) == licence
    assert "gated" in str(licence_of("facebook/sam3"))


@pytest.mark.parametrize(
    ("kind", "name", "said"),
    [
        ("segmenter", "sam2", "segmenter 'sam2': licence Apache-2.0"),
        ("depth estimator", "depth_anything", "licence Apache-2.0"),
        ("depth estimator", "depth-anything/Depth-Anything-V2-Large-hf", "not for commercial use"),
        ("depth estimator", "owner/model", "the licence of owner/model is not known here"),
    ],
)
def test_the_dry_run_says_them(kind: str, name: str, said: str) -> None:
    pytest.importorskip("transformers", reason="needs the extra 'transformers'")
    pytest.importorskip("accelerate", reason="needs the extra 'transformers'")
    found = Findings()
    dryrun_models.check_model(kind, name, {}, found)
    assert any(said in note for note in found.notes)


def test_the_dry_run_says_a_missing_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dryrun_models, "find_spec", lambda package: None)
    found = Findings()
    dryrun_models.check_model("text reader", "rapidocr", {}, found)
    dryrun_models.check_model("segmenter", "grabcut", {}, found)
    assert any("neptune-reasoner[ocr]" in problem for problem in found.problems)
    assert any("neptune-reasoner[vision]" in problem for problem in found.problems)
