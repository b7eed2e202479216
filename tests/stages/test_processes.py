"""Stages in threads and in forked processes."""

from __future__ import annotations

import multiprocessing
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.connection import Client
from typing import Any

import pytest
from datasets import Dataset

from codeclm_hf import BadInput, Encode, EndpointError, endpoint, schema
from codeclm_hf.endpoints.protocol import Elsewhere
from codeclm_hf.stages import elsewhere
from support.model_server import StandIn
from support.world import World, answers

Serve = Callable[..., StandIn]
# a worker of a DataLoader has what its parent had when it was forked
HAD: dict[str, Any] = {}


@pytest.fixture
def strong(serve: Serve) -> StandIn:
    return serve(answers(World(), "strong"))


def test_one_process_of_its_own_gives_the_same_rows(strong: StandIn, seeds: Dataset) -> None:
    """`num_proc=1`, twice: the worker asks the process that has the endpoint."""
    stage = Encode(strong=endpoint(strong.url))
    rows = stage.map(seeds).to_list()
    for _ in range(2):
        beside = seeds.map(stage, batched=True, batch_size=2, num_proc=1, load_from_cache_file=False)
        assert beside.select_columns(list(schema.METADATA)).to_list() == rows


def test_a_stranger_is_not_served(strong: StandIn, seeds: Dataset) -> None:
    """What is read from others is code: who has not the key is sent away, and who says nothing keeps nobody out."""
    stage = Encode(strong=endpoint(strong.url))
    seeds.map(stage, batched=True, num_proc=1, load_from_cache_file=False)
    home = elsewhere._home
    assert home is not None
    with pytest.raises(multiprocessing.AuthenticationError), Client(home.listener.address, authkey=b"guess"):
        pass
    with Client(home.listener.address):
        seeds.map(stage, batched=True, num_proc=1, load_from_cache_file=False)


def test_what_stops_a_stage_stops_its_worker(strong: StandIn, seeds: Dataset) -> None:
    """An endpoint that cannot serve is the same error in a process of its own."""
    stage = Encode(strong=endpoint(strong.url))
    strong.script = [(503, "", "text/plain", {})] * 1000
    with pytest.raises(EndpointError, match="answered 503"):
        seeds.map(stage, batched=True, num_proc=1)


def test_a_second_process_is_told_what_to_use_instead(strong: StandIn, seeds: Dataset) -> None:
    """While a first one is at work; and so is one that was not forked."""
    stage, over, honest = Encode(strong=endpoint(strong.url)), threading.Event(), strong.answer
    strong.answer = lambda *asked: over.wait(60) and honest(*asked)
    with pytest.raises(BadInput, match=r"needs one process: .* use stage\.map\(dataset\)"):
        seeds.map(stage, batched=True, num_proc=2)
    over.set()
    with pytest.raises(BadInput, match="needs one process"):
        Encode(strong=Elsewhere("model"))(seeds[:])


def _read(_: int) -> list[dict[str, Any]]:
    return list(HAD["stream"])


def _mapped(_: int) -> str:
    try:
        HAD["stage"].map(Dataset.from_dict({"instruction": ["x"]}))
    except BadInput as exc:
        return str(exc)
    return "mapped"


def test_a_stream_is_read_in_a_worker(strong: StandIn, seeds: Dataset) -> None:
    """As a DataLoader with one worker reads it; `stage.map` there says where it belongs."""
    stage = Encode(strong=endpoint(strong.url))
    HAD.update(stage=stage, stream=stage.map(seeds.to_iterable_dataset()))
    with multiprocessing.get_context("fork").Pool(1) as pool:
        assert pool.map(_read, [0]) == [stage.map(seeds).to_list()]
        assert "needs one process" in pool.map(_mapped, [0])[0]
    HAD.clear()


def test_threads_share_a_stage(strong: StandIn, seeds: Dataset) -> None:
    """Four threads map and call it at once; each gets the same rows."""
    stage = Encode(strong=endpoint(strong.url))
    table = stage.map(seeds)
    with ThreadPoolExecutor(4) as threads:
        mapped = [threads.submit(stage.map, seeds) for _ in range(4)]
        called = [threads.submit(stage, seeds[:]) for _ in range(4)]
        assert all(future.result().to_list() == table.to_list() for future in mapped)
        assert all(future.result()["skills"] == table["skills"][:] for future in called)
