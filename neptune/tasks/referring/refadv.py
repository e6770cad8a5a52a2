"""``refadv``: adversarial referring expressions, in either of the two datasets of that name.

- Ref-Adv of Akula et al. 2020 ("Words aren't enough, their order matters"): ``refcocog_adv_annotations.json``, an
  object of records with ``img_file_name``, ``bbox_candidates_map`` (a JSON text: number → ``[x, y, width, height]``),
  ``most_confused_bbox_number`` and ``most_confused_bbox_GT_desc``; or ``adv_easy_hard_annotations.json``, with
  ``bboxes``, ``gt_bbox``, ``expression`` and ``label``. The pictures are COCO's.
- Ref-Adv-s of Dong et al. 2026 on Hugging Face: rows with ``image``, ``normal_caption`` and ``solution`` (the box, in
  corners), from ``data_dir: "hf:dddraxxx/ref-adv-s"`` or a folder of its parquet files.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from neptune.errors import DatasetError
from neptune.scene.picture import Picture
from neptune.tasks.hub import PREFIX, parquet_files, rows
from neptune.tasks.listed import Draft, ListedTask, a_mapping, boxes_only, corners, data_folder, find_picture
from neptune.tasks.reading import field, read_json_file
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
        if str(data_dir).startswith(PREFIX):
            return rows(data_dir, split), str(data_dir)
        self.root = data_folder(data_dir)
        path = next((self.root / f for f in FILES if (self.root / f).is_file()), None)
        if path is None and parquet_files(self.root):
            return rows(self.root, split), str(self.root)
        content = read_json_file(path or self.root / FILES[0], "Ref-Adv's annotations, or its parquet files")
        records = list(content.values()) if isinstance(content, Mapping) else content
        if not isinstance(records, list) or not records:
            raise DatasetError("The file holds no records", where=str(path), expected='{"id": {"img_file_name": …}, …}')
        return records, path.name if path else ""

    def read(self, record: Any, draft: Draft, where: str) -> None:
        """Read one expression with its candidates."""
        record = a_mapping(record, where)
        if "solution" in record:
            self._read_row(record, draft, where)
            return
        boxes, number, expression = CONFUSED if CONFUSED[0] in record else LABELLED
        draft.picture = find_picture(
            self.root, ("Images", *COCO_FOLDERS), field(record, "img_file_name", str, where), where
        )
        given = field(record, boxes, (str, dict), where)
        candidates = a_mapping(json.loads(given) if isinstance(given, str) else given, where)
        target = str(field(record, number, (str, int), where))
        if target not in candidates:
            raise DatasetError(
                f"The true box is number {target}", where=where, expected=f"one of {', '.join(candidates)}"
            )
        draft.expected = corners(candidates[target], where)
        draft.annotation = boxes_only([corners(box, where) for box in candidates.values()], None)
        draft.family = str(record.get("label") or "adv")
        draft.question = field(record, expression, str, where)

    @staticmethod
    def _read_row(record: Mapping[str, Any], draft: Draft, where: str) -> None:
        draft.picture = Picture(record["image"])
        draft.expected = corners(record["solution"], where, size=False)
        draft.annotation = boxes_only([draft.expected], None)
        draft.family = "negation" if record.get("use_negation") else "no negation"
        draft.extra = {"file_name": record.get("file_name"), "image_source": record.get("image_source")}
        draft.question = field(record, "normal_caption", str, where)
