"""What the device waits for, without a device: the real preparation of batches, and a model that sleeps.

    python benchmarks/oracle_pipeline.py --slower 4

Pictures are drawn, processed, tokenised and put together as for Qwen2-VL-2B on a GPU; its forward pass sleeps as long
as its operations take at 40 % of an H200's peak, 20 ms at least (to launch its kernels), times `--slower`:
few cores prepare more slowly than those beside such a card, and so the device may be slower, too. It shows whether the
device is kept busy, and not how fast a device is. Nothing is copied to a device, and no memory is pinned.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

import torch
from helpers.tiny_models import VLMS
from oracle import made_scene, requests
from transformers import Qwen2VLImageProcessorPil

from neptune.perception.oracle.vlm.batching import Batches
from neptune.perception.oracle.vlm.oracle import TransformersOracle

SPEED = 0.4 * 989e12
PICTURE, TOKEN, LEAST = 995e9, 2.35e9, 20e-3
"""Operations of the vision encoder for a picture of 480×320, of the language model for a token; seconds of a pass."""


class Sleeping:
    """A forward pass that takes its time and returns zeros.

    Parameters
    ----------
    slower
        How many times slower than the card it is.
    """

    def __init__(self, slower: float) -> None:
        self.slower, self.seconds = slower, 0.0

    def __call__(self, keep: int, past_key_values: Any = None, **inputs: Any) -> Any:
        """Sleep, and fill an empty cache of keys and values."""
        rows, length = inputs["input_ids"].shape
        pictures = len(inputs["image_grid_thw"]) if "image_grid_thw" in inputs else 0
        seconds = self.slower * max(LEAST, (pictures * PICTURE + rows * length * TOKEN) / SPEED)
        self.seconds += seconds
        time.sleep(seconds)
        if past_key_values is not None and not past_key_values.layers:
            past_key_values.update(torch.zeros(rows, 2, length, 8), torch.zeros(rows, 2, length, 8), 0)
        return SimpleNamespace(logits=torch.zeros(rows, keep, 512))


def measure(label: str, options: argparse.Namespace, at_once: int, **settings: Any) -> None:
    """Print cells a second, and the share of the time in which the device is busy."""
    pair = VLMS["qwen2_vl"]()
    pair[0].to(torch.bfloat16)
    pair[1].image_processor = Qwen2VLImageProcessorPil(min_pixels=56 * 56, max_pixels=14 * 14 * 4 * 1280)
    oracle = TransformersOracle(pair, **settings)
    device = Sleeping(options.slower)
    oracle.reader.forward = device  # type: ignore[method-assign]
    oracle.reader.batches = Batches("auto", "cuda")
    oracle.reader.batches.ahead, oracle.reader.prefixes.least = options.threads, 16
    for seed in range(options.threads):
        oracle.score(requests(made_scene(1000 + seed, 10)))
    asked = [requests(made_scene(seed, 10)) for seed in range(options.pictures)]
    device.seconds, start = 0.0, time.perf_counter()
    for k in range(0, len(asked), at_once):
        oracle.score([r for part in asked[k : k + at_once] for r in part])
    seconds = time.perf_counter() - start
    cells = sum(len(r.objects) for part in asked for r in part)
    print(f"{label:44} {cells / seconds:8.0f} cells/s   device busy {100 * device.seconds / seconds:3.0f} %")
    oracle.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--slower", type=float, default=1.0)
    parser.add_argument("--threads", type=int, default=2, help="that prepare pictures")
    parser.add_argument("--pictures", type=int, default=4, help="of 140 cells each")
    options = parser.parse_args()
    measure("(b) marked, all in one call", options, options.pictures, form="mark", share_prefix=False)
    measure("(b) marked, a call a picture", options, 1, form="mark", share_prefix=False)
    measure("(c) coordinates, shared prefix", options, options.pictures, form="coordinates")


if __name__ == "__main__":
    main()
