"""``task: certify`` and runs under a certificate: exact where it must be, refused where it does not fit, audited."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from neptune.config import Config
from neptune.config.validation import ConfigProblems
from neptune.errors import ConfigError
from neptune.guarantees.certificate import Audit, Certificate
from neptune.learn.certify.task import certify
from neptune.runs.guarded.figures import certified_figures, warning
from neptune.runs.record import RESULTS, SAMPLES
from neptune.runs.runner.run import run_dataset

DATA = Path(__file__).resolve().parents[2] / "examples" / "clevr"


def config(folder: Path, **more: Any) -> Config:
    fields: dict[str, Any] = {"dataset": "clevr", "data_dir": str(DATA), "vlm_model_name": "scene", "od_model": "scene"}
    fields |= {"output_dir": str(folder), "inspect": "none", "num_samples": 24, "record_oracle": None}
    return Config(**(fields | more))


def made(folder: Path, **more: Any) -> Certificate:
    fields = {"task": "certify", "proxy_model_name": "scene", "proxy_options": {"noise": 0.1}}
    fields |= {"alpha": 0.5, "delta": 0.4}
    return certify(config(folder, **(fields | more)), folder, lambda *_: None)


def records(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / SAMPLES).read_text(encoding="utf-8").splitlines()]


@pytest.fixture(scope="module")
def certified(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Certificate]:
    folder = tmp_path_factory.mktemp("certified")
    return folder / "certificate.json", made(folder)


def test_a_run_under_a_certificate_asks_less_and_says_what_it_is_worth(
    certified: tuple[Path, Certificate], tmp_path: Path
) -> None:
    path, certificate = certified
    assert not certificate.exact
    chosen = min((t for t in certificate.tried if t.held), key=lambda t: t.calls)
    assert chosen.width == certificate.width  # all that hold do so at once: the cheapest is taken
    assert chosen.calls == pytest.approx(certificate.calls["certified"], abs=1e-3)
    assert certificate.calls["certified"] < certificate.calls["exact"]
    assert Certificate.load(path) == certificate
    assert run_dataset(config(tmp_path / "run", certificate=str(path), audit=0.5), "run") == 0
    found = records(tmp_path / "run")
    assert {r["guarantee"] for r in found} == {"certified"}
    audited = sum(r["usage"].get("audit_calls", 0) for r in found)
    calls = sum(r["usage"]["oracle_calls"] for r in found) - audited
    assert calls / len(found) == pytest.approx(certificate.calls["certified"], abs=0.01)
    results = json.loads((tmp_path / "run" / RESULTS).read_text(encoding="utf-8"))
    assert results["schedule"]["used"] == "lazy"
    figures = results["certificate"]
    assert figures["guarantees"] == {"certified": len(found)}
    assert figures["audit"]["asked"] == audited > 0
    assert figures["audit"]["alarm"] is False


def test_with_too_few_pictures_the_certificate_is_exact_and_so_is_the_run_bit_for_bit(tmp_path: Path) -> None:
    certificate = made(tmp_path / "made", alpha=0.01, delta=0.05)
    assert certificate.exact
    assert certificate.missing == 299 - certificate.pictures
    assert certificate.tried == []
    path = str(tmp_path / "made" / "certificate.json")
    run_dataset(config(tmp_path / "with", certificate=path), "with")
    run_dataset(config(tmp_path / "without", schedule="lazy"), "without")

    def comparable(record: dict[str, Any]) -> dict[str, Any]:
        usage = {k: v for k, v in record["usage"].items() if not k.endswith("_ms")}
        return {k: v for k, v in record.items() if k != "seconds"} | {"usage": usage}

    mine, theirs = records(tmp_path / "with"), records(tmp_path / "without")
    assert [comparable(r) for r in mine] == [comparable(r) for r in theirs]
    assert {r["guarantee"] for r in mine} == {"exact"}


def test_a_proxy_that_errs_is_not_certified(tmp_path: Path) -> None:
    """It says of everything no, and is sure: no width that spares anything keeps the risk."""
    certificate = made(tmp_path, proxy_options={"noise": 3.0, "seed": 5}, alpha=0.4, delta=0.4)
    held = [t for t in certificate.tried if t.held]
    assert not certificate.tried[-1].held
    assert certificate.exact or held[-1].loss <= 0.4


MISFITS = {
    "vlm_options": {"vlm_options": {"noise": 0.2}},
    "od_model": {"od_model": "embedded"},
    "logic": {"logic": "product"},
    "presuppositions": {"presuppositions": "answer"},
    "dataset": {"dataset": "clevr-puzzle"},
    "limits": {"limits": {"nodes": 1000}},
    "seed": {"seed": 1},
    "code_gen_provider": {"code_gen_provider": "embedded"},
}


@pytest.mark.parametrize("name", MISFITS)
def test_a_certificate_of_another_run_is_refused_and_says_why(
    name: str, certified: tuple[Path, Certificate], tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=f"made for another run.*{name}"):
        run_dataset(config(tmp_path / "run", certificate=str(certified[0]), **MISFITS[name]), "run")
    assert not (tmp_path / "run").exists()


def test_other_pictures_workers_and_folders_fit(certified: tuple[Path, Certificate], tmp_path: Path) -> None:
    fields = {"num_samples": 3, "workers": 2, "inspect": "values", "schedule": "all"}
    run_dataset(config(tmp_path / "run", certificate=str(certified[0]), **fields), "run")
    assert len(records(tmp_path / "run")) == 3


def test_questions_of_a_family_that_was_not_calibrated_are_answered_exactly(
    certified: tuple[Path, Certificate], tmp_path: Path
) -> None:
    _, certificate = certified
    kept = certificate.families["clevr"][:1]
    few = certificate.model_copy(update={"families": {"clevr": kept}})
    few.save(tmp_path / "few.json")
    run_dataset(config(tmp_path / "run", certificate=str(tmp_path / "few.json")), "run")
    found = {r["family"]: r["guarantee"] for r in records(tmp_path / "run")}
    assert {family for family, guarantee in found.items() if guarantee == "certified"} == set(kept)
    assert len(set(found.values())) == 2


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "can not be read"),
        ("", "no certificate"),
        ("[1]", "no certificate"),
        ('{"alpha": 2}', "no certificate"),
        ("\x00\xff", "no certificate"),
    ],
)
def test_what_is_no_certificate_is_refused(content: str | None, said: str, tmp_path: Path) -> None:
    path = tmp_path / "certificate.json"
    if content is not None:
        path.write_text(content, encoding="utf-8")
    with pytest.raises(ConfigError, match=said) as caught:
        Certificate.load(path)
    assert "certify" in caught.value.one_line()


def test_a_changed_proxy_is_refused(certified: tuple[Path, Certificate], tmp_path: Path) -> None:
    _, certificate = certified
    for proxy in ({"name": "scene"}, certificate.proxy | {"files": {"weights": "sha256:0"}}):
        certificate.model_copy(update={"proxy": proxy}).save(tmp_path / "other.json")
        with pytest.raises(ConfigError, match="proxy"):
            run_dataset(config(tmp_path / "run", certificate=str(tmp_path / "other.json")), "run")


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"task": "certify"}, "proxy_model_name"),
        ({"task": "certify", "proxy_model_name": "embeded"}, "did you mean"),
        ({"task": "certify", "proxy_model_name": "embedded", "max_run_calls": 9}, "budget"),
        ({"alpha": 0.1}, "belongs to task certify"),
        ({"audit": 0.5}, "does nothing without"),
        ({"certificate": "c.json", "logic": "godel,product"}, "several logics"),
        ({"certificate": "c.json", "bundle": "x.zip"}, "no proxy"),
    ],
)
def test_fields_that_do_not_go_together_are_named(fields: dict[str, Any], said: str, tmp_path: Path) -> None:
    from neptune.config import make_config

    (tmp_path / "c.json").write_text("{}", encoding="utf-8")
    if "certificate" in fields:
        fields = fields | {"certificate": str(tmp_path / "c.json")}
    base = {"dataset": "clevr", "data_dir": str(DATA)}
    with pytest.raises(ConfigProblems, match=said):
        make_config(base | fields, "test")


# --- the audit of a run ---


def certificate_with(mistaken: list[list[int]]) -> Certificate:
    return Certificate(
        alpha=0.1, delta=0.05, width=4.0, pictures=100, questions=100, questions_a_picture=1, missing=0, tried=[],
        calls={}, proxy={}, audit=Audit(pictures=100, mistaken=mistaken, confidence=0.99), families={}, fits={},
    )  # fmt: skip


def audited(pictures: int, skipped: int, wrong: int, of: int = 1) -> list[dict[str, Any]]:
    """Two questions on each picture; each `of`-th picture is audited."""
    usage = {"audit_skipped": skipped}
    seen = {"audit_calls": skipped // 10, "audit_wrong": wrong, "audit_questions": 1}
    return [
        {"dataset": "d", "id": f"{p}-{q}", "picture": f"{p}.png", "guarantee": "certified",
         "usage": usage if p % of else usage | seen}
        for p in range(pictures)
        for q in range(2)
    ]  # fmt: skip


def test_the_alarm_of_a_run_rings_for_a_proxy_that_errs_and_only_then() -> None:
    certificate = certificate_with([[1, 0]])
    quiet = certified_figures(certificate, 0.1, audited(100, 20, 0))
    assert warning(quiet) == ""
    assert quiet["audit"]["seen"] == 0.0
    loud = certified_figures(certificate, 0.1, audited(100, 20, 1))  # 1 of 2 audited
    assert loud["audit"]["alarm"]
    assert loud["audit"]["seen"] == 1.0
    assert "ALARM" in warning(loud)
    assert loud["audit"]["rang_at"] < 20  # pictures, not questions
    silent = certified_figures(certificate, 0.0, audited(100, 20, 1, of=1000))
    assert "alarm" not in silent["audit"]


def test_pictures_that_are_not_audited_are_no_bets() -> None:
    """They count only in the number of pictures after which it rang."""
    certificate = certificate_with([])
    every, fifth = (certified_figures(certificate, 0.02, audited(200, 20, 1, of=k))["audit"] for k in (1, 5))
    assert (every["pictures"], fifth["pictures"]) == (200, 40)
    assert every["at_most"] == fifth["at_most"]
    assert (fifth["rang_at"] - 1) / 5 == every["rang_at"] - 1


def test_what_calibration_allows_hangs_on_how_much_of_a_picture_is_audited() -> None:
    few, many = (certificate_with([[n]] * 10).audit for n in (1, 20))
    assert few is not None
    assert many is not None
    assert few.at_most(0.1) < few.at_most(0.5) < many.at_most(0.5)
    assert few.at_most(0.1) > 0.01  # 1 of 10, on 10 of 100 pictures


@pytest.mark.parametrize(
    ("audit", "said"),
    [
        ({"at_most": 0.01, "confidence": 0.99}, "an earlier version"),
        ({"pictures": 1, "mistaken": [[1], [2]], "confidence": 0.99}, "2 pictures with mistakes of 1"),
        ({"pictures": 3, "mistaken": [[-1]], "confidence": 0.99}, "audit.mistaken"),
    ],
)
def test_an_audit_that_makes_no_sense_is_refused(audit: dict[str, Any], said: str, tmp_path: Path) -> None:
    path = tmp_path / "certificate.json"
    certificate_with([]).save(path)
    path.write_text(json.dumps(json.loads(path.read_text(encoding="utf-8")) | {"audit": audit}), encoding="utf-8")
    with pytest.raises(ConfigError, match=said):
        Certificate.load(path)
