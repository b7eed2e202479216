"""A system turn and TGI's own dialect, where the model's chat template is applied here."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from jinja2.exceptions import TemplateError

from codeclm_hf import BadInput, CodecLMError, GenerationRequest, Message
from codeclm_hf.endpoints.http import Client
from codeclm_hf.errors import RequestRejected

if TYPE_CHECKING:
    from codeclm_hf.endpoints.tgi import TGI


def dialect(apply_chat_template: Any) -> TGI:
    from codeclm_hf.endpoints.tgi import TGI  # needs the extra `tgi`, without which some tests are collected

    tokenizer = SimpleNamespace(apply_chat_template=apply_chat_template, bos_token=None)
    return TGI(client=Client("http://127.0.0.1:9"), identity="org/gemma@1", tokenizer=tokenizer)


def request(*roles: str) -> GenerationRequest:
    return GenerationRequest(messages=tuple(Message(role, f"the {role}") for role in roles), seed=1)


def refuse(*_: Any, **__: Any) -> str:
    raise TemplateError("System role not supported")


@pytest.mark.parametrize(
    ("roles", "kind", "words"),
    [
        (("system", "user"), BadInput, "takes a system prompt; that of org/gemma@1 refuses it"),
        (("user",), RequestRejected, "the chat template of org/gemma@1 refuses this chat"),
    ],
)
def test_a_template_that_refuses_a_chat_is_told_in_words(
    roles: tuple[str, ...], kind: type[CodecLMError], words: str
) -> None:
    """A system prompt, which every chat has, is bad input; another chat's refusal is about its row."""
    with pytest.raises(kind, match=rf"{words}.*System role not supported"):
        dialect(refuse)._prompt(request(*roles))


def test_a_system_turn_reaches_the_template() -> None:
    """As the first turn of the chat."""
    asked: list[Any] = []
    dialect(lambda chat, **_: asked.extend(chat) or "prompt")._prompt(request("system", "user"))
    assert [turn["role"] for turn in asked] == ["system", "user"]
