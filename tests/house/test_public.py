"""What is public: a name more or less is a decision, and each has its place in the reference."""

from __future__ import annotations

import re
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PUBLIC = {
    "neptune": {
        "ask", "Annotation", "Answer", "Config", "Engine", "LogicParameters", "NeptuneError", "Picture",
        "ProbabilisticTensor", "Scene", "Usage", "logic",
    },
    "dsl": {"Checked", "LimitError", "Limits", "ProgramError", "Vocabulary", "check", "parse", "print_program"},
}  # fmt: skip


@pytest.mark.parametrize("package", PUBLIC)
def test_the_public_names_are_these(package: str) -> None:
    module = import_module(package)
    assert set(module.__all__) == PUBLIC[package]
    for name in PUBLIC[package]:
        assert getattr(module, name) is not None
    assert PUBLIC[package] <= set(dir(module))


@pytest.mark.parametrize("package", PUBLIC)
def test_each_public_name_stands_in_the_reference(package: str) -> None:
    page = (ROOT / "docs" / "reference.md").read_text(encoding="utf-8")
    shown = re.findall(r"^::: ([\w.]+)", page, re.MULTILINE)
    assert PUBLIC[package] <= {name.rpartition(".")[2] for name in shown}
    for address in shown:
        module, _, name = address.rpartition(".")
        try:
            import_module(address)
        except ImportError:
            assert hasattr(import_module(module), name), address
