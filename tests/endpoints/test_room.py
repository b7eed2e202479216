"""A model that thinks gets room for it beside the room of its answer, and an answer that lacked room is asked again."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from codeclm_hf.endpoints import transport
from codeclm_hf.endpoints.journal import Journal, JournaledEndpoint
from codeclm_hf.endpoints.protocol import Completion, GenerationRequest, Message, SendGuard
from codeclm_hf.endpoints.room import ThinkingRoom
from codeclm_hf.errors import RequestRejected

REQUEST = GenerationRequest(messages=(Message("user", "Hello"),), seed=0, max_new_tokens=100)
JSON = replace(REQUEST, schema={"properties": {}})
Write = Callable[[int], Completion]


def cut(text: str, tokens: int, **fields: object) -> Completion:
    return replace(
        Completion(text=text, finish_reason="length", prompt_tokens=5, completion_tokens=tokens),
        **fields,  # type: ignore[arg-type]
    )


def whole(text: str, tokens: int = 10, **fields: object) -> Completion:
    return replace(cut(text, tokens), finish_reason="stop", **fields)  # type: ignore[arg-type]


class Server:
    """What sends to a model: it notes the most tokens of each request."""

    def __init__(self, write: Write, tokens: int = 1000) -> None:
        self.room, self.write, self.sent = ThinkingRoom(tokens), write, list[int]()

    async def send(self, max_tokens: int) -> Completion:
        self.sent.append(max_tokens)
        await asyncio.sleep(0)
        return self.write(max_tokens)

    def ask(self, request: GenerationRequest = REQUEST) -> Completion:
        return transport.run(self.room.answer(request, self.send))


def thinks(needed: int, answer: str = "Hi") -> Write:
    """A model that thinks for so many tokens before it answers in ten."""

    def write(cap: int) -> Completion:
        return (
            whole(f"<think>hm</think>{answer}", needed + 10) if cap >= needed + 10 else cut("<think>hm", cap)
        )

    return write


@pytest.mark.parametrize(
    ("needed", "first", "later"),
    [
        (50, [100], [1100]),
        (900, [100, 1100], [1100]),
        (3000, [100, 1100, 4100], [4100]),
    ],
)
def test_room_grows_once_and_is_remembered(needed: int, first: list[int], later: list[int]) -> None:
    """A first answer shows that the model thinks; four times the room come after, and later requests get it."""
    server = Server(thinks(needed))
    assert server.ask().text == "Hi"
    assert server.sent == first
    server.sent.clear()
    assert (server.ask().text, server.sent) == ("Hi", later)


def test_what_all_tries_cost_is_counted() -> None:
    """An answer costs what the tries cost that were nothing but thoughts."""
    completion = Server(thinks(3000)).ask()
    assert (completion.prompt_tokens, completion.completion_tokens) == (15, 100 + 1100 + 3010)
    assert completion.thinking_tokens > 1200


def test_thoughts_without_an_end_are_no_answer() -> None:
    """After four times the room it is over, and the error says how much was spent."""
    server = Server(thinks(10_000))
    completion = server.ask()
    assert (completion.text, completion.no_answer) == ("", "spent all 4100 tokens on thinking")
    assert server.sent == [100, 1100, 4100]


@pytest.mark.parametrize(
    ("written", "words"),
    [
        (whole(""), "gave an empty answer"),
        (whole(" \n"), "gave an empty answer"),
        (whole("<|im_end|>"), "gave an empty answer"),
        (whole("<think>hm</think>"), "thought, and gave no answer"),
        (whole("<think>hm"), "thought, and gave no answer"),
        (whole("", thinking="hm"), "thought, and gave no answer"),
        (whole("", thinking_tokens=10), "thought, and gave no answer"),
        (whole("Hi", no_answer="refused: no"), "refused: no"),
        (cut("", 100), "spent all 4100 tokens without a word"),
        (cut("<think>hm</think>Hi", 100), "was cut off in its answer after"),
    ],
)
def test_no_answer_is_none(written: Completion, words: str) -> None:
    """Emptiness, thoughts alone, refusals and answers that thoughts left no room for are told in words."""
    completion = Server(lambda _: written).ask()
    assert completion.no_answer is not None
    assert completion.no_answer.startswith(words)


def test_an_answer_that_is_cut_off_is_an_answer() -> None:
    """A model that does not think is asked once more, to see that it does not; its answer stays as it was."""
    server = Server(lambda cap: whole("Hi, all", 200) if cap > 200 else cut("Hi", cap))
    assert [(server.ask().text, server.ask().no_answer) for _ in range(2)] == [("Hi", None)] * 2
    assert server.sent == [100, 400, 100, 100, 100]


def test_a_whole_answer_shows_that_nobody_thinks() -> None:
    """Then nothing is asked twice."""
    server = Server(lambda cap: whole("Hi") if len(server.sent) == 1 else cut("Hi", cap))
    assert [server.ask().finish_reason for _ in range(3)] == ["stop", "length", "length"]
    assert server.sent == [100, 100, 100]


def test_json_is_no_thought() -> None:
    """An answer under a schema that is cut off is JSON, and leaves it open whether the model thinks."""
    server = Server(lambda cap: cut('{"a": ', cap))
    assert server.ask(JSON).text == '{"a": '
    assert server.sent == [100]


def test_thoughts_that_the_template_opens_and_that_are_cut_off() -> None:
    """They look like an answer; of many such one is asked again, and then all are known for what they are."""
    server = Server(lambda cap: whole("hm\n</think>\nHi", 300) if cap >= 300 else cut("hm", cap))

    async def many() -> list[Completion]:
        return await asyncio.gather(*(server.room.answer(REQUEST, server.send) for _ in range(5)))

    assert [completion.text for completion in transport.run(many())] == ["Hi"] * 5
    assert sorted(server.sent) == [100] * 5 + [400] + [1100] * 4
    assert server.ask().text == "Hi"
    assert server.sent[-1] == 1100


def test_a_context_that_is_too_small_gets_less_room() -> None:
    """A refusal for the length is answered with half of the room, and in the end with none."""

    def write(cap: int) -> Completion:
        if cap > 600:
            raise RequestRejected("answered 400: maximum context length is 600 tokens")
        return thinks(50)(cap)

    server = Server(write)
    assert [server.ask().text, server.ask().text] == ["Hi", "Hi"]
    assert server.sent == [100, 1100, 600]


def test_another_refusal_is_the_caller_s() -> None:
    """What is not about the length, or comes without room, is not asked again."""

    def write(_: int) -> Completion:
        raise RequestRejected("answered 400: maximum context length is 50 tokens")

    server = Server(write)
    with pytest.raises(RequestRejected):
        server.ask()
    assert server.sent == [100]


@pytest.mark.parametrize(
    ("chosen", "text", "kept"),
    [
        (["<think>", "hm", "</think>", "8", " ", "7"], "<think>hm</think>8 7", ["8", " ", "7"]),
        (["hm", "\n</think>", "\n", "8", " 7"], "hm\n</think>\n8 7", ["8", " 7"]),
        (["<think>", "hm", "</think>8", " 7"], "<think>hm</think>8 7", None),
        (["8", " 7"], "8 7", ["8", " 7"]),
    ],
)
def test_log_probabilities_are_the_answer_s(chosen: list[str], text: str, kept: list[str] | None) -> None:
    """Those of the thoughts go; where a token holds the end of the thoughts too, they are in doubt and all go."""
    tokens = [[(token, -0.1)] for token in chosen]
    completion = Server(lambda _: whole(text, top_logprobs=tokens)).ask()
    left = completion.top_logprobs
    assert kept == (None if left is None else [alternatives[0][0] for alternatives in left])


class Model:
    """An endpoint whose server thinks for so long."""

    identity = "m@1"

    def __init__(self, needed: int, tokens: int) -> None:
        self.server = Server(thinks(needed), tokens)
        self.room = self.server.room

    async def generate(self, request: GenerationRequest, *, send_guard: SendGuard) -> Completion:
        return await self.room.answer(request, self.server.send)


def test_more_room_is_a_reason_to_ask_again(tmp_path: Path) -> None:
    """Thoughts that were cut off are kept, and are asked for anew only where the endpoint gives more room."""
    journal = Journal(tmp_path / "journal.sqlite")

    def ask(model: Model) -> str | None:
        return transport.run(JournaledEndpoint(model, journal).generate(REQUEST)).no_answer

    small, same, larger, again = (Model(3000, tokens) for tokens in (100, 100, 1000, 1000))
    assert [ask(small), ask(same)] == ["spent all 500 tokens on thinking"] * 2
    assert [ask(larger), ask(again)] == [None, None]
    assert [len(model.server.sent) for model in (small, same, larger, again)] == [3, 0, 3, 0]
    assert len(journal) == 2
    journal.close()
