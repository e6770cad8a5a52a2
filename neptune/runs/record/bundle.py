"""A run in one file: all that a colleague needs to replay it, with no model, GPU, key, network or dataset.

A bundle is a zip of ``bundle.json`` (format, digests of the files), the run folder's ``config.json``,
``samples.jsonl``, ``evidence.jsonl``, ``results.json`` and ``report.html``, the files that the config names
(``files/``), and by choice the pictures (``pictures/``).
"""

from __future__ import annotations

import hashlib
import json
import os
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from neptune.config import Config
from neptune.errors import ConfigError
from neptune.perception.oracle.caching.replay import RECORD
from neptune.runs import record as records

MANIFEST, FILES, PICTURES = "bundle.json", "files", "pictures"
FORMAT = 1
NAMED_FILES = ("vocabulary", "logic_params")
"""Config fields that may name a file which decides answers."""

_NEEDED = (records.CONFIG, records.SAMPLES, RECORD)
_WANTED = (records.RESULTS, records.REPORT, records.ERRORS)
_EPOCH = (1980, 1, 1, 0, 0, 0)
"""The time of every entry: the same run gives the same file."""


def pack(folder: Path, path: str | Path, pictures: bool = True) -> Path:
    """Pack a run folder.

    Parameters
    ----------
    folder
        A finished run, or one that was interrupted: what is there is packed.
    path
        The zip file, which is replaced whole.
    pictures
        Pack the pictures too; else what identifies them is in ``evidence.jsonl`` all the same.

    Returns
    -------
    Path
        `path`.

    Raises
    ------
    ConfigError
        If the folder holds no run, or no record for replay, or the file can not be written.
    """
    path = Path(path)
    for name in _NEEDED:
        if not (folder / name).is_file():
            raise ConfigError(
                f"The run can not be packed: it has no {name}",
                where=str(folder),
                hint="A run records what replaying needs unless record_oracle says otherwise",
            )
    entries: dict[str, Path] = {n: folder / n for n in (*_NEEDED, *_WANTED) if (folder / n).is_file()}
    config = json.loads((folder / records.CONFIG).read_text(encoding="utf-8"))
    for field in NAMED_FILES:
        value = config.get(field)
        if value and Path(value).is_file():
            entries[f"{FILES}/{field}{Path(value).suffix}"] = Path(value)
    found, _ = records.read_samples(folder / records.SAMPLES)
    shown: dict[str, str | None] = {}
    for source in dict.fromkeys(r["picture"] for r in found if r.get("picture")):
        name = f"{PICTURES}/{len(shown)}{Path(source).suffix.lower()}"
        there = pictures and Path(source).is_file()
        shown[source] = name if there else None
        if there:
            entries[name] = Path(source)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    digests: dict[str, str] = {}
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as bundle:
            for name, source_file in entries.items():
                content = source_file.read_bytes()
                digests[name] = hashlib.sha256(content).hexdigest()
                bundle.writestr(_entry(name), content)
            manifest = {"format": FORMAT, "name": folder.name, "samples": len(found)}
            manifest |= {"files": digests, "pictures": shown}
            bundle.writestr(_entry(MANIFEST), json.dumps(manifest, indent=1, ensure_ascii=False))
        os.replace(temporary, path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise ConfigError(
            f"The bundle can not be written: {error.strerror or error}", where=str(path), hint="Choose another --bundle"
        ) from error
    return path


def _entry(name: str) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name, _EPOCH)
    stored = name.startswith(PICTURES)  # they are compressed already
    entry.compress_type = zipfile.ZIP_STORED if stored else zipfile.ZIP_DEFLATED
    entry.external_attr = 0o644 << 16
    return entry


def unpack(path: str | Path, folder: Path) -> Mapping[str, Any]:
    """Unpack a bundle into a folder, every file checked against its digest; return the manifest.

    Raises
    ------
    ConfigError
        If it is no bundle, damaged, or of a newer format.
    """
    path = Path(path)
    try:
        with zipfile.ZipFile(path) as bundle:
            manifest = json.loads(bundle.read(MANIFEST))
            if manifest["format"] != FORMAT:
                raise _unreadable(path, f"it has the format {manifest['format']}, and this program reads {FORMAT}")
            files: Mapping[str, str] = manifest["files"]
            missing = [name for name in _NEEDED if name not in files]
            if missing:
                raise _unreadable(path, f"it has no {missing[0]}")
            for name, digest in files.items():
                parts = Path(name).parts
                if Path(name).is_absolute() or ".." in parts or len(parts) > 2:
                    raise _unreadable(path, f"it names the file {name!r}")
                content = bundle.read(name)
                if hashlib.sha256(content).hexdigest() != digest:
                    raise _unreadable(path, f"{name} is not what was packed")
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                (folder / name).write_bytes(content)
    except FileNotFoundError as error:
        raise ConfigError("The bundle does not exist", where=str(path)) from error
    except (zipfile.BadZipFile, zipfile.LargeZipFile, OSError, EOFError, NotImplementedError) as error:
        raise _unreadable(path, str(error)) from error
    except (KeyError, ValueError, TypeError, AttributeError, RuntimeError) as error:
        raise _unreadable(path, f"its list of files is wrong: {error}") from error
    except Exception as error:
        import zlib

        if isinstance(error, zlib.error):
            raise _unreadable(path, str(error)) from error
        raise
    return dict(manifest)


def _unreadable(path: Path, why: str) -> ConfigError:
    return ConfigError(
        f"The bundle can not be read: {why}",
        where=str(path),
        expected="a file written by run.py --config X.json --bundle FILE.zip",
        hint="Fetch or pack it again",
    )


def pack_run(config: Config, folder: Path) -> None:
    """Pack a run as its config says, and print where."""
    if config.bundle is not None:
        packed = pack(folder, config.bundle, config.bundle_pictures)
        print(f"Packed into {packed} ({packed.stat().st_size / 1e6:.1f} MB); run.py --config {packed} replays it")
