"""The journal: paid answers are kept, found again, and never mistaken for others."""

from __future__ import annotations

import asyncio
import sqlite3
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codeclm_hf import Completion, GenerationRequest, Message, ids
from codeclm_hf.endpoints import transport
from codeclm_hf.endpoints.base import InProcess
from codeclm_hf.endpoints.journal import Journal, Journaled
from codeclm_hf.errors import JournalError, RequestRejected

REQUEST = GenerationRequest(messages=(Message("user", "hello"),), seed=1)


@dataclass
class Counter(InProcess):
    """An endpoint that numbers its answers."""

    identity: str = "model@1"
    asked: list[GenerationRequest] = field(default_factory=list)
    error: Exception | None = None

    async def generate(self, request: GenerationRequest) -> Completion:
        self.asked.append(request)
        await asyncio.sleep(0)
        if self.error:
            raise self.error
        tokens = [[("a", -0.5), ("b", -1.0)]]
        return Completion(
            text=f"answer {len(self.asked)} ü",
            finish_reason="stop",
            prompt_tokens=3,
            completion_tokens=2,
            top_logprobs=tokens,
        )


def test_an_answer_is_asked_for_once_and_found_by_a_later_process(tmp_path: Path) -> None:
    """A kept answer comes back equal from a journal opened anew, and the endpoint is not asked."""
    first, second = Counter(), Counter()
    journal = Journal(tmp_path / "journal.sqlite")
    given = transport.run(Journaled(first, journal).generate(REQUEST))
    journal.close()
    again = Journal(tmp_path / "journal.sqlite")
    assert transport.run(Journaled(second, again).generate(REQUEST)) == given
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
def test_another_request_is_another_answer(tmp_path: Path, other: GenerationRequest) -> None:
    """Whatever differs in a request, it is asked for itself."""
    journal, model = Journal(tmp_path / "journal.sqlite"), Counter()
    for request in (REQUEST, other, REQUEST):
        transport.run(Journaled(model, journal).generate(request))
    assert model.asked == [REQUEST, other]
    journal.close()


def test_another_model_is_asked_anew(tmp_path: Path) -> None:
    """The same request to a model of another identity is another answer."""
    journal, old, new = Journal(tmp_path / "journal.sqlite"), Counter("m@1"), Counter("m@2")
    for model in (old, new):
        transport.run(Journaled(model, journal).generate(REQUEST))
    assert len(new.asked) == 1
    journal.close()


def test_identical_requests_in_flight_are_asked_once(tmp_path: Path) -> None:
    """Twenty identical requests at once cost one answer, and all get it."""
    journal, model = Journal(tmp_path / "journal.sqlite"), Counter()
    kept = Journaled(model, journal)

    async def twenty() -> list[Completion]:
        return await asyncio.gather(*(kept.generate(REQUEST) for _ in range(20)))

    assert len({completion.text for completion in transport.run(twenty())}) == 1
    assert (len(model.asked), kept.usage.requests, kept.usage.replayed) == (1, 1, 19)
    journal.close()


def test_the_first_answer_kept_wins(tmp_path: Path) -> None:
    """Two processes that ask the same at once both see the answer that was kept first."""
    one, two = Journal(tmp_path / "journal.sqlite"), Journal(tmp_path / "journal.sqlite")
    slow = Counter(asked=[REQUEST])  # its answer is number 2

    async def race() -> tuple[Completion, Completion]:
        asked = ids.canonical(REQUEST.as_dict())
        key = ids.digest("model@1", asked)
        first, _ = await one.ask(Counter(), REQUEST)
        second, _ = await two._ask(key, slow, REQUEST, asked)
        return first, second

    first, second = transport.run(race())
    assert first == second
    one.close()
    two.close()


def test_an_error_is_not_kept(tmp_path: Path) -> None:
    """What failed is asked again."""
    journal, model = Journal(tmp_path / "journal.sqlite"), Counter(error=RequestRejected("no"))
    with pytest.raises(RequestRejected):
        transport.run(Journaled(model, journal).generate(REQUEST))
    model.error = None
    assert transport.run(Journaled(model, journal).generate(REQUEST)).text == "answer 2 ü"
    journal.close()


def test_a_foreign_or_torn_file_is_refused(tmp_path: Path) -> None:
    """A database of something else, and a file that is none, are named and left as they are."""
    foreign = tmp_path / "foreign.sqlite"
    with sqlite3.connect(foreign) as db:
        db.execute("CREATE TABLE mine (x)")
    db.close()
    torn = tmp_path / "torn.sqlite"
    torn.write_bytes(b"SQLite format 3\0" + b"garbage" * 1000)
    for path in (foreign, torn):
        before = path.read_bytes()
        with pytest.raises(JournalError, match=path.name):
            Journal(path)
        assert path.read_bytes() == before


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
