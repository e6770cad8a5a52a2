"""What a conversation leaves in its folder, turn by turn: a kill loses the turn that was going on, no more."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from neptune.agent.conversation import Talk, Turn, said_of, turn_record
from neptune.agent.models import Said
from neptune.agent.shots import Gallery
from neptune.errors import ConfigError
from neptune.saving import append_line, replacing

JOURNAL, PICTURES = "conversation.jsonl", "pictures"


class Journal:
    """The file of one conversation, and the folder of its pictures.

    Parameters
    ----------
    folder
        Where.
    about
        What the conversation is about and how it is led: a journal about anything else is not gone on with.
    resume
        Whether to go on with what is there.

    Attributes
    ----------
    records
        The turns that were recorded before.
    ended
        Whether the recorded conversation came to its end.

    Raises
    ------
    ConfigError
        If the folder holds another conversation, or the file can not be read.
    """

    def __init__(self, folder: Path, about: Mapping[str, Any], resume: bool = True) -> None:
        self.folder, self.path = folder, folder / JOURNAL
        self.records: list[dict[str, Any]] = []
        self.ended = False
        folder.mkdir(parents=True, exist_ok=True)
        if not resume:
            self.path.unlink(missing_ok=True)
        lines = self._lines()
        if not lines:
            self.path.unlink(missing_ok=True)
            self._add({"about": about})
            return
        before = lines[0].get("about")
        if before != json.loads(_line(about)):
            changed = [k for k in about if not isinstance(before, dict) or before.get(k) != json.loads(_line(about[k]))]
            raise ConfigError(
                "The folder holds another conversation", where=str(self.path),
                expected=f"the same {', '.join(changed[:4]) or 'fields'}",
                hint="Choose another --output_dir, or --resume false to begin anew",
            )  # fmt: skip
        self.records = [line["turn"] for line in lines[1:] if "turn" in line]
        self.ended = any("end" in line for line in lines)

    def _lines(self) -> list[dict[str, Any]]:
        """Return the whole lines; a torn last one is cut off."""
        if not self.path.is_file():
            return []
        data = self.path.read_bytes()
        whole = data[: data.rfind(b"\n") + 1]
        if whole != data:
            with replacing(self.path, "The conversation") as file:
                file.write(whole)
        try:
            found = [json.loads(line) for line in whole.splitlines()]
        except ValueError as error:
            raise ConfigError("The conversation can not be read", where=str(self.path)) from error
        if not all(isinstance(line, dict) for line in found):
            raise ConfigError("The conversation can not be read", where=str(self.path))
        return found

    def _add(self, value: Mapping[str, Any]) -> None:
        append_line(self.path, (_line(value) + "\n").encode(), "The conversation")

    @property
    def replies(self) -> list[Said]:
        """The replies that were recorded before."""
        return [said_of(record) for record in self.records]

    def heard(self, turn: Turn, talk: Talk, gallery: Gallery) -> None:
        """Keep a turn, and the pictures that it showed.

        Raises
        ------
        ConfigError
            If what came of a recorded reply is not what was recorded.
        """
        number, made = len(talk.turns), turn_record(turn)
        for clue in gallery.clues:
            path = self.folder / PICTURES / f"{clue.digest}.png"
            if not path.is_file():
                with replacing(path, "A picture of the conversation") as file:
                    file.write(clue.png)
        if number <= len(self.records):
            differs = different(self.records[number - 1], made)
            if differs:
                raise ConfigError(
                    f"Turn {number} came out differently than it was recorded", where=str(self.path),
                    expected=f"the same {differs}", hint="Begin anew with --resume false",
                )  # fmt: skip
        else:
            self._add({"turn": made})
        if talk.end and not self.ended:
            self._add({"end": talk.end})


def different(before: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """Return what differs between a turn as recorded and as it came out again: all but times and calls; or ``""``."""
    for name in ("kind", "read", "text", "error", "refused", "values", "defined", "pictures"):
        if before.get(name) != json.loads(_line(now.get(name))):
            return name
    return ""


def _line(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True, default=str)
