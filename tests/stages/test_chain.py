"""The chain: the three stages of a metadata row at once make the rows that they make one after the other."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
from datasets import Dataset

from codeclm_hf import CodecLM, schema
from codeclm_hf.endpoints.connect import endpoint
from codeclm_hf.errors import EndpointError
from codeclm_hf.stages.chain import split_trace
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
    return schema.table(METADATA, schema.METADATA).add_column("num_instructions", [3, 2, 0])


def of(servers: tuple[StandIn, StandIn], **options: Any) -> CodecLM:
    strong, target = (endpoint(server.url) for server in servers)
    return CodecLM(strong=strong, target=target, **options)


@pytest.mark.parametrize("options", [{}, {"threshold": 9}, {"contrastive_filter": False}])
def test_the_rows_are_those_of_the_stages_one_by_one(
    world_of: WorldOf, metadata: Dataset, options: dict[str, Any]
) -> None:
    """Trace and metadata are row for row what rubrics, decode and tailor make by themselves."""
    codec = of(world_of(), **options)
    trace, described = split_trace(codec.chain.map(metadata))
    by_itself = codec.rubrics.map(metadata)
    assert described.to_list() == by_itself.to_list()
    again = codec.decode.map(by_itself.add_column("num_instructions", metadata["num_instructions"][:]))
    assert trace.to_list() == codec.tailor.map(again).to_list()
    assert (trace.features, described.features) == (schema.TRACE, schema.METADATA)


def test_no_metadata_waits_for_another(world_of: WorldOf, metadata: Dataset) -> None:
    """While the rubrics and the instructions of one metadata are held up, the loop of another goes to its end."""
    servers = world_of()
    strong = servers[0]
    finished = threading.Event()

    def fault(body: dict[str, Any]) -> Any:
        late = "Use case: creative writing" in str(body) and not finished.is_set()
        return (503, "", "text/plain", {}) if late else None

    strong.fault = fault
    told: list[str] = []

    def on_rows(name: str, rows: list[dict[str, Any]]) -> None:
        told.append(name)
        if told.count("tailor") == 3:
            finished.set()

    chain = of(servers, self_rubrics=False).chain
    trace, _ = split_trace(chain.map(metadata, on_rows=on_rows))
    assert told[:5].count("tailor") == 3
    assert len({row["root_id"] for row in trace}) == 5


def test_word_comes_of_every_stage(world_of: WorldOf, metadata: Dataset) -> None:
    """As many rows are told of as the totals say, stage by stage."""
    told: list[str] = []
    chain = of(world_of()).chain
    chain.map(metadata, on_rows=lambda name, _: told.append(name))
    assert chain.totals(metadata) == {"rubrics": 3, "decode": 3, "tailor": 5}
    assert {name: told.count(name) for name in set(told)} == chain.totals(metadata)


def test_rubrics_that_cannot_be_had_fail_only_what_needs_them(world_of: WorldOf, metadata: Dataset) -> None:
    """An instruction that is accepted as it is needs no action; one to improve fails, and says why."""
    servers = world_of()
    servers[0].fault = lambda body: (422, "no", "text/plain", {}) if "Write 4 rubrics" in str(body) else None
    trace, described = split_trace(of(servers).chain.map(metadata))
    assert [error and error.split(":")[0] for error in described["error"]] == ["rubrics", "rubrics", "encode"]
    errors = {row["error"] for row in trace if row["verdict"] == "failed"}
    assert errors == {"the instruction needs an action to be improved by; its metadata has none"}
    assert {"accept_strong", "accept_target"} & {row["verdict"] for row in trace}


def test_an_endpoint_that_refuses_ends_the_whole_chain(world_of: WorldOf, metadata: Dataset) -> None:
    """An error that stops the run is not held up by what the other branches wait for."""
    servers = world_of()
    servers[0].fault = lambda body: (404, "", "text/plain", {}) if "Write 4 rubrics" in str(body) else None
    with pytest.raises(EndpointError, match="answered 404"):
        of(servers).chain.map(metadata)


def test_nothing_in_nothing_out(world_of: WorldOf) -> None:
    """A table without usable metadata has no trace, and keeps its rows."""
    servers = world_of()
    trace, described = split_trace(of(servers).chain.map(schema.table(METADATA[2:], schema.METADATA)))
    assert (len(trace), trace.features) == (0, schema.TRACE)
    assert described["error"][:] == ["encode: no"]
    empty, none = split_trace(of(servers).chain.map(schema.table([], schema.METADATA)))
    assert (len(empty), len(none)) == (0, 0)
    assert [server.asked for server in servers] == [[], []]
