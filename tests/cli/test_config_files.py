"""Config files: YAML beside JSON, and where the relative paths in them lead."""

from __future__ import annotations

import json
from pathlib import Path
from typing import get_origin

import pytest

from neptune.cli import main
from neptune.config import MODELS, Config, load_config, model_of
from neptune.config.files import read_fields
from neptune.config.find import FoundConfig, find_config, packaged_names
from neptune.config.paths import role_of
from neptune.config.read import read_run
from neptune.config.semantic import own_fields
from neptune.config.tasks import OWN
from neptune.config.validation import ConfigProblems

ROOT = Path(__file__).resolve().parents[2]


def written(folder: Path, text: str, name: str = "x.yaml") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(text, encoding="utf-8")
    return folder / name


# --- YAML ---


@pytest.mark.parametrize("path", sorted((ROOT / "configs").glob("*.json")), ids=lambda p: p.stem)
def test_every_json_config_says_the_same_as_yaml(path: Path, tmp_path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert read_fields(written(tmp_path, text)) == json.loads(text), "JSON is YAML"
    yaml = pytest.importorskip("yaml")
    block = yaml.safe_dump(json.loads(text), allow_unicode=True)
    assert read_fields(written(tmp_path, block, "y.YML")) == json.loads(text)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a: no", "no"),
        ("a: on", "on"),
        ("a: 2e-4", 2e-4),
        ("a: 1.5E3", 1500.0),
        ("a: -3", -3),
        ("a: 010", 10),
        ("a: 1_000", "1_000"),
        ("a: 12:30:45", "12:30:45"),
        ("a: 2024-01-01", "2024-01-01"),
        ("a: True", True),
        ("a: ~", None),
        ("a:", None),
        ('a: "1"', "1"),
        ("a: frank:0.1", "frank:0.1"),
        ("a: 0,1", "0,1"),
        ("a: [1, [x, null]]", [1, ["x", None]]),
        ("b: &b {p: 1, q: 2}\na: {<<: *b, q: 3}", {"p": 1, "q": 3}),
        ("b: &b {<<: {p: 1}}\nc: *b\na: *b", {"p": 1}),
    ],
)
def test_scalars_are_those_of_the_core_schema(text: str, value: object, tmp_path: Path) -> None:
    found = read_fields(written(tmp_path, text))["a"]
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: [", "not YAML: "),
        ("a: 1\na: 2", "field 'a' is given twice at line 2"),
        ("a: {b: 1, b: 2}", "field 'b' is given twice"),
        ("a: &a [*a]", "a value that holds itself"),
        ("- 1", "a config is a YAML object, not a list"),
        ("", "a config is a YAML object, not null"),
        ("a: !!python/object/apply:os.system [x]", "the tag tag:yaml.org,2002:python/object/apply:os.system"),
        ("a: !!binary aGk=", "the tag tag:yaml.org,2002:binary"),
        ("? [a]\n: 1", "a field's name is no text"),
        ("[" * 5000, "can not be read"),
        ("a: &a [x,x,x,x,x,x,x,x,x,x]\n" + "".join(
            f"{n}: &{n} [{', '.join([f'*{m}'] * 10)}]\n" for m, n in zip("abcdef", "bcdefg")
        ), "more than 100,000 values"),
    ],
)  # fmt: skip
def test_wrong_yaml_is_one_line(text: str, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = written(tmp_path, text)
    assert main(["run", str(path)]) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"error: {path}: ")
    assert message in said
    assert said.count("\n") == 1


# --- which fields are paths ---

ELSEWHERE = {"evidence", "prices", "limits", "code_gen_prices", "bundle_pictures", "val_limit", "val_split"}


@pytest.mark.parametrize("task", [None, *MODELS])
def test_every_field_that_names_a_file_or_a_folder_is_marked(task: str | None) -> None:
    model = Config if task is None else model_of(task)
    words = ("file", "folder", ".zip")
    for name, field in model.model_fields.items():
        said = (field.description or "").lower()
        text = "str" in str(field.annotation) or "Path" in str(field.annotation)
        names_one = any(w in said.replace("folders", "") for w in words) and text and name not in ELSEWHERE
        ends = name.endswith(("_dir", "_address", "_cache", "weights"))
        if names_one or ends:
            others = {"split", "val_split", "watch", "resume", "dataset", "weights"}
            assert role_of(field) is not None or name in others, name


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    """A folder of configs with data beside it, and the working directory, which is another one."""
    conf, here = tmp_path / "conf", tmp_path / "here"
    for folder in (conf, here):
        folder.mkdir()
    (conf / "data").mkdir()
    for name in ("t.json", "p.json", "e.jsonl", "v.json", "pic.png"):
        (conf / "data" / name).write_text("{}")
    monkeypatch.chdir(here)
    return conf, here


FIELDS = {
    "dataset": "clevr",
    "data_dir": "data",
    "program_cache_address": "data/p.json",
    "logic_params": "data/t.json",
    "vocabulary": "data/v.json",
    "output_dir": "out",
    "oracle_cache": "c.sqlite",
    "detection_cache": "auto",
    "record_oracle": "e.jsonl",
    "bundle": "b.zip",
    "vlm_options": {"path": "data/e.jsonl", "other": "data/e.jsonl"},
}
READ = ("data_dir", "program_cache_address", "logic_params", "vocabulary")
WRITTEN = ("output_dir", "oracle_cache", "record_oracle", "bundle")


@pytest.mark.parametrize("way", ["run", "--config", "python"])
def test_paths_are_taken_from_the_config_that_names_them(way: str, places: tuple[Path, Path]) -> None:
    conf, here = places
    path = written(conf, json.dumps(FIELDS), "x.json")
    if way == "python":
        config = load_config("../conf/x.json")
    else:
        found: object = find_config("../conf/x.json") if way == "run" else "../conf/x.json"
        config, name = read_run(found, {})  # type: ignore[arg-type,assignment]
        assert name == "x"
    for field in READ:
        assert Path(getattr(config, field)) == conf / str(FIELDS[field]), field
    assert Path(config.vlm_options["path"]) == conf / "data" / "e.jsonl"
    assert config.vlm_options["other"] == "data/e.jsonl"
    assert config.detection_cache == "auto"
    for field in WRITTEN:
        base = here if way == "--config" else conf
        assert (here / getattr(config, field)).resolve() == base / str(FIELDS[field]), field
    assert path.is_file()


def test_what_is_not_beside_the_config_is_in_the_working_directory(places: tuple[Path, Path]) -> None:
    conf, here = places
    (here / "mine").mkdir()
    written(conf, json.dumps({"dataset": "clevr", "data_dir": "mine"}), "x.json")
    for found in (find_config("../conf/x.json"), "../conf/x.json"):
        config, _ = read_run(found, {})
        assert config.model_dump()["data_dir"] == "mine"


def test_a_path_on_the_command_line_is_taken_from_the_working_directory(places: tuple[Path, Path]) -> None:
    conf, _ = places
    written(conf, json.dumps(FIELDS), "x.json")
    given = {"data_dir": ["data"], "output_dir": ["out"]}
    config, _ = read_run(find_config("../conf/x.json"), given)
    assert config.model_dump()["data_dir"] == "data"
    assert config.model_dump()["output_dir"] == "out"


def test_names_and_addresses_are_no_paths(places: tuple[Path, Path]) -> None:
    conf, _ = places
    (conf / "clevr").mkdir()  # a folder of that name beside the config
    (conf / "embedded").mkdir()
    fields = {"task": "ask", "image": ["https://example.com/a.png", "data/pic.png"], "question": "q"}
    written(conf, json.dumps(fields | {"vlm_model_name": "org/model", "vocabulary": "clevr"}), "x.json")
    config, _ = read_run(find_config("../conf/x.json"), {})
    data = config.model_dump()
    assert (data["vocabulary"], data["vlm_model_name"], data["od_model"]) == ("clevr", "org/model", "embedded")
    assert data["image"] == ["https://example.com/a.png", (conf / "data" / "pic.png").as_posix()]


@pytest.mark.parametrize("task", MODELS)
def test_tasks_with_fields_of_their_own_too(task: str, places: tuple[Path, Path]) -> None:
    """Every path of a task is given, whatever the task calls it: those that are read, kept and written."""
    conf, _ = places
    model = model_of(task)
    texts = {"read": "data", "kept": "data/p.json", "written": "out", "name": "data/v.json"}
    roles = {name: role for name, field in model.model_fields.items() if (role := role_of(field)) is not None}
    if issubclass(model, Config):  # what is another task's is refused
        others = {"bundle", "certificate", "agree_model_name"} | {
            name for name, owners in OWN.items() if task not in owners
        }
        roles = {name: role for name, role in roles.items() if name not in others - {*own_fields(model)}}
    assert {"read", "written"} <= set(roles.values())
    lists = {name for name in roles if get_origin(model.model_fields[name].annotation) is list}
    fields = {name: [texts[role]] * 2 if name in lists else texts[role] for name, role in roles.items()}
    written(conf, json.dumps({"task": task} | fields), "x.json")
    config, _ = read_run(find_config("../conf/x.json"), {})
    for name, role in roles.items():
        read = config.model_dump()[name]
        for path in read if name in lists else [read]:
            assert Path(str(path)) == conf / texts[role], name


# --- names ---


def test_packaged_configs_are_found_from_anywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert {"clevr", "ask", "demo", "tune-clevr"} <= set(packaged_names())
    for name in packaged_names():
        found = find_config(name)
        assert found.packaged
        assert str(found) == found.name == name
    config = load_config("clevr")
    assert Path(str(config.data_dir)) == ROOT / "examples" / "clevr"
    assert config.folder("clevr") == Path("experiments/clevr")
    with pytest.raises(ConfigProblems, match="there is no config 'clevvr', and no such file; did you mean 'clevr'"):
        find_config("clevvr")


def test_a_packaged_name_wins_over_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    written(tmp_path / "clevr", '{"dataset": "clevr-rpm"}', "config.json")
    assert find_config("clevr").packaged
    found = find_config("./clevr")
    assert found == FoundConfig(Path("clevr/config.json"))
    assert found.name == "clevr"


def test_a_run_folder_is_resumed_from_anywhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its paths are those of where the run was started; its folder is where it lies now."""
    start = tmp_path / "start"
    (start / "examples").mkdir(parents=True)
    (start / "examples" / "clevr").symlink_to(ROOT / "examples" / "clevr")
    fields = {"dataset": "clevr", "data_dir": "examples/clevr", "vlm_model_name": "scene", "od_model": "scene"}
    written(start, json.dumps(fields), "mine.json")
    monkeypatch.chdir(start)
    assert main(["run", "mine.json", "--num_samples", "2"]) == 0
    assert main(["--config", "mine.json", "--num_samples", "2", "--output_dir", "runs/neptune"]) == 0
    recorded = json.loads((start / "experiments/mine/config.json").read_text())
    assert recorded["data_dir"] == "examples/clevr"
    assert recorded["_run"]["relative_to"] == "../.."
    monkeypatch.chdir(start / "experiments" / "mine")
    for folder in (".", "../../runs/neptune", str(start / "runs" / "neptune")):
        assert main(["run", folder, "--num_samples", "3"]) == 0, capsys.readouterr().err
    (start / "experiments" / "mine").rename(start / "experiments" / "moved")
    monkeypatch.chdir(tmp_path)
    assert main(["run", "start/experiments/moved", "--num_samples", "4"]) == 0, capsys.readouterr().err
    lines = (start / "experiments" / "moved" / "samples.jsonl").read_text().splitlines()
    assert [json.loads(line)["id"] for line in lines] == [f"clevr-{n:06}" for n in range(4)]
    assert not (tmp_path / "experiments").exists()
