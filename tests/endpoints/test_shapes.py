"""A run on models that think makes the tables of their twins that do not, whatever shape the thoughts come in."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from datasets import Dataset

from codeclm_hf import CodecLM, endpoint
from support.inputs import SEEDS
from support.model_server import StandIn
from support.shapes import MARK, SHAPES
from support.world import World, answers

ServersOf = Callable[..., tuple[StandIn, StandIn]]
SIZES = {"num_instructions": 8, "num_metadata": 4}


def tables_of(servers: tuple[StandIn, StandIn], seeds: Dataset, out: Path) -> dict[str, Any]:
    strong, target = (endpoint(server.url) for server in servers)
    codec = CodecLM(strong=strong, target=target, iterations=2, threshold=2)
    return {name: table.to_list() for name, table in codec.run(seeds, out=out, **SIZES).items()}


@pytest.fixture(scope="module")
def twins(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The tables of models that do not think."""
    servers = [StandIn(answers(World(), role), tgi=False) for role in ("strong", "target")]
    seeds = Dataset.from_dict({"instruction": SEEDS})
    tables = tables_of((servers[0], servers[1]), seeds, tmp_path_factory.mktemp("twins"))
    for server in servers:
        server.close()
    return tables


@pytest.mark.parametrize("shape", SHAPES)
def test_thoughts_change_nothing(
    world_of: ServersOf, seeds: Dataset, tmp_path: Path, twins: dict[str, Any], shape: str
) -> None:
    """With every tenth thought cut off: no character of thinking in a table or a prompt, and the twin's tables."""
    servers = world_of(tgi=False, shape=SHAPES[shape])
    tables = tables_of(servers, seeds, tmp_path / "out")
    assert MARK not in json.dumps(tables, ensure_ascii=False)
    assert MARK not in json.dumps([server.asked for server in servers], ensure_ascii=False)
    assert tables == twins


def test_a_tgi_s_thoughts_change_nothing(
    world_of: ServersOf, seeds: Dataset, tmp_path: Path, twins: dict[str, Any]
) -> None:
    """TGI knows no thoughts: they are in its text, except under a grammar."""
    servers = world_of(shape=SHAPES["inline"])
    assert tables_of(servers, seeds, tmp_path / "out") == twins
