"""A model's folder may hold code. It is never run, whatever is piped into the terminal."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LOADS = {
    "oracle": "from neptune.perception.oracle.vlm.load import load\nload(sys.argv[1], device='cpu')",
    "detector": "from neptune.perception.registry import detector\ndetector(sys.argv[1], device='cpu')",
}
CODE = """
import sys
from neptune.errors import NeptuneError
try:
    LOAD
except NeptuneError as error:
    print(error.one_line())
"""


def calls(path: Path) -> list[ast.Call]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return [n for n in ast.walk(tree) if isinstance(n, ast.Call) and isinstance(n.func, ast.Attribute)]


def test_every_loader_is_given_the_word() -> None:
    """Wherever a model, a processor or a configuration is loaded, the options of all loaders are passed on."""
    found = 0
    for path in (ROOT / "neptune").rglob("*.py"):
        for call in calls(path):
            if call.func.attr != "from_pretrained" or "PeftModel" in ast.unparse(call.func):  # type: ignore[attr-defined]
                continue
            found += 1
            assert {ast.unparse(k.value) for k in call.keywords if k.arg is None} & {"hub", "options"}, path
    assert found >= 7
    from neptune.perception.checkpoints import hub_options

    assert hub_options(None, False)["trust_remote_code"] is False


@pytest.mark.parametrize("kind", LOADS)
def test_a_piped_yes_runs_nothing(kind: str, tmp_path: Path) -> None:
    pytest.importorskip("transformers", reason="transformers is not installed: make setup-all")
    folder, trace = tmp_path / "model", tmp_path / "owned"
    folder.mkdir()
    evil = f"open({str(trace)!r}, 'w').close()\nfrom transformers import PretrainedConfig\n"
    evil += "class Evil(PretrainedConfig):\n    model_type = 'evil'\n"
    (folder / "evil.py").write_text(evil)
    names = ("AutoConfig", "AutoModel", "AutoProcessor", "AutoModelForImageTextToText", "AutoTokenizer")
    mapped = dict.fromkeys(names, "evil.Evil")
    (folder / "config.json").write_text(json.dumps({"model_type": "evil", "auto_map": mapped}))
    (folder / "preprocessor_config.json").write_text(json.dumps({"auto_map": mapped}))
    load = LOADS[kind].replace("\n", "\n    ")
    done = subprocess.run(
        [sys.executable, "-c", CODE.replace("LOAD", load), str(folder)],
        input="y\n" * 20, capture_output=True, text=True, cwd=ROOT, timeout=300, check=False,
        env={"HF_HOME": str(tmp_path / "hub"), "HF_HUB_OFFLINE": "1", "PATH": "/usr/bin:/bin", "HOME": str(tmp_path)},
    )  # fmt: skip
    assert not trace.exists(), "code of the model's folder was run"
    assert "never run" in done.stdout, done.stdout + done.stderr
    assert "[y/N]" not in done.stdout + done.stderr
