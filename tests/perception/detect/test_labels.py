"""Which label a box answers to: by the places of its tokens in the caption, not by words."""

from __future__ import annotations

import numpy as np
import pytest

from neptune.perception.detect.families import labels_of, segments

STOP, CLS, SEP, PAD = 1, 101, 102, 0
SPECIAL = {CLS, SEP, PAD}


def caption(*labels: list[int]) -> list[int]:
    return [CLS, *(token for label in labels for token in (*label, STOP)), SEP, PAD, PAD]


def test_the_places_of_each_label() -> None:
    assert segments(caption([7, 8, 9], [5], [7]), STOP, SPECIAL) == [[1, 2, 3], [5], [7]]
    assert segments(caption([], [5]), STOP, SPECIAL) == [[], [2]], "a label of which no token is left"
    assert segments([CLS, 7, 8, SEP], STOP, SPECIAL) == [], "cut off before its full stop"


def box(size: int, **at: float) -> list[float]:
    row = [0.0] * size
    for place, p in at.items():
        row[int(place[1:])] = p
    return row


# t-shirt is "t", "-", "shirt"; café is "cafe"; "red car" and "red ball" share a word; one word is unknown to the model.
IDS = caption([21, 22, 23], [31], [41, 42], [41, 43], [100])
LABELS = ["t-shirt", "café", "red car", "red ball", "Ω"]
PLACES = segments(IDS, STOP, SPECIAL)
N = len(IDS)


@pytest.mark.parametrize(
    ("row", "label"),
    [
        (box(N, p1=0.9, p2=0.9, p3=0.9), "t-shirt"),
        (box(N, p3=0.9), "t-shirt"),
        (box(N, p5=0.6), "café"),
        (box(N, p7=0.9, p8=0.9), "red car"),
        (box(N, p10=0.9, p11=0.9), "red ball"),
        (box(N, p7=0.5, p10=0.6), "red ball"),  # one word of each: the surer
        (box(N, p7=0.5, p10=0.5), "red car"),  # equal: the first
        (box(N, p13=0.7), "Ω"),
        (box(N, p4=0.9, p0=0.9, p15=0.9), ""),  # full stops and special tokens are nobody's
        (box(N, p1=0.2, p5=0.1), ""),  # below the threshold nothing is said
    ],
)
def test_the_label_of_a_box(row: list[float], label: str) -> None:
    assert labels_of(np.array([row], dtype=np.float32), PLACES, LABELS, 0.25) == [label]


def test_no_label_no_box() -> None:
    assert labels_of(np.zeros((0, 5), np.float32), [[1]], ["a"], 0.25) == []
    assert labels_of(np.ones((2, 5), np.float32), [], [], 0.25) == ["", ""]
