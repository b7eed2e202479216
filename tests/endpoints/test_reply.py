"""A chat server's reply is read as the answer that it holds, of whatever shape it is, and for no more."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codeclm_hf.endpoints.http import Client
from codeclm_hf.endpoints.protocol import Completion, GenerationRequest, Message
from codeclm_hf.endpoints.reply import chat_completion
from codeclm_hf.errors import CodecLMError, EndpointDown, GenerationFailed, RequestRejected

REQUEST = GenerationRequest(messages=(Message("user", "Add 4 and 4, then take 1."),), seed=0)
CLIENT = Client("http://127.0.0.1:1", api_key="secret-token")
USAGE = {"prompt_tokens": 5, "completion_tokens": 10}


def read(reply: Any) -> Completion:
    return chat_completion(reply, REQUEST, CLIENT)


def message(content: Any = None, **fields: Any) -> dict[str, Any]:
    return {"choices": [{"message": {"role": "assistant", "content": content, **fields}}], "usage": USAGE}


THOUGHT = {"type": "text", "text": "hm"}
ANSWER = {"type": "text", "text": "8 7"}


@pytest.mark.parametrize(
    ("reply", "thinking", "text"),
    [
        (message("8 7"), "", "8 7"),
        (message("8 7", reasoning_content="hm"), "hm", "8 7"),
        (message("8 7", reasoning="hm"), "hm", "8 7"),
        (message("8 7", reasoning=None, reasoning_content="hm"), "hm", "8 7"),
        (message("8 7", thinking="hm"), "hm", "8 7"),
        (message("8 7", reasoning={"content": "hm"}), "hm", "8 7"),
        (message("8 7", reasoning_details=[{"type": "reasoning.text", "text": "hm"}]), "hm", "8 7"),
        (message("8 7", reasoning_details=[{"type": "reasoning.summary", "summary": "hm"}]), "hm", "8 7"),
        (message("8 7", reasoning_details=[{"type": "reasoning.encrypted", "data": "xyz"}]), "", "8 7"),
        (message("8 7", thinking_blocks=[{"type": "thinking", "thinking": "hm"}]), "hm", "8 7"),
        (message("8 7", provider_specific_fields={"reasoning_content": "hm"}), "hm", "8 7"),
        (message([ANSWER]), "", "8 7"),
        (message([{"type": "text", "text": "8 "}, {"type": "text", "text": "7"}]), "", "8 7"),
        (message(["8 ", "7"]), "", "8 7"),
        (message(ANSWER), "", "8 7"),
        (message([{"type": "output_text", "text": "8 7"}]), "", "8 7"),
        (message([{"type": "thinking", "thinking": "hm"}, ANSWER]), "hm", "8 7"),
        (message([{"type": "thinking", "thinking": [THOUGHT]}, ANSWER]), "hm", "8 7"),
        (message([{"type": "reasoning", "text": "hm"}, ANSWER]), "hm", "8 7"),
        (message([{"type": "reasoning", "summary": [{"text": "hm"}]}, ANSWER]), "hm", "8 7"),
        (message([{"type": "redacted_thinking", "data": "xyz"}, ANSWER]), "", "8 7"),
        (message([{"type": "reasoning.text", "text": "hm"}, ANSWER]), "hm", "8 7"),
        (message([{"type": "text", "text": "hm", "thought": True}, ANSWER]), "hm", "8 7"),
        (message("8 7", thought="hm"), "hm", "8 7"),
        (message("8 7", thinking=True, thought=False), "", "8 7"),
        ([message("8 7")], "", "8 7"),
        ({"choices": [{"text": "8 7"}], "usage": USAGE}, "", "8 7"),
        ({"choices": [{"message": {"content": "8 7"}}]}, "", "8 7"),
        ({"choices": [{"message": {"content": "8\ud800 7"}}]}, "", "8? 7"),
    ],
)
def test_shapes(reply: Any, thinking: str, text: str) -> None:
    """Thoughts are found in fields and in parts of any name; what is no thought is the text, joined."""
    completion = read(reply)
    assert (completion.thinking, completion.text) == (thinking, text)
    assert completion.no_answer is None


@pytest.mark.parametrize(
    "reason",
    ["length", "LENGTH", "MAX_TOKENS", "model_length", "max_output_tokens", "model_context_window_exceeded"],
)
def test_cut_off_has_one_name(reason: str) -> None:
    """Every server's word for an answer that was cut off is `length`."""
    reply = message("8")
    reply["choices"][0]["finish_reason"] = reason
    assert read(reply).finish_reason == "length"


@pytest.mark.parametrize(
    ("fields", "reason", "words"),
    [
        ({"refusal": "I can't help with that."}, "stop", "refused: I can't help with that."),
        ({"refusal": "No: secret-token."}, "stop", "refused: No: …."),
        ({"content": [{"type": "refusal", "refusal": "No."}]}, "stop", "refused: No."),
        ({}, "content_filter", "gave an answer that its server kept back (content_filter)"),
        ({"content": "8"}, "content_filter", "gave an answer that its server kept back (content_filter)"),
        ({"content": "8"}, "SAFETY", "gave an answer that its server kept back (safety)"),
        ({"content": "8"}, "refusal", "gave an answer that its server kept back (refusal)"),
        ({"tool_calls": [{"function": {"name": "f"}}]}, "tool_calls", "called a tool in place of an answer"),
    ],
)
def test_no_answer_is_told(fields: dict[str, Any], reason: str, words: str) -> None:
    """A refusal, a filter or a tool call is no answer, whatever text comes with it, and the reason is kept."""
    reply = message(**fields)
    reply["choices"][0]["finish_reason"] = reason
    assert read(reply).no_answer == words


@pytest.mark.parametrize(
    ("choice", "error"),
    [
        ({"error": {"code": 502, "message": "upstream"}}, EndpointDown),
        ({"error": {"code": 429, "message": "slow down"}}, EndpointDown),
        ({"error": "upstream"}, GenerationFailed),
        ({"finish_reason": "error"}, GenerationFailed),
        ({"finish_reason": "abort"}, GenerationFailed),
        ({"finish_reason": "insufficient_system_resource"}, GenerationFailed),
        ({"error": {"code": 403, "message": "flagged"}}, RequestRejected),
        ({"error": {"code": 400, "message": "bad"}}, RequestRejected),
    ],
)
def test_a_provider_s_error_is_no_answer(choice: dict[str, Any], error: type[CodecLMError]) -> None:
    """What broke in the provider is asked again; what it refused is not."""
    with pytest.raises(error, match="answered 200 with the error"):
        read({"choices": [{"message": {"content": "8 7"}, **choice}]})


@pytest.mark.parametrize(
    "reply",
    [None, 7, "8 7", [], {}, {"choices": []}, {"choices": None}, {"choices": [None]}, {"choices": [{}]}],
)
def test_an_unknown_shape_is_asked_for_once_more(reply: Any) -> None:
    """It uses up half of a request's tries, and its beginning is quoted."""
    with pytest.raises(GenerationFailed, match=r"answered 200 with no `choices\[0\].message`") as caught:
        read(reply)
    assert caught.value.tries == 4


@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        (USAGE, (5, 10, 0, False)),
        ({**USAGE, "completion_tokens_details": {"reasoning_tokens": 8}}, (5, 10, 8, False)),
        ({**USAGE, "completion_tokens_details": None}, (5, 10, 0, False)),
        ({**USAGE, "reasoning_tokens": 8}, (5, 10, 8, False)),
        (
            {"input_tokens": 5, "output_tokens": 10, "output_tokens_details": {"reasoning_tokens": 8}},
            (5, 10, 8, False),
        ),
        ({**USAGE, "total_tokens": 15}, (5, 10, 0, False)),
        ({**USAGE, "total_tokens": 23}, (5, 18, 8, False)),
        (
            {**USAGE, "total_tokens": 23, "completion_tokens_details": {"reasoning_tokens": 8}},
            (5, 18, 8, False),
        ),
        ({"prompt_tokens": 5.0, "completion_tokens": 10.0}, (5, 10, 0, False)),
        (None, (7, 1, 0, True)),
        ({}, (7, 1, 0, True)),
        ([], (7, 1, 0, True)),
        ({"prompt_tokens": None, "completion_tokens": "many"}, (7, 1, 0, True)),
        ({"prompt_tokens": float("nan"), "completion_tokens": -1}, (7, 1, 0, True)),
        ({"prompt_tokens": 0, "completion_tokens": 0}, (7, 1, 0, True)),
    ],
)
def test_usage(usage: Any, expected: tuple[int, int, int, bool]) -> None:
    """Tokens are those that the server counts, thoughts apart; where it counts none they are an estimate."""
    completion = read(message("8 7") | {"usage": usage})
    counts = completion.prompt_tokens, completion.completion_tokens, completion.thinking_tokens
    assert (*counts, completion.estimated) == expected


def test_thoughts_without_a_count_get_their_share() -> None:
    """Of the tokens they have as many as of the characters."""
    assert read(message("8 7", reasoning="hm, so it is")).thinking_tokens == 8


@pytest.mark.parametrize(
    "logprobs",
    [
        None, {}, [], "none", {"content": None}, {"content": []}, {"content": [None]}, {"content": "8 7"},
        {"content": [{"token": "8"}]}, {"content": [{"token": "8", "logprob": "x", "top_logprobs": []}]},
        {"content": [{"token": "8", "logprob": -0.1, "top_logprobs": None}]},
        {"content": [{"token": None, "logprob": -0.1, "top_logprobs": []}]},
        {"tokens": ["8"], "token_logprobs": [-0.1], "top_logprobs": [{"8": -0.1}]},
    ],
)  # fmt: skip
def test_odd_log_probabilities_cost_the_scores_alone(logprobs: Any) -> None:
    """The text is read all the same."""
    reply = message("8 7")
    reply["choices"][0]["logprobs"] = logprobs
    assert (read(reply).text, read(reply).top_logprobs) == ("8 7", None)


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["content", "type", "text", "thinking", "refusal", "error", "code"]), inner
        )
    ),
    max_leaves=8,
)


@given(content=JSON, reasoning=JSON, usage=JSON, logprobs=JSON, reason=JSON)
def test_nothing_but_our_errors_leaves(
    content: Any, reasoning: Any, usage: Any, logprobs: Any, reason: Any
) -> None:
    """Whatever JSON stands where something else should, there is an answer, or an error of ours."""
    reply = message(content, reasoning=reasoning)
    reply["usage"] = usage
    reply["choices"][0] |= {"logprobs": logprobs, "finish_reason": reason}
    try:
        completion = read(reply)
    except CodecLMError:
        return
    assert isinstance(completion.text, str)
    assert completion.prompt_tokens >= 0 <= completion.thinking_tokens
