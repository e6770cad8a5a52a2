"""Disks that fail while a library writes: adapters, checkpoints, arrays; one error, nothing half, the old one kept."""

from __future__ import annotations

import errno
import os
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors import SafetensorError
from torch import nn

from neptune.cli.commands.examples import write_examples
from neptune.errors import WriteError
from neptune.learn.finetune import lora
from neptune.learn.shared import load_checkpoint, save_checkpoint
from neptune.runs.record.bundle import unpack
from neptune.saving import replacing, replacing_files

CODES = (errno.ENOSPC, errno.ESTALE, errno.EIO)
FILES = ("adapter_config.json", "adapter_model.safetensors", "deeper/README.md")


class Writer:
    """Writes an adapter as a library does, into any folder; after some of its files it raises."""

    def __init__(self, content: str, after: int = len(FILES), error: Exception | None = None) -> None:
        self.content, self.after, self.error = content, after, error

    def save_pretrained(self, folder: str, **_: Any) -> None:
        for k, name in enumerate(FILES):
            if k == self.after:
                (Path(folder) / name).parent.mkdir(exist_ok=True)
                (Path(folder) / name).write_text(self.content[:1])  # what a disk takes before it is full
            if k == self.after and self.error is not None:
                raise self.error
            (Path(folder) / name).parent.mkdir(exist_ok=True)
            (Path(folder) / name).write_text(self.content)


def tree(folder: Path) -> dict[str, str]:
    return {str(p.relative_to(folder)): p.read_text() for p in sorted(folder.rglob("*")) if p.is_file()}


@pytest.mark.parametrize("after", range(len(FILES)))
@pytest.mark.parametrize("code", CODES, ids=errno.errorcode.get)
@pytest.mark.parametrize("kind", ["system", "library"])
def test_an_adapter(kind: str, code: int, after: int, tmp_path: Path) -> None:
    error: Exception = OSError(code, os.strerror(code))
    if kind == "library":
        error = SafetensorError(f"Error while serializing: I/O error: {os.strerror(code)} (os error {code})")
    place = tmp_path / "run" / "adapter"
    with pytest.raises(WriteError, match=os.strerror(code)) as raised:
        lora.save(Writer("new", after, error), place)
    assert "\n" not in raised.value.one_line()
    assert tree(tmp_path) == {}
    assert not list(tmp_path.rglob("*.tmp"))
    lora.save(Writer("old"), place)
    before = tree(tmp_path)
    assert before == {f"run/adapter/{name}": "old" for name in FILES}
    with pytest.raises(WriteError):
        lora.save(Writer("new", after, error), place)
    assert tree(tmp_path) == before
    lora.save(Writer("new"), place)
    assert set(tree(tmp_path).values()) == {"new"}


@pytest.mark.parametrize("step", ["mkdir", "fsync", "replace"])
def test_an_adapter_whose_files_can_not_be_put_in_place(
    step: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(Path if step == "mkdir" else os, step, refuse)
    with pytest.raises(WriteError, match="The adapter can not be written"):
        lora.save(Writer("new"), tmp_path / "adapter")
    monkeypatch.undo()
    assert tree(tmp_path) == {}
    assert not list(tmp_path.rglob("*.tmp"))


def test_what_is_no_error_of_the_disk_is_not_hidden_and_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), replacing_files(tmp_path / "there") as folder:
        (folder / "half").write_text(str(1 // 0))
    assert list(tmp_path.iterdir()) == []


def test_an_adapter_of_the_library_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    peft = pytest.importorskip("peft")
    wrapped = peft.get_peft_model(nn.Sequential(nn.Linear(3, 3)), peft.LoraConfig(r=1, target_modules=["0"]))
    lora.save(wrapped, tmp_path / "adapter")
    before = {p.name: p.read_bytes() for p in (tmp_path / "adapter").iterdir()}
    assert {"adapter_config.json", "adapter_model.safetensors"} <= before.keys()
    real: Callable[..., Any] = peft.peft_model.safe_save_file

    def full(*_: Any, **__: Any) -> None:
        raise SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)")

    monkeypatch.setattr(peft.peft_model, "safe_save_file", full)
    with pytest.raises(WriteError, match="No space left"):
        lora.save(wrapped, tmp_path / "adapter")
    monkeypatch.setattr(peft.peft_model, "safe_save_file", real)
    assert {p.name: p.read_bytes() for p in (tmp_path / "adapter").iterdir()} == before
    assert [p.name for p in tmp_path.iterdir()] == ["adapter"]


class Full:
    """A file that takes so many bytes, and then no more."""

    def __init__(self, file: Any, room: int) -> None:
        self._file, self._room = file, room

    def write(self, content: Any) -> int:
        self._room -= len(memoryview(content).cast("B")) if content else 0
        if self._room < 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return int(self._file.write(content))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)

    def __enter__(self) -> Full:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()


@pytest.fixture
def full_disk(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Gives every file that is written so much room."""
    import builtins

    real = builtins.open

    def give(room: int) -> None:
        def opened(path: Any, mode: str = "r", *more: Any, **others: Any) -> Any:
            file = real(path, mode, *more, **others)
            return Full(file, room) if set(mode) & set("wa+x") and str(path).endswith(".tmp") else file

        monkeypatch.setattr(builtins, "open", opened)

    return give


@pytest.mark.parametrize("room", [0, 100, 2000])
def test_a_checkpoint(room: int, tmp_path: Path, full_disk: Callable[[int], None]) -> None:
    path = tmp_path / "checkpoint.pt"
    save_checkpoint(path, {"step": 1})
    full_disk(room)
    with pytest.raises(WriteError, match="The checkpoint can not be written: No space left"):
        save_checkpoint(path, {"step": 2, "weights": torch.zeros(5000)})
    assert load_checkpoint(path) == {"step": 1}
    assert [p.name for p in tmp_path.iterdir()] == ["checkpoint.pt"]


@pytest.mark.parametrize("room", [0, 100, 2000])
def test_arrays_and_zips(room: int, tmp_path: Path, full_disk: Callable[[int], None]) -> None:
    """Each writes to the stream that it is given, in its own way: closing one may fail a second time."""
    noise = np.random.default_rng(0).integers(0, 255, (90, 90, 3)).astype(np.uint8)

    def zipped(stream: Any) -> None:
        with zipfile.ZipFile(stream, "w") as bundle:
            bundle.writestr("a", noise.tobytes())

    writers: dict[str, Callable[[Any], Any]] = {
        "arrays": lambda stream: np.savez_compressed(stream, noise=noise),
        "a zip": zipped,
    }
    full_disk(room)
    for what, write in writers.items():
        with pytest.raises(WriteError, match=f"{what} can not be written"), replacing(tmp_path / "x", what) as stream:
            write(stream)
        assert list(tmp_path.iterdir()) == [], what


def test_examples_leave_no_half_of_a_file(tmp_path: Path, full_disk: Callable[[int], None]) -> None:
    """What is there is left as it is, the next time too: half a picture would stay one."""
    full_disk(3000)
    with pytest.raises(WriteError, match="The examples can not be written"):
        write_examples(tmp_path)
    from neptune.resources import data_root

    for path in tmp_path.rglob("*"):
        if path.is_file():
            assert path.read_bytes() == (data_root() / "examples" / path.relative_to(tmp_path)).read_bytes()


def test_a_bundle_that_there_is_no_room_for_is_not_called_unreadable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pathlib import Path as Class

    bundle = Path(__file__).resolve().parents[1] / "runs" / "version-1.zip"

    def refuse(*_: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Class, "write_bytes", refuse)
    with pytest.raises(WriteError, match="The unpacked bundle can not be written: No space left"):
        unpack(bundle, tmp_path / "there")
