"""``gqa``: questions about photographs, generated from scene graphs (Hudson and Manning 2019).

``<split>_questions.json`` (``val_balanced_questions.json``, ``testdev_balanced_questions.json``, …) is an object:
question id → ``{"question", "imageId", "answer", "fullAnswer", "types": {"structural", "semantic", "detailed"}, …}``.
``<split>_sceneGraphs.json``, which is optional, gives the boxes: image id → ``{"width", "height", "objects": {id:
{"name", "x", "y", "w", "h", "attributes", "relations"}}}``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from neptune.answer import Answer
from neptune.errors import DatasetError
from neptune.files import trusted
from neptune.scene import Annotation, Scene
from neptune.tasks.base import Sample, plain
from neptune.tasks.boxes import boxes_only, objects_of, picture_size
from neptune.tasks.clevr.clevr import plain_word
from neptune.tasks.json_files import read_json_file
from neptune.tasks.listed import Draft, ListedTask, a_mapping, data_folder, find_picture
from neptune.tasks.reading import field


class Gqa(ListedTask):
    """Right if the answer is the expected word, as GQA's own evaluation compares it (case does not count).

    Families are GQA's structural types: ``verify``, ``query``, ``choose``, ``logical``, ``compare``. `split` is the
    beginning of the file's name (``val_balanced``, ``testdev_balanced``); ``val`` is read as ``val_balanced``.
    """

    name = "gqa"

    def open(self, data_dir: str | Path, split: str | None) -> tuple[Sequence[Any], str]:
        """Return the questions of a split."""
        self.root = data_folder(data_dir)
        path = trusted(self._questions(split), [self.root], follow_links=self.follow_links)
        content = read_json_file(path, "GQA's questions")
        if not isinstance(content, Mapping) or not content:
            raise DatasetError(
                "The file holds no questions", where=str(path), expected='{"05515938": {"question": …}, …}'
            )
        self._graphs = self._scene_graphs(path)
        return list(content.items()), path.name

    def _questions(self, split: str | None) -> Path:
        places = (self.root, self.root / "questions", self.root / "questions1.2")
        found = sorted(p for place in places for p in place.glob("*_questions.json"))
        wanted = {f"{split}_questions.json", f"{split}_balanced_questions.json"}
        named = [p for p in found if p.name in wanted] if split else found
        if not named:
            if found and split:
                known = ", ".join(p.name.removesuffix("_questions.json") for p in found)
                raise DatasetError(f"There is no split '{split}'", where=str(self.root), expected=f"one of {known}")
            return self.root / f"{split or 'testdev'}_balanced_questions.json"
        if len(named) > 1 and not split:
            known = ", ".join(p.name.removesuffix("_questions.json") for p in named)
            raise DatasetError(f"The folder holds the splits {known}", where=str(self.root), hint="Set split")
        return named[0]

    @staticmethod
    def answered(record: Any) -> bool:
        """Tell whether a question has an answer; those of ``submission_all`` and ``test`` have none."""
        return ListedTask.answered(record[1])

    def _scene_graphs(self, questions: Path) -> Mapping[str, Any] | None:
        name = f"{questions.name.split('_')[0]}_sceneGraphs.json"
        for place in (self.root, self.root / "sceneGraphs", questions.parent):
            if (place / name).is_file():
                path = trusted(place / name, [self.root], follow_links=self.follow_links)
                return a_mapping(read_json_file(path, "GQA's scene graphs"), name)
        return None

    def read(self, record: Any, draft: Draft, where: str) -> None:
        """Read one question, and the boxes of its picture where there is a scene graph."""
        number, content = record
        hidden, record = self.unanswered(record), a_mapping(content, where)
        where = f"{where} ({number[:60]})"
        image = str(field(record, "imageId", (str, int), where))
        draft.question = field(record, "question", str, where)
        places = ("images", ".", "allImages/images")
        draft.picture = find_picture(self.root, places, f"{image}.jpg", where, follow_links=self.follow_links)
        types = record.get("types")
        draft.family = str(types.get("structural") or "other") if isinstance(types, Mapping) else "other"
        full = record.get("fullAnswer")
        draft.extra = {"question_id": number, "full_answer": full if isinstance(full, str) else None}
        try:
            draft.annotation = self._annotation(image, where)
        except DatasetError as error:
            draft.annotation_problem = error
        if not hidden:
            draft.expected = plain_word(field(record, "answer", str, where))

    def _annotation(self, image: str, where: str) -> Annotation:
        if self._graphs is None:
            raise DatasetError(
                "There are no scene graphs of this split",
                where=where,
                hint="Put <split>_sceneGraphs.json beside the questions, or use a detector",
            )
        if image not in self._graphs:
            raise DatasetError(f"The scene graphs have no picture {image}", where=where)
        graph = a_mapping(self._graphs[image], where)
        objects = {k: a_mapping(o, where) for k, o in a_mapping(graph.get("objects"), where).items()}
        boxes = objects_of({k: [o.get(side) for side in ("x", "y", "w", "h")] for k, o in objects.items()}, where)
        names = [str(objects[k].get("name", "object")) for k in boxes]
        return boxes_only(list(boxes.values()), picture_size(graph), name=names)

    def is_right(self, sample: Sample, answer: Answer, scene: Scene | None = None) -> bool | None:
        """Tell whether the answer is the expected word, yes or no."""
        if answer.abstained or answer.kind not in ("truth", "number", "text"):
            return False
        return bool(plain_word(plain(answer)).replace("_", " ") == sample.expected)

    def show_expected(self, sample: Sample) -> Any:
        """Return the expected word."""
        return sample.expected
