"""``refadv``: adversarial referring expressions, in either of the two datasets of that name.

- Ref-Adv of Akula et al. 2020 ("Words aren't enough, their order matters"): ``refcocog_adv_annotations.json``, an
  object of records with ``img_file_name``, ``bbox_candidates_map`` (a JSON text: number → ``[x, y, width, height]``),
  ``most_confused_bbox_number`` and ``most_confused_bbox_GT_desc``; or ``adv_easy_hard_annotations.json``, with
  ``bboxes``, ``gt_bbox``, ``expression`` and ``label``. The pictures are COCO's.
- Ref-Adv-s of Dong et al. 2026 on Hugging Face: rows with ``image``, ``normal_caption`` and ``solution`` (the box, in
  corners), from ``data_dir: "hf:dddraxxx/ref-adv-s"`` or a folder of its parquet files.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from neptune.errors import DatasetError
from neptune.files import trusted
from neptune.tasks.boxes import boxes_only, corners, objects_of
from neptune.tasks.hub import PREFIX, parquet_files, rows, stored_picture
from neptune.tasks.json_files import parse_json, read_json_file
from neptune.tasks.listed import Draft, ListedTask, a_mapping, data_folder, find_picture
from neptune.tasks.reading import field
from neptune.tasks.referring.pointing import PointingTask
from neptune.tasks.referring.refcoco import COCO_FOLDERS

FILES = ("refcocog_adv_annotations.json", "adv_easy_hard_annotations.json")
"""Of Akula et al.; the first that is there is read."""

CONFUSED = ("bbox_candidates_map", "most_confused_bbox_number", "most_confused_bbox_GT_desc")
LABELLED = ("bboxes", "gt_bbox", "expression")


class RefAdv(PointingTask, ListedTask):
    """Right if the box pointed to has an IoU ≥ 0.5 with the true one.

    Families: the ``label`` of a record (``adv``, ``easy``, ``hard``), or for Ref-Adv-s whether the expression uses
    negation. The annotation holds the candidates' boxes.
    """

    name = "refadv"

    def open(self, data_dir: str | Path, split: str | None) -> tuple[Sequence[Any], str]:
        """Return the expressions of a split."""
        self.root: Path | None = None
        if str(data_dir).startswith(PREFIX):
            return rows(data_dir, split), str(data_dir)
        root = self.root = data_folder(data_dir)
        path = next((root / f for f in FILES if (root / f).is_file()), None)
        if path is None and parquet_files(root):
            return rows(root, split, self.follow_links), str(root)
        if path is not None:
            path = trusted(path, [root], follow_links=self.follow_links)
        content = read_json_file(path or root / FILES[0], "Ref-Adv's annotations, or its parquet files")
        records = list(content.values()) if isinstance(content, Mapping) else content
        if not isinstance(records, list) or not records:
            raise DatasetError("The file holds no records", where=str(path), expected='{"id": {"img_file_name": …}, …}')
        return records, path.name if path else ""

    @staticmethod
    def answered(record: Any) -> bool:
        """Tell whether a record names the true box."""
        fields = ("most_confused_bbox_number", "gt_bbox", "solution")
        return isinstance(record, Mapping) and any(record.get(name) is not None for name in fields)

    def read(self, record: Any, draft: Draft, where: str) -> None:
        """Read one expression with its candidates."""
        record = a_mapping(record, where)
        if "solution" in record or "normal_caption" in record:
            self._read_row(record, draft, where)
            return
        boxes, number, expression = CONFUSED if CONFUSED[0] in record else LABELLED
        draft.question = field(record, expression, str, where)
        draft.family = str(record.get("label") or "adv")[:60]
        image = field(record, "img_file_name", str, where)
        assert self.root is not None  # rows of a hub are of the other kind
        places = ("Images", *COCO_FOLDERS)
        draft.picture = find_picture(self.root, places, image, where, follow_links=self.follow_links)
        given = field(record, boxes, (str, dict), where)
        candidates = a_mapping(parse_json(given) if isinstance(given, str) else given, where)
        draft.annotation = boxes_only(list(objects_of(candidates, where).values()), None)
        if self.unanswered(record):
            return
        target = str(field(record, number, (str, int), where))
        if target not in candidates:
            raise DatasetError(
                f"The true box is number {target[:20]}", where=where, expected=f"one of {', '.join(candidates)}"[:200]
            )
        draft.expected = corners(candidates[target], where)

    def _read_row(self, record: Mapping[str, Any], draft: Draft, where: str) -> None:
        draft.picture = stored_picture(record.get("image"), where, self.root, self.follow_links)
        draft.family = "negation" if record.get("use_negation") else "no negation"
        draft.extra = {"file_name": record.get("file_name"), "image_source": record.get("image_source")}
        if not self.unanswered(record):
            draft.expected = corners(record.get("solution"), where, size=False)
            draft.annotation = boxes_only([draft.expected], None)
        draft.question = field(record, "normal_caption", str, where)
