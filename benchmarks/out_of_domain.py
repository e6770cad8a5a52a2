"""Which pictures the embedded networks take for out of domain: the table of docs/out-of-domain.md.

    python benchmarks/out_of_domain.py --data_dir DATA/val
    python benchmarks/out_of_domain.py --data_dir DATA/val --photographs FOLDER --drawings FOLDER

Photographs are all pictures that scikit-image comes with (or those of a folder), and 300 crops of them. What is out of
domain was fitted on training pictures alone; none of the kinds here had a part in it. In brackets: the least, the
median and the highest score, of which more than 1 is out of domain. Exits with 1 where a share is
missed: at most 1 % of `data_dir`, at least 95 % of each kind that is none of CLEVR's.
"""

from __future__ import annotations

import argparse
import importlib.util
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

from helpers.other_worlds import brighter, chart, compressed, drawing, noise, scaled

from neptune.perception.detect.embedded import EmbeddedDetector
from neptune.perception.oracle.embedded import EmbeddedOracle
from neptune.scene import Scene
from neptune.scene.picture import Picture

ROOT = Path(__file__).resolve().parent.parent
CROPS, MADE = 300, 100
NETWORKS = ["detector", "oracle"]
FORMATS = {".png", ".jpg", ".jpeg", ".gif", ".tif", ".tiff", ".webp", ".bmp"}
CHANGES: dict[str, Callable[[Image.Image], Image.Image]] = {
    "a third of the size": lambda image: scaled(image, 1 / 3),
    "half the size": lambda image: scaled(image, 0.5),
    "twice the size": lambda image: scaled(image, 2),
    "JPEG, quality 75": lambda image: compressed(image, 75),
    "JPEG, quality 30": lambda image: compressed(image, 30),
    "20 % darker": lambda image: brighter(image, 0.8),
    "10 % darker": lambda image: brighter(image, 0.9),
    "10 % brighter": lambda image: brighter(image, 1.1),
    "20 % brighter": lambda image: brighter(image, 1.2),
}


def photographs(folder: Path | None) -> list[Path]:
    """Return the files of pictures in a folder, by default scikit-image's own."""
    if folder is None:
        found = importlib.util.find_spec("skimage")
        if found is None or not found.submodule_search_locations:
            sys.exit(
                "scikit-image is not installed, and its pictures are the photographs measured here\n"
                "hint: pip install scikit-image, or name a folder of photographs by --photographs"
            )
        folder = Path(found.submodule_search_locations[0]) / "data"
    files = [path for path in pictures_of(folder) if readable(path)]
    if not files:
        sys.exit(f"There are no pictures in {folder}\nhint: name a folder of photographs by --photographs")
    return files


def pictures_of(folder: Path) -> list[Path]:
    """Return the picture files of a folder, in order."""
    if not folder.is_dir():
        sys.exit(f"The folder {folder} does not exist\nhint: check --data_dir, --photographs and --drawings")
    return sorted(path for path in folder.rglob("*") if path.suffix.lower() in FORMATS)


def readable(path: Path) -> bool:
    """Return whether Pillow reads a file; a format that it does not know is said, and left out."""
    try:
        with Image.open(path):
            return True
    except (UnidentifiedImageError, OSError) as error:
        print(f"left out: {path.name}: {error}", file=sys.stderr)
        return False


def crops(files: list[Path], count: int) -> Iterator[Image.Image]:
    """Yield random crops, a quarter to nine tenths of the shorter side wide, of pictures of at least 150 pixels."""
    rng = np.random.default_rng(0)
    large = [image for path in files if min((image := Picture(path).image).size) >= 150]
    for number in range(count):
        image = large[number % len(large)]
        width = int(rng.uniform(0.25, 0.9) * min(image.size))
        height = int(width * rng.uniform(0.7, 1.0))
        left, top = int(rng.integers(image.width - width + 1)), int(rng.integers(image.height - height + 1))
        yield image.crop((left, top, left + width, top + height))


class Networks:
    """The networks, each asked by itself; rows of the table."""

    def __init__(self, names: list[str], weights: Path | None) -> None:
        files = {"detector": None, "scorer": None}
        if weights is not None:
            files = {part: weights / f"{part}.safetensors" for part in files}
        asked = {
            "detector": lambda: EmbeddedDetector(files["detector"], device="cpu").detect,
            "oracle": lambda: EmbeddedOracle(files["scorer"], device="cpu").domain,
        }
        self.asked = {name: asked[name]() for name in names}

    def scores(self, source: Path | Image.Image) -> list[float]:
        """Return the score of a picture by each network."""
        picture = Picture(source)
        found = []
        for name, ask in self.asked.items():
            bare = Scene(np.zeros((0, 4), np.float32), picture.size, picture)
            said = ask(picture).domain if name == "detector" else ask(bare)
            if said is None:
                sys.exit(f"The weights of the {name} can not tell\nhint: fit it, see docs/out-of-domain.md")
            found.append(said.score)
        return found

    def row(self, kind: str, sources: Iterable[Path | Image.Image]) -> np.ndarray:
        """Print the row of a kind and return the share that each network takes for out of domain."""
        found = np.array([self.scores(source) for source in sources])
        share = (found > 1).mean(0)
        cells = [
            f"{100 * s:.1f} % ({low:.2f}, {middle:.2f}, {high:.2f})"
            for s, low, middle, high in zip(share, found.min(0), np.median(found, 0), found.max(0), strict=True)
        ]
        print(f"| {kind} | {len(found):,} | {' | '.join(cells)} |", flush=True)
        return share


def main() -> int:
    """Print the table; return 0 where every share is as it must be."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data_dir", type=Path, required=True, help="a folder in CLEVR's format")
    parser.add_argument("--photographs", type=Path, help="a folder of photographs; default: scikit-image's")
    parser.add_argument("--drawings", type=Path, help="a folder of drawings besides those made here")
    parser.add_argument("--weights", type=Path, help="a folder of weights; default: the shipped ones")
    parser.add_argument("--networks", nargs="+", choices=NETWORKS, default=NETWORKS)
    arguments = parser.parse_args()
    clevr = pictures_of(arguments.data_dir / "images")
    photos = photographs(arguments.photographs)
    networks = Networks(arguments.networks, arguments.weights)
    print(
        f"| pictures | number | {' | '.join(f'out of domain for the {name} (scores)' for name in arguments.networks)} |"
    )
    print("|---|---|" + "---|" * len(arguments.networks))
    few = networks.row("CLEVR, not trained on", clevr)
    some = clevr[:: max(1, len(clevr) // 50)]
    for name, change in CHANGES.items():
        networks.row(f"… {name}", (change(Picture(path).image) for path in some))
    shipped = networks.row("the shipped examples", pictures_of(ROOT / "examples"))
    many = [
        networks.row("photographs", photos),
        networks.row("crops of them", crops(photos, CROPS)),
        networks.row("drawings", map(drawing, range(MADE))),
        networks.row("charts", map(chart, range(MADE))),
        networks.row("noise", map(noise, range(MADE))),
    ]
    if arguments.drawings is not None:
        found = pictures_of(arguments.drawings)
        many.append(networks.row("drawings of the folder", found[:: max(1, len(found) // MADE)]))
    return 0 if (few <= 0.01).all() and not shipped.any() and all((share >= 0.95).all() for share in many) else 1


if __name__ == "__main__":
    sys.exit(main())
