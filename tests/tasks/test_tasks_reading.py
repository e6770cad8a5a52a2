"""Folders in CLEVR's format: both layouts, lazy pictures, and everything that can be wrong with them."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from neptune import tasks
from neptune.errors import ConfigError, DatasetError, NeptuneError, PictureError
from neptune.scene import Scene
from neptune.tasks.base import choose, plain, yes_no

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "examples" / "clevr"
FILES = {"clevr": "questions", "clevr-refexps": "refexps", "clevr-puzzle": "puzzles", "clevr-rpm": "rpm"}
KEYS = {**FILES, "clevr-rpm": "rpms"}
NAMES = tuple(FILES)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the sample's files, without its pictures."""
    for path in EXAMPLES.glob("*.json"):
        shutil.copy(path, tmp_path)
    return tmp_path


def edit(path: Path, key: str, change: Any) -> None:
    """Change the records of a file."""
    content = json.loads(path.read_text())
    change(content[key])
    path.write_text(json.dumps(content))


@pytest.mark.parametrize("name", NAMES)
def test_the_sample_is_whole(name: str) -> None:
    task = tasks.load(name, EXAMPLES)
    assert task.name == name
    assert len(task.samples) == (120 if name == "clevr" else 60)
    assert len({sample.id for sample in task.samples}) == len(task.samples)
    cache = json.loads((ROOT / "programs" / f"{name}-sample.json").read_text())
    assert set(cache) == {sample.question for sample in task.samples}
    for sample in task.samples:
        sample.check()
        assert sample.dataset == name
        assert sample.family != "other"
        assert sample.picture is not None
        assert sample.picture.path is not None
        assert sample.picture.path.is_file()
        assert sample.picture._image is None, "a picture is opened only when it is needed"
        assert sample.annotation_problem is sample.program_problem is None
        assert len(sample.truth())
        assert sample.gold().count("(") == sample.gold().count(")")
        json.dumps([task.show_expected(sample), dict(sample.extra)])
        # The cache holds one program a question; for a matrix either order of the two words may be it.
        assert sorted(cache[sample.question]) == sorted(sample.gold())


def test_the_sample_is_small_and_fits_its_pictures() -> None:
    scenes = json.loads((EXAMPLES / "scenes.json").read_text())
    assert scenes["info"]["split"] == "val"
    assert len(scenes["scenes"]) == len(list((EXAMPLES / "images").iterdir())) <= 40
    assert sum(path.stat().st_size for path in EXAMPLES.rglob("*")) < 5_000_000
    for index, scene in enumerate(scenes["scenes"]):
        assert scene["image_index"] == index
    for sample in tasks.load("clevr", EXAMPLES).samples[::10]:
        Scene.from_annotation(sample.truth(), sample.picture)


def test_samples_behave_as_a_sequence() -> None:
    samples = tasks.load("clevr", EXAMPLES).samples
    assert samples[-1].id == "clevr-000119"
    assert [s.id for s in samples[2:4]] == ["clevr-000002", "clevr-000003"]
    assert samples[0].picture is samples[0].picture
    with pytest.raises(IndexError):
        samples[120]


def test_num_samples() -> None:
    assert [s.id for s in tasks.load("clevr", EXAMPLES, num_samples=2).samples] == ["clevr-000000", "clevr-000001"]
    assert list(choose(5, 9, 0)) == list(choose(5, None, 0)) == list(range(5))
    some = choose(1000, 10, 3)
    assert list(some) == sorted(some) == list(choose(1000, 10, 3)) != list(choose(1000, 10, 4))
    for bad in (0, -1, True, "3", 1.5):
        with pytest.raises(ConfigError, match="num_samples"):
            choose(5, bad, None)  # type: ignore[arg-type]


def test_an_unknown_name_is_suggested() -> None:
    with pytest.raises(ConfigError, match="did you mean 'clevr-puzzle'"):
        tasks.load("clevr_puzzles", EXAMPLES)


def test_the_registry_loads_nothing_heavy() -> None:
    code = (
        "import sys, neptune.tasks as t; assert 'neptune.tasks.clevr.clevr' not in sys.modules; "
        "[t.load(n, 'examples/clevr').samples[0] for n in list(t.NAMES)[:4]]; "
        "print(sorted({m.split('.')[0] for m in sys.modules} & {'torch', 'dsl', 'lark', 'transformers'}))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_official_layout_is_read(tmp_path: Path) -> None:
    for split in ("train", "val"):
        for kind in ("questions", "scenes"):
            (tmp_path / kind).mkdir(exist_ok=True)
            shutil.copy(EXAMPLES / f"{kind}.json", tmp_path / kind / f"CLEVR_{split}_{kind}.json")
    (tmp_path / "images").mkdir()
    shutil.copytree(EXAMPLES / "images", tmp_path / "images" / "val")
    with pytest.raises(DatasetError, match="the splits train, val"):
        tasks.load("clevr", tmp_path)
    with pytest.raises(DatasetError, match=r"no split 'test'.*expected one of train, val"):
        tasks.load("clevr", tmp_path, split="test")
    sample = tasks.load("clevr", tmp_path, split="val").samples[0]
    assert sample.picture is not None
    assert sample.picture.size == (480, 320)
    assert sample.annotation is not None
    (tmp_path / "questions" / "CLEVR_train_questions.json").unlink()
    assert len(tasks.load("clevr", tmp_path).samples) == 120


def test_a_folder_of_splits_is_read(tmp_path: Path) -> None:
    for split in ("train", "val"):
        shutil.copytree(EXAMPLES, tmp_path / split, ignore=shutil.ignore_patterns("images"))
    with pytest.raises(DatasetError, match=r"Set split, e\.g\. to 'val'"):
        tasks.load("clevr", tmp_path)
    assert len(tasks.load("clevr", tmp_path, split="val").samples) == 120
    assert len(tasks.load("clevr", tmp_path / "val", split="val").samples) == 120
    with pytest.raises(DatasetError, match=r"no split 'tran'.*expected one of train, val.*mean 'train'"):
        tasks.load("clevr", tmp_path, split="tran")


@pytest.mark.parametrize("name", NAMES)
def test_a_flat_folder_is_taken_for_no_split_but_its_own(name: str, tmp_path: Path) -> None:
    """Else the answers on val would be recorded as those on train."""
    for split in ("train", "val"):
        shutil.copytree(EXAMPLES, tmp_path / split, ignore=shutil.ignore_patterns("images", "CLEVR-Humans-val.json"))
    shutil.copy(tmp_path / "train" / "questions.json", tmp_path)  # a flat folder with a folder of a split in it
    assert tasks.load(name, tmp_path, split="val").folder.root == tmp_path / "val"  # type: ignore[attr-defined]
    with pytest.raises(DatasetError, match=r"no split 'nosuch'.*the files of val alone.*Leave split out"):
        tasks.load(name, tmp_path / "val", split="nosuch")
    with pytest.raises(DatasetError, match=rf"no split 'train'.*Set data_dir to {tmp_path / 'train'}"):
        tasks.load(name, tmp_path / "val", split="train")
    assert len(tasks.load(name, tmp_path / "val").samples) == len(tasks.load(name, tmp_path, split="val").samples)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "does not exist"),
        ("", "no valid JSON"),
        ('{"questions": [', "no valid JSON"),
        ("[" * 200_000, "no valid JSON"),
        ("[]", "found list"),
        ("{}", "has no list"),
        ('{"questionz": []}', "questionz"),
        ('{"KEY": {}}', "has no list"),
        ('{"KEY": []}', "is empty"),
    ],
)
def test_a_broken_file_stops_before_the_run(folder: Path, name: str, content: str | None, message: str) -> None:
    path = folder / f"{FILES[name]}.json"
    path.unlink()
    if content is not None:
        path.write_text(content.replace("KEY", KEYS[name]))
    with pytest.raises(DatasetError) as caught:
        tasks.load(name, folder)
    assert message in caught.value.one_line()
    assert path.name in caught.value.one_line()
    assert "\n" not in caught.value.one_line()


def test_other_broken_files_stop_before_the_run(folder: Path) -> None:
    with pytest.raises(DatasetError, match="folder does not exist"):
        tasks.load("clevr", folder / "nowhere")
    (folder / "rpm.json").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DatasetError, match="can not be read"):
        tasks.load("clevr-rpm", folder)
    (folder / "scenes.json").write_text("nonsense")
    with pytest.raises(DatasetError, match=r"scenes\.json"):
        tasks.load("clevr", folder)


def test_missing_scenes_matter_where_they_judge(folder: Path) -> None:
    (folder / "scenes.json").unlink()
    for name in ("clevr", "clevr-rpm"):
        sample = tasks.load(name, folder).samples[0]
        sample.check()
        with pytest.raises(DatasetError, match="no scenes file"):
            sample.truth()
    for name in ("clevr-refexps", "clevr-puzzle"):
        with pytest.raises(DatasetError, match="judged"):
            tasks.load(name, folder)


RECORDS: list[tuple[str, str, Any, str]] = [
    ("clevr", "question", None, "no field 'question'"),
    ("clevr", "question", 7, "'question' is 7"),
    ("clevr", "image_filename", None, "no field 'image_filename'"),
    ("clevr", "image_filename", "../secret.png", "no plain file name"),
    ("clevr", "answer", None, "no field 'answer'"),
    ("clevr", "answer", ["yes"], "expected a text"),
    ("clevr-refexps", "answer", 99, "The answer is object 99"),
    ("clevr-refexps", "answer", -1, "The answer is object -1"),
    ("clevr-refexps", "answer", True, "expected a whole number"),
    ("clevr-refexps", "image_filename", "none.png", "no scene of this picture"),
    ("clevr-puzzle", "answer", "maybe", "expected true or false"),
    ("clevr-puzzle", "slot_dict", None, "no field 'slot_dict'"),
    ("clevr-puzzle", "slot_dict", {}, "does not describe its objects"),
    ("clevr-puzzle", "slot_dict", {"OBJ1": "a", "OBJ3": "b"}, "does not describe its objects"),
    ("clevr-puzzle", "slot_dict", {"OBJ1": "gren cube"}, "did you mean 'green'"),
    ("clevr-puzzle", "slot_dict", {"OBJ1": "cube", "R0": [1, 2, "left"]}, "the relation [1, 2, 'left']"),
    ("clevr-puzzle", "slot_dict", {"OBJ1": "cube", "R0": [1, 1, "near"]}, "the relation [1, 1, 'near']"),
    ("clevr-rpm", "answer", 1, "expected true or false"),
]


@pytest.mark.parametrize(("name", "field", "value", "message"), RECORDS)
def test_a_bad_record_is_its_samples_problem(folder: Path, name: str, field: str, value: Any, message: str) -> None:
    def change(records: list[Any]) -> None:
        if value is None:
            del records[3][field]
        else:
            records[3][field] = value

    edit(folder / f"{FILES[name]}.json", KEYS[name], change)
    samples = tasks.load(name, folder).samples
    assert [i for i, sample in enumerate(samples) if sample.problem is not None] == [3]
    with pytest.raises(NeptuneError) as caught:
        samples[3].check()
    assert message in caught.value.one_line()
    assert "\n" not in caught.value.one_line()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("record", [None, 3, "text", [], {}])
def test_a_record_of_another_kind_is_its_samples_problem(folder: Path, name: str, record: Any) -> None:
    edit(folder / f"{FILES[name]}.json", KEYS[name], lambda records: records.__setitem__(0, record))
    task = tasks.load(name, folder)
    assert task.samples[0].problem is not None
    assert task.samples[0].id == f"{name}-000000"
    assert task.samples[1].problem is None
    json.dumps(task.show_expected(task.samples[0]))


@pytest.mark.parametrize("name", NAMES)
def test_a_question_without_program_can_still_be_asked(folder: Path, name: str) -> None:
    edit(folder / f"{FILES[name]}.json", KEYS[name], lambda records: records[0].pop("program"))
    sample = tasks.load(name, folder).samples[0]
    sample.check()
    assert sample.program is None
    with pytest.raises(DatasetError, match=r"program.*record 0"):
        sample.gold()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda scene: scene["objects"][0].pop("bbox"), "'bbox'"),  # as in CLEVR's own release
        (lambda scene: scene["objects"][0].pop("color"), "'color'"),
        (lambda scene: scene.pop("relationships"), "'relationships'"),
        (lambda scene: scene["relationships"]["left"].pop(), "rows"),
        (lambda scene: scene["relationships"]["left"].__setitem__(0, [77]), "malformed"),
        (lambda scene: scene["relationships"]["left"].__setitem__(0, [-1]), "below 0"),
        (lambda scene: scene["objects"][0].__setitem__("bbox", [0, 0, float("nan"), 9]), "no finite number"),
        (lambda scene: scene.__setitem__("objects", None), "malformed"),
    ],
)
def test_a_bad_scene_matters_only_where_it_is_needed(folder: Path, change: Any, message: str) -> None:
    bad = tasks.load("clevr-refexps", folder).samples[0].picture
    assert bad is not None

    def spoil(scenes: list[Any]) -> None:
        change(next(scene for scene in scenes if scene["image_filename"] == bad.name))

    edit(folder / "scenes.json", "scenes", spoil)
    for name in NAMES:
        for sample in tasks.load(name, folder).samples:
            assert sample.picture is not None
            assert (sample.annotation is None) == (sample.picture.name == bad.name)
            judged_by_it = name in ("clevr-refexps", "clevr-puzzle") and sample.annotation is None
            assert (sample.problem is not None) == judged_by_it
            if sample.annotation is None:
                with pytest.raises(DatasetError, match=message):
                    sample.truth()


def test_two_scenes_of_one_picture_are_none(folder: Path) -> None:
    edit(folder / "scenes.json", "scenes", lambda scenes: scenes.extend([scenes[0], 5, {}]))
    problems = [s.annotation_problem for s in tasks.load("clevr", folder).samples if s.annotation is None]
    assert problems
    assert all(problem is not None and "two scenes" in problem.what for problem in problems)


def test_a_missing_picture_is_found_when_it_is_opened(folder: Path) -> None:
    sample = tasks.load("clevr", folder).samples[0]
    sample.check()
    assert sample.picture is not None
    with pytest.raises(PictureError, match="does not exist"):
        sample.picture.size  # noqa: B018


def test_values_are_shown_plainly() -> None:
    import numpy as np

    from neptune.answer import Answer

    assert plain(Answer(True, "truth")) == "yes"
    assert plain(Answer(2.0, "number")) == 2
    assert plain(Answer(float("nan"), "number")) == "nan"
    assert plain(Answer([np.int64(3), np.float32(0.5), None, {"a": (1,)}], "list")) == [3, 0.5, None, {"a": [1]}]
    assert [yes_no(v) for v in (True, "Yes", " no ", "maybe", 1)] == [True, True, False, None, None]
