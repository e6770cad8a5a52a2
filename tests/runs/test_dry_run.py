"""``--dry_run``: everything that is missing is said at once, nothing is run, and the shipped configs are ready."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from neptune import tasks
from neptune.cli import main
from neptune.tasks.sources import SOURCES

ROOT = Path(__file__).resolve().parents[2]
PUBLISHED = ("refadv", "refgta")
"""Their configs name published models, which are downloaded on first use."""
EXPERIMENTS = ("clevr", "clevr-humans", "clevr-rpm", "clevr-puzzle", "clevr-refexps", "refadv", "refgta")


@pytest.fixture(autouse=True)
def _at_the_root(monkeypatch: pytest.MonkeyPatch) -> None:
    """Paths in the shipped configs are relative to the checkout."""
    monkeypatch.chdir(ROOT)
    for name in ("OPENROUTER_API_KEY", "OPENAI_API_KEY", "DEEPSEEK_API_KEY"):
        monkeypatch.delenv(name, raising=False)


def dry(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, list[str], list[str]]:
    """Return exit code, problems and notes."""
    code = main([*words, "--dry_run", "true"])
    printed = capsys.readouterr()
    problems = [line.removeprefix("error: ") for line in printed.err.splitlines() if line.startswith("error: ")]
    notes = [line.removeprefix("note: ") for line in printed.out.splitlines() if line.startswith("note: ")]
    assert "Traceback" not in printed.err
    assert ("ready" in printed.out) == (code == 0) == (not problems)
    return code, problems, notes


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_every_experiment_has_a_ready_config(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    if name in PUBLISHED:
        pytest.importorskip("transformers", reason="transformers is not installed: make setup")
    path = f"configs/{name}.json"
    assert json.loads(Path(path).read_text(encoding="utf-8"))["dataset"] == name
    code, problems, notes = dry(capsys, "--config", path)
    assert (code, problems) == (0, [])
    assert any(n.startswith(f"dataset {name}: ") and "samples in" in n for n in notes)
    assert (name in PUBLISHED) == any("OpenGVLab/InternVL2_5-2B" in n for n in notes), "said, where it is large"


def test_what_a_hub_and_a_server_need(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    constants = pytest.importorskip("huggingface_hub.constants", reason="transformers is not installed: make setup")
    words = ["--config", "configs/refadv.json", "--od_model", "scene", "--vlm_model_name"]
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    _, problems, notes = dry(capsys, *words, "Qwen/Qwen2-VL-7B-Instruct")
    assert problems == []
    assert any("will be downloaded on first use (about 14 GB)" in n for n in notes)
    assert not any("not confirmed" in n for n in notes)
    for name in ("intern25_26b", "OpenGVLab/InternVL2_5-26B-MPO-hf"):
        code, _, notes = dry(capsys, *words, name)
        assert code == 0
        assert any("InternVL2_5-26B-MPO-hf is not confirmed: it may not exist" in n for n in notes)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    _, problems, _ = dry(capsys, *words, "qwen2_2b")
    assert "Qwen/Qwen2-VL-2B-Instruct is not in the cache" in problems[0]
    _, problems, _ = dry(capsys, *words, "openai", "--vlm_options", '{"model": "m"}')
    assert "'base_url' is not given" in problems[0]
    _, problems, _ = dry(capsys, *words, "openai", "--vlm_options", '{"model": "m", "provider": "openai"}')
    assert "no key for the provider 'openai'" in problems[0]
    _, problems, _ = dry(capsys, *words, "replay")
    assert "the option 'path' is not given" in problems[0]


def test_gpus_and_a_device_map_are_one_too_many(capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("huggingface_hub.constants", reason="transformers is not installed: make setup")
    words = ["--config", "configs/refadv.json", "--od_model", "scene", "--vlm_model_name", "qwen2_2b"]
    words += ["--gpus", "0", "1", "--vlm_options"]
    _, problems, _ = dry(capsys, *words, '{"device_map": "auto"}')
    (line,) = (p for p in problems if "device_map" in p)
    assert "Both 'gpus' and the option 'device_map' (auto) are given" in line
    _, problems, _ = dry(capsys, *words, '{"device_map": null}')
    assert not any("device_map" in p for p in problems)


def test_all_problems_at_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "x.json"
    config = {
        "dataset": "clevr",
        "data_dir": str(tmp_path / "nowhere"),
        "sead": 1,
        "num_samples": 0,
        "od_model": "embeded",
        "vlm_options": {"weigths": "x"},
        "logic": "godel,goodle",
        "vocabulary": "nowhere.json",
        "logic_params": "nowhere.json",
        "code_gen_provider": "openrouter",
        "code_gen_model_name": "m",
        "evaluate": True,
        "judge_provider": "openai",
        "gpus": [63],
    }
    path.write_text(json.dumps(config))
    code, problems, notes = dry(capsys, "--config", str(path), "--loogic", "godel")
    assert code == 2
    for words in (
        "unknown field 'sead'; did you mean 'seed'",
        "unknown field 'loogic'",
        "'num_samples' is 0",
        "'od_model' is 'embeded'; did you mean 'embedded'",
        "The data folder does not exist",
        "there is no option 'weigths'; did you mean 'weights'",
        "'logic': unknown logic 'goodle'",
        "vocabulary: ",
        "logic_params: ",
        "no key for the provider 'openrouter'",
        "no key for the provider 'openai'",
        "GPU 63 is asked for",
    ):
        assert any(words in p for p in problems), (words, problems)
    assert len(problems) == len(set(problems)) == 12
    assert any("cs.stanford.edu/people/jcjohns/clevr" in n for n in notes), "where to get it"


def test_a_config_may_ask_for_it_itself(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = {"dataset": "clevr", "data_dir": "examples/clevr", "dry_run": True}
    (tmp_path / "x.json").write_text(json.dumps(config | {"output_dir": str(tmp_path / "run")}))
    assert main(["--config", str(tmp_path / "x.json")]) == 0
    assert not (tmp_path / "run").exists(), "nothing is written"
    assert "ready" in capsys.readouterr().out


@pytest.mark.parametrize("name", tasks.NAMES)
def test_every_dataset_says_where_it_comes_from(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "x.json"
    path.write_text(json.dumps({"dataset": name, "data_dir": str(tmp_path), "vocabulary": None}))
    code, problems, notes = dry(capsys, "--config", str(path))
    assert code == 2
    assert problems[0].startswith(f"dataset {name}: ")
    assert SOURCES[name].advice() in notes


def test_pictures_programs_and_annotations_are_looked_for(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copy(ROOT / "examples/clevr/questions.json", tmp_path)
    words = ["--config", "configs/clevr.json", "--data_dir", str(tmp_path), "--od_model", "scene"]
    code, problems, _ = dry(capsys, *words, "--code_gen_provider", "cache", "--program_cache_address",
                            "programs/clevr-rpm-sample.json")  # fmt: skip
    assert code == 2
    assert any("120 of 120 samples: the picture does not exist" in p for p in problems)
    assert any("has no program for" in p for p in problems)
    assert any("There is no scenes file" in p for p in problems)


def test_one_bad_record_is_a_note(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copytree(ROOT / "examples/formats/refadv", tmp_path / "d")
    path = tmp_path / "d" / "refcocog_adv_annotations.json"
    records = json.loads(path.read_text())
    records["0"].pop("img_file_name")
    (tmp_path / "d" / "Images" / "CLEVR_val_000009.jpg").unlink()
    path.write_text(json.dumps(records))
    words = ["--config", "configs/refadv.json", "--od_model", "embedded", "--vlm_model_name", "embedded"]
    code, _, notes = dry(capsys, *words, "--data_dir", str(tmp_path / "d"))
    assert code == 0
    assert any("1 of 8 samples: The record has no field 'img_file_name'" in n for n in notes)
    assert any("2 of 8 samples: the picture does not exist" in n for n in notes)


def test_a_task_with_fields_of_its_own(capsys: pytest.CaptureFixture[str]) -> None:
    code, problems, _ = dry(capsys, "--config", "configs/train-embedded.json", "--data_dir", "nowhere")
    assert code == 2
    assert problems[0].startswith("data_dir: The scenes can not be read: FileNotFoundError")


@pytest.mark.parametrize("name", ["train-embedded", "train-answers", "tune-clevr"])
def test_a_task_looks_for_boxes(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """CLEVR's own scenes have none."""
    for part in ("scenes.json", "questions.json"):
        data = json.loads((ROOT / "examples" / "clevr" / part).read_text())
        for scene in data.get("scenes", []):
            for thing in scene["objects"]:
                del thing["bbox"]
        (tmp_path / part).write_text(json.dumps(data))
    shutil.copytree(ROOT / "examples" / "clevr" / "images", tmp_path / "images")
    words = ["--config", f"configs/{name}.json", "--data_dir"]
    code, problems, _ = dry(capsys, *words, "examples/clevr", "--val_dir", str(tmp_path))
    assert code == 2
    assert len(problems) == 1
    assert problems[0].startswith("val_dir: ")
    assert "bbox" in problems[0]
    assert dry(capsys, *words, "examples/clevr", "--val_dir", "examples/clevr")[0] == 0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--vlm_model_name", "qwenn"], "vlm_model_name: There is no oracle 'qwenn'"),
        (["--vlm_options", '{"fom": "mark"}'], "'fom'"),
        (["--dataset", "clevrr"], "data_dir: Unknown dataset 'clevrr'"),
        (["--dataset", "folder"], "data_dir: There is no questions.jsonl"),
    ],
    ids=lambda given: " ".join(given) if isinstance(given, list) else "",
)
def test_finetune_looks_at_its_data_and_its_model(
    words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code, problems, _ = dry(capsys, "--config", "configs/finetune-lora.json", *words)
    assert code == 2
    assert any(said in problem for problem in problems), problems


def test_ask_looks_at_its_picture(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--config", "configs/ask.json", "--program", "count(Object)", "--image"]
    assert dry(capsys, *words, "README.md")[0] == 2
    assert dry(capsys, *words, "examples/clevr/images/CLEVR_val_000049.png")[0] == 0


def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    from neptune.cli import dryrun_models

    monkeypatch.setattr(dryrun_models, "find_spec", lambda package: None)
    words = ["--code_gen_provider", "local", "--code_gen_model_name", "m", "--code_gen_base_url", "http://x/v1"]
    code, problems, _ = dry(capsys, "--config", "configs/clevr.json", *words)
    assert code == 2
    assert problems == ["code_gen_provider local needs openai: pip install 'neptune-reasoner[openai]'"]
    code, problems, _ = dry(capsys, "--config", "configs/clevr.json", "--cluster", "auto")
    assert code == 2
    assert problems == ["cluster needs ray and pyarrow: pip install 'neptune-reasoner[ray]'"]


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"vlm_options": {"device": "cuda:63"}}, "oracle 'embedded': The device 'cuda:63' is asked for"),
        ({"od_options": {"device": "gpu"}}, "detector 'embedded': There is no device 'gpu'"),
    ],
)
def test_devices_are_looked_for(
    options: dict[str, object], says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "x.json"
    path.write_text(json.dumps({"dataset": "clevr", "data_dir": "examples/clevr", **options}))
    code, problems, _ = dry(capsys, "--config", str(path))
    assert code == 2
    assert len(problems) == 1
    assert says in problems[0]
    # The run itself says the same, and nothing else.
    assert main(["--config", str(path), "--output_dir", str(tmp_path / "run")]) == 2
    assert says.split(": ")[1] in capsys.readouterr().err.splitlines()[-1]
