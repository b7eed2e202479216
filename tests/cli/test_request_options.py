"""What is typed for a role's requests: extra fields and system prompts, as text and as files."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from codeclm_hf import BadInput
from codeclm_hf.cli.request_options import read_extra, read_system

FIELDS = {"reasoning_effort": "low", "chat_template_kwargs": {"enable_thinking": False}, "top_p": 0.9}


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "fields.json").write_text(json.dumps(FIELDS, indent=1))
    (tmp_path / "bom.json").write_text(json.dumps(FIELDS), encoding="utf-8-sig")
    (tmp_path / "list.json").write_text('[{"top_p": 1}]')
    (tmp_path / "broken.json").write_text('{"top_p": }')
    (tmp_path / "brief.txt").write_text("\nBe brief.\nBe kind. ü\n", encoding="utf-8")
    (tmp_path / "Be brief").write_text("Be very brief.")
    (tmp_path / "empty.txt").write_text("")
    (tmp_path / "blank.txt").write_text(" \n\t\n")
    (tmp_path / "latin.txt").write_bytes("Sei höflich.".encode("latin-1"))
    (tmp_path / "folder").mkdir()
    return tmp_path


@pytest.mark.parametrize(
    ("typed", "fields"),
    [
        (None, None),
        (json.dumps(FIELDS), FIELDS),
        (f"  {json.dumps(FIELDS)}\n", FIELDS),
        ("fields.json", FIELDS),
        ("bom.json", FIELDS),
        ("{}", {}),
        ('{"n": 1, "max_tokens": 9}', {"n": 1, "max_tokens": 9}),
    ],
)
def test_extra_fields_are_a_json_object_or_a_file_with_one(typed: str | None, fields: Any) -> None:
    """As they are written, whatever they are called."""
    assert read_extra(typed, "--strong-extra") == fields


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ("", "there is no file"),
        ("nowhere.json", "there is no file nowhere.json"),
        ("top_p=0.9", "there is no file top_p=0.9"),
        ("folder", "folder cannot be read"),
        ("latin.txt", "in UTF-8"),
        ("broken.json", "broken.json is none"),
        ("empty.txt", "empty.txt is none"),
        ("{top_p: 0.9}", "it is none"),
        ("{'top_p': 0.9}", "it is none"),
        ("list.json", "came a list"),
        ("[1]", "came a list"),
        ("0.9", "came a number"),
        ("null", "came a null"),
        ("true", "came a truth value"),
        ('"top_p"', "came a text"),
        ('{"top_p": NaN}', "that JSON can hold"),
        ('{"messages": []}', "came messages; leave it out"),
        ('{"model": "x"}', "came model"),
        ('{"stream": true}', "came stream"),
        ('{"stream": false, "stream_options": {}}', "came stream, stream_options"),
        ('{"prompt": "x"}', "came prompt"),
        ('{"inputs": "x"}', "came inputs"),
        ('{"response_format": {"type": "text"}}', "came response_format"),
        ('{"n": 2}', "came an n of 2"),
        ('{"echo": true}', "without echo"),
        ('{"return_full_text": true}', "without return_full_text"),
        ('{"api_key": "sk-s3cret"}', "without credentials.*came api_key"),
        ('{"fallbacks": [{"Authorization": "Bearer s3cret"}]}', "without credentials.*came Authorization"),
    ],
)
def test_other_extra_fields_are_bad_input(typed: str, words: str) -> None:
    """In one line that names the option, and no credential."""
    with pytest.raises(BadInput) as caught:
        read_extra(typed, "--strong-extra")
    assert re.search(words, str(caught.value)) and "--strong-extra" in str(caught.value)
    assert "\n" not in str(caught.value) and "s3cret" not in str(caught.value)


@pytest.mark.parametrize(
    ("typed", "prompt"),
    [
        (None, None),
        ("You are terse.", "You are terse."),
        ("  You are terse.\n", "You are terse."),
        ("brief.txt", "Be brief.\nBe kind. ü"),
        ("Be brief", "Be very brief."),
        ("Terse", "Terse"),
        ("Answer yes/no.", "Answer yes/no."),
        ("用中文回答/或英文。", "用中文回答/或英文。"),
        ("x" * 5000, "x" * 5000),
        ("A null \0 in it", "A null \0 in it"),
    ],
)
def test_a_system_prompt_is_a_text_or_a_file_with_one(typed: str | None, prompt: str | None) -> None:
    """The name of a file that is there stands for what it holds."""
    assert read_system(typed, "--target-system") == prompt


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ("", "it is empty"),
        (" \n", "it is empty"),
        ("empty.txt", "empty.txt is empty"),
        ("blank.txt", "blank.txt is empty"),
        ("latin.txt", "in UTF-8 .*latin.txt is not"),
        ("folder", "folder cannot be read"),
        ("nowhere.txt", "there is no file nowhere.txt"),
        ("prompts/system", "there is no file prompts/system"),
        ("~/system.MD", "there is no file ~/system.MD"),
        ("Sei h\udcf6flich.", "in UTF-8"),
    ],
)
def test_other_system_prompts_are_bad_input(typed: str, words: str) -> None:
    """In one line that names the option."""
    with pytest.raises(BadInput) as caught:
        read_system(typed, "--target-system")
    assert re.search(words, str(caught.value)) and "--target-system" in str(caught.value)
    assert "\n" not in str(caught.value)
