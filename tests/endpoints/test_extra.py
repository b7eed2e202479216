"""Fields that a user adds to requests are part of what is asked: of the journal's key, and of a stage's spec."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from codeclm_hf import BadInput, Encode, endpoint
from codeclm_hf.endpoints.extra import check_extra, token_limit
from codeclm_hf.endpoints.journal import Journal
from support.counted_endpoint import REQUEST, Counter, ask


def counter(extra: dict[str, Any] | None) -> Counter:
    model = Counter()
    if extra is not None:
        model.extra = extra  # type: ignore[attr-defined]
    return model


def test_other_fields_are_other_requests(tmp_path: Path) -> None:
    """The same fields, in whatever order, find their answer; none at all is as it was before there were any."""
    journal = Journal(tmp_path / "journal.sqlite")
    fields = {"top_p": 0.9, "chat_template_kwargs": {"enable_thinking": False}}
    again = {"chat_template_kwargs": {"enable_thinking": False}, "top_p": 0.9}
    models = [counter(extra) for extra in (None, {}, fields, again, {"top_p": 0.8})]
    try:
        texts = [ask(model, journal, REQUEST)[0].text for model in models]
        assert [len(model.asked) for model in models] == [1, 0, 1, 0, 1]
        assert len(set(texts)) == 1  # each asked model counts its own answers
        asked = [line for line in journal._reader.export()]
    finally:
        journal.close()
    assert [('"extra":' in line) for line in asked] == [False, True, True]


def test_other_fields_make_other_rows() -> None:
    """A stage's spec names the fields beside the model, and is as before where there are none."""
    specs = [Encode(strong=counter(extra)).spec()["strong"] for extra in (None, {}, {"top_p": 0.9})]
    assert specs == ["model@1", "model@1", ["model@1", {"top_p": 0.9}]]


@pytest.mark.parametrize("extra", [["top_p"], "top_p", {"messages": []}, {"n": 3}, {1: 2}, {"token": {1, 2}}])
def test_what_would_break_a_request_is_refused_before_connecting(extra: Any) -> None:
    """In Python as on the command line."""
    with pytest.raises(BadInput, match="needs extra fields"):
        endpoint("http://127.0.0.1:9", extra=extra)


@pytest.mark.parametrize(
    "extra",
    [
        {"api_key": "x"},
        {"x-api-key": "x"},
        {"provider": {"order": ["a"], "apiToken": "x"}},
        {"extra_headers": {"X-API-Key": "x"}},
        {"hf_token": "x"},
        {"aws_secret_access_key": "x"},
        {"user": "hf_abcdefghijklmnopqrstuvwxyz"},
        {"metadata": [{"for": "sk-proj-abcdefghijklmnop"}]},
        {"h": "Bearer abcdefgh"},
    ],
)
def test_credentials_are_no_fields(extra: dict[str, Any]) -> None:
    """They would be read in the journal and on the card, whatever they are called and wherever they stand."""
    with pytest.raises(BadInput, match="without credentials"):
        check_extra(extra)


def test_fields_with_tokens_of_texts_are_no_credentials() -> None:
    """Their names are much like those."""
    names = (
        "max_tokens",
        "min_tokens",
        "stop_token_ids",
        "skip_special_tokens",
        "eos_token",
        "top_k",
        "thinking_key",
    )
    assert check_extra(dict.fromkeys(names, 1)) == dict.fromkeys(names, 1)
    assert check_extra({"stop": ["</s>", "sk-"], "user": "hf_user"})


@pytest.mark.parametrize(
    ("extra", "limit"),
    [
        ({}, None),
        ({"top_p": 0.9}, None),
        ({"max_tokens": 90}, 90),
        ({"max_completion_tokens": 80}, 80),
        ({"max_new_tokens": 70}, 70),
        ({"max_tokens": None}, None),
    ],
)
def test_a_limit_of_the_user_s(extra: dict[str, Any], limit: int | None) -> None:
    """It takes the place of every other, under any name."""
    assert token_limit(extra) == limit
