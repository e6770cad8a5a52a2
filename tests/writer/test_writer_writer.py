"""From a question to a program: repair, several samples, votes, and the cache."""

from __future__ import annotations

import gzip
import json
import multiprocessing
import sys
import threading
from pathlib import Path

import pytest
from helpers.fault_server import fails, says, serving

import dsl
from dsl import Vocabulary
from neptune.answer import Answer
from neptune.config import make_config
from neptune.engine.analysis.equivalence import plan_key
from neptune.engine.assemble import writer_of
from neptune.errors import DatasetError, NeptuneError
from neptune.writer import failures
from neptune.writer.chat import Chat, Settings
from neptune.writer.store import ProgramStore, make_key
from neptune.writer.vote import Candidate, answer_together, canonical, first_difference, merge
from neptune.writer.writer import Writer, default_cache

pytest.importorskip("openai", reason="openai is not installed: make setup")
ROOT = Path(__file__).resolve().parents[2]
CLEVR = Vocabulary.load("clevr")
GOOD, BAD = "count(Object, lambda x: red(x))", "count(Object, lambda x: red(y))"


def writer(server, store=None, **more):
    chat = Chat(Settings("local", "m", server.url, timeout=5, retries=0, constrained="off"))
    return Writer(chat, store, vocabulary=CLEVR, **more)


# --- repair ---


def test_a_good_program_needs_one_request():
    with serving(lambda request, n: GOOD) as server:
        written = writer(server).write("How many red things?", "clevr")
    assert written.program == GOOD
    assert written.source == "m"
    assert written.usage.calls == 1
    assert not written.notes
    assert len(written.prompt_hash) == 16


def test_the_error_goes_back_with_the_programs_line():
    with serving(lambda request, n: BAD if n == 0 else GOOD) as server:
        written = writer(server).write("How many red things?")
    assert written.program == GOOD
    assert written.usage.calls == 2
    assert any("sent back" in note for note in written.notes)
    *_, said, back = server.requests[1]["messages"]
    assert said == {"role": "assistant", "content": BAD}
    assert BAD in back["content"]
    assert "^" in back["content"]


def test_a_mistake_repeated_word_by_word_is_asked_warmer():
    with serving(lambda request, n: BAD if n < 3 else GOOD) as server:
        assert writer(server, repairs=3).write("How many?").program == GOOD
    assert [r["temperature"] for r in server.requests] == [0.0, 0.0, 0.7, 0.7]
    assert len({r["seed"] for r in server.requests[1:]}) == 3


@pytest.mark.parametrize("repairs", [0, 1, 2])
def test_at_most_k_repairs(repairs):
    with serving(lambda request, n: BAD) as server:
        with pytest.raises(dsl.ProgramError) as caught:
            writer(server, repairs=repairs).write("How many?")
        assert len(server.requests) == repairs + 1
    assert caught.value.source == BAD
    assert caught.value.spent.calls == repairs + 1


def test_truncated_and_empty_replies_are_asked_again():
    answers = [says("count(Obj", finish="length"), says(""), says(GOOD)]
    with serving(lambda request, n: answers[n]) as server:
        written = writer(server).write("How many?")
        assert written.program == GOOD
        assert "no program" in server.requests[1]["messages"][-1]["content"]


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (says("count(Obj", finish="length"), failures.TruncatedError),
        (says(""), failures.EmptyReplyError),
        (says(None, refusal="no"), failures.RefusedError),
    ],
)
def test_replies_that_stay_useless(answer, kind):
    with serving(lambda request, n: answer) as server:
        asked = writer(server)
        with pytest.raises(kind):
            asked.write("How many?")
        assert len(server.requests) == (1 if kind is failures.RefusedError else 3)
    assert asked.spent.calls == len(server.requests)


def test_wrapping_is_taken_away_and_reported():
    with serving(lambda request, n: f"Sure:\n```python\n{GOOD}\n```") as server:
        written = writer(server).write("How many?")
    assert written.program == GOOD
    assert written.notes == ("took the program from a code fence",)


# --- several programs ---

SAME = ["count(Object, lambda x: red(x) and cube(x))", "count(Object, lambda o: (block(o) and red(o)))"]
OTHER = "count(Object, lambda x: red(x) and sphere(x))"


def test_equal_plans_are_merged_not_equal_texts(tmp_path):
    config = {"code_gen_provider": "local", "code_gen_model_name": "m", "code_gen_samples": 3, "task": "ask"}
    config |= {"image": "x.png", "question": "?", "program_cache_address": str(tmp_path / "p.json")}
    with serving(lambda request, n: says(OTHER, *SAME)) as server:
        asked = writer_of(make_config(config | {"code_gen_base_url": server.url}))
        written = asked.write("How many?", "clevr")
    assert [c.program for c in written.candidates] == [SAME[0], OTHER]
    assert [c.weight for c in written.candidates] == pytest.approx([2 / 3, 1 / 3])
    assert "3 programs, 2 different" in written.notes


def test_samples_that_are_no_programs_do_not_vote():
    with serving(lambda request, n: says(GOOD, BAD, GOOD)) as server:
        written = writer(server, samples=3, repairs=0).write("How many?")
    assert len(written.candidates) == 1
    assert "1 of 3 samples were no programs" in written.notes


def test_plan_keys():
    key = lambda text: plan_key(text, CLEVR)  # noqa: E731
    assert key(SAME[0]) == key(SAME[1]) != key(OTHER)
    assert key("count(Object, lambda x: red(x)) > 2") == key("2 < count(Object, lambda z: red(z))")
    assert key("exists(Object, lambda x: not (not cube(x)))") == key("exists(Object, lambda x: cube(x))")
    assert key("same_color(iota(Object, lambda x: cube(x)), iota(Object, lambda x: sphere(x)))") is not None
    assert key("if exists(Object, lambda x: red(x)):\n    return 1\nreturn 2") is None
    assert key("a = 1\nreturn a") == key("1")
    with pytest.raises(dsl.ProgramError):
        key(BAD)


def test_canonical_texts_are_equal_up_to_names():
    shown = [
        canonical(dsl.parse(t)) for t in ("count(Object, lambda x: red(x))", "count(Object, lambda red_1: red(red_1))")
    ]
    assert shown[0] == shown[1]
    quoted = canonical(dsl.parse('x = score("is x red?")\nreturn x.count("x")'))
    assert '"is x red?"' in quoted
    assert canonical(dsl.parse("left(x, y)")) != canonical(dsl.parse("left(y, x)"))


def test_merge_counts_shares_and_keeps_the_first():
    assert merge([("a", 1), ("b", 2), ("c", 2), ("d", 3)]) == [
        Candidate("b", 0.5), Candidate("a", 0.25), Candidate("d", 0.25),
    ]  # fmt: skip


def test_first_difference():
    one, other = (
        "exists(Object, lambda x: red(x) and left(x, y))",
        "exists(Object, lambda x: red(x) and behind(x, y))",
    )
    assert first_difference(one, other) == "left/2 against behind/2"
    assert "which only one" in first_difference(one, "exists(Object, lambda x: red(x))")
    assert "no predicate" in first_difference("exists(Object, lambda x: a(x))", "forall(Object, lambda x: a(x))")
    assert first_difference('score("a?").count()', 'score("b?").count()') == '"a?" against "b?"'


def test_answers_are_combined_by_weight():
    values = {"red(x)": 1, "blue(x)": 2, "green(x)": 2}
    candidates = [Candidate("red(x)", 0.4), Candidate("blue(x)", 0.3), Candidate("green(x)", 0.3)]
    answer, program = answer_together(candidates, lambda p: Answer(values[p], "number"))
    assert (answer.value, program) == (2, "blue(x)")
    assert any("disagree (1: 0.40, 2: 0.60)" in note for note in answer.notes)
    assert any("first on blue/1 against red/1" in note for note in answer.notes)


def test_failing_and_abstaining_programs_have_no_say():
    def run(program: str) -> Answer:
        if program == "bad":
            raise dsl.ProgramError("it is wrong")
        return Answer(None, "nothing", abstained=True) if program == "mute" else Answer(True, "truth")

    candidates = [Candidate("bad", 0.5), Candidate("mute", 0.4), Candidate("good", 0.1)]
    answer, program = answer_together(candidates, run)
    assert (answer.value, program) == (True, "good")
    assert any("failed: it is wrong" in note for note in answer.notes)
    with pytest.raises(dsl.ProgramError, match="it is wrong"):
        answer_together(candidates[:1] * 2, run)


# --- the cache ---


def entry(question: str, program: str = GOOD, **more):
    return {"question": question, "programs": [{"program": program, "weight": 1.0}], **more}


def test_what_was_written_costs_nothing_again(tmp_path):
    path = tmp_path / "programs" / "written.json"
    with serving(lambda request, n: GOOD) as server:
        first = writer(server, ProgramStore(path)).write("How many red things?", "clevr")
        # another process, before anything was merged into the JSON file
        again = writer(server, ProgramStore(path)).write(" how many RED things", "clevr")
        assert len(server.requests) == 1
        asked = writer(server, ProgramStore(path))
        asked.write("How many red things?", "clevr-rpm")  # another task is another prompt
        asked.close()
        assert len(server.requests) == 2
    assert (first.source, again.source) == ("m", "cache")
    assert again.program == GOOD
    assert again.usage.calls == 0
    assert len(json.loads(path.read_text())["programs"]) == 2
    assert [p.name for p in path.parent.iterdir() if not p.name.startswith(".")] == ["written.json"]


def test_the_key_covers_what_can_change_a_program():
    base = ("Q?", "clevr", "hash", "model", {"temperature": 0.0})
    keys = {make_key(*base)}
    for place, value in enumerate(("P?", "rpm", "other", "m2", {"temperature": 1.0})):
        keys.add(make_key(*base[:place], value, *base[place + 1 :]))
    assert len(keys) == 6
    assert make_key(" q ", *base[1:]) == make_key(*base)


@pytest.mark.parametrize("name", ["p.json", "p.json.gz"])
def test_stores_of_both_kinds_and_the_journal(tmp_path, name):
    store = ProgramStore(tmp_path / name)
    store.add("k1", entry("A?"))
    assert ProgramStore(tmp_path / name, writable=False).find("a") is not None
    store.close()
    store.add("k2", entry("B?"))
    store.close()
    store.close()
    raw = (tmp_path / name).read_bytes()
    data = json.loads(gzip.decompress(raw) if name.endswith(".gz") else raw)
    assert set(data["programs"]) == {"k1", "k2"}
    assert len(ProgramStore(tmp_path / name)) == 2


def test_a_torn_line_hurts_nobody(tmp_path):
    path = tmp_path / "p.json"
    store = ProgramStore(path)
    store.add("k1", entry("A?"))
    with open(tmp_path / "p.json.new", "ab") as journal:
        journal.write(b'\n["k2", {"quest')  # killed here
    store.add("k3", entry("C?"))
    assert {q for q in "ABC" if ProgramStore(path).find(q)} == {"A", "C"}


def test_the_newest_program_of_the_task_and_model_is_found(tmp_path):
    store = ProgramStore(tmp_path / "p.json")
    store.add("1", entry("Q?", "a", task="clevr", model="m1"))
    store.add("2", entry("Q?", "b", task="rpm", model="m1"))
    store.add("3", entry("Q?", "c", task="clevr", model="m2"))
    for task, model, expected in (("rpm", None, "b"), ("clevr", None, "c"), ("clevr", "m1", "a")):
        assert store.find("Q", task, model)["programs"][0]["program"] == expected
    assert store.find("Q", None, "m3") is None


def test_neptunes_plain_files_are_read_and_never_changed(tmp_path):
    path = tmp_path / "plain.json"
    path.write_text(json.dumps({"How many red things?": GOOD}))
    before = path.read_bytes()
    offline = Writer(None, ProgramStore(path, writable=False))
    assert offline.write("how many red things", "any").program == GOOD
    with pytest.raises(failures.NoProgramError, match="no program"):
        offline.write("How many blue things?")
    with serving(lambda request, n: "count(Object, lambda x: blue(x))") as server:
        asked = writer(server, ProgramStore(path))
        assert asked.write("How many red things?").source == "cache"
        asked.write("How many blue things?")
        asked.close()
        assert len(server.requests) == 1
    assert path.read_bytes() == before
    assert len(ProgramStore(tmp_path / "plain-written.json")) == 1


def test_provider_cache_reads_what_a_model_has_written(tmp_path):
    path = tmp_path / "p.json"
    with serving(lambda request, n: says(GOOD, OTHER)) as server:
        asked = writer(server, ProgramStore(path), samples=2)
        asked.write("Q?", "clevr")
        asked.close()
    config = {"task": "ask", "image": "x.png", "question": "Q?", "code_gen_provider": "cache"}
    offline = writer_of(make_config(config | {"program_cache_address": str(path)}))
    written = offline.write("Q?", "clevr")
    assert [c.program for c in written.candidates] == [GOOD, OTHER]
    assert written.prompt_hash


@pytest.mark.parametrize("content", ["[]", "{", '{"format": "neptune-programs", "programs": 3}', '{"Q": 3}'])
def test_damaged_files_are_errors_that_name_them(tmp_path, content):
    path = tmp_path / "p.json"
    path.write_text(content)
    with pytest.raises(DatasetError, match=r"p\.json"):
        ProgramStore(path)


def test_a_cache_that_does_not_exist(tmp_path):
    with pytest.raises(DatasetError, match="does not exist"):
        ProgramStore(tmp_path / "no.json", writable=False)
    assert len(ProgramStore(tmp_path / "no.json")) == 0


def _add_many(path: str, who: int) -> None:
    store = ProgramStore(path)
    for i in range(40):
        store.add(f"{who}-{i}", entry(f"question {who} {i}"))
        if i % 7 == who % 7:
            store.close()
    store.close()


def test_several_processes_and_threads_lose_nothing(tmp_path):
    path = str(tmp_path / "p.json")
    context = multiprocessing.get_context("fork")
    workers = [context.Process(target=_add_many, args=(path, who)) for who in range(4)]
    for worker in workers:
        worker.start()
    store = ProgramStore(path)
    threads = [
        threading.Thread(target=lambda t=t: [store.add(f"t{t}-{i}", entry(f"t {t} {i}")) for i in range(20)])
        for t in range(3)
    ]
    for thread in threads:
        thread.start()
    for each in (*threads, *workers):
        each.join(timeout=60)
    store.close()
    assert all(worker.exitcode == 0 for worker in workers)
    assert len(json.loads(Path(path).read_text())["programs"]) == 4 * 40 + 3 * 20


def test_the_default_cache_is_named_after_the_model():
    assert default_cache("Qwen/Qwen2.5:free").as_posix() == "programs/written-qwen-qwen2.5-free.json"
    assert default_cache("../../x").as_posix() == "programs/written-x.json"


# --- configuration ---


def test_config_problems_name_the_fields():
    with pytest.raises(NeptuneError) as caught:
        make_config({"task": "ask", "image": "a.png", "question": "?", "code_gen_provider": "local"})
    assert "'code_gen_model_name' is not given" in str(caught.value)
    assert "'code_gen_base_url' is not given" in str(caught.value)
    with pytest.raises(NeptuneError, match="did you mean 'openrouter'"):
        make_config({"task": "ask", "image": "a.png", "question": "?", "code_gen_provider": "openruter"})


def test_a_wrong_provider_stops_before_anything_is_kept(tmp_path):
    store = ProgramStore(tmp_path / "p.json")
    with serving(lambda request, n: fails(401)) as server, pytest.raises(failures.MissingKeyError):
        writer(server, store).write("Q?")
    assert not (tmp_path / "p.json.new").exists()


def test_programs_are_checked_from_many_threads_at_once():
    """The run's thread and the writer's threads parse and plan side by side."""
    gold = json.loads((ROOT / "programs/clevr-sample.json").read_text(encoding="utf-8"))
    programs = list(gold.values())[:40]
    expected = [plan_key(p, CLEVR) for p in programs]
    wrong: list[object] = []

    def work(who: int) -> None:
        for i, program in enumerate(programs):
            try:
                if plan_key(program + " " * (who + 1), CLEVR) != expected[i]:
                    wrong.append(program)
            except Exception as error:
                wrong.append(error)

    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        threads = [threading.Thread(target=work, args=(who,)) for who in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(timeout=60)
    finally:
        sys.setswitchinterval(before)
    assert not wrong
