"""Responses of a model: in whatever file, chat or folder they are kept."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from codeclm_hf import BadInput
from codeclm_hf.builders import load_responses
from support.hub_server import Hub


def kept(folder: Path, rows: list[dict[str, Any]], name: str = "responses.jsonl") -> str:
    (folder / name).write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(folder / name)


@pytest.mark.parametrize(
    "row",
    [
        {"instruction": "Do it.", "response": "Done."},
        {"dataset": "x", "instruction": "Do it.", "output": "Done.", "generator": "m"},
        {"instruction": "Do it.", "input": "", "output": "Done."},
        {"prompt": "Do it.", "Completion": "Done."},
        {"question_id": 1, "text": "Do it.", "answer": "Done."},
        {"messages": [{"role": "user", "content": "Do it."}, {"role": "assistant", "content": "Done."}]},
        {
            "messages": [
                {"role": "system", "content": "Be kind."},
                {"role": "user", "content": "Do it."},
                {"role": "assistant", "content": [{"type": "text", "text": "Done."}]},
                {"role": "user", "content": "More."},
                {"role": "assistant", "content": "No."},
            ]
        },
        {
            "messages": [
                {"role": "user", "content": [{"type": "text", "text": "Do it."}]},
                {
                    "role": "assistant",
                    "content": [{"type": "thinking", "thinking": "Hm."}, {"type": "text", "text": "Done."}],
                },
            ]
        },
        {"conversations": [{"from": "human", "value": "Do it."}, {"from": "gpt", "value": "Done."}]},
        {"instruction": "Do it.", "messages": [{"role": "user", "content": "Do it."}], "response": "Done."},
    ],
)
def test_a_response_is_found(tmp_path: Path, row: dict[str, Any]) -> None:
    """In a column of one of the usual names, in any case, or as the assistant's first turn."""
    table = load_responses(kept(tmp_path, [row]))
    assert table.to_list() == [{"instruction": "Do it.", "response": "Done."}]


@pytest.mark.parametrize(
    ("more", "response"),
    [
        ({"finish_reason": "stop"}, "Done."),
        ({"finish_reason": "length"}, "Done."),
        ({"finish_reason": None}, "Done."),
        ({"refusal": None}, "Done."),
        ({"finish_reason": "content_filter"}, ""),
        ({"Finish_Reason": "SAFETY"}, ""),
        ({"stop_reason": "refusal"}, ""),
        ({"finish_reason": "error"}, ""),
        ({"refusal": "I cannot."}, ""),
    ],
)
def test_what_was_refused_or_filtered_is_no_answer(
    tmp_path: Path, more: dict[str, Any], response: str
) -> None:
    """A row that says so has an empty response, whatever its text is."""
    table = load_responses(kept(tmp_path, [{"instruction": "Do it.", "response": "Done.", **more}]))
    assert table["response"] == [response]


def test_each_instruction_has_its_first_response(tmp_path: Path) -> None:
    """Rows without a response, or with something that is none, have none."""
    rows: list[dict[str, Any]] = [
        {"instruction": "One.", "response": "first"},
        {"instruction": "One. ", "response": "second"},
        {"instruction": "Two.", "response": None},
        {"instruction": "", "response": "to nothing"},
    ]
    found = load_responses(kept(tmp_path, rows)).to_list()
    assert [row["response"] for row in found] == ["first", None, "to nothing"]
    assert [row["instruction"] for row in found] == ["One.", "Two.", None]


def test_whose_they_are(tmp_path: Path) -> None:
    """A model that every row names; or else the file, without the folders that nobody else need know."""
    one = {"instruction": "One.", "output": "x", "generator": "a-model"}
    path = kept(tmp_path, [one, {**one, "instruction": "Two."}])
    assert load_responses(path).info.description == "a-model"
    path = kept(tmp_path, [one, {**one, "instruction": "Two.", "generator": "another"}])
    assert load_responses(path).info.description == "responses.jsonl"


def test_a_role_finds_its_column(tmp_path: Path) -> None:
    """Where there are answers of two, as in an evaluation's comparisons."""
    row = {
        "instruction": "Do it.",
        "candidate_response": "mine",
        "reference_response": "theirs",
        "output": "old",
    }
    path = kept(tmp_path, [row])
    found = {
        role: load_responses(path, role=role)["response"][:] for role in (None, "candidate", "reference")
    }
    assert found == {None: ["old"], "candidate": ["mine"], "reference": ["theirs"]}


@pytest.mark.usefixtures("token")
def test_a_data_set_on_the_hub_is_read_at_its_revision(hub: Hub) -> None:
    """`org/name@revision`; it is called so, too."""
    card = b"---\nconfigs:\n- config_name: default\n  data_files: a.jsonl\n---\n"
    repo = hub.add("org/answers", {"README.md": card, "a.jsonl": b'{"prompt": "Do it.", "output": "1"}\n'})
    first = repo.log()[0].oid
    assert load_responses(f"org/answers@{first}")["response"][:] == ["1"]
    assert load_responses("org/answers").info.description == "org/answers"


def test_what_holds_no_responses_is_refused(tmp_path: Path) -> None:
    """It is told which columns there are."""
    with pytest.raises(BadInput, match=r"needs a column with responses \(response, output, .*has .*`topic`"):
        load_responses(kept(tmp_path, [{"instruction": "Do it.", "topic": "x"}]))
