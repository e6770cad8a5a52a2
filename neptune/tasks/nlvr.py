"""``nlvr``: true or false sentences about drawings of three boxes (Suhr et al. 2017, CC BY 4.0).

``<split>.json`` holds one object a line: ``{"identifier": "1304-0", "sentence": …, "label": "true", "directory": "2",
"structured_rep": [[{"x_loc", "y_loc", "size", "type", "color"}, …], …]}``. The first part of the identifier names the
sentence, which is about (mostly) four examples. Each example has six pictures, the boxes in every order:
``images/<directory>/<split>-<identifier>-<0…5>.png``; the structured boxes are in the order of picture 0.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from itertools import permutations
from pathlib import Path
from typing import Any

import numpy as np

from neptune.answer import Answer
from neptune.errors import DatasetError, did_you_mean
from neptune.files import trusted
from neptune.scene import Annotation, Scene
from neptune.tasks.base import Sample, plain, yes_no
from neptune.tasks.boxes import corners
from neptune.tasks.json_files import parse_json, parse_line, read_lines, shown
from neptune.tasks.listed import Draft, ListedTask, a_mapping, data_folder, find_picture
from neptune.tasks.reading import field

SIDE = 100
"""Pixels of a box's side."""
STEP = 150
"""Pixels from the left side of a box to that of the next."""
SIZE = (400, 100)
"""Width and height of a picture, in pixels."""

COLORS = {"yellow": "yellow", "black": "black", "#0099ff": "blue", "blue": "blue"}
SIZES = {10: "small", 20: "medium", 30: "big"}
SHAPES = ("circle", "triangle", "square")
MOST_CHARS = 1_000_000
"""So much of a file is looked at to see whether it holds examples."""
ORDERS = tuple(permutations(range(3)))
"""For each of the six pictures the structured box that stands at each place."""

_EXPECTED = '{"identifier": "1304-0", "sentence": …, "label": "true", "directory": "2", "structured_rep": …}'


class Nlvr(ListedTask):
    """Right if the answer is yes for a true sentence and no for a false one.

    One sample an example, with picture 0 and its structured scene. Families are the two kinds of pictures, ``tower``
    and ``scatter``; the group is the sentence, and a run's ``consistency`` is the share of sentences that are right
    about all their examples, as in the official evaluation. Parameters and errors as for :func:`neptune.tasks.load`.
    """

    name = "nlvr"
    orders: tuple[int, ...] = (0,)

    def open(self, data_dir: str | Path, split: str | None) -> tuple[Sequence[Any], str]:
        """Return the lines of a split's file, each as often as it has pictures."""
        self.root = data_folder(data_dir)
        path = trusted(self._file(split), [self.root], follow_links=self.follow_links)
        records = [_parsed(line) for _, line in read_lines(path, "sentences")]
        self.split = path.stem
        self._folders = [f for f in (f"images/{self.split}", f"{self.split}/images", "images") if self._has(f)]
        return [(record, order) for record in records for order in self.orders], path.name

    def _file(self, split: str | None) -> Path:
        found = {p.stem: p for folder in (self.root, *self._below()) for p in folder.glob("*.json")}
        if split in found:
            return found[split]
        found = {name: path for name, path in found.items() if _holds_sentences(path)}
        names = ", ".join(sorted(found)) or "no .json file"
        if split is None and len(found) == 1:
            return next(iter(found.values()))
        if split is None and found:
            raise DatasetError(f"The folder holds the splits {names}", where=str(self.root), hint="Set split")
        raise DatasetError(
            f"There is no {split or 'dev'}.json",
            where=str(self.root),
            expected=f"one JSON object a line; found {names}",
            hint=did_you_mean(split or "", found) or "--dry_run true says what to download and where to put it",
        )

    def _below(self) -> list[Path]:
        """Return the folders of splits, as the official repository has them: ``dev/dev.json``."""
        return sorted(p.parent for p in self.root.glob("*/*.json") if p.stem == p.parent.name)

    def _has(self, folder: str) -> bool:
        return (self.root / folder).is_dir()

    @staticmethod
    def answered(record: Any) -> bool:
        """Tell whether a line says what is right."""
        return isinstance(record[0], Mapping) and record[0].get("label") is not None

    def read(self, record: Any, draft: Draft, where: str) -> None:
        """Read one example with one of its pictures."""
        content, order = record
        if isinstance(content, DatasetError):
            raise DatasetError(content.what, where=where, expected=content.expected, hint=content.hint)
        record = a_mapping(content, where)
        draft.question = field(record, "sentence", str, where)
        identifier = field(record, "identifier", str, where)
        where = f"{where} ({identifier[:60]})"
        draft.group = identifier.partition("-")[0]
        draft.extra = {"identifier": identifier, "order": order}
        if self._folders:
            directory = field(record, "directory", (str, int), where)
            name = f"{directory}/{self.split}-{identifier}-{order}.png"
            draft.picture = find_picture(self.root, self._folders, name, where, follow_links=self.follow_links)
        try:
            boxes = [_objects(box, where) for box in _three(field(record, "structured_rep", list, where), where)]
        except DatasetError as error:
            draft.annotation_problem = error
        else:
            draft.family = _kind(boxes)
            draft.annotation = _annotation([boxes[k] for k in ORDERS[order]])
        if not self.unanswered((content, order)):
            draft.expected = yes_no(field(record, "label", (str, bool), where))
            if draft.expected is None:
                raise DatasetError(f"The label is {shown(record['label'])}", where=where, expected="true or false")

    def is_right(self, sample: Sample, answer: Answer, scene: Scene | None = None) -> bool:
        """Tell whether the answer is the truth of the sentence."""
        return not answer.abstained and answer.kind == "truth" and yes_no(plain(answer)) is sample.expected

    def show_expected(self, sample: Sample) -> Any:
        """Return ``"yes"`` or ``"no"``."""
        return None if sample.expected is None else "yes" if sample.expected else "no"


class NlvrPictures(Nlvr):
    """The same with all six pictures of each example, as the official evaluation of pictures counts."""

    name = "nlvr-pictures"
    orders = tuple(range(len(ORDERS)))


def _holds_sentences(path: Path) -> bool:
    """Tell whether the first line of a file is an example: other JSON may lie beside it."""
    if not path.is_file():  # a pipe would be waited for
        return False
    try:
        with path.open(encoding="utf-8-sig") as file:
            first = parse_json(file.readline(MOST_CHARS))
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(first, Mapping) and "sentence" in first


def _parsed(line: str) -> Any:
    """Return the record of a line; an error in its place where it is no JSON, so that the others are read."""
    try:
        return parse_line(line, "", _EXPECTED)
    except DatasetError as error:
        return error
    except (ValueError, RecursionError) as error:
        return DatasetError(f"The line can not be read: {error}", expected=_EXPECTED)


def _three(boxes: list[Any], where: str) -> list[Any]:
    if len(boxes) != len(ORDERS[0]) or not all(isinstance(box, list) for box in boxes):
        raise DatasetError(f"'structured_rep' is {shown(boxes)}", where=where, expected="three lists of objects")
    return boxes


_Thing = tuple[list[float], str, str, str]
"""Corners within its box, colour, shape, size."""


def _objects(box: list[Any], where: str) -> list[_Thing]:
    """Return the objects of a box."""
    found = []
    for item in box:
        thing = a_mapping(item, where)
        x, y, side = (field(thing, name, (int, float), where) for name in ("x_loc", "y_loc", "size"))
        color = COLORS.get(field(thing, "color", str, where).lower())
        shape = field(thing, "type", str, where).lower()
        at = corners([x, y, side, side], where)
        if color is None or shape not in SHAPES or side not in SIZES or min(at) < 0 or max(at) > SIDE:
            raise DatasetError(
                f"An object is {json.dumps(thing, default=str)[:120]}",
                where=where,
                expected=f"Yellow, Black or #0099ff, type {', '.join(SHAPES)}, size 10, 20 or 30, inside its box",
            )
        found.append((at, color, shape, SIZES[side]))
    return found


def _kind(boxes: list[list[_Thing]]) -> str:
    """Return ``tower`` where each box holds one stack of equal squares, else ``scatter``."""
    stacks = [{(at[0], shape, size) for at, _, shape, size in box} for box in boxes]
    towers = all(len(stack) <= 1 for stack in stacks) and len({key for stack in stacks for key in stack}) == 1
    return "tower" if towers and "square" in {key[1] for stack in stacks for key in stack} else "scatter"


def _annotation(boxes: list[list[_Thing]]) -> Annotation:
    """Return what is known of a picture, from its boxes from left to right: first the objects, then the boxes."""
    places, rows = [], []
    for k, box in enumerate(boxes):
        for (x0, y0, x1, y1), *attributes in box:
            places.append([x0 + k * STEP, y0, x1 + k * STEP, y1])
            rows.append(attributes)
    kinds = ("Object",) * len(places) + ("Box",) * len(boxes)
    places += [[k * STEP, 0.0, k * STEP + SIDE, SIDE] for k in range(len(boxes))]
    rows += [["", "", ""]] * len(boxes)
    colors, shapes, sizes = (tuple(column) for column in zip(*rows, strict=True))
    return Annotation(
        {"color": colors, "shape": shapes, "size": sizes}, {}, np.array(places, dtype=np.float32), kinds, size=SIZE
    )
