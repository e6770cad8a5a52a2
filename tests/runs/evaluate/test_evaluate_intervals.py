"""Bootstrap intervals: against theory, against clusters, at the edges; and in a run's results."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from neptune.runs.evaluate.bootstrap import difference_interval, interval
from neptune.runs.evaluate.compare import paired
from neptune.runs.evaluate.summary import summarise
from neptune.runs.evaluate.tables import print_results


def test_a_mean_of_independent_values_has_the_width_that_theory_says() -> None:
    values = np.random.default_rng(1).random(400) < 0.8
    low, high = interval(values.astype(float))  # type: ignore[misc]
    p = values.mean()
    width = 2 * 1.96 * math.sqrt(p * (1 - p) / len(values))
    assert low < p < high
    assert high - low == pytest.approx(width, rel=0.1)


def test_the_interval_covers_the_truth_as_often_as_it_says() -> None:
    rng = np.random.default_rng(2)
    covered = 0
    for trial in range(200):
        low, high = interval((rng.random(80) < 0.7).astype(float), resamples=400, seed=trial)  # type: ignore[misc]
        covered += low <= 0.7 <= high
    assert 0.90 <= covered / 200 <= 0.99


def test_questions_of_one_picture_stand_or_fall_together() -> None:
    rng = np.random.default_rng(3)
    pictures = np.repeat(np.arange(50), 10)
    values = np.repeat(rng.random(50) < 0.7, 10).astype(float)
    alone = interval(values)
    together = interval(values, pictures.tolist())
    assert alone is not None
    assert together is not None
    ratio = (together[1] - together[0]) / (alone[1] - alone[0])
    assert ratio == pytest.approx(math.sqrt(10), rel=0.15)


def test_a_picture_counts_as_often_as_it_is_asked_about() -> None:
    """Against the slow way: whole pictures drawn anew, and the mean of all their values."""
    rng = np.random.default_rng(4)
    pictures = np.repeat(np.arange(12), [1, 2, 1, 40, 1, 3, 1, 30, 2, 1, 1, 25])
    values = np.array([float(rng.random() < (0.9 if p in (3, 7, 11) else 0.1)) for p in pictures])
    means = []
    for _ in range(4000):
        drawn = np.concatenate([values[pictures == p] for p in rng.integers(0, 12, 12)])
        means.append(drawn.mean())
    expected = tuple(np.quantile(means, (0.025, 0.975)))
    found = interval(values, pictures.tolist(), resamples=4000)
    assert found == pytest.approx(expected, abs=0.08)
    assert found[0] < values.mean() < found[1]  # type: ignore[index]


def test_two_runs_differ_by_pictures_not_by_questions() -> None:
    """The same answers, once ten about each picture and once each about its own."""
    rng = np.random.default_rng(6)
    right = [(bool(a), bool(b)) for a, b in np.repeat(rng.random((20, 2)) < 0.6, 10, axis=0)]

    def width(questions: int) -> float:
        rows = [{"picture": f"{i // questions}.png"} for i in range(200)]
        pairs = [(r | {"correct": a}, r | {"correct": b}) for r, (a, b) in zip(rows, right, strict=True)]
        low, high = paired(pairs).difference  # type: ignore[misc, arg-type]
        return high - low

    assert width(10) / width(1) == pytest.approx(math.sqrt(10), rel=0.2)


def test_all_right_is_not_certainty() -> None:
    assert interval([1.0] * 20) == (pytest.approx(0.025 ** (1 / 20)), 1.0)
    assert interval([0.0] * 20) == (0.0, pytest.approx(1 - 0.025 ** (1 / 20)))
    assert interval([1.0] * 20, ["one picture"] * 20) == (pytest.approx(0.025), 1.0)
    assert interval([]) is None
    assert interval([0.0, 1.0], seed=5) == interval([0.0, 1.0], seed=5)


@pytest.mark.parametrize(("hits", "trials"), [(1, 2), (3, 6), (5, 20)])
def test_pictures_that_are_all_alike_are_not_certainty_either(hits: int, trials: int) -> None:
    """Against the definition (Clopper and Pearson 1934): at each end, what was seen has a probability of 2.5 %."""
    # Every picture has the same share of right answers, so that the bootstrap has nothing to draw from.
    values = [1.0] * hits + [0.0] * (trials - hits)
    low, high = interval(values * trials, [k for k in range(trials) for _ in range(trials)])  # type: ignore[misc]
    chance = [math.comb(trials, k) for k in range(trials + 1)]
    at_least = sum(chance[k] * low**k * (1 - low) ** (trials - k) for k in range(hits, trials + 1))
    at_most = sum(chance[k] * high**k * (1 - high) ** (trials - k) for k in range(hits + 1))
    assert at_least == pytest.approx(0.025)
    assert at_most == pytest.approx(0.025)


def test_one_picture_says_next_to_nothing() -> None:
    low, high = interval([1.0, 0.0, 0.0, 0.0], ["a.png"] * 4)  # type: ignore[misc]
    assert low < 0.01
    assert high > 0.9


def test_a_paired_difference_is_sharper_than_two_intervals() -> None:
    rng = np.random.default_rng(4)
    first = (rng.random(300) < 0.6).astype(float)
    second = np.where(rng.random(300) < 0.05, 1.0, first)
    low, high = difference_interval(first.tolist(), second.tolist())  # type: ignore[misc]
    assert 0.0 <= low <= second.mean() - first.mean() <= high < 0.06
    assert difference_interval([], []) is None


def record(i: int, **more: Any) -> dict[str, Any]:
    return {"id": str(i), "dataset": "d", "family": "f", "correct": True, "picture": f"{i // 2}.png"} | more


def test_results_hold_intervals_and_rates_apart() -> None:
    rows = [record(i, correct=i % 3 > 0) for i in range(60)]
    rows[0] |= {"error": "x", "error_kind": "PictureError"}
    rows[3] |= {"abstained": True}
    found = summarise(rows, {"d": 60})
    assert found["accuracy"] == 2 / 3
    assert found["interval"][0] < 2 / 3 < found["interval"][1]
    assert (found["error_rate"], found["abstention_rate"]) == (1 / 60, 1 / 60)
    assert found["by_family"]["f"]["interval"] == found["by_dataset"]["d"]["interval"] == found["interval"]
    assert summarise(rows, {"d": 61})["interval"] is None, "an unfinished run has no interval yet"
    assert "mean_iou" not in found


def test_boxes_have_an_iou(capsys: pytest.CaptureFixture[str]) -> None:
    rows = [record(0, iou=0.9), record(1, iou=0.3, correct=False), record(2, correct=False, error="x")]
    found = summarise(rows, {"d": 3})
    assert found["mean_iou"] == pytest.approx(0.4)
    assert found["iou_accuracy"] == pytest.approx(1 / 3)
    print_results(found)
    printed = capsys.readouterr().out
    assert "0.400" in printed
    assert "33.33%" in printed
    assert "95 %" in printed


def test_questions_without_a_right_answer_do_not_count() -> None:
    rows = [record(0, correct=None), record(1), record(2, correct=False), record(3, correct=None, error="x")]
    found = summarise(rows, {"d": 4})
    assert (found["n"], found["unjudged"], found["correct"]) == (4, 2, 1)
    assert found["accuracy"] == 1 / 2, "nor does an error there"
    assert summarise(rows[:1], {"d": 1})["accuracy"] is None


def test_the_report_shows_what_was_found(tmp_path: Any) -> None:
    from neptune.runs.report import write_report

    rows = [record(i, correct=i % 3 > 0, iou=0.8 if i % 3 else 0.1) for i in range(60)]
    found = summarise(rows, {"d": 60})
    by = {name: {"share": 1.0, "mainly": 1, "mended_alone": None} for name in ("detector", "logic")}
    found |= {"blame": {"wrong": 20, "explained": 2, "unknown": 0, "by": by}}
    counts = {k: found[k] for k in ("n", "correct", "accuracy", "interval", "errors")}
    found |= {"logics": {"godel": counts, "product": counts}}
    judge = dict.fromkeys(("both_right", "only_exact", "only_judge", "both_wrong", "judged"), 1)
    found |= {"judge": judge | {"model": "a <b>", "accuracy": 0.5, "interval": [0.4, 0.6]}}
    page = write_report(tmp_path, rows, found).read_text(encoding="utf-8")
    low, high = found["interval"]
    assert page.count(f"{low * 100:.1f}–{high * 100:.1f}") >= 3
    for words in ("mean IoU", "a &lt;b&gt; judged", "Who is to blame for 2 of 20", "Logics, on one run", "40.0–60.0"):
        assert words in page
