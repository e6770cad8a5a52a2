"""Where the datasets come from: what to download from which official page, and where to put it."""

from __future__ import annotations

from dataclasses import dataclass


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


_CLEVR_PAGE = "https://cs.stanford.edu/people/jcjohns/clevr/"
_CLEVR = "images/<split>/, questions/CLEVR_<split>_questions.json (and scenes/CLEVR_<split>_scenes.json)"
_COCO = "COCO's train2014.zip (13 GB) from https://cocodataset.org/#download"


def _refer(name: str, who: str, title: str) -> Source:
    layout = f"refs({who}).p, instances.json and images/train2014/"
    return Source(title, "https://github.com/lichengunc/refer", f"{name}.zip, and {_COCO}", layout)


_TRANSFER = Source(
    "CLEVR-Transfer (Hsu et al. 2023)",
    "https://github.com/joyhsu0504/LEFT",
    "the transfer task's questions and CLEVR's pictures and scenes",
    "images/, scenes.json (each object with its 'bbox') and refexps.json, puzzles.json or rpm.json",
)

SOURCES: dict[str, Source] = {
    "clevr": Source("CLEVR (Johnson et al. 2017)", _CLEVR_PAGE, "CLEVR_v1.0.zip (18 GB)", _CLEVR),
    "clevr-refexps": _TRANSFER,
    "clevr-puzzle": _TRANSFER,
    "clevr-rpm": _TRANSFER,
    "clevr-humans": Source(
        "CLEVR-Humans (Johnson et al. 2017)",
        "https://cs.stanford.edu/people/jcjohns/iep/",
        f"CLEVR-Humans.zip (and CLEVR_v1.0.zip, 18 GB, from {_CLEVR_PAGE})",
        "CLEVR-Humans-<split>.json and images/<split>/",
    ),
    "refcoco": _refer("refcoco", "unc", "RefCOCO (Yu et al. 2016)"),
    "refcoco+": _refer("refcoco+", "unc", "RefCOCO+ (Yu et al. 2016)"),
    "refcocog": _refer("refcocog", "umd", "RefCOCOg (Mao et al. 2016)"),
    "refgta": Source(
        "RefGTA (Tanaka et al. 2019)",
        "https://github.com/mikittt/easy-to-understand-REG (pyutils/refer2)",
        "the RefGTA annotations and the GTA images",
        "refs(utokyo).p, instances.json and gta_image/ (or images/)",
    ),
    "refadv": Source(
        "Ref-Adv (Akula et al. 2020)",
        "https://github.com/aws/aws-refcocog-adv",
        f"the annotations, and {_COCO}",
        "refcocog_adv_annotations.json and Images/ (or train2014/); "
        "or set data_dir to hf:dddraxxx/ref-adv-s for Ref-Adv-s (Dong et al. 2026)",
    ),
    "gqa": Source(
        "GQA (Hudson and Manning 2019)",
        "https://cs.stanford.edu/people/dorarad/gqa/download.html",
        "questions1.2.zip (1.4 GB), images.zip (20 GB) and, for boxes, sceneGraphs.zip",
        "questions/<split>_balanced_questions.json, images/ and sceneGraphs/",
    ),
    "folder": Source(
        "Your own pictures",
        "docs/datasets.md",
        "nothing: write questions.jsonl, one JSON object a line",
        "questions.jsonl and the pictures",
    ),
}
"""Dataset → where it comes from."""
