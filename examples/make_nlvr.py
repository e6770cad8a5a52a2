"""Chooses the shipped sample of NLVR (``examples/nlvr``) from the official files: a few sentences.

    python examples/make_nlvr.py --data_dir PATH/TO/nlvr

The first sentences of each kind of pictures (towers, scattered shapes) that have four examples are taken, with the six
pictures of each of them, byte for byte.
"""

from __future__ import annotations

import argparse
import shutil
from collections import defaultdict
from pathlib import Path

from neptune import tasks
from neptune.tasks.nlvr import ORDERS

SENTENCES = 2
"""Of each kind."""


def main() -> None:
    """Copy lines and pictures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data_dir", required=True)
    parser.add_argument("--to", default=Path(__file__).parent / "nlvr", type=Path)
    given = parser.parse_args()
    task = tasks.load("nlvr", given.data_dir, split="dev")
    groups: dict[tuple[str, str], list[int]] = defaultdict(list)
    for index, sample in enumerate(task.samples):
        groups[sample.family, sample.group].append(index)
    chosen: list[int] = []
    for family in ("tower", "scatter"):
        whole = [members for (kind, _), members in groups.items() if kind == family and len(members) == len(ORDERS) - 2]
        chosen += [index for members in whole[:SENTENCES] for index in members]
    source = next(p for p in (Path(given.data_dir) / "dev.json", Path(given.data_dir) / "dev/dev.json") if p.is_file())
    lines = source.read_text(encoding="utf-8").splitlines()
    given.to.mkdir(parents=True, exist_ok=True)
    (given.to / "dev.json").write_text("\n".join(lines[i] for i in sorted(chosen)) + "\n", encoding="utf-8")
    for index in chosen:
        first = task.samples[index].picture
        assert first is not None
        assert first.path is not None
        folder = given.to / "images/dev" / first.path.parent.name
        folder.mkdir(parents=True, exist_ok=True)
        for order in range(len(ORDERS)):
            name = f"{first.path.stem.rpartition('-')[0]}-{order}.png"
            shutil.copyfile(first.path.parent / name, folder / name)


if __name__ == "__main__":
    main()
