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
from codeclm_hf.errors import Refusal, RequestRejected

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


@pytest.mark.parametrize(
    ("refuses", "words", "first", "later"),
    [
        # vLLM's own limit, which prompts do not share.
        (lambda cap: cap > 1500, "max_tokens={0} cannot be greater than max_model_len=1500. (parameter=max_tokens, "
         "value={0})", [100, 1100, 4100, 1500], [1100, 1500]),
        # A limit that words name without the prompt's part.
        (lambda cap: cap + 12 > 1500, "maximum context length is 1500 tokens. However, you requested {0} tokens",
         [100, 1100, 4100, 1500, 1100], [1100]),
        (lambda cap: cap > 1200, "too many tokens", [100, 1100, 4100, 1100], [1100]),
        (lambda cap: cap > 90, "max_tokens is too large: {0}. At most 90 are supported", [100], [100]),
    ],
)  # fmt: skip
def test_what_a_small_context_takes_is_remembered(
    refuses: Callable[[int], bool], words: str, first: list[int], later: list[int]
) -> None:
    """A refusal for the length costs one answer a few requests, and the next none."""

    def write(cap: int) -> Completion:
        if refuses(cap):
            error = RequestRejected(words.format(cap))
            error.refusal = Refusal(400, words.format(cap))
            raise error
        return cut("<think>hm", cap)

    server = Server(write)
    for _ in range(3):
        server.sent.clear()
        try:
            completion = server.ask()
        except RequestRejected:
            assert server.sent == first[:1]
        else:
            assert server.sent == first
            assert completion.no_answer == f"spent all {later[-1]} tokens on thinking"
            assert completion.max_tokens == 4100  # more is not to be had by asking again
            first = later


def test_prompts_of_other_lengths_get_what_the_context_leaves() -> None:
    """Longer prompts have less room, and shorter ones do not lose theirs to them."""
    prompts = [replace(REQUEST, messages=(Message("user", "x" * 4 * n),)) for n in (800, 10, 800, 400, 10)]
    rooms: list[int] = []

    def ask(request: GenerationRequest) -> None:
        size = len(request.messages[0].content) // 4

        async def send(cap: int) -> Completion:
            sent.append(cap)
            if cap + size > 2000:
                raise RequestRejected("answered 400: the context is too small")
            return cut("<think>hm", cap)

        sent: list[int] = []
        transport.run(room.answer(request, send))
        rooms.append(len(sent))

    room = ThinkingRoom(1000)
    for prompt in prompts:
        ask(prompt)
    assert rooms[0] > 3 and max(rooms[1:]) <= 2


@pytest.mark.parametrize("tokens", [0, 200, 10**9])
def test_any_amount_of_room(tokens: int) -> None:
    """Without room, or with any, thoughts that the template opened are not taken for an answer."""
    server = Server(lambda cap: whole("hm\n</think>\nHi", 300) if cap >= 300 else cut("hm", cap), tokens)
    assert [server.ask().text, server.ask().text] == ["Hi", "Hi"]
    assert max(server.sent) <= 100 + max(tokens, 300)


def test_a_trial_that_shows_nothing_is_tried_with_more_room() -> None:
    """Long thoughts that nothing marks before their end are seen for what they are."""
    server = Server(lambda cap: whole("hm\n</think>\nHi", 900) if cap >= 900 else cut("hm", cap))
    assert server.ask().text == "Hi"
    assert server.sent == [100, 400, 1100]
    server = Server(lambda cap: cut("word", cap))
    assert [server.ask().text for _ in range(4)] == ["word"] * 4
    assert server.sent == [100, 400, 1100, 100, 400, 1100, 100, 100]


def test_a_full_answer_that_is_said_to_have_stopped_was_cut_off() -> None:
    """Some servers call it `stop` whatever ended an answer."""
    server = Server(lambda cap: whole("<think>hm", cap) if cap < 4100 else whole("<think>hm</think>Hi", 2000))
    assert (server.ask().text, server.sent) == ("Hi", [100, 1100, 4100])
    server = Server(lambda cap: whole("hm", cap) if cap < 400 else whole("hm\n</think>Hi", 350))
    assert (server.ask().text, server.sent) == ("Hi", [100, 400])
    assert Server(lambda cap: whole("Hi", 99)).ask().finish_reason == "stop"


def test_a_limit_of_the_user_s_is_the_only_room() -> None:
    """A request that carries the user's own most tokens is asked once, and the error names those."""
    server = Server(lambda cap: cut("<think>hm", cap))
    server.room = ThinkingRoom(1000, limit=700)
    completion = server.ask()
    assert (completion.no_answer, server.sent) == ("spent all 700 tokens on thinking", [700])
    assert server.room.most_tokens(REQUEST) == 700


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
        (["<think>", "hm", "</think>", " 8", " 7"], "<think>hm</think> 8 7", [" 8", " 7"]),
        (
            ["hm", "</think>", "\n\n8", " 7", "<|im_end|>"],
            "hm</think>\n\n8 7<|im_end|>",
            ["\n\n8", " 7", "<|im_end|>"],
        ),
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


class Earlier:
    """A model as an earlier version asked it: thoughts were no matter, and were kept as they came."""

    identity = "m@1"

    async def generate(self, request: GenerationRequest, *, send_guard: SendGuard) -> Completion:
        return cut("<think>hm", 100)


def test_thoughts_that_an_earlier_version_cut_off_are_asked_for_again(tmp_path: Path) -> None:
    """It gave no room: what it kept is no reason to fail for ever."""
    journal = Journal(tmp_path / "journal.sqlite")
    transport.run(JournaledEndpoint(Earlier(), journal).generate(REQUEST))
    assert transport.run(JournaledEndpoint(Model(50, 1000), journal).generate(REQUEST)).text == "Hi"
    assert len(journal) == 2
    journal.close()


def test_an_answer_in_tags_that_were_asked_for_is_replayed_as_it_was(tmp_path: Path) -> None:
    """What is read from the journal is what was answered."""
    request = replace(REQUEST, messages=(Message("user", "Use <reasoning> and <answer> tags."),))
    text = "<reasoning>hm</reasoning><answer>8</answer>"
    model = Model(0, 1000)
    model.server.write = lambda _: whole(text)
    journal = Journal(tmp_path / "journal.sqlite")
    asked = [transport.run(JournaledEndpoint(model, journal).generate(request)).text for _ in range(2)]
    assert (asked, len(model.server.sent)) == ([text] * 2, 1)
    journal.close()
