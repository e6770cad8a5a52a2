"""Where the datasets come from: what to download from which official page, and where to put it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Source:
    """How to get a dataset.

    Parameters
    ----------
    title
        Its name and paper.
    page
        The official page.
    files
        What to download there, with the size where it is large.
    layout
        What `data_dir` must hold then.
    """

    title: str
    page: str
    files: str
    layout: str

    def advice(self) -> str:
        """Return in one line what to do."""
        return f"{self.title}: download {self.files} from {self.page}; data_dir must then hold {self.layout}"


SOURCES: dict[str, Source] = {
    name: Source(**facts)
    for name, facts in json.loads(Path(__file__).with_name("sources.json").read_text(encoding="utf-8")).items()
}
"""Dataset → where it comes from."""
