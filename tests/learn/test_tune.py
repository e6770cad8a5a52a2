"""Tuning: shifts, cached logits, figures, the descent, and runs from the command line."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch

from dsl.vocabulary import Vocabulary
from neptune.algebra import AlgebraError, LogicParameters
from neptune.cli import main
from neptune.engine.session.soft_answers import SoftAnswer
from neptune.errors import ConfigError
from neptune.learn.finetune.targets import Target
from neptune.learn.finetune.training_examples import TrainingExample
from neptune.learn.tune import measure
from neptune.learn.tune.fit import LEARNABLE, Settings, fit
from neptune.learn.tune.kinds import kinds_of
from neptune.learn.tune.logits import CachedLogits
from neptune.learn.tune.samples import Shown, read_shown
from neptune.learn.tune.shifts import Shift
from neptune.perception.oracle.embedded import EmbeddedOracle
from neptune.perception.oracle.scene import SceneOracle
from neptune.scene import Scene
from neptune.scene.types import Question, ScoreRequest, Scores

SAMPLE = Path(__file__).resolve().parents[2] / "examples" / "clevr"


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["--shift.kind", "blur"], "'shift': strength 0 changes nothing; expected one for blur, e.g. 2"),
        (["--shift.strength", "2"], "'shift': strength 2 has no kind; expected blur or noise"),
        (["--shift.kind", "blr", "--shift.strength", "2"], "did you mean 'blur'?"),
        (["--learn", "nothing"], "expected a list of T, b, theta, quantifier_tau, iota_tau, comparison_tau"),
        (["--learn", "T", "thet"], '\'learn\' is ["T", "thet"]; expected a list of T, b, theta'),
        (["--learn", "T", "thet"], "did you mean 'theta'?"),
    ],
)
def test_what_makes_no_sense_is_said_before_anything_is_tuned(
    words: list[str], line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = Path(__file__).resolve().parents[2] / "configs" / "tune-clevr.json"
    assert main(["--config", str(path), *words]) == 2
    said = capsys.readouterr().err
    assert line in said
    assert said.count("\n") == 1


def test_calibration_error_is_the_mean_gap_over_bins() -> None:
    random = np.random.default_rng(0)
    p = np.concatenate([random.random(200), [0.0, 1.0, 0.5]])
    right = random.random(203) < 0.7
    expected = 0.0
    for k in range(15):
        inside = [i for i in range(203) if k / 15 <= p[i] < (k + 1) / 15 or (k == 14 and p[i] == 1.0)]
        if inside:
            gap = abs(np.mean([p[i] for i in inside]) - np.mean([right[i] for i in inside]))
            expected += len(inside) / 203 * gap
    assert measure.calibration_error(p, right) == pytest.approx(expected)
    assert measure.calibration_error([1.0, 1.0], [True, False]) == pytest.approx(0.5)
    assert measure.calibration_error([0.5, 0.5], [True, False]) == 0.0
    assert measure.calibration_error([], []) == 0.0


def test_the_interval_of_the_calibration_error_draws_pictures() -> None:
    random = np.random.default_rng(0)
    p = random.uniform(0.5, 1.0, 600)
    right = random.random(600) < p - 0.2
    alone = measure.calibration_interval(p, right, list(range(600)))
    assert alone is not None
    assert alone[0] < measure.calibration_error(p, right) < alone[1]
    # Each picture ten times over: as many answers, but a tenth of the evidence.
    clusters = [i // 10 for i in range(600)]
    tenfold = measure.calibration_interval(np.repeat(p[::10], 10), np.repeat(right[::10], 10), clusters)
    assert tenfold is not None
    assert tenfold[1] - tenfold[0] > 2 * (alone[1] - alone[0])
    assert measure.calibration_interval([], [], []) is None


def test_likelihood_and_brier_score_of_a_distribution() -> None:
    p = torch.tensor([0.2, 0.5, 0.3], dtype=torch.float64)
    nll, brier, likely, right = measure._scores(SoftAnswer("number", (0, 1, 2), p), Target("number", 2))
    assert nll == pytest.approx(-math.log(0.3))
    assert brier == pytest.approx(0.2**2 + 0.5**2 + 0.7**2)
    assert (likely, right) == (0.5, False)
    nll, brier, _, right = measure._scores(SoftAnswer("number", (0, 1, 2), p), Target("number", 7))
    assert nll == pytest.approx(-math.log(1e-6))
    assert brier == pytest.approx(0.2**2 + 0.5**2 + 0.3**2 + 1.0)
    truth = SoftAnswer("truth", (False, True), torch.tensor([0.1, 0.9], dtype=torch.float64))
    assert measure._scores(truth, Target("truth", True))[1] == pytest.approx(2 * 0.1**2)
    assert measure._scores(None, Target("truth", True))[3] is False
    assert not measure.same_value(True, Target("number", 1))
    assert measure.same_value([3], Target("object", 3))


# --- kinds of predicates ---


def test_kinds_follow_the_vocabulary() -> None:
    clevr = Vocabulary.load("clevr")
    kinds = kinds_of(clevr, "kind")
    assert set(kinds) == {"Size", "Color", "Material", "Shape", "relation", "same"}
    assert "red" in kinds["Color"]
    assert "left" in kinds["relation"]
    assert "same_size" in kinds["same"]
    assert kinds_of(clevr, "all") == {}
    assert kinds_of(clevr, "predicate")["red"] == ("red",)
    assert kinds_of(Vocabulary.open(), "kind") == {}


def test_predicates_of_a_kind_share_its_temperature() -> None:
    p = LogicParameters(oracle={"Color": (2.0, 1.0), "left": (4.0, 0.0)}, kinds={"Color": ["red", "blue"]})
    logits = torch.tensor([[4.0, -math.inf], [4.0, 1.0], [4.0, 8.0], [4.0, 0.3]])
    names = ["red", "cube", "left", "blue"]
    rows = p.calibrate_rows(logits, names)
    assert rows[:, 0].tolist() == [3.0, 4.0, 1.0, 3.0]
    assert torch.equal(rows, torch.stack([p.calibrate(x, n) for x, n in zip(logits, names, strict=True)]))
    again = LogicParameters.from_dict(json.loads(json.dumps(p.to_dict())))
    assert again.kind_of("red") == "Color"
    assert again.kind_of("cube") == "default"
    assert again.to_dict() == p.to_dict()
    with pytest.raises(AlgebraError, match="of the kinds"):
        LogicParameters(kinds={"a": ["red"], "b": ["red"]})


# --- cached logits ---


class Counted:
    """The scene oracle, counting the cells that it is asked."""

    name = "counted"

    def __init__(self) -> None:
        self.oracle, self.cells = SceneOracle(), 0

    def score(self, requests: Sequence[ScoreRequest]) -> list[Scores]:
        self.cells += sum(len(r.objects) for r in requests)
        return self.oracle.score(requests)


def test_logits_are_asked_once_and_kept_in_a_file(tmp_path: Path) -> None:
    scene, counted = Scene.synthetic(4, seed=1), Counted()
    request = ScoreRequest(scene, Question("red?", 1, "red"), np.arange(4).reshape(-1, 1))
    pairs = ScoreRequest(scene, Question("left?", 2, "left"), np.array([[0, 1], [2, 3]]))

    def cached(make=lambda: counted, identity: str = "a") -> CachedLogits:
        return CachedLogits(tmp_path / "logits.npz", identity, make, {scene.name: lambda: scene})

    def nobody():
        raise AssertionError("the model was loaded")

    first = cached()
    said = first([request, pairs])
    first.save()
    assert counted.cells == 6
    again = cached(nobody)([request, pairs])
    assert all(torch.equal(a, b) for a, b in zip(said, again, strict=True))
    cached()([ScoreRequest(scene, pairs.question, np.array([[0, 1], [3, 2]]))])
    assert counted.cells == 8
    with pytest.raises(ConfigError, match="said by another oracle"):
        cached(identity="b")
    (tmp_path / "logits.npz").write_bytes(b"PK nothing")
    with pytest.raises(ConfigError, match="can not be read"):
        cached()


# --- the descent ---


class Exaggerating:
    """Says of each object what a calibrated oracle would say, times a factor.

    The logits of a question that is true half of the time are drawn from N(±m/2, m): their likelihood ratio, and with
    even odds their posterior log-odds, is the number itself.
    """

    def __init__(self, factor: float, m: float = 3.0) -> None:
        self.factor, self.m, self.truth = factor, m, SceneOracle()

    def __call__(self, requests: Sequence[ScoreRequest]) -> list[torch.Tensor]:
        out = []
        for request, scores in zip(requests, self.truth.score(requests), strict=True):
            seed = [len(request.scene), *request.scene.name.encode(), *request.question.text.encode()]
            noise = np.random.default_rng(seed).normal(0.0, math.sqrt(self.m), len(request.objects))
            logits = np.sign(scores.logits) * self.m / 2 + noise
            out.append(torch.from_numpy((self.factor * logits).astype(np.float32)))
        return out


def examples(scene: Scene) -> list[TrainingExample]:
    """How many are large, how many are metal, and is there anything that is both?

    Of independent cells the product logic's count is the exact distribution; its ∃ is a maximum, which is not.
    """
    assert scene.annotation is not None
    sizes, materials = (scene.annotation.attributes[a] for a in ("size", "material"))
    both = any(s == "large" and m == "metal" for s, m in zip(sizes, materials, strict=True))
    asked = "exists(Object, lambda x: metal(x) and large(x))"
    return [
        TrainingExample("a", "count", "count(Object, lambda x: large(x))", Target("number", sizes.count("large")), 1),
        TrainingExample(
            "b", "count", "count(Object, lambda x: metal(x))", Target("number", materials.count("metal")), 1
        ),
        TrainingExample("c", "exist", asked, Target("truth", both), 1),
    ]


def synthetic(count: int, first: int = 0, objects: int = 4) -> list[Shown]:
    scenes = [Scene.synthetic(objects, seed=first + i) for i in range(count)]
    return [
        Shown(Path(f"{s.name}.png"), s, s.annotation, Shift(), 0, examples(s))
        for s in scenes
        if s.annotation is not None
    ]


def quiet(part: str, share: float, message: str) -> None:
    """No progress."""


def test_the_temperature_of_an_exaggerating_oracle_is_found(tmp_path: Path) -> None:
    kinds = {"attribute": ["large", "metal"]}
    start = LogicParameters("product", oracle={"attribute": (1.0, 0.0)}, kinds=kinds)
    settings = Settings(epochs=14, batch=250, lr=0.3, patience=6, learn=("T", "b"))
    # One object a scene: then all three questions have exact distributions.
    training, validation = synthetic(250, 0, 1), synthetic(80, 1000, 1)
    found, history = fit(start, training, validation, Exaggerating(5.0), settings, tmp_path / "c.pt", quiet)
    numbers = found.to_dict()["oracle"]
    assert numbers["attribute"]["T"] == pytest.approx(5.0, rel=0.15)
    assert abs(numbers["attribute"]["b"]) < 0.3
    assert numbers["default"] == {"T": 1.0, "b": 0.0}
    assert history["validation"][history["best_epoch"]] < 0.6 * history["validation"][0]
    assert start.to_dict()["oracle"]["attribute"]["T"] == 1.0


def test_the_descent_stops_early_and_keeps_the_best(tmp_path: Path) -> None:
    # From the right temperature, with steps far too large: nothing gets better.
    start = LogicParameters("product", oracle={"default": (1.0, 0.0)})
    settings = Settings(epochs=50, batch=40, lr=3.0, patience=2, learn=("T",))
    found, history = fit(
        start, synthetic(40), synthetic(40, 1000), Exaggerating(1.0), settings, tmp_path / "c.pt", quiet
    )
    assert history["best_epoch"] == 0
    assert len(history["training"]) == 2
    assert found.to_dict() == start.to_dict()


def test_a_killed_descent_goes_on_where_it_was(tmp_path: Path) -> None:
    start = LogicParameters("frank:0.1", quantifier_tau=0.2, comparison_tau=0.2)
    settings = Settings(epochs=4, batch=10, lr=0.1, patience=9)
    data = (synthetic(30), synthetic(20, 1000), Exaggerating(5.0), settings)
    whole, history = fit(start, *data, tmp_path / "whole.pt", quiet)

    def kill(part: str, share: float, message: str) -> None:
        if share >= 0.75:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit(start, *data, tmp_path / "killed.pt", kill)
    done: list[float] = []
    resumed, again = fit(start, *data, tmp_path / "killed.pt", lambda p, share, m: done.append(share))
    assert 1 <= len(done) < 4
    assert again == history
    assert resumed.to_dict() == whole.to_dict()
    # Nothing in these programs compares numbers.
    assert "log_tau.comparison" in history["unused"]
    assert resumed.to_dict()["comparison_tau"] == pytest.approx(0.2)


# --- runs ---


def tuned(out: Path, *more: str) -> int:
    words = ["--config", "configs/tune-clevr.json", "--data_dir", str(SAMPLE), "--val_dir", str(SAMPLE)]
    return main([*words, "--limit", "8", "--val_limit", "6", "--output_dir", str(out), *more])


def test_a_run_tunes_and_its_numbers_change_answers(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("matplotlib", reason="matplotlib is not installed: make setup")
    more = ["--shift.kind", "noise", "--shift.strength", "0.4", "--epochs", "2", "--lr", "0.3", "--batch", "2"]
    out = tmp_path / "tune"
    assert tuned(out, *more) == 0
    assert capsys.readouterr().out.strip().splitlines()[-1] == str(out / "results.json")
    results = json.loads((out / "results.json").read_text(encoding="utf-8"))
    for figure in ("accuracy", "ece", "nll", "brier"):
        for side in ("before", "after"):
            assert results[side][figure]["value"] >= 0
            assert len(results[side][figure]["interval"]) == 2
    assert results["after"]["nll"]["value"] < results["before"]["nll"]["value"]
    assert results["before"]["leaf"]["cells"] > 100
    assert (out / "reliability.png").stat().st_size > 1000
    assert (out / "curve.png").stat().st_size > 1000
    numbers = json.loads((out / "tuned.json").read_text(encoding="utf-8"))
    assert numbers == results["parameters"]
    assert numbers["oracle"]["Color"]["T"] != 1.0

    def no_model(*arguments: object, **options: object) -> None:
        raise AssertionError("the model was loaded")

    with monkeypatch.context() as patched:
        patched.setattr(EmbeddedOracle, "__init__", no_model)
        assert tuned(tmp_path / "again", *more, "--logits", str(out / "logits.npz")) == 0
    again = json.loads((tmp_path / "again" / "tuned.json").read_text(encoding="utf-8"))
    assert again == numbers

    ask = ["--config", "configs/clevr.json", "--data_dir", str(SAMPLE), "--num_samples", "12"]
    assert main([*ask, "--output_dir", str(tmp_path / "plain")]) == 0
    assert main([*ask, "--output_dir", str(tmp_path / "used"), "--logic_params", str(out / "tuned.json")]) == 0
    plain, used = (
        [json.loads(line) for line in (tmp_path / run / "samples.jsonl").read_text().splitlines()]
        for run in ("plain", "used")
    )
    changed = [a["probability"] != b["probability"] for a, b in zip(plain, used, strict=True)]
    assert sum(changed) > 6


def test_bad_input_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    (tmp_path / "logits.npz").write_bytes(b"nothing")
    assert tuned(out, "--shift.kind", "rotate") == 2
    assert tuned(out, "--dataset", "clever") == 2
    assert tuned(out, "--start.logic", "fuzzy") == 2
    assert tuned(out, "--logits", str(tmp_path / "logits.npz")) == 2
    assert tuned(out, "--vlm_model_name", "embeded") == 2
    assert tuned(out, "--vocabulary", "clever") == 2
    assert tuned(out, "--data_dir", str(tmp_path)) == 2
    (tmp_path / "p.json").write_text('{"logic": "godel", "thta": 1}', encoding="utf-8")
    words = ["--config", "configs/clevr.json", "--data_dir", str(SAMPLE), "--output_dir", str(out)]
    assert main([*words, "--logic_params", str(tmp_path / "p.json")]) == 2
    (tmp_path / "q.json").write_text('{"logic": "product"}', encoding="utf-8")
    assert main([*words, "--logic_params", str(tmp_path / "q.json"), "--logic", "godel,product"]) == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 9
    assert all(line.startswith("error: ") for line in lines)
    for line, text in zip(
        lines,
        ("shift.kind", "'clever'", "fuzzy", "can not be read", "embedded", "clever", "", "thta", "fixes one"),
        strict=True,
    ):
        assert text in line


def test_pictures_are_the_same_whatever_was_read_before(tmp_path: Path) -> None:
    shift = Shift(kind="crop", strength=0.3)
    few, _ = read_shown(["clevr"], str(SAMPLE), shift, 0, 2)
    more, problems = read_shown(["clevr", "clevr-refexps"], str(SAMPLE), shift, 0, 4)
    assert [s.scene.name for s in few] == [s.scene.name for s in more[:2]]
    assert not problems
    opened = more[1].open()
    assert opened.picture is not None
    assert (opened.boxes == more[1].scene.boxes).all()
    other, _ = read_shown(["clevr"], str(SAMPLE), shift, 1, 2)
    assert other[0].scene.name != few[0].scene.name
    assert set(LEARNABLE) >= {"T", "b", "theta"}
