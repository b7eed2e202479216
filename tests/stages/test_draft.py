"""The draft stage: rubrics beside a wave of instructions, as the two stages make them one after the other."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from datasets import Dataset

from codeclm_hf import CodecLM, schema
from codeclm_hf.endpoints.connect import endpoint
from codeclm_hf.errors import EndpointError
from codeclm_hf.stages.encode import metadata_row
from support.model_server import StandIn

WorldOf = Callable[..., tuple[StandIn, StandIn]]
METADATA = [
    metadata_row("code review", ["Rust"], origin="given", seed_ids=[]),
    metadata_row("creative writing", ["haiku", "plot structure"], origin="given", seed_ids=[]),
    {**metadata_row("x", [], origin="seed", seed_ids=["a"]), "use_case": None, "error": "encode: no"},
]


@pytest.fixture
def metadata() -> Dataset:
    """Two metadata with three and two instructions to make, and a failed one."""
    table = schema.table(METADATA, schema.METADATA).add_column("num_instructions", [3, 2, 0])
    return table.add_column("wave", [0, 0, 0])


def of(servers: tuple[StandIn, StandIn], **options: Any) -> CodecLM:
    strong, target = (endpoint(server.url) for server in servers)
    return CodecLM(strong=strong, target=target, **options)


def test_the_rows_are_those_of_both_stages(world_of: WorldOf, metadata: Dataset) -> None:
    """Metadata and drafts are what rubrics and decode make by themselves."""
    codec = of(world_of())
    drafted = codec.draft.map(metadata)
    described = drafted.select_columns(list(schema.METADATA))
    assert described.to_list() == codec.rubrics.map(metadata).to_list()
    by_itself = codec.decode.map(metadata)
    assert [text for texts in drafted["drafts"] for text in texts] == by_itself["instruction"][:]
    assert [len(texts) for texts in drafted["drafts"]] == [3, 2, 0]
    assert drafted.features == codec.draft.features


def test_each_wave_has_seeds_of_its_own(world_of: WorldOf, metadata: Dataset) -> None:
    """A later wave sends the same prompt with another seed, so that a model that samples writes something else."""
    servers = world_of()
    codec = of(servers, self_rubrics=False)
    for wave in (0, 1, 0):
        codec.draft.map(metadata.remove_columns("wave").add_column("wave", [wave] * 3))
    seeds = [body["seed"] for body in servers[0].asked]
    first, second, again = (sorted(seeds[start : start + 2]) for start in (0, 2, 4))
    assert first == again
    assert not set(first) & set(second)


def test_rubrics_that_are_there_are_not_asked_for(world_of: WorldOf, metadata: Dataset) -> None:
    """A row that has its actions keeps them and its rubrics; the others get theirs."""
    given = [{**METADATA[0], "rubrics": ["short"], "actions": ["make it longer"]}, *METADATA[1:]]
    table = schema.table(given, schema.METADATA).add_column("num_instructions", [0, 0, 0])
    told: list[str] = []
    table = table.add_column("wave", [0, 0, 0])
    drafted = of(world_of()).draft.map(table, on_rows=lambda name, _: told.append(name))
    assert drafted["actions"][0] == ["make it longer"]
    assert len(drafted["actions"][1]) == 4
    assert told.count("rubrics") == 3


def test_word_comes_of_both_stages(world_of: WorldOf, metadata: Dataset) -> None:
    """As many rows are told of as the totals say, stage by stage."""
    told: list[str] = []
    draft = of(world_of()).draft
    draft.map(metadata, on_rows=lambda name, _: told.append(name))
    assert draft.totals(metadata) == {"rubrics": 3, "decode": 3}
    assert {name: told.count(name) for name in set(told)} == draft.totals(metadata)


def test_a_list_that_cannot_be_had_is_a_shortage(world_of: WorldOf, metadata: Dataset) -> None:
    """The row has no drafts, and says why; its rubrics are there."""
    servers = world_of()
    servers[0].fault = lambda body: (422, "no", "text/plain", {}) if "Write 3 " in str(body) else None
    drafted = of(servers).draft.map(metadata)
    assert [len(texts) for texts in drafted["drafts"]] == [0, 2, 0]
    assert "422" in drafted["shortage"][0]
    assert drafted["shortage"][1:] == [None, None]
    assert len(drafted["rubrics"][0]) == 4


def test_an_endpoint_that_refuses_ends_the_stage(world_of: WorldOf, metadata: Dataset) -> None:
    """An error that stops the run is not held up by what the other branch waits for."""
    servers = world_of()
    servers[0].fault = lambda body: (404, "", "text/plain", {}) if "Write 4 rubrics" in str(body) else None
    with pytest.raises(EndpointError, match="answered 404"):
        of(servers).draft.map(metadata)


def test_nothing_in_nothing_out(world_of: WorldOf, metadata: Dataset) -> None:
    """A row without a use case is asked nothing and keeps its error; an empty table stays empty."""
    servers = world_of()
    draft = of(servers).draft
    drafted = draft.map(metadata.select([2]))
    assert (drafted["error"][:], drafted["drafts"][:]) == (["encode: no"], [[]])
    assert len(draft.map(metadata.select([]))) == 0
    assert [server.asked for server in servers] == [[], []]
