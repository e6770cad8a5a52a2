"""The detector: a centre-point network (after CenterNet, Zhou et al. 2019; FCOS distances, Tian et al. 2019).

Every cell of a stride-4 grid says how likely an object's visible box is centred there, and how far the box's
four sides are. The network works at strides 4 to 32 and predicts the stride-4 grid from stride 8 by a pixel
shuffle, which is several times cheaper than convolutions at stride 4.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from neptune.perception.embedded.domain import PictureDomain, pooled
from neptune.perception.embedded.said import Thresholds, boxes_at
from neptune.perception.embedded.sizes import HEIGHT, STRIDE, WIDTH
from neptune.scene.types import Detections

ROWS, COLUMNS = HEIGHT // STRIDE, WIDTH // STRIDE


def conv(inputs: int, outputs: int, stride: int = 1, kernel: int = 3) -> nn.Sequential:
    """Return convolution, batch norm and ReLU; the size is kept, or halved by ``stride=2``."""
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
    )


class Block(nn.Module):
    """Two convolutions beside an identity, ``(B, C, H, W)`` to the same shape."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = conv(channels, channels)
        self.second = nn.Sequential(nn.Conv2d(channels, channels, 3, 1, 1, bias=False), nn.BatchNorm2d(channels))

    def forward(self, x: Tensor) -> Tensor:
        """Return ``relu(x + f(x))``."""
        return functional.relu(x + self.second(self.first(x)))


class DetectorNet(nn.Module):
    """Pictures ``(B, 3, HEIGHT, WIDTH)`` to centre logits and side distances on the stride-4 grid."""

    def __init__(self, width: int = 32) -> None:
        super().__init__()
        self.width = width
        self.stem = nn.Sequential(nn.PixelUnshuffle(4), conv(48, width), conv(width, width))
        self.stride8 = nn.Sequential(conv(width, 2 * width, 2), Block(2 * width))
        self.stride16 = nn.Sequential(conv(2 * width, 3 * width, 2), Block(3 * width), Block(3 * width))
        self.stride32 = nn.Sequential(conv(3 * width, 4 * width, 2), Block(4 * width))
        self.up16 = conv(4 * width, 3 * width, kernel=1)
        self.merge16 = conv(3 * width, 2 * width)
        self.merge8 = nn.Sequential(conv(2 * width, 2 * width), conv(2 * width, 2 * width))
        self.head = nn.Conv2d(2 * width, 4 * 5, 1)
        nn.init.normal_(self.head.weight, std=0.01)
        self.head.bias = nn.Parameter(torch.tensor([-4.0] * 4 + [0.0] * 16))  # centres are rare
        self.domain = PictureDomain(2 * (2 * width + 3 * width))

    def forward(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        """Return centre logits and side distances.

        The logits are ``(B, ROWS, COLUMNS)``; the distances from a cell's centre to the left, top, right and
        bottom side are ``(B, 4, ROWS, COLUMNS)``, canvas pixels, positive.
        """
        return self.found(*self.seen(pictures))

    def seen(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        """Return the features of pictures at strides 8 and 16, ``(B, C, HEIGHT / 8, WIDTH / 8)`` and so on."""
        at8 = self.stride8(self.stem(pictures))
        return at8, self.stride16(at8)

    def glance(self, pictures: Tensor) -> Tensor:
        """Return the features ``(B, D)`` by which pictures are known to be of the network's domain."""
        return pooled(*self.seen(pictures))

    def found(self, at8: Tensor, at16: Tensor) -> tuple[Tensor, Tensor]:
        """Return what :meth:`forward` does, from the features of :meth:`seen`."""
        at32 = self.stride32(at16)
        at16 = at16 + functional.interpolate(self.up16(at32), scale_factor=2.0)
        at8 = at8 + functional.interpolate(self.merge16(at16), scale_factor=2.0)
        out = functional.pixel_shuffle(self.head(self.merge8(at8)).float(), 2)
        return out[:, 0], functional.softplus(out[:, 1:] + 1.0) * 16.0


def cell_centres(device: torch.device | str = "cpu") -> tuple[Tensor, Tensor]:
    """Return the cells' centres in canvas pixels: x ``(1, COLUMNS)`` and y ``(ROWS, 1)``."""
    xs = (torch.arange(COLUMNS, device=device) + 0.5) * STRIDE
    ys = (torch.arange(ROWS, device=device) + 0.5) * STRIDE
    return xs[None, :], ys[:, None]


def targets(boxes: Tensor) -> tuple[Tensor, Tensor]:
    """Return what the network should say about one picture with boxes ``(N, 4)``.

    Returns
    -------
    tuple
        ``heat`` ``(ROWS, COLUMNS)`` in [0, 1], a bell around each centre, exactly 1 in the centre's
        cell; and for each cell the box whose bell is highest there, ``(ROWS, COLUMNS, 4)``.
    """
    if not len(boxes):
        return torch.zeros(ROWS, COLUMNS), torch.zeros(ROWS, COLUMNS, 4)
    xs, ys = cell_centres()
    size = boxes[:, 2:] - boxes[:, :2]
    # The bell sits on the cell that holds the centre, so that every object has exactly one cell of heat 1.
    column = ((boxes[:, 0] + boxes[:, 2]) / 2 / STRIDE).floor().clamp(0, COLUMNS - 1)
    row = ((boxes[:, 1] + boxes[:, 3]) / 2 / STRIDE).floor().clamp(0, ROWS - 1)
    dx = (xs[None] - ((column + 0.5) * STRIDE)[:, None, None]) / (size[:, 0] * 0.1).clamp(min=3.0)[:, None, None]
    dy = (ys[None] - ((row + 0.5) * STRIDE)[:, None, None]) / (size[:, 1] * 0.1).clamp(min=3.0)[:, None, None]
    heat, which = torch.exp(-(dx**2 + dy**2) / 2).max(0)
    return heat, boxes[which]


def loss(logits: Tensor, sides: Tensor, heat: Tensor, box: Tensor) -> Tensor:
    """Return the training loss: penalty-reduced focal loss of the centres, and GIoU of the boxes near them.

    Shapes: `logits` and `heat` ``(B, ROWS, COLUMNS)``, `sides` ``(B, 4, ROWS, COLUMNS)``, `box`
    ``(B, ROWS, COLUMNS, 4)``.
    """
    p = torch.sigmoid(logits)
    centre = heat > 0.999
    n = centre.sum().clamp(min=1)
    hit = -functional.logsigmoid(logits) * (1 - p) ** 2
    miss = -functional.logsigmoid(-logits) * p**2 * (1 - heat) ** 4
    centres = torch.where(centre, hit, miss).sum() / n
    near = heat > 0.3
    weight = heat[near]
    left, top, right, bottom = sides.permute(0, 2, 3, 1)[near].unbind(1)
    xs, ys = cell_centres(logits.device)
    x = xs.expand(ROWS, COLUMNS).expand_as(heat)[near]
    y = ys.expand(ROWS, COLUMNS).expand_as(heat)[near]
    boxes = torch.stack([x - left, y - top, x + right, y + bottom], 1)
    overlap = (1 - giou(boxes, box[near])) * weight
    return centres + 2.0 * overlap.sum() / weight.sum().clamp(min=1)


def giou(a: Tensor, b: Tensor) -> Tensor:
    """Generalised intersection over union of paired boxes ``(N, 4)``: ``(N,)`` in (-1, 1]."""
    shared = (torch.minimum(a[:, 2:], b[:, 2:]) - torch.maximum(a[:, :2], b[:, :2])).clamp(min=0).prod(1)
    hull = (torch.maximum(a[:, 2:], b[:, 2:]) - torch.minimum(a[:, :2], b[:, :2])).prod(1)
    union = (a[:, 2:] - a[:, :2]).prod(1) + (b[:, 2:] - b[:, :2]).prod(1) - shared
    return shared / union.clamp(min=1e-6) - (hull - union) / hull.clamp(min=1e-6)


def decode(logits: Tensor, sides: Tensor, thresholds: Thresholds, limit: int = 100) -> list[Detections]:
    """Read boxes from the network's output: peaks of the centres, without near-duplicates.

    Parameters
    ----------
    logits, sides
        As returned by :class:`DetectorNet`, for B pictures.
    thresholds
        Boxes of a lower score are left out.
    limit
        At most so many boxes a picture.

    Returns
    -------
    list
        B detections, boxes in canvas pixels, best first.
    """
    heat = torch.sigmoid(logits)
    peak = functional.max_pool2d(heat[:, None], 3, 1, 1)[:, 0] == heat
    kept = (peak & (heat >= thresholds.score)).cpu()
    heat_, sides_ = heat.cpu().numpy(), sides.cpu().numpy()
    return [boxes_at(kept[i].numpy(), heat_[i], sides_[i], thresholds, limit) for i in range(len(logits))]
