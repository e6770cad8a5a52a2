"""Rules from examples: the search says what programs say, finds what was hidden, and asks nothing twice."""

from __future__ import annotations

import itertools
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neptune import Engine, Scene
from neptune.cli import main
from neptune.cli.subcommands import run_command
from neptune.errors import ConfigError, DatasetError, NeptuneError, OracleError
from neptune.learn.induce import task as induction
from neptune.learn.induce.ranking import WEIGHTS, bits_of, imagined, margin, ranked
from neptune.learn.induce.rules import FORMS, Rule, value
from neptune.learn.induce.search import SLACK, Search, logs
from neptune.learn.induce.tables import LIMIT, Tables, Words, padded, scores
from neptune.learn.induce.task import InduceConfig, induce
from neptune.scene.types import Scores

SAMPLE = Path(__file__).resolve().parents[2] / "examples" / "clevr"


@pytest.fixture(scope="module")
def soft() -> Engine:
    return Engine("random", None, seed=3)


@pytest.fixture(scope="module")
def words(soft: Engine) -> Words:
    return Words.of(soft.vocabulary)


def rules_of(words: Words) -> Any:
    """Draw rules of every form."""
    literals = st.lists(
        st.tuples(st.integers(0, len(words.unary) - 1), st.booleans()), min_size=1, max_size=3, unique_by=lambda p: p[0]
    ).map(lambda found: tuple(sorted(found)))
    relation, number = st.integers(0, len(words.binary) - 1), st.integers(1, 4)
    return st.one_of(
        st.builds(lambda form, a, n: Rule(form, a, number=n * (form in ("at_least", "exactly"))),
                  st.sampled_from(["exists", "no", "at_least", "exactly"]), literals, number),
        st.builds(lambda form, a, b: Rule(form, a, b), st.sampled_from(["both", "more"]), literals, literals),
        st.builds(lambda a, b, r: Rule("pair", a, b, r), literals | st.just(()), literals | st.just(()), relation),
    )  # fmt: skip


@settings(max_examples=25, deadline=None)
@given(data=st.data(), seed=st.integers(0, 3), objects=st.integers(1, 6))
def test_a_rule_is_as_true_as_its_program(soft: Engine, words: Words, data: Any, seed: int, objects: int) -> None:
    rule = data.draw(rules_of(words))
    scene = Scene.synthetic(objects, seed=seed)
    tables = padded([scores(soft, scene, words), scores(soft, Scene.synthetic(7, seed=9), words)])
    found = 1.0 / (1.0 + np.exp(-float(value(tables, rule)[0])))
    answer = soft.run(rule.program(words), scene)
    said = answer.probability if answer.value else 1.0 - float(answer.probability or 0.0)
    assert found == pytest.approx(said, abs=2e-5), rule.program(words)


def test_what_follows_from_the_place_is_no_coincidence() -> None:
    """Of a scene made at random the values are new, and the places those of a picture."""
    words = Words(("red", "low", "near_wall"), ("above", "same_color"), {"red": "Color"})
    rng = np.random.default_rng(1)
    low = rng.uniform(size=(9, 4)) < 0.4
    unary = np.stack([rng.uniform(size=(9, 4)) < 0.5, low, low | (rng.uniform(size=(9, 4)) < 0.1)])
    above = np.triu(rng.uniform(size=(9, 4, 4)) < 0.5, 1)
    logits = [np.where(t, LIMIT, -LIMIT).astype(np.float32) for t in (unary, np.stack([above, above]))]
    made = imagined(Tables(*logits, np.ones((9, 4), np.bool_)), words, rng)
    true = made.unary > 0
    assert (true[1] <= true[2]).all()
    assert not ((made.binary[0] > 0) & (made.binary[0] > 0).swapaxes(1, 2)).any()
    known = {picture.tobytes() for picture in unary[0]}
    assert any(picture.tobytes() not in known for picture in true[0])


def test_the_search_leaves_out_nothing_that_fits(words: Words) -> None:
    """Beside the slow, obvious way: all rules of up to two literals, each evaluated alone."""
    engine = Engine("scene", None, oracle_options={"noise": 0.2, "seed": 5})
    few = Words(("large", "red", "metal", "cube"), ("left", "same_size"), {w: words.sort_of[w] for w in words.sort_of})
    tables = padded([scores(engine, Scene.synthetic(4, seed=k), few) for k in range(8)])
    positive = np.arange(8) < 4
    found = Search(tables, positive, few, 2, frozenset(FORMS)).run().near()
    one = [((k, d),) for k in range(4) for d in (False, True)]
    two = [tuple(sorted(a + b)) for a, b in itertools.combinations(one, 2) if a[0][0] != b[0][0]]
    every = [Rule(f, c) for f in ("exists", "no") for c in (*one, *two)]
    every += [Rule("at_least", c, number=n) for c in (*one, *two) for n in (2, 3, 4)]
    every += [Rule("exactly", c, number=n) for c in (*one, *two) for n in (1, 2, 3)]
    every += [Rule("both", a, b) for a in one for b in one if a < b]
    every += [Rule("pair", c, (), r) for c in ((), *one) for r in range(2)]
    every += [Rule("pair", (), c, 0) for c in one]

    def fit(rule: Rule) -> float:
        yes, no = logs(value(tables, rule))
        return float(np.where(positive, yes, no).sum())

    best = max(map(fit, every))
    for rule in every:
        if fit(rule) >= best - SLACK + 1e-6:
            same = [r for r in found if fit(r) == pytest.approx(fit(rule), abs=1e-4)]
            assert rule in found or (rule.form == "pair" and same), rule.program(few)
    assert all(found[r][0] == pytest.approx(fit(r), abs=1e-4) for r in found)


FRESH = 15
"""Pictures of each side on which rules are compared."""
HIDDEN = [
    "exists(Object, lambda x: red(x) and cube(x))",
    "exists(Object, lambda x: exists(Object, lambda y: blue(x) and left(x, y) and sphere(y)))",
    "no(Object, lambda x: yellow(x))",
    "forall(Object, lambda x: implies(cube(x), metal(x)))",
    "count(Object, lambda x: cylinder(x)) >= 3",
]


@pytest.mark.parametrize("program", HIDDEN)
def test_a_hidden_rule_is_among_the_first_three(program: str, words: Words) -> None:
    engine = Engine("scene", None)
    pools: dict[bool, list[Scene]] = {True: [], False: []}
    for seed in range(400):
        scene = Scene.synthetic(3 + seed % 6, seed=seed)
        pools[bool(engine.run(program, scene).value)].append(scene)
        if min(map(len, pools.values())) == 6 + FRESH:
            break
    shown = [*pools[True][:6], *pools[False][:6]]
    positive = np.arange(12) < 6
    tables = padded([scores(engine, s, words) for s in shown])
    found = Search(tables, positive, words, 3, frozenset(FORMS)).run()
    first = ranked(found, tables, positive, words, 3)
    fresh = [*pools[True][6 : 6 + FRESH], *pools[False][6 : 6 + FRESH]]
    expected = [bool(engine.run(program, s).value) for s in fresh]
    agreed = []
    assert margin(first[0].values, positive) > 0.9
    for row in first:
        agreed.append(
            np.mean([bool(engine.run(row.rule.program(words), s).value) for s in fresh] == np.array(expected))
        )
    assert max(agreed) >= 0.95, [r.rule.program(words) for r in first]


def test_a_forbidden_word_is_in_no_rule_and_what_it_hid_is_found() -> None:
    """In the manner of CLEVR-Hans, with scenes made for it."""
    engine = Engine("scene", None)
    yes: list[Scene] = []
    no: list[Scene] = []
    for seed in range(4000):
        scene = Scene.synthetic(5, seed=seed)
        rows = list(zip(*(scene.annotation.attributes[a] for a in ("size", "shape", "color")), strict=True))  # type: ignore[union-attr]
        meant = [row for row in rows if row[:2] == ("large", "cube")]
        if meant and all(row[2] == "gray" for row in meant) and len(yes) < 6:
            yes.append(scene)
        if not meant and not any(row[2] == "gray" for row in rows) and len(no) < 6:
            no.append(scene)
        if len(yes) == len(no) == 6:
            break
    positive = np.arange(12) < 6
    first: dict[str, list[str]] = {}
    for forbid in ("", "color"):
        words = Words.of(engine.vocabulary, [forbid] if forbid else [])
        tables = padded([scores(engine, s, words) for s in (*yes, *no)])
        rules = ranked(Search(tables, positive, words, 3, frozenset(FORMS)).run(), tables, positive, words, 3)
        first[forbid] = [r.rule.program(words) for r in rules]
    assert "gray" in first[""][0]
    assert not any(w in p for p in first["color"] for w in ("gray", "same_color", "red", "blue"))
    assert first["color"][0] == "exists(Object, lambda x: large(x) and cube(x))"


@pytest.mark.parametrize(
    ("forbid", "gone", "stays"),
    [
        ("left", {"left"}, {"behind"}),
        ("right", {"left"}, {"behind"}),
        ("gray", {"gray"}, {"red", "same_color"}),
        ("metal", {"metal", "rubber"}, {"red", "same_material"}),
        ("Color", {"red", "gray", "same_color"}, {"metal"}),
        ("size", {"large", "small", "same_size", "larger"}, {"same_color"}),
        ("ball", {"sphere"}, {"cube"}),
    ],
)
def test_what_is_forbidden(forbid: str, gone: set[str], stays: set[str]) -> None:
    found = Words.of(Engine("scene", None).vocabulary, [forbid])
    assert not gone & {*found.unary, *found.binary}
    assert stays <= {*found.unary, *found.binary}


def test_the_grammar_weighs_negations_and_forms(words: Words) -> None:
    plain, denied = Rule("exists", ((0, False),)), Rule("exists", ((0, True),))
    assert bits_of(denied, words) - bits_of(plain, words) == pytest.approx(WEIGHTS["negation"])
    counted = Rule("exactly", ((0, False),), number=2)
    assert bits_of(counted, words, {**WEIGHTS, "exactly": 9.0}) > bits_of(counted, words)


# --- the task ------------------------------------------------------------------------------------


def config(**fields: Any) -> InduceConfig:
    given = json.loads((SAMPLE.parents[1] / "configs" / "induce.json").read_text()) | {
        "vlm_model_name": "scene",
        "od_model": "scene",
    }
    for side in ("positive", "negative"):
        given[side] = [str(SAMPLE / "images" / Path(p).name) for p in given[side]]
    return InduceConfig(**(given | fields))


def test_the_task_finds_a_rule_and_asks_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = induce(config(), tmp_path, lambda *_: None)
    assert first["rules"][0]["program"] == "exists(Object, lambda x: metal(x) and sphere(x))"
    assert first["rules"][0]["margin"] > 0.99
    assert first["rules"][0]["right"] == {"positive": 6, "negative": 6}
    assert first["calls"] > 1000
    assert json.loads((tmp_path / "rules.json").read_text()) == first["rules"]

    def never(*_: Any) -> None:
        raise AssertionError("the oracle is asked again")

    monkeypatch.setattr(induction, "_engine", never)
    again = induce(config(forbid=["material"], top=2), tmp_path, lambda *_: None)
    assert again["calls"] == 0
    assert len(again["rules"]) == 2
    assert not any("metal" in r["program"] or "material" in r["program"] for r in again["rules"])


def test_a_killed_run_goes_on_where_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(induction, "CHUNK", 1)
    asked: list[str] = []
    real = induction.scores

    def counting(engine: Any, scene: Any, words: Any) -> Any:
        if len(asked) == 5:
            raise KeyboardInterrupt
        asked.append(scene.name)
        return real(engine, scene, words)

    monkeypatch.setattr(induction, "scores", counting)
    with pytest.raises(KeyboardInterrupt):
        induce(config(), tmp_path, lambda *_: None)
    monkeypatch.setattr(induction, "scores", lambda e, s, w: (asked.append(s.name), real(e, s, w))[1])
    resumed = induce(config(), tmp_path, lambda *_: None)
    assert len(asked) == len(set(asked)) == 12
    assert resumed["rules"] == induce(config(), tmp_path / "other", lambda *_: None)["rules"]


def test_other_words_or_another_oracle_are_asked_anew_and_damage_is_said(tmp_path: Path) -> None:
    induce(config(), tmp_path, lambda *_: None)
    assert induce(config(vlm_options={"noise": 0.01}), tmp_path, lambda *_: None)["calls"] > 0
    (tmp_path / "scores.npz").write_bytes(b"PK\x03\x04 no zip")
    with pytest.raises(DatasetError, match=r"scores"):
        induce(config(), tmp_path, lambda *_: None)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"forbid": ["colr"]}, "'colr' is forbidden, and is no word"),
        ({"forbid": ["color", "size", "material", "shape"]}, "No word of 'clevr' is left"),
        ({"forms": ["exist"]}, "There is no form 'exist'"),
        ({"costs": {"exist": 1}}, "There is no cost 'exist'"),
        ({"positive": ["nowhere"]}, "There is no such picture or folder"),
        ({"positive": [str(SAMPLE)]}, "There is no picture in the folder"),
        ({"positive": [str(SAMPLE / "images")]}, "is positive and negative"),
    ],
)
def test_what_is_wrong_is_said_before_anything_is_asked(fields: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(NeptuneError, match=message):
        induce(config(**fields), tmp_path, lambda *_: None)
    assert not (tmp_path / "scores.npz").exists()


def test_evidence_that_is_missing_is_no_score(words: Words) -> None:
    class Silent:
        name = "silent"

        def score(self, requests: Any) -> list[Scores]:
            return [Scores.of(np.full(len(r.objects), np.nan)) for r in requests]

        def query(self, requests: Any) -> list[list[str | None]]:
            return [[None] * len(r.objects) for r in requests]

    with pytest.raises(OracleError, match="no evidence for"):
        scores(Engine(Silent(), None), Scene.synthetic(3), words)


def test_the_command_ends_in_the_path_of_the_results(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for side in ("positive", "negative"):
        (tmp_path / side / "images").mkdir(parents=True)
        for path in getattr(config(), side):
            shutil.copy(path, tmp_path / side / "images")
        shutil.copy(SAMPLE / "scenes.json", tmp_path / side)
    monkeypatch.chdir(tmp_path)
    command = ["--positive", "positive/images", "--negative", "negative/images", "--od_model", "scene"]
    assert run_command("induce", [*command, "--vlm_model_name", "scene", "--output_dir", "out", "--top", "1"]) == 0
    lines = capsys.readouterr().out.strip().splitlines()
    assert lines[-1] == "out/results.json"
    assert "metal(x) and" in " ".join(lines)
    with pytest.raises(ConfigError, match="colr"):
        run_command("induce", [*command, "--forbid", "colr", "--output_dir", "out2"])
    assert main(["--config", str(SAMPLE.parents[1] / "configs/induce.json"), "--dry_run"]) == 0


def test_an_unknown_field_is_an_error() -> None:
    with pytest.raises(ValueError, match="extra"):
        config(positives=[])
