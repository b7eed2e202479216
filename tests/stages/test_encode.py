"""Encoding: free names, and names of a list."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from typing import Any

import pytest
from datasets import Dataset

from codeclm_hf import BadInput, CodecLM, Encode, endpoint
from support.model_server import StandIn

Serve = Callable[..., StandIn]
SEED = Dataset.from_dict({"instruction": ["Which customers spent most?"]})
FREE = "a54860049cf9ba2d"
"""How the hash of the chat begins that seeds have been encoded with from the first version on."""
USE_CASES, SKILLS = ("code generation", "data analysis"), ("SQL query", "C++", "C")


def encoded(server: StandIn, **lists: Any) -> dict[str, Any]:
    (row,) = Encode(strong=endpoint(server.url), **lists).map(SEED).to_list()
    return dict(row)


def says(*answers: object) -> Callable[..., Any]:
    """A model that gives one answer after the other, and the last one ever after."""
    left = list(answers)
    return lambda *_: left.pop(0) if len(left) > 1 else left[0]


def test_without_lists_the_request_is_as_it_always_was(serve: Serve) -> None:
    """The prompt does not speak of lists, and the schema leaves names free."""
    server = serve(says({"use_case": "a", "skills": ["b"]}), tgi=False)
    encoded(server)
    (asked,) = server.asked
    assert "from this list" not in json.dumps(asked["messages"])
    assert hashlib.sha256(json.dumps(asked["messages"]).encode()).hexdigest().startswith(FREE)
    assert asked["schema"]["properties"]["use_case"] == {"type": "string", "minLength": 1, "maxLength": 60}
    assert asked["schema"]["properties"]["skills"]["items"] == asked["schema"]["properties"]["use_case"]


def test_the_lists_stand_in_the_prompt_and_in_the_schema(serve: Serve) -> None:
    """A server with grammars can give nothing else; a server without is told."""
    server = serve(says({"use_case": "data analysis", "skills": ["C++"]}), tgi=False)
    row = encoded(server, use_cases=USE_CASES, skills=SKILLS)
    assert (row["use_case"], row["skills"]) == ("data analysis", ["C++"])
    (asked,) = server.asked
    first = asked["messages"][0]["content"]
    assert "Choose the use case from this list: code generation; data analysis.\n" in first
    assert "Choose the skills from this list: SQL query; C++; C.\n" in first
    assert asked["schema"]["properties"]["use_case"] == {"type": "string", "enum": list(USE_CASES)}
    assert asked["schema"]["properties"]["skills"]["items"] == {"type": "string", "enum": list(SKILLS)}


def test_another_spelling_becomes_the_listed_one(serve: Serve) -> None:
    """Variants of a listed name are that name, once."""
    answer = "Use case: Data Analyses\nSkills: SQL-queries, sql query skills, c++"
    row = encoded(serve(says(answer), grammar=False), use_cases=USE_CASES, skills=SKILLS)
    assert (row["use_case"], row["skills"], row["error"]) == ("data analysis", ["SQL query", "C++"], None)


def test_a_name_that_is_not_listed_is_asked_for_again(serve: Serve) -> None:
    """Until it is one; else the row fails and says what was to be chosen from."""
    foreign = {"use_case": "data analysis", "skills": ["SQL query", "haiku"]}
    server = serve(says(foreign, {"use_case": "data analysis", "skills": ["C"]}), tgi=False)
    assert encoded(server, skills=SKILLS)["skills"] == ["C"]
    assert len(server.asked) == 2
    row = encoded(serve(says(foreign), tgi=False), skills=SKILLS)
    assert row["use_case"] is None
    assert "needs skills out of SQL query, C++, C; the model answered" in row["error"]


@pytest.mark.parametrize("field", ["use_cases", "skills"])
def test_a_list_is_checked_before_anything_is_asked(serve: Serve, field: str) -> None:
    """Two spellings of one name in a list are refused, and a list of any kind becomes a tuple."""
    model = endpoint(serve(says("")).url)
    with pytest.raises(BadInput, match="once; came 'x' and 'X'"):
        CodecLM(strong=model, target=model, **{field: ["x", "X"]})
    assert getattr(CodecLM(strong=model, target=model, **{field: ["x", "y"]}), field) == ("x", "y")
