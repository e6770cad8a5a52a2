"""Weights on disk: safetensors with half-precision weights, and what they are in the file's metadata."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save as serialised
from torch import nn

from neptune.errors import NeptuneError
from neptune.perception.embedded.depth_net import DepthNet
from neptune.perception.embedded.detector_net import DetectorNet
from neptune.perception.embedded.drawing_net import DrawingNet
from neptune.perception.embedded.light.weights import FORMAT, expected_of, read, shipped
from neptune.perception.embedded.scorer_net import ScorerNet
from neptune.saving import write_whole

NETWORKS: dict[str, tuple[type[nn.Module], str]] = {
    "detector": (DetectorNet, "train-embedded"),
    "scorer": (ScorerNet, "train-embedded"),
    "drawings": (DrawingNet, "train-drawings"),
    "depth": (DepthNet, "train-depth"),
}
"""Part → its network, and the config that trains it."""
_EXACT = (
    "running_mean",
    "running_var",
    "temperature",
    "domain.mean",
    "domain.scale",
    "domain.limit",
    "ground",
    "scale",
    "mean",
)
"""Buffers that are kept in float32: half precision would overflow, or spoil the calibration."""


def save(net: nn.Module, part: str, path: Path, about: dict[str, Any]) -> None:
    """Write a network, and `about` (JSON: network sizes, training, calibration) into its metadata."""
    tensors = {
        name: (value if name.endswith(_EXACT) or not value.is_floating_point() else value.half()).cpu().contiguous()
        for name, value in net.state_dict().items()
    }
    metadata = {"format": FORMAT, "part": part, "about": json.dumps(about, sort_keys=True)}
    write_whole(path, serialised(tensors, metadata=metadata), "The weights")


def load(
    part: str, path: str | Path | None, device: torch.device, error: type[NeptuneError]
) -> tuple[Any, dict[str, Any]]:
    """Read a network written by :func:`save`, by default the shipped one of a part, for inference.

    Returns the network in evaluation mode, on `device`, float32, and `about`; raises `error` if it can not be read.
    """
    make, config = NETWORKS[part]
    arrays, about = read(part, path, error, config)
    tensors = {name: torch.from_numpy(np.asarray(array)) for name, array in arrays.items()}
    try:
        net: Any = make(**about["network"])
        if hasattr(net, "domain"):  # weights of before networks knew their domain are read too: those can not tell
            tensors = net.domain.state_dict(prefix="domain.") | tensors
        net.load_state_dict(tensors)
    except (KeyError, ValueError, TypeError, RuntimeError) as reason:
        file = str(path or shipped(part))
        said = f"The weights can not be read: {reason}"
        raise error(said, where=file, expected=expected_of(config, part)) from reason
    return net.eval().requires_grad_(False).to(device).to(memory_format=torch.channels_last), about
