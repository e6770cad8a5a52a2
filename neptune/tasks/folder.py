"""``folder``: any folder of pictures with a file of questions, one JSON object a line.

    {"image": "kitchen.jpg", "question": "How many cups are on the table?", "answer": 3}
    {"image": "street.jpg", "question": "the man left of the bus", "box": [12, 40, 90, 210]}

Fields: ``image`` and ``question``; ``answer`` (true/false, a number, a word, or a list of admissible ones) or ``box``
(``x0 y0 x1 y1`` in pixels: the answer must point there), or neither; ``program``, ``family``, ``boxes`` (the objects,
for ``od_model: scene``) where they are known; ``tests`` of its program (docs/guarantees.md); ``id``, the sample's name,
by which runs are compared. An ``image`` that is an http(s) address is fetched where ``fetch_pictures`` says so.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from neptune.answer import Answer
from neptune.errors import DatasetError
from neptune.files import trusted
from neptune.scene import Scene
from neptune.scene.addresses import is_address
from neptune.scene.picture import Picture
from neptune.tasks.base import Sample, plain
from neptune.tasks.boxes import boxes_only, corners, objects_of
from neptune.tasks.clevr.clevr import plain_word
from neptune.tasks.json_files import parse_line, read_lines, shown
from neptune.tasks.listed import Draft, ListedTask, a_mapping, data_folder, find_picture
from neptune.tasks.reading import field
from neptune.tasks.referring.pointing import PointingTask, pointed, rounded

KNOWN = ("image", "question", "answer", "box", "boxes", "program", "family", "tests", "id")
"""The fields of a line."""


class PictureFolder(PointingTask, ListedTask):
    """Right if the answer is (one of) the given, or the box pointed to has an IoU ≥ 0.5 with the given one.

    A question without answer and box is answered, and not judged. The questions are in ``questions.jsonl``,
    ``<split>.jsonl``, or the only ``.jsonl`` file of the folder. Parameters and errors as for
    :func:`neptune.tasks.load`.
    """

    name = "folder"
    may_fetch = True

    def open(self, data_dir: str | Path, split: str | None) -> tuple[Sequence[Any], str]:
        """Return the lines of the file of questions, with their numbers."""
        self.root = data_folder(data_dir)
        path = trusted(self._file(split), [self.root], follow_links=self.follow_links)
        lines = read_lines(path, "questions")
        self._ids = _own_ids(line for _, line in lines)
        """Of each line its own id, or ``None``."""
        # An id belongs to one line: one made of a place to that place, any other to the first that gives it.
        self._line_of = {ListedTask.sample_id(self, k): line for k, (line, _) in enumerate(lines)}
        for (line, _), own in zip(lines, self._ids):
            if own is not None:
                self._line_of.setdefault(own, line)
        return lines, path.name

    def _file(self, split: str | None) -> Path:
        wanted = self.root / (f"{split}.jsonl" if split else "questions.jsonl")
        found = sorted(self.root.glob("*.jsonl"))
        if wanted.is_file():
            return wanted
        if len(found) == 1 and not split:
            return found[0]
        names = ", ".join(p.name for p in found[:6]) or "no .jsonl file"
        raise DatasetError(
            f"There is no {wanted.name}", where=str(self.root), expected=f"one JSON object a line; found {names}"
        )

    def read(self, record: Any, draft: Draft, where: str) -> None:
        """Read one line."""
        line, text = record
        record = a_mapping(parse_line(text, where, '{"image": "kitchen.jpg", "question": …, "answer": …}'), where)
        unknown = sorted(set(record) - set(KNOWN))
        if unknown:
            name = unknown[0][:60]
            raise DatasetError(f"The line has the unknown field '{name}'", where=where, expected=", ".join(KNOWN))
        draft.question = field(record, "question", str, where)
        draft.family = str(field(record, "family", (str, int), where) if record.get("family") else "all")
        own = _own_id(record)
        if own is not None and (first := self._line_of[own]) != line:
            raise DatasetError(f"The id {own!r} is that of line {first} already", where=where)
        image = field(record, "image", str, where)
        if is_address(image):
            draft.picture = self._address(image, where)
        else:
            draft.picture = find_picture(self.root, (".", "images"), image, where, follow_links=self.follow_links)
        if "boxes" in record:
            objects = objects_of(field(record, "boxes", list, where), where, size=False)
            draft.annotation = boxes_only(list(objects.values()), None)
        if "program" in record:
            draft.program = field(record, "program", str, where)
        if "tests" in record:
            draft.extra["tests"] = field(record, "tests", list, where)
        if "box" in record:
            draft.expected = {"box": corners(record["box"], where, size=False)}
        elif record.get("answer") is not None:
            answers = record["answer"] if isinstance(record["answer"], list) else [record["answer"]]
            if not answers or not all(isinstance(a, str | int | float | bool) for a in answers):
                raise DatasetError(
                    f"The answer is {shown(record['answer'])}",
                    where=where,
                    expected="true or false, a number, a word, or a list of them",
                )
            draft.expected = {"answers": answers}

    def _address(self, image: str, where: str) -> Picture:
        if not self.fetch_pictures:
            raise DatasetError(
                "The picture is an http(s) address, and runs fetch none unless they are told to",
                where=where,
                hint="Download it into the folder, or set fetch_pictures to true",
            )
        return Picture(image)

    def sample_id(self, index: int) -> str:
        """Return the line's own id, or one made of its place; a repeated one is left to the first line."""
        own = self._ids[index]
        mine = own is not None and self._line_of[own] == self.records[index][0]
        return own if own is not None and mine else super().sample_id(index)

    def place(self, index: int) -> str:
        """Return the line's number in the file, from 1."""
        return f"{self.source}, line {self.records[index][0]}"

    def is_right(self, sample: Sample, answer: Answer, scene: Scene | None = None) -> bool | None:
        """Tell whether the answer is among those given, or points to the box."""
        if "box" in sample.expected:
            return super().is_right(sample, answer, scene)
        if answer.abstained or answer.kind not in ("truth", "number", "text"):
            return False
        said = plain_word(plain(answer)).replace("_", " ")
        return said in {plain_word(a) for a in sample.expected["answers"]}

    def measures(self, sample: Sample, answer: Answer, scene: Scene | None = None) -> dict[str, float]:
        """Return the IoU where the answer should point to a box."""
        boxed = sample.expected is not None and "box" in sample.expected
        return super().measures(sample, answer, scene) if boxed else {}

    def target(self, sample: Sample) -> Sequence[float]:
        """Return the given box."""
        box: list[float] = sample.expected["box"]
        return box

    def show_answer(self, sample: Sample, answer: Answer, scene: Scene | None = None) -> Any:
        """Return the plain value, or for an object its index and box."""
        return plain(answer) if pointed(answer) is None else super().show_answer(sample, answer, scene)

    def show_expected(self, sample: Sample) -> Any:
        """Return the answer, ``{"box": […]}``, or ``None``."""
        if sample.expected is None:
            return None
        if "box" in sample.expected:
            return {"box": rounded(sample.expected["box"])}
        answers = [("yes" if a else "no") if isinstance(a, bool) else a for a in sample.expected["answers"]]
        return answers[0] if len(answers) == 1 else answers


def _own_ids(lines: Iterable[str]) -> list[str | None]:
    """Return the id that each line gives itself; what is wrong with a line is said when it is read."""
    found = []
    for line in lines:
        try:
            record = parse_line(line, "", "")
        except (DatasetError, ValueError, RecursionError):
            record = None
        found.append(_own_id(record))
    return found


def _own_id(record: Any) -> str | None:
    own = record.get("id") if isinstance(record, Mapping) else None
    return str(own) if isinstance(own, str | int) and not isinstance(own, bool) and str(own) else None
