"""Pictures and files of a dataset that are none, or lead out of its folder."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from helpers.dataset_makers import MAKERS, deep, load, outcome, picture, readers, scene, write
from PIL import Image

from neptune import tasks
from neptune.errors import DatasetError, ForeignPathError, NeptuneError, PictureError
from neptune.files import below, trusted

PICTURES: dict[str, tuple[Callable[[Path], Any], type[NeptuneError], str]] = {
    "missing": (lambda f: "none.png", PictureError, "does not exist"),
    "empty": (lambda f: (f / "x.png").touch() or "x.png", PictureError, "can not be read"),
    "cut off": (lambda f: cut(f / "x.png"), PictureError, "can not be read"),
    "no picture": (lambda f: (f / "x.png").write_text("<script>") and "x.png", PictureError, "can not be read"),
    "above": (lambda f: "../../private.png", DatasetError, "name"),
    "absolute": (lambda f: str(f.parent.parent / "private.png"), DatasetError, "name"),
    "a nul": (lambda f: "a\0b.png", DatasetError, "name"),
    "a link to a picture": (lambda f: link(f / "x.png", f.parent.parent / "private.png"), ForeignPathError, "link"),
    "a link to a key": (lambda f: link(f / "x.png", f.parent.parent / "key"), ForeignPathError, "link"),
    "a folder": (lambda f: (f / "x.png").mkdir() or "x.png", NeptuneError, "folder|regular file"),
    "a long name": (lambda f: "a" * 5_000 + ".png", NeptuneError, ""),
    "a number": (lambda f: 7.5, DatasetError, "7.5"),
    "nothing": (lambda f: None, DatasetError, "null|name"),
    "a list": (lambda f: ["good.png"], DatasetError, "good.png"),
    "deep": (lambda f: deep(900), DatasetError, ""),
}


def cut(path: Path) -> str:
    picture(path)
    path.write_bytes(path.read_bytes()[:60])
    return path.name


def link(path: Path, target: Path) -> str:
    path.symlink_to(target)
    return path.name


@readers
@pytest.mark.parametrize("kind", PICTURES)
def test_a_picture_that_is_none_is_its_own_records_error(name: str, kind: str, root: Path) -> None:
    maker = MAKERS[name]
    make, kinds, words = PICTURES[kind]
    given = make(root / maker.images)
    if name == "gqa" and isinstance(given, str):
        # It adds the ending itself.
        for path in list((root / "images").iterdir()):
            if path.name == "x.png":
                path.rename(path.with_suffix(".jpg"))
    maker.write(root, maker.record(given))
    samples = load(maker, root).samples
    assert len(samples) == 2 * maker.each
    for sample in samples[maker.each :]:
        error = outcome(sample)
        assert isinstance(error, kinds), error
        assert any(word in error.one_line() for word in words.split("|"))
        assert "sk-secret" not in error.one_line()
    assert [outcome(s) for s in samples[: maker.each]] == [None] * maker.each


@readers
def test_links_may_lead_out_where_the_user_says_so(name: str, root: Path, tmp_path: Path) -> None:
    maker = MAKERS[name]
    ending = ".jpg" if name == "gqa" else ".png"
    Image.new("RGB", (100, 80)).save(tmp_path / f"elsewhere{ending}")
    link(root / maker.images / f"x{ending}", tmp_path / f"elsewhere{ending}")
    maker.write(root, maker.record("x.png"))
    if name in ("clevr-refexps", "clevr-puzzle"):
        write(root / "scenes.json", {"scenes": [scene("good.png"), scene("x.png")]})
    assert isinstance(outcome(load(maker, root).samples[-1]), ForeignPathError)
    assert "follow_links" in str(outcome(load(maker, root).samples[-1]))
    assert outcome(load(maker, root, follow_links=True).samples[-1]) is None
    # The folder that the user names may be a link itself.
    (tmp_path / "named").symlink_to(root)
    assert outcome(load(maker, tmp_path / "named").samples[0]) is None


@readers
def test_a_file_of_the_dataset_may_not_be_a_link_out_of_it(name: str, root: Path, tmp_path: Path) -> None:
    maker = MAKERS[name]
    maker.write(root, maker.record())
    for file in list(root.glob("*.json*")) + list(root.glob("*.p")):
        file.rename(tmp_path / file.name)
        file.symlink_to(tmp_path / file.name)
    with pytest.raises(ForeignPathError, match="link"):
        _ = load(maker, root).samples[0]
    assert outcome(load(maker, root, follow_links=True).samples[0]) is None


def test_a_hubs_cache_is_one_folder(tmp_path: Path) -> None:
    hub = tmp_path / "datasets--owner--name"
    snapshot = hub / "snapshots" / "abc"
    picture(hub / "blobs" / "1.png")
    (snapshot / "images").mkdir(parents=True)
    (snapshot / "images" / "a.png").symlink_to("../../../blobs/1.png")
    (tmp_path / "key").write_text("x")
    (snapshot / "images" / "b.png").symlink_to(tmp_path / "key")
    assert below(snapshot, "images/a.png").name == "a.png"
    with pytest.raises(ForeignPathError):
        below(snapshot, "images/b.png")


def test_coco_beside_the_folder_but_not_beyond(tmp_path: Path) -> None:
    maker = MAKERS["refcoco"]
    picture(tmp_path / "all" / "images" / "train2014" / "good.png")
    maker.write(tmp_path / "all" / "refcoco", maker.record())
    assert outcome(tasks.load("refcoco", tmp_path / "all" / "refcoco", split="val").samples[0]) is None
    picture(tmp_path / "private.png")
    (tmp_path / "all" / "images" / "train2014" / "x.png").symlink_to(tmp_path / "private.png")
    maker.write(tmp_path / "all" / "refcoco", maker.record("x.png"))
    assert isinstance(outcome(tasks.load("refcoco", tmp_path / "all" / "refcoco").samples[1]), ForeignPathError)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes on this system")
def test_pipes_and_devices_are_no_files(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    with pytest.raises(ForeignPathError, match="a device or a pipe"):
        below(tmp_path, "pipe.png")
    with pytest.raises(ForeignPathError):
        trusted(Path("/dev/zero"), [Path("/dev")])
