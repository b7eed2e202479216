"""Fields that a user adds to requests are part of what is asked: of the journal's key, and of a stage's spec."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from codeclm_hf import BadInput, Encode, endpoint
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
