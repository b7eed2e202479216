"""The journal: paid answers are kept, found again, and never mistaken for others."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codeclm_hf import Completion, GenerationRequest, Message, ids
from codeclm_hf.endpoints import transport
from codeclm_hf.endpoints.budget import Budget
from codeclm_hf.endpoints.journal import Journal, JournaledEndpoint, _key
from codeclm_hf.endpoints.journal_db import JournalFile, Totals
from codeclm_hf.endpoints.process import InProcess
from codeclm_hf.endpoints.protocol import SendGuard, Usage
from codeclm_hf.errors import BadInput, BudgetSpent, EndpointDown, JournalError, RequestRejected
from support.counted_endpoint import MANY, REQUEST, Counter, _ask, ask


@dataclass
class GatedEndpoint(Counter):
    """An endpoint that answers when it is let go; its requests are on the wire meanwhile, or wait for a slot."""

    started: threading.Event = field(default_factory=threading.Event)
    go: asyncio.Event = field(default_factory=asyncio.Event)
    cancels: int = 0
    queued: bool = False

    async def generate(self, request: GenerationRequest, *, send_guard: SendGuard) -> Completion:
        try:
            with nullcontext() if self.queued else send_guard():
                self.started.set()
                await self.go.wait()
                if self.error:
                    raise self.error
                answer = await super().generate(request, send_guard=nullcontext)
        except asyncio.CancelledError:
            self.cancels += 1
            raise
        return answer


def when_closing(journal: Journal, act: Callable[[], None]) -> None:
    """Do something when the journal has begun to close."""

    async def watch() -> None:
        while not journal._closing:
            await asyncio.sleep(0)
        act()

    transport.submit(watch())


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.sqlite"


def test_an_answer_is_asked_for_once_and_found_by_a_later_process(path: Path) -> None:
    """A kept answer comes back equal from a journal opened anew, and the endpoint is not asked."""
    second = Counter()
    journal = Journal(path)
    given = ask(Counter(), journal, REQUEST)
    journal.close()
    again = Journal(path)
    assert ask(second, again, REQUEST) == given
    assert (len(again), second.asked) == (1, [])
    again.close()


@pytest.mark.parametrize(
    "other",
    [
        replace(REQUEST, seed=2),
        replace(REQUEST, temperature=0.1),
        replace(REQUEST, max_new_tokens=5),
        replace(REQUEST, max_new_tokens=5, schema={"properties": {}}),
        replace(REQUEST, top_logprobs=1),
        replace(REQUEST, messages=(Message("user", "hello "),)),
        replace(REQUEST, messages=(Message("assistant", "hello"),)),
    ],
)
def test_another_request_is_another_answer(path: Path, other: GenerationRequest) -> None:
    """Whatever differs in what is asked, it is asked for itself."""
    journal, model = Journal(path), Counter()
    for request in (REQUEST, other, REQUEST):
        ask(model, journal, request)
    assert model.asked == [REQUEST, other]
    journal.close()


def test_who_asks_is_no_part_of_the_key(path: Path) -> None:
    """The same question of another stage is answered from the journal."""
    journal, model = Journal(path), Counter()
    ask(model, journal, REQUEST)
    ask(model, journal, replace(REQUEST, stage="judge"))
    assert model.asked == [REQUEST]
    journal.close()


def test_another_model_is_asked_anew(path: Path) -> None:
    """The same request to a model of another identity is another answer."""
    journal, old, new = Journal(path), Counter("m@1"), Counter("m@2")
    for model in (old, new):
        ask(model, journal, REQUEST)
    assert len(new.asked) == 1
    journal.close()


def test_identical_requests_in_flight_are_asked_once(path: Path) -> None:
    """Twenty identical requests at once cost one answer, all get it, and it is counted once as asked."""
    journal, model = Journal(path), Counter()
    kept = JournaledEndpoint(model, journal)

    async def twenty() -> list[Completion]:
        return await asyncio.gather(*(kept.generate(replace(REQUEST, stage="judge")) for _ in range(20)))

    assert len({completion.text for completion in transport.run(twenty())}) == 1
    usage = Usage(requests=1, replayed=19, prompt_tokens=60, completion_tokens=40)
    assert (len(model.asked), kept.usage) == (1, {"judge": usage})
    journal.close()


def test_an_answer_is_on_disk_before_anyone_sees_it(path: Path) -> None:
    """At the moment a caller has an answer, another connection finds it."""
    journal, other = Journal(path), JournalFile(path)

    async def at_once() -> list[tuple[Completion, bool]]:
        async def one(request: GenerationRequest) -> tuple[Completion, bool]:
            completion, _ = await journal.ask(Counter(), request)
            found = other.find(_key("model@1", ids.canonical(request.as_dict())))
            return completion, found is not None and found.completion == completion

        return await asyncio.gather(*map(one, MANY))

    assert all(found for _, found in transport.run(at_once()))
    other.close()
    journal.close()


def test_the_first_answer_kept_wins(path: Path) -> None:
    """What another journal on the file kept meanwhile counts for all, beside answers of our own in the same commit."""
    one, two = Journal(path), Journal(path)
    slow = GatedEndpoint(said="late {}")

    async def race() -> tuple[list[Completion], list[Completion]]:
        late = asyncio.create_task(_ask(slow, two, MANY))
        await asyncio.sleep(0)
        first = await _ask(Counter(), one, MANY[::2])
        slow.go.set()
        return first, await late

    first, second = transport.run(race())
    assert second[::2] == first
    assert all(completion.text.startswith("late") for completion in second[1::2])
    assert (len(one), two.budget.requests) == (200, 200)
    one.close()
    two.close()


def test_an_error_is_not_kept(path: Path) -> None:
    """What failed reaches all who wait for it, and is asked again."""
    journal, model = Journal(path), Counter(error=RequestRejected("no"))
    with pytest.raises(RequestRejected):
        ask(model, journal, REQUEST, REQUEST)
    model.error = None
    assert ask(model, journal, REQUEST)[0].text == "answer 2 ü"
    journal.close()


def test_a_paid_answer_is_kept_although_nobody_waits_for_it(path: Path) -> None:
    """When every caller has been cancelled the request goes on, and its answer is found later."""
    journal, model = Journal(path), GatedEndpoint()
    callers = [transport.submit(journal.ask(model, REQUEST)) for _ in range(2)]
    assert model.started.wait(60)
    for caller in callers:
        caller.cancel()

    async def release() -> tuple[Completion, bool]:
        model.go.set()
        return await journal.ask(model, REQUEST)

    assert transport.run(release())[1]
    assert (len(model.asked), model.cancels) == (1, 0)
    journal.close()


def test_close_takes_what_is_on_the_wire_and_no_more(path: Path) -> None:
    """A request that was sent is waited for and its answer kept; one that waits for a slot is not sent any more."""
    journal, sent, queued = (
        Journal(path),
        GatedEndpoint("model@sent"),
        GatedEndpoint("model@queued", queued=True),
    )
    callers = [transport.submit(journal.ask(model, REQUEST)) for model in (sent, queued)]
    for model in (sent, queued):
        assert model.started.wait(60)
    when_closing(journal, sent.go.set)
    journal.close()
    assert (sent.cancels, queued.cancels) == (0, 1)
    assert callers[0].result()[0].text == "answer 1 ü"
    again = Journal(path)
    assert len(again) == 1
    again.close()


def test_what_fails_on_the_wire_while_closing_is_not_tried_again(path: Path) -> None:
    """An endpoint that would try again is stopped."""
    journal, model = Journal(path), GatedEndpoint(error=EndpointDown("busy"))
    caller = transport.submit(journal.ask(model, REQUEST))
    assert model.started.wait(60)
    when_closing(journal, model.go.set)
    journal.close()
    assert (caller.cancelled(), model.cancels) == (True, 1)


def test_a_second_ctrl_c_leaves_what_is_on_the_wire(path: Path) -> None:
    """An interrupt while `close` waits cancels everything; callers hear of it, and the file is closed."""
    journal, model = Journal(path), GatedEndpoint()
    ask(Counter(), journal, *MANY)
    caller = transport.submit(journal.ask(model, replace(REQUEST, seed=999)))
    assert model.started.wait(60)
    when_closing(journal, lambda: os.kill(os.getpid(), signal.SIGINT))
    with pytest.raises(KeyboardInterrupt):
        journal.close()
    assert (caller.cancelled(), model.cancels, model.asked) == (True, 1, [])
    assert not path.with_name("journal.sqlite-wal").exists()
    again = Journal(path)
    assert len(again) == 200
    again.close()


def test_after_close_nobody_hangs(path: Path) -> None:
    """A request to a closed journal is refused."""
    journal = Journal(path)
    journal.close()
    with pytest.raises(JournalError, match="closed"):
        ask(Counter(), journal, REQUEST)


def test_the_budget_begins_with_what_is_kept(path: Path) -> None:
    """Kept answers count; what would be too much reaches its callers, and what came before is kept."""
    journal = Journal(path, Budget(max_requests=150))
    with pytest.raises(BudgetSpent):
        ask(Counter(), journal, *MANY)
    journal.close()
    budget = Budget(max_requests=151)
    again, model = Journal(path, budget), Counter()
    assert (len(again), budget.requests, budget.tokens) == (150, 150, 750)
    ask(model, again, *MANY[:151])
    assert (len(model.asked), budget.requests) == (1, 151)
    again.close()


def test_books_are_kept_by_model_and_stage(path: Path) -> None:
    """Answers and tokens add up for each model and stage, whichever journal on the file kept them."""
    one, two = Journal(path), Journal(path)
    ask(Counter("m@1"), one, *(replace(request, stage="judge") for request in MANY))
    ask(Counter("m@2"), two, replace(REQUEST, stage="judge"), replace(REQUEST, stage="decode", seed=5))
    expected = [("m@1", "judge", 200), ("m@2", "decode", 1), ("m@2", "judge", 1)]
    file = JournalFile(path)
    assert file.totals() == [
        Totals(model=model, stage=stage, answers=n, prompt_tokens=3 * n, completion_tokens=2 * n)
        for model, stage, n in expected
    ]
    for opened in (file, one, two):
        opened.close()


def test_an_answer_that_cannot_be_kept_reaches_its_caller(path: Path) -> None:
    """A completion that no JSON can hold is a JournalError for its own caller alone."""
    journal = Journal(path)

    @dataclass
    class Odd(InProcess):
        identity: str = "odd"

        async def generate(self, request: GenerationRequest, *, send_guard: SendGuard) -> Completion:
            with send_guard():
                odd = [[("a", float("nan"))]] if request.seed else None
            return Completion(
                text="", finish_reason="", prompt_tokens=1, completion_tokens=1, top_logprobs=odd
            )

    ask(Odd(), journal, MANY[0])
    with pytest.raises(JournalError, match="odd cannot be kept"):
        ask(Odd(), journal, MANY[1])
    assert len(journal) == 1
    journal.close()


def test_a_full_disk_stops_the_run_and_spoils_nothing(path: Path) -> None:
    """Who waits gets a JournalError; what was kept stays, in this journal and in a later one, which goes on."""
    journal, model = Journal(path), Counter(said="{} " + "x" * 4000)
    kept = ask(model, journal, *MANY[:50])
    pages = journal._writer._db.execute("PRAGMA page_count").fetchone()[0]
    journal._writer._db.execute(f"PRAGMA max_page_count = {pages + 20}")
    with pytest.raises(
        JournalError, match=r"cannot be written \(database or disk is full\); free the disk"
    ) as error:
        ask(model, journal, *MANY)
    assert error.value.exit_code == 2
    assert ask(model, journal, *MANY[:50]) == kept
    journal.close()
    again, rest = Journal(path), Counter()
    assert ask(rest, again, *MANY)[:50] == kept
    assert (len(rest.asked), len(again), integrity(path)) == (150, 200, "ok")
    again.close()


LIMITED = """
import resource, sys
from pathlib import Path
from support.counted_endpoint import MANY, Counter, ask
from codeclm_hf.endpoints.journal import Journal
from codeclm_hf.errors import JournalError
resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, 400_000))
journal = Journal(Path(sys.argv[1]))
try:
    for request in MANY:
        ask(Counter(said="x" * 4000), journal, request)
except JournalError as exc:
    print(exc)
    journal.close()
    sys.exit(exc.exit_code)
"""


def test_a_file_that_may_not_grow_is_said_and_read_again(path: Path) -> None:
    """A write that the system refuses ends a process with one sentence; the answers before it are all there."""
    result = child(LIMITED, path).communicate(timeout=120)
    assert f"{path} cannot be written" in result[0]
    assert result[1] == ""
    again, model = Journal(path), Counter()
    kept = len(again)
    ask(model, again, *MANY)
    assert 0 < kept == 200 - len(model.asked)
    assert integrity(path) == "ok"
    again.close()


def integrity(path: Path) -> str:
    db = sqlite3.connect(path)
    (words,) = db.execute("PRAGMA integrity_check").fetchone()
    db.close()
    return str(words)


def child(script: str, *words: object) -> subprocess.Popen[str]:
    """Another process with these tests on its path."""
    return subprocess.Popen(
        [sys.executable, "-c", script, *map(str, words)],
        cwd="/",  # not the repository, whose package is not the one installed
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[1])},
    )  # fmt: skip


RACER = """
import json, sys
from pathlib import Path
from support.counted_endpoint import MANY, Counter, ask
from codeclm_hf.endpoints.journal import Journal
print("ready", flush=True)
sys.stdin.readline()
journal, model = Journal(Path(sys.argv[1])), Counter(said=sys.argv[2] + " {}")
print(json.dumps([answer.text for answer in ask(model, journal, *MANY)]))
journal.close()
"""


def test_two_processes_share_a_journal(path: Path) -> None:
    """Two processes make the file and ask the same 200 requests at once: one answer a key wins, and both see it."""
    racers = [child(RACER, path, name) for name in ("one", "two", "three")]
    for racer in racers:
        assert racer.stdout is not None and racer.stdout.readline() == "ready\n"
    for racer in racers:
        assert racer.stdin is not None
        racer.stdin.write("go\n")
        racer.stdin.flush()
    said = [racer.communicate(timeout=120) for racer in racers]
    assert [err for _, err in said] == ["", "", ""]
    first, *others = [json.loads(out) for out, _ in said]
    assert others == [first, first]
    journal, model = Journal(path), Counter()
    assert ([answer.text for answer in ask(model, journal, *MANY)], model.asked) == (first, [])
    assert (len(journal), integrity(path)) == (200, "ok")
    journal.close()


def test_a_foreign_or_torn_file_is_refused(tmp_path: Path) -> None:
    """A database of something else, and a file that is none, are named and left as they are."""
    foreign = tmp_path / "foreign.sqlite"
    with sqlite3.connect(foreign) as db:
        db.execute("CREATE TABLE mine (x)")
    db.close()
    torn = tmp_path / "torn.sqlite"
    torn.write_bytes(b"SQLite format 3\0" + b"garbage" * 1000)
    text = tmp_path / "text.sqlite"
    text.write_text("my thesis")
    for path in (foreign, torn, text):
        before = path.read_bytes()
        with pytest.raises(JournalError, match=path.name):
            Journal(path)
        assert path.read_bytes() == before


def test_a_journal_of_another_version_is_refused(path: Path) -> None:
    """Its version is named, and it is left as it is."""
    Journal(path).close()
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA user_version = 7")
    db.close()
    before = path.read_bytes()
    with pytest.raises(JournalError, match=r"needs a journal of version 2; .* is of version 7"):
        Journal(path)
    assert path.read_bytes() == before


def test_a_torn_log_costs_its_torn_end_alone(tmp_path: Path, path: Path) -> None:
    """After a crash in the middle of a write, what was committed before is found and the rest is asked again."""
    journal, late = Journal(path), tmp_path / "late"
    first = ask(Counter(), journal, *MANY[:100])
    ask(Counter(), journal, *MANY[100:])
    late.mkdir()
    for name in ("journal.sqlite", "journal.sqlite-wal"):
        shutil.copy(tmp_path / name, late)
    journal.close()
    with open(late / "journal.sqlite-wal", "r+b") as log:
        log.truncate(os.fstat(log.fileno()).st_size - 2000)
    again, model = Journal(late / "journal.sqlite"), Counter()
    assert ask(model, again, *MANY)[:100] == first
    assert set(model.asked) <= set(MANY[100:])
    assert model.asked
    assert integrity(again.path) == "ok"
    again.close()


@pytest.mark.parametrize("kept", [0.3, 0.9])
def test_a_truncated_file_is_said(path: Path, kept: float) -> None:
    """A journal whose end is missing is never used."""
    journal = Journal(path)
    ask(Counter(), journal, *MANY)
    journal.close()
    os.truncate(path, int(kept * path.stat().st_size))
    with pytest.raises(JournalError, match=r"journal\.sqlite cannot be used as a journal .* move it away"):
        Journal(path)


def test_a_file_with_lost_pages_is_said(path: Path) -> None:
    """A journal whose pages hold nothing any more is never used."""
    journal = Journal(path)
    ask(Counter(), journal, *MANY)
    journal.close()
    with open(path, "r+b") as file:
        file.seek(4096)
        file.write(bytes(path.stat().st_size - 4096))
    with pytest.raises(JournalError, match="move it away"):
        ask(Counter(), Journal(path), REQUEST)


@pytest.mark.parametrize("damage", ["UPDATE answers SET completion = substr(completion, 1, 9)",
                                    "UPDATE answers SET completion = 'null'",
                                    "UPDATE answers SET completion = '{}'",
                                    "DROP TABLE answers"])  # fmt: skip
def test_a_damaged_answer_is_said(path: Path, damage: str) -> None:
    """What cannot be read back is a JournalError, never another answer."""
    journal = Journal(path)
    ask(Counter(), journal, REQUEST)
    journal.close()
    with sqlite3.connect(path) as db:
        db.execute(damage)
    db.close()
    again = Journal(path)
    with pytest.raises(JournalError, match=r"cannot be read .* move it away"):
        ask(Counter(), again, REQUEST)
    again.close()


def test_a_place_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    """A folder that is not there, and one in the file's place."""
    (tmp_path / "folder.sqlite").mkdir()
    for path in (tmp_path / "nowhere" / "journal.sqlite", tmp_path / "folder.sqlite"):
        with pytest.raises(JournalError, match="unable to open database file"):
            Journal(path)


def test_prune_keeps_what_the_last_complete_run_used(path: Path) -> None:
    """Answers found count as used like new ones; the rest goes, with its space, and what is left is found."""
    first, model = Journal(path), Counter(said="x" * 3000)
    ask(model, first, *MANY)
    first.complete()
    first.close()
    second = Journal(path)
    kept = ask(model, second, *MANY[:20], replace(REQUEST, seed=1000))
    second.complete()
    second.complete()
    second.close()
    stopped = Journal(path)
    ask(model, stopped, replace(REQUEST, seed=2000))
    stopped.close()
    file, before = JournalFile(path), path.stat().st_size
    assert file.run_size() == 21
    assert file.prune() == (181, before - path.stat().st_size)
    assert path.stat().st_size < before / 4
    file.close()
    again, asked = Journal(path), len(model.asked)
    assert (ask(model, again, *MANY[:20], replace(REQUEST, seed=1000)), len(model.asked)) == (kept, asked)
    assert (len(again), again.budget.requests, integrity(path)) == (21, 21, "ok")
    ask(model, again, MANY[150])
    assert len(model.asked) == asked + 1
    again.close()


def test_prune_needs_a_complete_run_and_the_file_to_itself(path: Path) -> None:
    """Without a complete run, or beside a run that goes on, nothing is deleted, and the run goes on."""
    journal = Journal(path)
    ask(Counter(), journal, *MANY)
    file = JournalFile(path)
    with pytest.raises(BadInput, match="needs a complete run"):
        file.prune()
    journal.complete()
    ask(Counter(), journal, REQUEST)
    with pytest.raises(BadInput, match="another process has it open"):
        file.prune()
    file.close()
    ask(Counter(), journal, replace(REQUEST, seed=1000))
    assert len(journal) == 201
    journal.close()


def test_of_two_runs_the_last_to_be_complete_counts(path: Path) -> None:
    """Runs that share a journal record what they are made of one after the other."""
    one, two = Journal(path), Journal(path)
    ask(Counter(), one, *MANY[:30])
    ask(Counter(), two, *MANY[20:60])
    two.complete()
    one.complete()
    file = JournalFile(path)
    assert file.run_size() == 30
    for opened in (file, one, two):
        opened.close()


def test_export_gives_requests_and_answers_back(path: Path) -> None:
    """Each answer is an object with its request, in the order they were kept, more than one reading's worth."""
    journal, requests = Journal(path), [replace(REQUEST, seed=seed, stage="judge") for seed in range(1100)]
    for start in range(0, 1100, 100):
        ask(Counter(said=str(start)), journal, *requests[start : start + 100])
    file = JournalFile(path)
    rows = [json.loads(line) for line in file.export()]
    assert [row["request"] for row in rows] == [request.as_dict() for request in requests]
    assert {(row["model"], row["stage"]) for row in rows} == {("model@1", "judge")}
    assert [row["completion"]["text"] for row in rows] == [str(n - n % 100) for n in range(1100)]
    assert all(row["completion"]["top_logprobs"] == [[["a", -0.5], ["b", -1.0]]] for row in rows)
    file.close()
    journal.close()


# A high surrogate by itself is what broken files and cut-off streams hold.
texts = st.text(st.one_of(st.characters(), st.just("\ud800")))
requests = st.builds(
    GenerationRequest,
    messages=st.lists(st.builds(Message, st.sampled_from(["user", "assistant"]), texts), min_size=1).map(
        tuple
    ),
    seed=st.integers(0, 2**31 - 1),
    stage=st.sampled_from(["", "encode"]),
)


@settings(max_examples=30)
@given(st.dictionaries(requests, texts, max_size=20))
def test_reopening_finds_exactly_what_was_kept(asked: dict[GenerationRequest, str]) -> None:
    """Whatever Unicode is asked and answered, a journal opened anew gives it back, and nothing else."""

    @dataclass
    class Saying(InProcess):
        identity: str = "m"
        calls: int = 0

        async def generate(self, request: GenerationRequest, *, send_guard: SendGuard) -> Completion:
            with send_guard():
                self.calls += 1
            return Completion(text=asked[request], finish_reason="stop", prompt_tokens=1, completion_tokens=1)

    with tempfile.TemporaryDirectory() as folder:
        first, silent = Journal(Path(folder, "j")), Saying()
        given = ask(Saying(), first, *asked)
        first.close()
        again = Journal(Path(folder, "j"))
        assert ask(silent, again, *asked) == given
        assert silent.calls == 0
        assert len(again) == len({ids.canonical(request.as_dict()) for request in asked})
        again.close()


def test_lone_surrogates_are_stored_as_their_escapes() -> None:
    """Text that no encoding holds has a canonical form of its own; ordinary text keeps the one it always had."""
    assert ids.canonical("a\ud800ü") == r'"a\ud800ü"'
    assert json.loads(ids.canonical("a\ud800ü")) == "a\ud800ü"
    assert ids.canonical("\ud800") != ids.canonical(r"\ud800")
    assert ids.row_id("ü") == "25430e7ac849b692"


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(json_values, json_values)
def test_equal_ids_mean_equal_contents(a: object, b: object) -> None:
    """Values have the same digest exactly when their JSON is the same."""
    assert (ids.digest(a) == ids.digest(b)) == (ids.canonical(a) == ids.canonical(b))


@given(st.integers(), st.lists(st.text()))
def test_a_derived_seed_fits_every_server(seed: int, parts: list[str]) -> None:
    """A derived seed lies in [0, 2³¹) and is the same every time."""
    assert 0 <= ids.derive(seed, *parts) < 2**31
    assert ids.derive(seed, *parts) == ids.derive(seed, *parts)


class Gateway(Counter):
    """A gateway that has another model answer every other request."""

    allows_fallback = True

    async def generate(
        self, request: GenerationRequest, *, send_guard: SendGuard = nullcontext
    ) -> Completion:
        completion = await super().generate(request, send_guard=send_guard)
        return replace(completion, fallback="other" if len(self.asked) % 2 else None)


@pytest.mark.parametrize(
    ("prices", "cost"),
    [
        ({"m": (10**6, 0), "other": (3 * 10**6, 0)}, 3 * (2 * 1 + 2 * 3)),
        ({"m": (10**6, 0)}, 3 * 4),
    ],
)
def test_what_a_fallback_answered_costs_the_same_when_the_journal_is_opened_again(
    path: Path, prices: dict[str, tuple[float, float]], cost: float
) -> None:
    """At its own price where it has one, and else at that of the model whose place it took."""
    costs = []
    for _ in range(2):
        budget, model = Budget(prices=prices), Gateway("m")
        budget.for_roles({"strong": model})
        journal = Journal(path, budget)
        opened = budget.cost
        for seed in range(4):
            ask(model, journal, replace(REQUEST, seed=seed, stage="respond"))
        costs += [opened, budget.cost]
        journal.close()
    assert costs == [0.0, cost, cost, cost]
