"""Cells a second of a vision-language oracle: one call a marked picture, batched, and with a shared prefix.

    python benchmarks/oracle.py --device cuda        # a random Qwen2-VL of the 2B size: real configuration, bfloat16
    python benchmarks/oracle.py --device cuda --profile    # and where the time goes: operations, the device's idle time
    python benchmarks/oracle.py --tiny               # the tiny model of the tests, on a CPU

Speed does not depend on the weights, so they are random. The tokenizer is trained here on the words of the prompts, so
that a word is about one token, as in the real one. Each way runs on some pictures to warm up (all their cells, so that
kernels are chosen, memory is reserved for batches of that size, and every thread that prepares has its processor),
then on pictures it has not seen. "Peak" is the share of the card's dense bfloat16 peak that the counted floating-point
operations reach; "prepared" is the time in which the CPU makes pixels and tokens ready, as a share of the whole; on a
GPU several threads do it beside the model, so that it may be more than 100 %.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

import numpy as np
import torch
from helpers.tiny_models import tiny_vlm
from helpers.tiny_parts import CHAT, tokenizer
from torch.profiler import ProfilerActivity, profile
from torch.utils.flop_counter import FlopCounterMode

from neptune.errors import NeptuneError
from neptune.perception.checkpoints import device_of
from neptune.perception.oracle.vlm.oracle import TransformersOracle
from neptune.perception.oracle.vlm.pictures import Pictures
from neptune.perception.oracle.vlm.processors.image_only import image_only
from neptune.scene import Scene
from neptune.scene.picture import Picture
from neptune.scene.types import Question, ScoreRequest

PEAKS = {"H200": 989e12, "H100": 989e12, "A100": 312e12, "L40S": 362e12, "L4": 121e12, "4090": 165e12}
"""Dense bfloat16 operations a second, from the makers' data sheets."""

WORDS = ("red", "a ball", "a cube", "small", "made of metal")


def two_billion(device: str) -> tuple[Any, Any]:
    """Return a random Qwen2-VL with the configuration of Qwen2-VL-2B-Instruct, in bfloat16, and a processor."""
    from transformers import Qwen2VLConfig, Qwen2VLForConditionalGeneration, Qwen2VLImageProcessorPil, Qwen2VLProcessor

    special = ("<|vision_start|>", "<|vision_end|>", "<|image_pad|>", "<|video_pad|>")
    tok = tokenizer(*special)
    start, end, image, video = tok.convert_tokens_to_ids(list(special))
    text = {
        "vocab_size": 151936,
        "hidden_size": 1536,
        "intermediate_size": 8960,
        "num_hidden_layers": 28,
        "num_attention_heads": 12,
        "num_key_value_heads": 2,
        "rope_parameters": {"rope_type": "default", "rope_theta": 1e6, "mrope_section": [16, 24, 24]},
        "tie_word_embeddings": True,
    }
    vision = {"depth": 32, "embed_dim": 1280, "hidden_size": 1536, "num_heads": 16, "mlp_ratio": 4}
    config = Qwen2VLConfig(
        text_config=text,
        vision_config=vision,
        image_token_id=image,
        video_token_id=video,
        vision_start_token_id=start,
        vision_end_token_id=end,
        tie_word_embeddings=True,
    )
    torch.manual_seed(0)
    torch.set_default_dtype(torch.bfloat16)
    try:
        with torch.device(device):
            model = Qwen2VLForConditionalGeneration(config)
    finally:
        torch.set_default_dtype(torch.float32)
    images = Qwen2VLImageProcessorPil(min_pixels=56 * 56, max_pixels=14 * 14 * 4 * 1280)
    template = CHAT.format(image="<|vision_start|><|image_pad|><|vision_end|>")
    return model.eval(), image_only(Qwen2VLProcessor)(images, tok, chat_template=template)


def made_scene(seed: int, objects: int, size: tuple[int, int] = (480, 320)) -> Scene:
    """Return a picture of noise of CLEVR's size, with boxes."""
    rng = np.random.default_rng(seed)
    corner = rng.uniform(0, 0.8, (objects, 2)) * size
    boxes = np.concatenate([corner, corner + rng.uniform(20, 60, (objects, 2))], axis=1)
    pixels = rng.integers(0, 255, (size[1], size[0], 3), dtype=np.uint8)
    return Scene(boxes.astype(np.float32), size, Picture(pixels), name=f"made {seed}")


def requests(scene: Scene) -> list[ScoreRequest]:
    """Five properties of each object, and one relation of each pair."""
    properties = [Question(f"is the object in the red box {word}?", 1) for word in WORDS]
    left = Question("is the object in the red box left of the object in the green box?", 2)
    ones = np.arange(len(scene))[:, None]
    pairs = np.argwhere(~np.eye(len(scene), dtype=bool))
    return [*(ScoreRequest(scene, q, ones) for q in properties), ScoreRequest(scene, left, pairs)]


def one_by_one(oracle: TransformersOracle, asked: list[ScoreRequest]) -> None:
    """Call the oracle once a cell."""
    for request in asked:
        for row in request.objects:
            oracle.score([ScoreRequest(request.scene, request.question, row[None])])


def together(oracle: TransformersOracle, asked: list[ScoreRequest]) -> None:
    """Call the oracle once for all cells."""
    oracle.score(asked)


def measure(
    oracle: TransformersOracle,
    way: Callable[[TransformersOracle, list[ScoreRequest]], None],
    scenes: list[Scene],
    most: int | None,
) -> tuple[float, float, float]:
    """Return cells a second, floating-point operations a cell, and the share of time in which inputs are prepared."""
    asked = [requests(scene) for scene in scenes]
    warm = 1 + oracle.reader.batches.ahead
    way(oracle, [r for part in asked[:warm] for r in part] if most is None else _some(asked[0], 8))
    batch = [r for part in asked[warm:] for r in part]
    batch = batch if most is None else _some(batch, most)
    device = oracle.reader.model.device
    with prepared() as spent:
        _wait(device)
        start = time.perf_counter()
        way(oracle, batch)
        _wait(device)
        seconds = time.perf_counter() - start
    cells = sum(len(r.objects) for r in batch)
    oracle.reader.prefixes.forget()
    with FlopCounterMode(display=False) as counter:
        way(oracle, counted := asked[0] if most is None else _some(asked[0], 4))
    flops = counter.get_total_flops() / sum(len(r.objects) for r in counted)
    return cells / seconds, flops, sum(spent) / seconds


@contextmanager
def prepared() -> Iterator[list[float]]:
    """Collect the seconds that any thread spends in making tokens, pixels and batches."""
    spent: list[float] = []
    names = ("__init__", "_process", "inputs")
    kept = {name: getattr(Pictures, name) for name in names}

    def timed(function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **named: Any) -> Any:
            start = time.perf_counter()
            made = function(*args, **named)
            spent.append(time.perf_counter() - start)
            return made

        return call

    for name, function in kept.items():
        setattr(Pictures, name, timed(function))
    try:
        yield spent
    finally:
        for name, function in kept.items():
            setattr(Pictures, name, function)


def show_profile(
    oracle: TransformersOracle,
    way: Callable[[TransformersOracle, list[ScoreRequest]], None],
    scenes: list[Scene],
    most: int | None,
) -> None:
    """Print the operations that take longest, and the share of the time in which the device does nothing."""
    asked = [r for scene in scenes for r in requests(scene)]
    asked = asked if most is None else _some(asked, most)
    device = oracle.reader.model.device
    cuda = device.type == "cuda"
    oracle.reader.prefixes.forget()
    with profile(activities=[ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if cuda else [])]) as found:
        start = time.perf_counter()
        way(oracle, asked)
        _wait(device)
        seconds = time.perf_counter() - start
    order = "self_device_time_total" if cuda else "self_cpu_time_total"
    print(found.key_averages().table(sort_by=order, row_limit=15, max_name_column_width=60))
    if cuda:
        spans = [(e.time_range.start, e.time_range.end) for e in found.events() if e.device_type.name == "CUDA"]
        busy = covered(spans) / 1e6
        print(f"the device is idle for {100 * (1 - busy / seconds):.0f} % of {seconds:.2f} s, profiled\n")


def covered(spans: list[tuple[float, float]]) -> float:
    """Return the length of the union of intervals."""
    total, last = 0.0, float("-inf")
    for start, end in sorted(spans):
        total += max(0.0, end - max(start, last))
        last = max(last, end)
    return total


def _some(asked: list[ScoreRequest], cells: int) -> list[ScoreRequest]:
    """The first cells of the requests."""
    kept = []
    for request in asked:
        part = request.objects[: max(cells, 0)]
        cells -= len(part)
        if len(part):
            kept.append(ScoreRequest(request.scene, request.question, part))
    return kept


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="auto", help="cuda, cuda:1, cpu, or auto: cuda where there is one")
    parser.add_argument("--tiny", action="store_true", help="the tiny model of the tests; the default on a CPU")
    parser.add_argument("--objects", type=int, default=10)
    parser.add_argument("--pictures", type=int, default=16)
    parser.add_argument("--single", type=int, default=64, help="cells that are asked one by one")
    parser.add_argument("--peak", type=float, help="operations a second of the card; known for some")
    parser.add_argument(
        "--profile", action="store_true", help="the longest operations, and the share of time the device is idle"
    )
    options = parser.parse_args()
    try:
        device = device_of(options.device)
    except NeptuneError as error:
        parser.error(error.one_line())
    tiny = options.tiny or device == "cpu"
    pair = tiny_vlm("qwen2_vl") if tiny else two_billion(device)
    if tiny:
        pair[0].to(device)
    name = torch.cuda.get_device_name(device) if device.startswith("cuda") else "CPU"
    peak = options.peak or next((value for part, value in PEAKS.items() if part in name), None)
    print(f"{pair[0].num_parameters() / 1e9:.3g} billion parameters, {pair[0].dtype}, {name}")
    ways = (
        ("(a) one call a marked picture", {"form": "mark", "batch_size": 1, "share_prefix": False}, one_by_one),
        ("(b) marked pictures, batched", {"form": "mark", "share_prefix": False}, together),
        ("    coordinates, batched", {"form": "coordinates", "share_prefix": False}, together),
        ("(c) coordinates, shared prefix", {"form": "coordinates"}, together),
    )
    first = 0.0
    for label, settings, way in ways:
        oracle = TransformersOracle(pair, **settings)
        count = 1 + oracle.reader.batches.ahead + options.pictures
        scenes = [made_scene(seed, options.objects) for seed in range(count)]
        speed, flops, spent = measure(oracle, way, scenes, options.single if way is one_by_one else None)
        first = first or speed
        share = f"{100 * speed * flops / peak:5.1f} % of peak" if peak else "peak not known"
        print(
            f"{label:34} {speed:9.1f} cells/s {speed / first:7.1f} ×  {flops / 1e9:10.3f} GFLOP a cell  {share}  "
            f"{100 * spent:3.0f} % prepared"
        )
        if options.profile:
            show_profile(oracle, way, scenes[:4], 8 if way is one_by_one else None)
        oracle.close()


if __name__ == "__main__":
    main()
