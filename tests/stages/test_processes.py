"""Stages in threads, which share the endpoint, and in other processes, which are told what to use instead."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from datasets import Dataset

from codeclm_hf import BadInput, Encode, endpoint
from support.model_server import StandIn
from support.world import World, answers

Serve = Callable[..., StandIn]
ONE_SENTENCE = r"^needs the process that connected the endpoint; [^.]*; use stage\.map\(dataset\), [^.]*$"
INHERITED: dict[str, Callable[[], Any]] = {}
"""What a forked worker has from its parent without any pickling, as a DataLoader's workers have their data set."""


@pytest.fixture
def strong(serve: Serve) -> StandIn:
    return serve(answers(World(), "strong"))


@pytest.mark.parametrize("workers", [1, 2])
def test_a_worker_of_a_map_is_told_what_to_use_instead(strong: StandIn, seeds: Dataset, workers: int) -> None:
    """`num_proc` of 1 starts a process too. Nothing is asked, and the process of the endpoint works as before."""
    stage = Encode(strong=endpoint(strong.url))
    with pytest.raises(BadInput, match=ONE_SENTENCE):
        seeds.map(stage, batched=True, num_proc=workers)
    assert strong.asked == []
    assert stage.map(seeds)["error"] == [None] * len(seeds)


def _words_of(name: str) -> str:
    try:
        INHERITED[name]()
    except BadInput as exc:
        return str(exc)
    return "no error"


@pytest.mark.parametrize("name", ["stream", "call", "map", "connect"])
def test_a_forked_worker_is_told_what_to_use_instead(strong: StandIn, seeds: Dataset, name: str) -> None:
    """A DataLoader's worker that reads a stream; one that calls a stage, maps with it, or connects to an endpoint."""
    stage = Encode(strong=endpoint(strong.url))
    stream = stage.map(seeds.to_iterable_dataset())
    INHERITED.update(
        stream=lambda: list(stream),
        call=lambda: stage(seeds[:]),
        map=lambda: stage.map(seeds),
        connect=lambda: endpoint(strong.url),
    )
    with multiprocessing.get_context("fork").Pool(1) as pool:
        (words,) = pool.map_async(_words_of, [name]).get(timeout=60)
    with pytest.raises(BadInput, match=ONE_SENTENCE):
        raise BadInput(words)
    assert strong.asked == []
    assert list(stream) == stage.map(seeds).to_list()
    INHERITED.clear()


def test_a_process_that_was_not_forked_is_told_what_to_use_instead(strong: StandIn, seeds: Dataset) -> None:
    """A stage that was pickled into a new process, as `spawn` does, has its endpoint's identity and no connection."""
    stage = Encode(strong=endpoint(strong.url))
    program = """
import pickle, sys
from codeclm_hf import BadInput
stage = pickle.load(sys.stdin.buffer)
print(stage.strong.identity)
try:
    stage({"instruction": ["x"]})
except BadInput as exc:
    print(exc)
"""
    done = subprocess.run(
        [sys.executable, "-c", program], input=pickle.dumps(stage), capture_output=True, cwd="/", check=True
    )
    identity, words = done.stdout.decode().splitlines()
    assert identity == stage.strong.identity
    with pytest.raises(BadInput, match=ONE_SENTENCE):
        raise BadInput(words)
    assert strong.asked == []


@pytest.mark.skipif(not os.path.exists("/proc/self/net/tcp"), reason="needs Linux's list of sockets")
def test_nothing_of_ours_listens(strong: StandIn, seeds: Dataset) -> None:
    """A stage at work opens no port, nor does a fork of its process."""

    def listening() -> set[str]:
        inodes = {os.readlink(f"/proc/self/fd/{fd}") for fd in os.listdir("/proc/self/fd") if _is_link(fd)}
        with open("/proc/self/net/tcp") as table:
            rows = [line.split() for line in table][1:]
        return {row[1] for row in rows if row[3] == "0A" and f"socket:[{row[9]}]" in inodes}

    before = listening()
    stage = Encode(strong=endpoint(strong.url))
    stage.map(seeds)
    with pytest.raises(BadInput):
        seeds.map(stage, batched=True, num_proc=1)
    assert listening() == before


def _is_link(fd: str) -> bool:
    return os.path.islink(f"/proc/self/fd/{fd}")


def test_threads_share_a_stage(strong: StandIn, seeds: Dataset) -> None:
    """Four threads map and call it at once; each gets the same rows."""
    stage = Encode(strong=endpoint(strong.url))
    table = stage.map(seeds)
    with ThreadPoolExecutor(4) as threads:
        mapped = [threads.submit(stage.map, seeds) for _ in range(4)]
        called = [threads.submit(stage, seeds[:]) for _ in range(4)]
        assert all(future.result().to_list() == table.to_list() for future in mapped)
        assert all(future.result()["skills"] == table["skills"][:] for future in called)
