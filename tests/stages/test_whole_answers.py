"""Responses that are not whole are asked for once more, and improvements that are none; what stays"
" fails its row."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest
from datasets import Dataset

from codeclm_hf import Tailor, endpoint, ids
from codeclm_hf.stages.contamination import Benchmark, Contamination
from codeclm_hf.stages.stage import Row
from codeclm_hf.stages.structured import RETRY_TEMPERATURE
from support.model_server import StandIn
from support.thinker import Thinker

Serve = Callable[..., StandIn]
ROOM = 40
"""Most tokens of a response here; the stand-in's tokens are words."""
DO_IT = "Describe the old harbour at dawn, and the people who work there."
GOOD = "The boats lie still while the first light comes over the crane."
LONG = " ".join(f"word{'abcdefghijklmnopqrstuvwxyz'[n // 3]}{n}" for n in range(ROOM + 10))
TOO_LONG = " ".join(f"word{n}" for n in range(5 * ROOM))
LOOP = "very " * 30 + "so many boats " * 200
FILTERED = "kept back by a filter"


@dataclass
class Words:
    """A shape of replies in which a token is a word, and the most tokens cut an answer off."""

    def choice(self, asked: str, text: str, cap: int) -> dict[str, Any]:
        cut = len(text.split()) > cap and text != LOOP
        reason = "content_filter" if text == FILTERED else "length" if cut else "stop"
        content = " ".join(text.split()[:cap]) if cut else text
        return {"index": 0, "message": {"role": "assistant", "content": content}, "finish_reason": reason}

    def usage(self, asked: str, text: str, cap: int) -> dict[str, int]:
        return {"prompt_tokens": 5, "completion_tokens": 1 + min(len(text.split()), cap)}


class Model:
    """What a model answers to the instructions themselves, try by try; it judges and improves as it is told."""

    def __init__(self, *responses: str, improvements: tuple[str, ...] = ()) -> None:
        self.responses, self.improvements = list(responses), list(improvements)

    def __call__(self, messages: list[dict[str, str]], how: dict[str, Any]) -> Any:
        asked = messages[-1]["content"]
        if asked.startswith("Two assistants"):
            return {"scores": [9, 2] if f"assistant 1]\n{GOOD}" in asked else [2, 9]}
        if asked.startswith("Rewrite the instruction"):
            return {"instruction": self.improvements.pop(0)}
        return self.responses.pop(0) if len(self.responses) > 1 else self.responses[0]


def tailor(
    serve: Serve, strong: Model, target: Model, *, fault: Any = None, **settings: Any
) -> tuple[Tailor, list[StandIn]]:
    servers = [serve(strong, tgi=False, shape=Words()), serve(target, tgi=False, shape=Words(), fault=fault)]
    first, second = (endpoint(server.url, model="stand-in") for server in servers)
    # A model that has answered is known not to think; nothing is tried out then.
    options = {"max_new_tokens": ROOM, "iterations": 1, **settings}
    return Tailor(strong=first, target=second, judge=first, **options), servers


def rows(stage: Tailor, *, actions: tuple[str, ...] = ()) -> list[Row]:
    table = Dataset.from_list([{"metadata_id": "m", "instruction": DO_IT, "actions": list(actions)}])
    return stage.map(table).to_list()


def tries(server: StandIn, role: str, row: Row) -> list[tuple[int, int]]:
    """(attempt, most tokens) of each request for the response to a row's instruction."""
    attempts = {ids.derive(0, "respond", role, row["id"], attempt): attempt for attempt in range(3)}
    return [
        (attempts[asked["seed"]], asked["max_new_tokens"])
        for asked in server.asked
        if asked["messages"][-1]["content"] == row["instruction"] and asked["seed"] in attempts
    ]


@pytest.mark.parametrize("bad", [LONG, LOOP, "", " \n", "\u200b \u2060"])
def test_a_response_that_is_not_whole_is_asked_for_once_more(serve: Serve, bad: str) -> None:
    """With twice the room and another seed; the second is judged, and nothing is flagged."""
    second = LONG if bad == LONG else "A good answer about boats."
    stage, servers = tailor(serve, Model(GOOD), Model(bad, bad, bad, second))
    servers[1].answer = by_seed(bad, second)
    (row,) = rows(stage)
    assert (row["verdict"], row["target_response"], row["error"]) == ("accept_strong", second, None)
    assert (row["flags"], row["strong_flags"], row["target_flags"]) == ([], [], [])
    asked = tries(servers[1], "target", row)
    assert asked[0] == (0, ROOM) and asked[-1] == (1, 2 * ROOM)
    assert [attempt for attempt, _ in asked].count(1) == 1
    assert tries(servers[0], "strong", row) == [(0, ROOM)]


def by_seed(first: str, then: str) -> Callable[..., str]:
    """A model that answers every request of the first seed alike, and any other with something else."""
    seeds: list[int] = []

    def answer(messages: list[dict[str, str]], how: dict[str, Any]) -> str:
        seeds.append(how["seed"])
        return first if how["seed"] == seeds[0] else then

    return answer


@pytest.mark.parametrize(
    ("bad", "flags", "words"),
    [
        (
            TOO_LONG,
            ["cut_off"],
            f"the target's response was cut off at {ROOM} tokens, also with twice the room",
        ),
        (
            LOOP,
            ["degenerate"],
            "the target's response repeats itself over and over, also with twice the room",
        ),
        (
            "",
            ["empty"],
            "the target's response is empty: the model gave an empty answer, also with twice the room",
        ),
    ],
)
def test_what_stays_broken_fails_the_row_unjudged(
    serve: Serve, bad: str, flags: list[str], words: str
) -> None:
    """No judge is paid, what was paid for stays in the row, and the row is neither accepted nor a gap."""
    stage, servers = tailor(serve, Model(GOOD), Model(bad))
    (row,) = rows(stage)
    assert (row["verdict"], row["gap"], row["error"]) == ("failed", None, words)
    assert (row["flags"], row["strong_flags"], row["target_flags"]) == (flags, [], flags)
    assert row["strong_response"] == GOOD
    assert bool(row["target_response"]) == bool(bad)
    assert not any("Two assistants" in asked["messages"][0]["content"] for asked in servers[0].asked)


def test_two_tries_that_fail_differently_are_both_told(serve: Serve) -> None:
    """The one with fewer faults is kept."""
    stage, servers = tailor(serve, Model(GOOD), Model("x"))
    servers[1].answer = by_seed(LOOP, TOO_LONG)
    (row,) = rows(stage)
    assert row["error"] == (
        "the target's response repeats itself over and over; asked for again with twice the room"
        f" it was cut off at {2 * ROOM} tokens"
    )
    assert row["target_flags"] == ["cut_off"]
    assert row["target_response"] == " ".join(TOO_LONG.split()[: 2 * ROOM])


def test_both_sides_are_told(serve: Serve) -> None:
    """The flags of a row are those of both responses, in one order."""
    stage, _ = tailor(serve, Model(LOOP), Model(TOO_LONG))
    (row,) = rows(stage)
    assert (
        "the strong's response repeats" in row["error"]
        and "; the target's response was cut off" in row["error"]
    )
    assert (row["flags"], row["strong_flags"], row["target_flags"]) == (
        ["cut_off", "degenerate"],
        ["degenerate"],
        ["cut_off"],
    )


def refusal(most: int, words: str) -> Callable[[dict[str, Any]], Any]:
    """A server that takes so many tokens of answer and no more."""

    def fault(body: dict[str, Any]) -> Any:
        asked = body["max_tokens"]
        said = words.format(asked=asked, total=asked + 10)
        error = json.dumps(
            {"error": {"message": said, "type": "invalid_request_error", "param": "max_tokens"}}
        )
        return (400, error, "application/json", {}) if asked > most else None

    return fault


@pytest.mark.parametrize(
    ("most", "words", "room"),
    [
        (60, "max_tokens is too large: {asked}. This model supports at most 60 completion tokens.", 60),
        (55, "This model's maximum context length is 65 tokens. However, you requested {total} tokens"
         " (10 in the"
         " messages, {asked} in the completion).", 55),
        (3 * ROOM // 2, "`inputs` tokens + `max_new_tokens` must be <= 70. Given: 10 `inputs` tokens"
         " and {asked} `max_new_tokens`", 60),
        (ROOM, "The request exceeds the maximum length of this model.", ROOM),
        (ROOM, "max_tokens is too large: {asked}. This model supports at most 40 completion tokens.", ROOM),
    ],
)  # fmt: skip
def test_room_that_the_server_refuses_is_shortened_to_what_it_takes(
    serve: Serve, most: int, words: str, room: int
) -> None:
    """To what its words name, or to the first room; the second try then has another seed all the same."""
    stage, servers = tailor(serve, Model(GOOD), Model("x"), fault=refusal(most, words))
    servers[1].answer = by_seed(LOOP, "A good answer about boats.")
    (row,) = rows(stage)
    assert (row["verdict"], row["target_flags"]) == ("accept_strong", [])
    assert tries(servers[1], "target", row) == [(0, ROOM), (1, room)]


def test_a_second_try_that_is_refused_leaves_the_first(serve: Serve) -> None:
    """The row says what was wrong with the first, and what the server said to the second."""
    seeds: list[int] = []

    def fault(body: dict[str, Any]) -> Any:
        seeds.append(body["seed"])
        return None if body["seed"] == seeds[0] else (400, '{"error": "no"}', "application/json", {})

    stage, _ = tailor(serve, Model(GOOD), Model(LOOP), fault=fault)
    (row,) = rows(stage)
    assert row["error"].startswith(
        "the target's response repeats itself over and over; asked for again with twice"
    )
    assert (row["target_response"], row["target_flags"]) == (LOOP.strip(), ["degenerate"])


def test_an_answer_that_was_kept_back_is_not_asked_for_again(serve: Serve) -> None:
    """A filter says the same again: the response is empty, and the row says why."""
    stage, servers = tailor(serve, Model(GOOD), Model(FILTERED))
    (row,) = rows(stage)
    assert "kept back (content_filter)" in row["error"]
    assert (row["target_response"], row["target_flags"]) == (None, ["empty"])
    assert tries(servers[1], "target", row) == [(0, ROOM)]


@pytest.mark.parametrize(("bad", "temperature"), [(LOOP, RETRY_TEMPERATURE), (LONG, 0)])
def test_a_greedy_model_is_asked_otherwise_unless_it_lacked_room(
    serve: Serve, bad: str, temperature: float
) -> None:
    """Greedily it would loop again; what was cut off goes on greedily."""
    stage, servers = tailor(serve, Model(GOOD), Model(bad), temperature=0)
    (row,) = rows(stage)
    again = [
        asked
        for asked in servers[1].asked
        if asked["seed"] == ids.derive(0, "respond", "target", row["id"], 1)
    ]
    assert {asked["temperature"] for asked in again} == {temperature}


def test_flags_that_block_nothing_are_kept_with_the_judgement(serve: Serve) -> None:
    """A refusal and an echo are judged as they are."""
    stage, servers = tailor(serve, Model(GOOD), Model("I'm sorry, but I can't assist with that."))
    (row,) = rows(stage)
    assert (row["verdict"], row["flags"], row["target_flags"]) == ("accept_strong", ["refusal"], ["refusal"])
    assert tries(servers[1], "target", row) == [(0, ROOM)]


QUESTION = "Natalia sold clips to 48 of her friends in April, and then she sold half as many clips in May."


def test_a_response_with_words_of_an_evaluation_set_is_not_judged(serve: Serve) -> None:
    """Nor is it asked for again; the error shows the words. One that may have them is judged."""
    contamination = Contamination(benchmarks=[Benchmark(name="gsm8k:question", texts=("", QUESTION))])
    stage, servers = tailor(
        serve, Model(GOOD), Model(f"Here: {QUESTION} How many?"), contamination=contamination
    )
    (row,) = rows(stage)
    assert (row["verdict"], row["flags"], row["target_flags"]) == (
        "failed",
        ["contaminated"],
        ["contaminated"],
    )
    assert row["error"].startswith(
        "the target's response shares words with row 2 of gsm8k:question: “Natalia sold"
    )
    assert len(row["error"]) < 250
    assert tries(servers[1], "target", row) == [(0, ROOM)]
    found = contamination.find(row["target_response"], "target_response")
    assert found is not None
    allowed = replace(contamination, allowed=[found.id])
    assert rows(replace(stage, contamination=allowed))[0]["verdict"] == "accept_strong"
    assert (
        len({json.dumps(replace(stage, contamination=c).spec()) for c in (None, contamination, allowed)}) == 3
    )


def test_without_the_filter_the_kept_response_is_looked_at_too(serve: Serve) -> None:
    """Only the last version has a response there, and it must be whole."""
    improved = f"{DO_IT} Use at most 50 words."
    stage, servers = tailor(
        serve, Model(LOOP, improvements=(improved,)), Model(GOOD), contrastive_filter=False, iterations=2
    )
    first, last = rows(stage, actions=("Add a limit",))
    assert (first["verdict"], first["flags"], first["strong_flags"]) == ("retry", None, None)
    assert (last["verdict"], last["flags"], last["target_flags"]) == ("failed", ["degenerate"], None)
    assert servers[1].asked == []


ANSWER = "Sure, here is a description of the old harbour at dawn: the boats lie still."
IMPROVED = f"{DO_IT} Do not name a colour."


@pytest.mark.parametrize(
    ("drafts", "rejected"),
    [
        ((IMPROVED,), []),
        ((DO_IT, IMPROVED), ["unchanged"]),
        ((ANSWER, DO_IT.upper(), IMPROVED), ["answer", "unchanged"]),
        ((ANSWER, "", ANSWER, IMPROVED), ["answer", "answer"]),
    ],
)
def test_improvements_that_are_none_are_asked_for_again(
    serve: Serve, drafts: tuple[str, ...], rejected: list[str]
) -> None:
    """Each with another seed; those that could be read stand with their parent."""
    stage, servers = tailor(serve, Model(GOOD, improvements=drafts), Model(GOOD), iterations=2)
    servers[0].answer = Even(drafts)
    first, second = rows(stage, actions=("Add a limit",))
    assert [draft["reason"] for draft in first["rejected"]] == rejected
    assert [draft["text"] for draft in first["rejected"]] == [draft for draft in drafts[:-1] if draft]
    assert (second["instruction"], second["parent_id"], second["rejected"]) == (IMPROVED, first["id"], [])
    seeds = [asked["seed"] for asked in servers[0].asked if "Rewrite the" in asked["messages"][0]["content"]]
    assert seeds == [ids.derive(0, "improve", first["id"], attempt) for attempt in range(len(drafts))]


class Even(Model):
    """A model that scores both answers alike, so that every instruction is improved."""

    def __init__(self, drafts: tuple[str, ...]) -> None:
        super().__init__(GOOD, improvements=drafts)

    def __call__(self, messages: list[dict[str, str]], how: dict[str, Any]) -> Any:
        if messages[-1]["content"].startswith("Two assistants"):
            return {"scores": [5, 5]}
        return super().__call__(messages, how)


def test_an_instruction_that_nobody_improves_fails_in_words(serve: Serve) -> None:
    """After four drafts; all of them stand in its row, with what it was judged."""
    stage, servers = tailor(serve, Model(GOOD), Model(GOOD), iterations=2)
    servers[0].answer = Even((ANSWER,) * 9)
    (row,) = rows(stage, actions=("Add a limit",))
    assert (row["verdict"], row["gap"]) == ("failed", 0)
    assert row["error"].startswith(
        "needs an improved instruction; the model answered the instruction in place of"
    )
    assert row["rejected"] == [{"reason": "answer", "text": ANSWER}] * 4


def test_thoughts_of_a_response_that_failed_are_kept() -> None:
    """With `keep`, the thoughts before a loop stand in its row."""
    models = {role: Thinker(role) for role in ("strong", "target", "judge")}
    models["target"]._answer = lambda *_: LOOP
    table = Dataset.from_list([{"instruction": DO_IT, "actions": []}])
    (row,) = Tailor(**models, thinking="keep").map(table).to_list()
    assert (row["verdict"], row["target_flags"]) == ("failed", ["degenerate"])
    assert row["target_reasoning"]
