"""Configs: validation, overrides, help."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from neptune.cli import main
from neptune.cli.dispatch import split_words
from neptune.config import MODELS, TASKS, Config, load_config, make_config, model_of
from neptune.config.page import HEADINGS, help_text, page
from neptune.config.read import read_run
from neptune.config.semantic import own_fields
from neptune.config.tasks import OWN
from neptune.config.validation import ConfigProblems, parse_value
from neptune.engine.assemble import engine_arguments

ROOT = Path(__file__).resolve().parents[2]
GOOD = {"dataset": "clevr", "data_dir": "examples/clevr"}


def problems(**fields: object) -> tuple[str, ...]:
    with pytest.raises(ConfigProblems) as caught:
        make_config({**GOOD, **fields})
    assert all("\n" not in p for p in caught.value.problems)
    return caught.value.problems


@pytest.mark.parametrize("path", sorted((ROOT / "configs").glob("*.json")), ids=lambda p: p.stem)
def test_shipped_configs_are_valid(path: Path) -> None:
    given = {"image": ["x.png"], "question": ["Why?"]} if path.stem in ("ask", "agent") else {}
    if path.stem in ("agent", "vstar", "vlmsareblind"):
        given |= {"code_gen_provider": ["openai"], "code_gen_model_name": ["m"]}
    config, name = read_run(str(path), given)
    assert name == path.stem
    if isinstance(config, Config):
        engine_arguments(config)


def test_unknown_field_has_a_suggestion() -> None:
    (line,) = problems(vlm_modelname="scene")
    assert line.startswith("unknown field 'vlm_modelname'; did you mean 'vlm_model_name'")


@pytest.mark.parametrize(
    ("field", "value", "line"),
    [
        ("seed", "3", "'seed' is \"3\"; expected an integer"),
        ("seed", True, "'seed' is true; expected an integer"),
        ("num_samples", 0, "'num_samples' is 0; expected greater than or equal to 1"),
        ("schedule", "lay", "'schedule' is \"lay\"; expected all or lazy or auto; did you mean 'lazy'?"),
        ("logic", "prodct", "'logic': unknown logic 'prodct'"),
        ("logic", "godel,prodct", "'logic': unknown logic 'prodct'"),
        ("logic", "godel,", "'logic': unknown logic ''"),
        ("logic", "product,frank:x", "'logic': unknown logic 'frank:x'; expected frank:S with a number S"),
        ("logic", "godel,Gödel", "'logic' names a logic twice"),
        ("prices", {"inptu": 2}, "unknown price 'prices.inptu'; did you mean 'input'?"),
        ("prices", {"input": -2}, "'prices.input' is -2.0; expected a number ≥ 0"),
        ("prices", {"input": float("nan")}, "'prices.input' is NaN; expected a number ≥ 0"),
        ("code_gen_prices", {"input": 2}, "unknown price 'code_gen_prices.input'; expected one of prompt"),
        ("code_gen_prices", {"prompt": -1}, "'code_gen_prices.prompt' is -1.0; expected a number ≥ 0"),
        ("probability_tolerance", -1, "'probability_tolerance' is -1; expected greater than or equal to 0"),
        ("probability_tolerance", 5, "'probability_tolerance' is 5; expected less than or equal to 1"),
        ("probability_tolerance", float("nan"), "'probability_tolerance' is NaN; expected "),
        ("explain", True, "'explain' belongs to task ask; leave it out, or add --task ask"),
        ("image", "x.png", "'image' belongs to task ask or agent"),
        ("question", "Why?", "'question' belongs to task ask or agent"),
        ("program", "1", "'program' belongs to task ask"),
        ("turns", 3, "'turns' belongs to task agent or ask or serve; leave it out, or add --task agent"),
        ("turn_limits", {"tokens": 3}, "'turn_limits' belongs to task agent or ask or serve"),
        ("sandbox", "bwrap", "'sandbox' belongs to task agent or ask or serve"),
        ("prune", "gpt", "'prune' belongs to task cache"),
        ("sample", "clevr-000001", "'sample' belongs to task contact-sheet"),
        ("judge_model", "m", "'judge_model' does nothing without evaluate; add --evaluate true"),
        ("gpus", ["a"], "'gpus' is [\"a\"]; expected a list of integers"),
        ("dataset", 3, "'dataset' is 3; expected text or a list of texts or null"),
        ("dataset", "clever", "'dataset' is 'clever'; did you mean 'clevr'"),
        ("task", "aks", "'task' is 'aks'; did you mean 'ask'?"),
        ("vlm_model_name", "scen", "'vlm_model_name' is 'scen'; did you mean 'scene'?"),
        ("od_model", "embeded", "'od_model' is 'embeded'; did you mean 'embedded'?"),
        ("limits", {"node": 1}, "unknown limit 'limits.node'; did you mean 'nodes'?"),
        ("limits", {"nodes": -1}, "'limits.nodes' is -1; expected an integer ≥ 1"),
        ("code_gen_provider", "cache", "'program_cache_address' is not given; code_gen_provider cache needs it"),
        ("dataset", [], "'dataset' is an empty list; expected a name or a list of names"),
    ],
)
def test_wrong_values(field: str, value: object, line: str) -> None:
    (problem,) = problems(**{field: value})
    assert problem.startswith(line)


def test_logics_by_any_of_their_names() -> None:
    assert make_config({**GOOD, "logic": "Gödel, frank:0.1, product"}).logics == ("Gödel", "frank:0.1", "product")


def test_a_field_of_a_task_goes_with_that_task_alone() -> None:
    described = {
        name: field.description.partition(":")[0].removeprefix("Task ")
        for name, field in Config.model_fields.items()
        if (field.description or "").startswith("Task ")
    }
    assert described == {name: owners[0] for name, owners in OWN.items()}
    make_config({**GOOD, "task": "contact-sheet", "sample": "clevr-000001"})
    (problem,) = problems(task="contact-sheet", explain=True)
    assert problem.startswith("'explain' belongs to task ask")
    make_config({**GOOD, "explain": False, "image": None})  # as a run folder's config.json says
    make_config({**GOOD, "evaluate": False, "judge_model": "m"})  # named for later, and said so


def test_all_problems_at_once() -> None:
    assert len(problems(seed="x", sead=1, gpus=3, dataset="nope", od_model="nope", limits={"x": 1})) == 6


def test_what_a_task_needs() -> None:
    for fields, expected in [
        ({}, "neither 'dataset' nor 'task'"),
        ({"dataset": "clevr"}, "'data_dir' is not given"),
        ({"task": "ask", "program": "1"}, "'image' is not given"),
        ({"task": "ask", "image": "x.png"}, "neither 'question' nor 'program'"),
    ]:
        with pytest.raises(ConfigProblems, match=expected):
            make_config(fields)


@pytest.mark.parametrize(
    ("name", "words", "value"),
    [
        ("gpus", ["0", "1"], [0, 1]),
        ("gpus", ["3"], [3]),
        ("gpus", ["[0, 2]"], [0, 2]),
        ("dataset", ["clevr"], "clevr"),
        ("dataset", ["clevr", "clevr-rpm"], ["clevr", "clevr-rpm"]),
        ("dataset", ['["clevr"]'], ["clevr"]),
        ("limits.nodes", ["1000"], 1000),
        ("vlm_options.noise", ["0.05"], 0.05),
        ("vlm_options", ['{"noise": 0.05}'], {"noise": 0.05}),
        ("evaluate", [], True),
        ("resume", ["false"], False),
        ("num_samples", ["null"], None),
        ("distinct_variables", ["false"], False),
        ("distinct_variables", ["auto"], "auto"),
        ("program", ["return 1"], "return 1"),
        ("question", ["5"], "5"),
    ],
)
def test_values_of_the_command_line(name: str, words: list[str], value: object) -> None:
    assert parse_value(name, words, Config) == value


@pytest.mark.parametrize(
    ("name", "words", "message"),
    [
        ("seed", ["x"], "expected an integer"),
        ("seed", [], "expected an integer"),
        ("seed", ["1", "2"], "expected one value, not 2"),
        ("limits", ["x"], "expected an object, as JSON"),
        ("seed.x", ["1"], "'seed' has no nested field 'x'"),
        ("sed", ["1"], "did you mean 'seed'"),
    ],
)
def test_wrong_words(name: str, words: list[str], message: str) -> None:
    with pytest.raises(ConfigProblems, match=message):
        parse_value(name, words, Config)


def test_overrides_reach_nested_fields(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.write_text(json.dumps({**GOOD, "limits": {"nodes": 5, "statements": 7}}))
    config = load_config(path, {"limits.nodes": 9, "seed": 3})
    assert config.limits == {"nodes": 9, "statements": 7}
    assert config.seed == 3
    assert json.loads(path.read_text())["limits"]["nodes"] == 5


def test_split_words() -> None:
    words = [
        "--config",
        "x.json",
        "--num-samples",
        "3",
        "--logic=product",
        "--evaluate",
        "--gpus",
        "0",
        "1",
        "--seed",
        "-1",
    ]
    assert split_words(words) == {
        "config": ["x.json"],
        "num_samples": ["3"],
        "logic": ["product"],
        "evaluate": [],
        "gpus": ["0", "1"],
        "seed": ["-1"],
    }


@pytest.mark.parametrize(
    ("content", "line"),
    [
        ("{", "not JSON"),
        ("[]", "a config is a JSON object, not a list"),
        ('{"seed": 1, "seed": 2}', "field 'seed' is given twice"),
        ("[" * 100_000, "can not be read"),
        (b"\xff\xfe", "can not be read"),
    ],
)
def test_unreadable_files(tmp_path: Path, capsys: pytest.CaptureFixture[str], content: str, line: str) -> None:
    path = tmp_path / "x.json"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    assert main(["--config", str(path)]) == 2
    printed = capsys.readouterr().err
    assert line in printed
    assert printed.count("\n") == 1


def test_problems_of_file_and_command_line_together(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "x.json"
    path.write_text(json.dumps({**GOOD, "sead": 1}))
    assert main(["--config", str(path), "--num_samples", "x", "--loogic", "godel"]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 3
    assert all(line.startswith("error: ") for line in lines)


def test_train_has_its_own_fields(capsys: pytest.CaptureFixture[str]) -> None:
    path = str(ROOT / "configs" / "train-embedded.json")
    config, _ = read_run(path, {"detector.epochs": ["3"], "max_minutes": ["1"]})
    assert config.model_dump()["detector"]["epochs"] == 3
    assert main(["--config", path, "--detector.epoch", "3", "--max_minuts", "1"]) == 2
    printed = capsys.readouterr().err
    assert "unknown field 'detector.epoch'; did you mean 'epochs'?" in printed
    assert "unknown field 'max_minuts'; did you mean 'max_minutes'?" in printed


def test_help_lists_every_field() -> None:
    text = help_text()
    words = " ".join(text.split())
    for name, field in Config.model_fields.items():
        assert f"--{name}  (" in text
        assert field.description in words
    assert all(task in text for task in TASKS)
    assert list(HEADINGS) == [name for name in Config.model_fields if name in HEADINGS]
    assert max(map(len, text.splitlines())) <= 110


@pytest.mark.parametrize("task", MODELS)
def test_help_of_a_task_lists_its_fields(task: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help", task]) == 0
    printed = capsys.readouterr().out
    model = model_of(task)
    for name in (issubclass(model, Config) and own_fields(model)) or model.model_fields:
        assert f"--{name}" in printed


def test_the_configuration_page_is_up_to_date() -> None:
    written = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")
    assert written == page(), "run python -m neptune.config.page > docs/configuration.md"


def test_a_folder_is_no_config(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--config", str(tmp_path)]) == 2
    assert "this is a folder; expected a config file" in capsys.readouterr().err


def test_help_of_no_task(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help", "cahce"]) == 2
    assert "there is no task 'cahce'; did you mean 'cache'?" in capsys.readouterr().err


def test_a_bundle_is_a_zip() -> None:
    with pytest.raises(ConfigProblems, match=r"'bundle' is \"x.tar\"; expected a name that ends with .zip"):
        make_config({"dataset": "clevr", "data_dir": "d", "bundle": "x.tar"})


def test_without_config(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    assert "usage:" in capsys.readouterr().out
    assert main(["--seed", "1"]) == 2
    assert "no config is given" in capsys.readouterr().err
    assert main(["configs/clevr.json"]) == 2
    assert "unexpected" in capsys.readouterr().err


def test_import_neptune_is_light() -> None:
    code = (
        "import sys, neptune; heavy = {'torch', 'dsl', 'PIL', 'pydantic'} & set(sys.modules); assert not heavy, heavy;"
        "neptune.Engine; neptune.Scene; neptune.logic.get('godel'); neptune.ProbabilisticTensor; neptune.Answer;"
        "assert callable(neptune.ask)"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, timeout=120)
