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
from pathlib import Path
from typing import BinaryIO

from neptune.config import Config
from neptune.config.files import SUFFIXES, read_fields
from neptune.errors import ConfigError, WriteError
from neptune.files import trusted
from neptune.perception.oracle.caching.replay import RECORD
from neptune.runs import record as records
from neptune.runs.record.pictures import RecordedPictures
from neptune.runs.record.schema import FORMAT, MOST_ENTRIES, Manifest, check, is_picture
from neptune.saving import replacing, write_error

MANIFEST, FILES, PICTURES = "bundle.json", "files", "pictures"
MAX_BUNDLE = 2_000_000_000
"""Bytes of a bundle that is read."""
MAX_TOTAL, MAX_FILE, MAX_PICTURE = 2_000_000_000, 300_000_000, 64_000_000
"""Bytes of what it unpacks to: in all, of a file, of a picture."""
MAX_RATIO, RATIO_FROM = 200, 4_000_000
"""A file of more bytes than `RATIO_FROM` may not unpack to more than so many times its size; records come to 30."""
NAMED_FILES = ("vocabulary", "logic_params")
"""Config fields that may name a file which decides answers."""
ENDINGS = (*SUFFIXES, "")
"""How the names of such files end in a bundle; earlier versions kept none."""

_NEEDED = (records.CONFIG, records.SAMPLES, RECORD)
_WANTED = (records.RESULTS, records.REPORT, records.ERRORS)
_EPOCH = (1980, 1, 1, 0, 0, 0)
"""The time of every entry: the same run gives the same file."""


def pack(folder: Path, path: str | Path, pictures: bool = True, found_by: RecordedPictures | None = None) -> Path:
    """Pack a run folder.

    Parameters
    ----------
    folder
        A finished run, or one that was interrupted: what is there is packed.
    path
        The zip file, which is replaced whole.
    pictures
        Pack the pictures too; else what identifies them is in ``evidence.jsonl`` all the same.
    found_by
        Finds the pictures that records name; ``None``: anywhere.

    Returns
    -------
    Path
        `path`.

    Raises
    ------
    ConfigError
        If the folder holds no run, or no record for replay, one of its files is a link to elsewhere, or it is too large
        to be read again.
    WriteError
        If the bundle can not be written.
    """
    path, finder = Path(path), found_by or RecordedPictures()
    for name in _NEEDED:
        if not (folder / name).is_file():
            raise ConfigError(
                f"The run can not be packed: it has no {name}",
                where=str(folder),
                hint="A run records what replaying needs unless record_oracle says otherwise",
            )
    # A run folder may be another's: a link in it must not put a file of this machine into the bundle.
    entries: dict[str, Path] = {
        n: trusted(folder / n, [folder], "run folder") for n in (*_NEEDED, *_WANTED) if (folder / n).is_file()
    }
    config = json.loads((folder / records.CONFIG).read_text(encoding="utf-8"))
    for field in NAMED_FILES:
        value = config.get(field)
        if isinstance(value, str) and value and Path(value).is_file():
            read_fields(value)  # both are JSON or YAML: nothing else is packed
            suffix = Path(value).suffix.lower()  # by which it is read again
            entries[f"{FILES}/{field}{suffix if suffix in SUFFIXES else '.json'}"] = Path(value)
    found, _ = records.read_samples(folder / records.SAMPLES)
    shown: dict[str, str | None] = {}
    for source in dict.fromkeys(r["picture"] for r in found if r.get("picture")):
        kept = finder.original(source) if pictures else None
        shown[source] = f"{PICTURES}/{len(shown)}{kept[1]}" if kept is not None else None
        if (packed := shown[source]) is not None:
            entries[packed] = Path(source)
    for name, entry in entries.items():
        most = MAX_PICTURE if name.startswith(PICTURES) else MAX_FILE
        if entry.stat().st_size > most or len(entries) > MOST_ENTRIES:
            raise ConfigError(
                "The run is too large for a bundle",
                where=f"{entry}, {entry.stat().st_size:,} bytes",
                expected=f"at most {most:,} bytes a file, and {MOST_ENTRIES:,} files",
                hint="Set bundle_pictures to false, or num_samples",
            )
    digests: dict[str, str] = {}
    with (
        replacing(path, "The bundle", "Make room, or choose another --bundle") as file,
        zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as bundle,
    ):
        for name, source_file in entries.items():
            content = source_file.read_bytes()
            digests[name] = hashlib.sha256(content).hexdigest()
            bundle.writestr(_entry(name), content)
        # Without them, the run is older than the second meaning of programs, or than the choice of a backend.
        made = config.get(records.META) or {}
        manifest = {"format": FORMAT, "semantics": made.get("semantics", 1), "backend": made.get("backend", "torch")}
        manifest |= {"name": folder.name, "samples": len(found)}
        manifest |= {"files": digests, "pictures": shown}
        bundle.writestr(_entry(MANIFEST), json.dumps(manifest, indent=1, ensure_ascii=False))
    return path


def _entry(name: str) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name, _EPOCH)
    stored = name.startswith(PICTURES)  # they are compressed already
    entry.compress_type = zipfile.ZIP_STORED if stored else zipfile.ZIP_DEFLATED
    entry.external_attr = 0o644 << 16
    return entry


def unpack(path: str | Path, folder: Path) -> Manifest:
    """Unpack a bundle into a folder, every file checked against its digest; return the manifest.

    Nothing is written that a run does not pack: names are taken from a list, sizes are bounded before a byte is
    unpacked, and each part has its form (:mod:`neptune.runs.record.schema`).

    Raises
    ------
    ConfigError
        If it is no bundle, damaged, too large, or of a newer format.
    WriteError
        If there is no room for it.
    """
    path = Path(path)
    try:
        if path.stat().st_size > MAX_BUNDLE:
            raise _unreadable(path, f"it has {path.stat().st_size:,} bytes, and {MAX_BUNDLE:,} are read")
        with path.open("rb") as file:
            entries = _number_of_entries(file)
            if entries > MOST_ENTRIES:
                raise _unreadable(path, f"it has {entries:,} files, and {MOST_ENTRIES:,} are read")
            with zipfile.ZipFile(file) as bundle:
                return _unpack(path, bundle, folder)
    except FileNotFoundError as error:
        raise ConfigError("The bundle does not exist", where=str(path)) from error
    except KeyError as error:
        raise _unreadable(path, f"its list of files is wrong: {error}") from error
    except (ConfigError, WriteError):
        raise
    except Exception as error:  # zipfile and zlib raise whatever foreign bytes make them stumble over
        raise _unreadable(path, " ".join(str(error).split())[:300] or type(error).__name__) from error


def _unpack(path: Path, bundle: zipfile.ZipFile, folder: Path) -> Manifest:
    whole: dict[str, zipfile.ZipInfo] = {}
    total = 0
    for info in bundle.infolist():
        if info.filename in whole:
            raise _unreadable(path, f"it has the file {info.filename[:60]!r} twice")
        if info.flag_bits & 1 or info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise _unreadable(path, f"{info.filename[:60]!r} is packed in a way that no run packs")
        _check_size(path, info)
        total += info.file_size
        whole[info.filename] = info
    if total > MAX_TOTAL:
        raise _unreadable(path, f"unpacked it has {total:,} bytes, and {MAX_TOTAL:,} are read")
    content = bundle.read(whole[MANIFEST])
    try:
        seen = json.loads(content)
        if isinstance(seen, dict) and seen.get("format") != FORMAT:
            shown = str(seen.get("format"))[:20]
            raise _unreadable(path, f"it has the format {shown}, and this program reads {FORMAT}")
        manifest = check(Manifest, seen if isinstance(seen, dict) else content)
    except (ValueError, RecursionError) as error:
        raise _unreadable(path, f"its list of files is wrong: {error}") from error
    if missing := [name for name in _NEEDED if name not in manifest.files]:
        raise _unreadable(path, f"it has no {missing[0]}")
    for name, digest in manifest.files.items():
        if not _is_packed(name):
            raise _unreadable(path, f"it names the file {name!r}")
        content = bundle.read(whole[name])
        if hashlib.sha256(content).hexdigest() != digest:
            raise _unreadable(path, f"{name} is not what was packed")
        try:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(content)
        except OSError as error:
            raise write_error(error, folder / name, "The unpacked bundle", "Make room for it") from error
    return manifest


def _is_packed(name: str) -> bool:
    """Tell whether a run packs a file of such a name."""
    fields = tuple(f"{FILES}/{field}{ending}" for field in NAMED_FILES for ending in ENDINGS)
    return name in (*_NEEDED, *_WANTED, *fields) or is_picture(name)


def _check_size(path: Path, info: zipfile.ZipInfo) -> None:
    most = MAX_PICTURE if info.filename.startswith(f"{PICTURES}/") else MAX_FILE
    if info.file_size > most:
        raise _unreadable(path, f"{info.filename[:60]!r} has {info.file_size:,} bytes unpacked, and {most:,} are read")
    if info.file_size > RATIO_FROM and info.file_size > MAX_RATIO * max(1, info.compress_size):
        raise _unreadable(path, f"{info.filename[:60]!r} unpacks to {MAX_RATIO} times its size: it is made to do harm")


def _number_of_entries(file: BinaryIO) -> int:
    """Return how many files a zip says it has, before anything is made of its list of them."""
    end = file.seek(0, os.SEEK_END)
    file.seek(max(0, end - 65_557))
    tail = file.read()
    file.seek(0)
    at = tail.rfind(b"PK\x05\x06")
    # A zip of more than 65,534 says so in another place.
    return int.from_bytes(tail[at + 10 : at + 12], "little") if at >= 0 else 0


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
        packed = pack(folder, config.bundle, config.bundle_pictures, RecordedPictures.of(config))
        print(f"Packed into {packed} ({packed.stat().st_size / 1e6:.1f} MB); run.py --config {packed} replays it")
