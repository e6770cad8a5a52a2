"""Intervals: against theory, against clusters, at the edges; and in a run's results."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from neptune.runs.evaluate.compare import paired
from neptune.runs.evaluate.intervals import difference_interval, interval
from neptune.runs.evaluate.summary import summarise
from neptune.runs.evaluate.tables import print_results


def test_a_mean_of_independent_values_has_the_width_that_theory_says() -> None:
    values = np.random.default_rng(1).random(400) < 0.8
    low, high = interval(values.astype(float))  # type: ignore[misc]
    p = values.mean()
    width = 2 * 1.96 * math.sqrt(p * (1 - p) / len(values))
    assert low < p < high
    assert high - low == pytest.approx(width, rel=0.1)


@pytest.mark.parametrize(
    ("pictures", "questions", "share", "alike"),
    [(80, 1, 0.7, 0.0), (50, 10, 0.7, 0.3), (150, 10, 0.98, 0.2), (30, 1, 0.97, 0.0), (8, 5, 0.9, 0.2)],
)
def test_the_interval_covers_the_truth_as_often_as_it_says(
    pictures: int, questions: int, share: float, alike: float
) -> None:
    """Questions about one picture are alike (their correlation); near 1, resampling covers too seldom."""
    rng = np.random.default_rng(2)
    covered, trials = 0, 300
    for _ in range(trials):
        each = np.full(pictures, share)
        if alike:
            each = rng.beta(share * (1 / alike - 1), (1 - share) * (1 / alike - 1), pictures)
        values = (rng.random((pictures, questions)) < each[:, None]).astype(float).ravel()
        low, high = interval(values, np.repeat(np.arange(pictures), questions).tolist())  # type: ignore[misc]
        covered += low <= share <= high
    assert covered / trials >= 0.92


@pytest.mark.parametrize(("n", "won", "lost"), [(300, 0.05, 0.03), (100, 0.05, 0.05), (30, 0.2, 0.1)])
def test_the_interval_of_a_difference_covers_it_as_often_as_it_says(n: int, won: float, lost: float) -> None:
    rng = np.random.default_rng(3)
    covered, trials = 0, 300
    for _ in range(trials):
        u = rng.random(n)
        first = np.where(u < won, False, np.where(u > 1 - lost, True, rng.random(n) < 0.6))
        second = np.where(u < won, True, np.where(u > 1 - lost, False, first))
        low, high = difference_interval(first.tolist(), second.tolist())  # type: ignore[misc]
        covered += low <= won - lost <= high
    assert covered / trials >= 0.93


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
    """Against the slow way: the interval is at least as wide as what whole pictures drawn anew show."""
    rng = np.random.default_rng(4)
    pictures = np.repeat(np.arange(12), [1, 2, 1, 40, 1, 3, 1, 30, 2, 1, 1, 25])
    values = np.array([float(rng.random() < (0.9 if p in (3, 7, 11) else 0.1)) for p in pictures])
    means = []
    for _ in range(4000):
        drawn = np.concatenate([values[pictures == p] for p in rng.integers(0, 12, 12)])
        means.append(drawn.mean())
    low, high = np.quantile(means, (0.1, 0.9))
    found = interval(values, pictures.tolist())
    alone = interval(values)
    assert found is not None
    assert alone is not None
    assert found[0] < low < values.mean() < high < found[1]
    assert found[1] - found[0] > 1.5 * (alone[1] - alone[0])


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
    low, high = difference_interval([True] * 100, [True] * 100)  # type: ignore[misc]
    assert high == -low == pytest.approx(1 - 0.025 ** (1 / 100)), "no change in 100 does not mean none ever"


@pytest.mark.parametrize(("hits", "trials"), [(1, 2), (3, 6), (5, 20), (0, 9), (9, 9)])
def test_one_question_a_picture_is_clopper_and_pearson(hits: int, trials: int) -> None:
    """Against the definition (Clopper and Pearson 1934): at each end, what was seen has a probability of 2.5 %."""
    low, high = interval([1.0] * hits + [0.0] * (trials - hits))  # type: ignore[misc]
    chance = [math.comb(trials, k) for k in range(trials + 1)]
    at_least = sum(chance[k] * low**k * (1 - low) ** (trials - k) for k in range(hits, trials + 1))
    at_most = sum(chance[k] * high**k * (1 - high) ** (trials - k) for k in range(hits + 1))
    assert (low == 0) if hits == 0 else at_least == pytest.approx(0.025)
    assert (high == 1) if hits == trials else at_most == pytest.approx(0.025)


def test_one_picture_says_next_to_nothing() -> None:
    low, high = interval([1.0, 0.0, 0.0, 0.0], ["a.png"] * 4)  # type: ignore[misc]
    assert low < 0.01
    assert high > 0.9


def test_a_paired_difference_is_sharper_than_two_intervals() -> None:
    rng = np.random.default_rng(4)
    first = rng.random(300) < 0.6
    second = first | (rng.random(300) < 0.05)
    low, high = difference_interval(first.tolist(), second.tolist())  # type: ignore[misc]
    gain = second.mean() - first.mean()
    assert -0.02 < low < gain < high < 0.08
    assert low > 0, "every change is one for the better"
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
    rows += [record(3, correct=False, iou=0.0, abstained=True), record(4, answer="yes")]
    found = summarise(rows[:3], {"d": 3})
    assert found["mean_iou"] == pytest.approx(0.6), "an error has no box, and so no overlap"
    assert (found["iou_accuracy"], found["iou_n"]) == (1 / 2, 2)
    assert summarise(rows, {"d": 5})["mean_iou"] == pytest.approx(0.6), "nor has a question that asks for none"
    print_results(found)
    printed = capsys.readouterr().out
    assert "0.600" in printed
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
    counts = {k: found[k] for k in ("n", "correct", "accuracy", "interval", "errors", "unanswered")}
    found |= {"logics": {"godel": counts, "product": counts}}
    judge = dict.fromkeys(("both_right", "only_exact", "only_judge", "both_wrong", "judged"), 1)
    found |= {"judge": judge | {"model": "a <b>", "accuracy": 0.5, "interval": [0.4, 0.6]}}
    page = write_report(tmp_path, rows, found).read_text(encoding="utf-8")
    low, high = found["interval"]
    assert page.count(f"{low * 100:.1f}–{high * 100:.1f}") >= 3
    for words in ("mean IoU", "a &lt;b&gt; judged", "Who is to blame for 2 of 20", "Logics, on one run", "40.0–60.0"):
        assert words in page
