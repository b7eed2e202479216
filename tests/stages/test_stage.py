"""What every stage shares: the two ways to map it, its fingerprint, and asking again."""

from __future__ import annotations

import asyncio
import itertools
import signal
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from datasets import Dataset, DatasetDict, IterableDataset, IterableDatasetDict, load_dataset

from codeclm_hf import BadInput, Encode, EndpointError, endpoint, prompts, schema
from codeclm_hf.endpoints import transport
from support.inputs import SEEDS
from support.killed_processes import map_until_interrupted
from support.model_server import StandIn
from support.processes import Process
from support.world import World, answers

Serve = Callable[..., StandIn]


@pytest.fixture
def strong(serve: Serve) -> StandIn:
    return serve(answers(World(), "strong"))


def test_both_ways_to_map_a_stage_give_the_same_rows(strong: StandIn, seeds: Dataset) -> None:
    """`Dataset.map(stage, batched=True)` holds what `stage.map` does, beside the input's own columns."""
    stage = Encode(strong=endpoint(strong.url))
    table = stage.map(seeds)
    assert table.features == schema.METADATA
    beside = seeds.map(stage, batched=True, features=None)
    assert beside.column_names == ["instruction", *schema.METADATA]
    assert beside.select_columns(list(schema.METADATA)).to_list() == table.to_list()


@pytest.mark.parametrize("kind", ["pandas", "polars", "arrow", "numpy"])
def test_a_data_set_in_any_format_gives_the_same_rows(strong: StandIn, seeds: Dataset, kind: str) -> None:
    """And keeps its format; `Dataset.map` takes it too."""
    stage = Encode(strong=endpoint(strong.url))
    table = stage.map(seeds)
    made = stage.map(seeds.with_format(kind))
    assert made.format["type"] == kind
    assert made.with_format(None).to_list() == table.to_list()
    beside = seeds.with_format(kind).map(stage, batched=True).with_format(None)
    assert beside.select_columns(list(schema.METADATA)).to_list() == table.to_list()


def test_every_split_is_done(strong: StandIn, seeds: Dataset) -> None:
    """The splits of a data set stay splits."""
    stage = Encode(strong=endpoint(strong.url))
    made = stage.map(DatasetDict({"a": seeds.select([0]), "b": seeds.select([1, 2])}))
    assert {split: part.to_list() for split, part in made.items()} == {
        "a": stage.map(seeds).to_list()[:1],
        "b": stage.map(seeds).to_list()[1:3],
    }
    streams = stage.map(IterableDatasetDict({"a": seeds.to_iterable_dataset()}))
    assert list(streams["a"]) == stage.map(seeds).to_list()


def test_a_stream_without_an_end_is_done_as_it_is_read(strong: StandIn, seeds: Dataset) -> None:
    """Nothing is asked before somebody reads, and no more than a batch ahead."""

    def traffic() -> Iterator[dict[str, str]]:
        for n in itertools.count():
            yield {"instruction": f"{SEEDS[n % len(SEEDS)]} ({n})", "when": "now"}

    stage = Encode(strong=endpoint(strong.url))
    stream = stage.map(IterableDataset.from_generator(traffic))
    assert not strong.asked
    rows = list(stream.take(20))
    assert [list(row) for row in rows] == [list(schema.METADATA)] * 20
    assert len(strong.asked) <= 48
    assert rows == stage.map(Dataset.from_list(list(itertools.islice(traffic(), 20)))).to_list()


def test_a_stage_maps_inside_a_running_loop(strong: StandIn, seeds: Dataset) -> None:
    """A notebook, whose loop is running, can call both."""
    stage = Encode(strong=endpoint(strong.url))

    async def cell() -> tuple[Dataset, dict[str, list[Any]]]:
        return stage.map(seeds), stage(seeds[:2])

    loop = asyncio.new_event_loop()
    mapped, called = loop.run_until_complete(cell())
    loop.close()
    assert mapped["use_case"][:2] == called["use_case"]


@pytest.mark.parametrize("how", ["map", "call", "notebook"])
def test_ctrl_c_stops_a_stage_at_once(serve: Serve, how: str) -> None:
    """An interrupt ends the wait and nothing more is asked: in `map`, in a call, and in a notebook's running loop."""
    server = serve(answers(World(), "strong"), tgi=False)
    honest, started = server.answer, threading.Event()

    def interrupt(messages: list[dict[str, str]], options: dict[str, Any]) -> Any:
        if len(server.asked) == 5:
            started.wait()
            process.send_signal(signal.SIGINT)
            # No further answer comes: the program is waiting when the interrupt reaches it.
            server.script = [(503, "", "text/plain", {})] * 1000
        return honest(messages, options)

    server.answer = interrupt
    process = Process(map_until_interrupted, server.url, how)
    started.set()
    out, err = process.communicate()
    assert (process.returncode, out) == (0, "interrupted\n"), err
    assert len(server.asked) == 5


def test_an_empty_data_set_gives_an_empty_table(strong: StandIn) -> None:
    """No rows in, no rows out, with the stage's columns."""
    table = Encode(strong=endpoint(strong.url)).map(Dataset.from_dict({"instruction": []}))
    assert (len(table), table.features) == (0, schema.METADATA)


def test_a_missing_column_is_named(strong: StandIn) -> None:
    """A data set without the stage's column says which it has."""
    with pytest.raises(BadInput, match="needs a column `instruction`; the data set has `prompt`"):
        Encode(strong=endpoint(strong.url)).map(Dataset.from_dict({"prompt": ["x"]}))


def test_a_row_that_cannot_be_done_is_data(serve: Serve) -> None:
    """An empty row and one that the server refuses carry an error; the others are done."""

    def answer(messages: list[dict[str, str]], how: dict[str, Any]) -> Any:
        return (
            "I'd rather not"
            if "bad" in messages[-1]["content"]
            else answers(World(), "strong")(messages, how)
        )

    server = serve(answer)
    table = Encode(strong=endpoint(server.url)).map(
        Dataset.from_dict({"instruction": ["good", "bad", "  ", None]})
    )
    assert [error is None for error in table["error"]] == [True, False, False, False]
    assert 'the model answered "I\'d rather not"' in table["error"][1]
    assert "empty" in table["error"][2]
    assert table["use_case"][1:] == [None, None, None]


def test_an_unreadable_answer_is_asked_for_twice_more(serve: Serve) -> None:
    """Each time with another seed, and the third answer counts."""
    said = iter(["what?", "hm", '{"use_case": "riddles", "skills": ["lateral thinking"]}'])
    server = serve(lambda *_: next(said))
    table = Encode(strong=endpoint(server.url)).map(Dataset.from_dict({"instruction": ["x"]}))
    assert table["use_case"] == ["riddles"]
    assert len({asked["seed"] for asked in server.asked}) == 3


def test_a_dead_endpoint_stops_the_map(strong: StandIn, seeds: Dataset) -> None:
    """No row is blamed for a server that cannot serve."""
    stage = Encode(strong=endpoint(strong.url))
    strong.script = [(503, "", "text/plain", {})] * 1000
    with pytest.raises(EndpointError, match="answered 503"):
        stage.map(seeds)


@pytest.fixture
def on_disk(tmp_path: Path) -> Dataset:
    """Seeds in the cache of `datasets`, so that its own caching is at work."""
    path = tmp_path / "seeds.txt"
    path.write_text("\n".join(SEEDS))
    return load_dataset("text", data_files=str(path), split="train").rename_column("text", "instruction")


def test_an_edited_prompt_asks_again_and_a_new_url_token_or_concurrency_does_not(
    strong: StandIn, serve: Serve, on_disk: Dataset, tmp_path: Path
) -> None:
    """Only what shapes the rows changes the fingerprint, in both ways to map."""
    moved = serve(answers(World(), "strong"), token="t")
    stage = Encode(strong=endpoint(strong.url))
    elsewhere = Encode(strong=endpoint(moved.url, api_key="t", concurrency=2))
    (tmp_path / "encode.jinja").write_text(
        prompts.load("encode").text.replace("Give no explanation.", "Be brief.")
    )
    edited = replace(stage, prompt=prompts.load("encode", tmp_path))
    assert stage.fingerprint(on_disk) == elsewhere.fingerprint(on_disk) != edited.fingerprint(on_disk)
    for mapped in (lambda stage: stage.map(on_disk), lambda stage: on_disk.map(stage, batched=True)):
        strong.asked.clear()
        mapped(stage)
        assert len(strong.asked) == 6
        mapped(stage)
        mapped(elsewhere)
        assert (len(strong.asked), moved.asked) == (6, [])
        mapped(edited)
        assert len(strong.asked) == 12


@pytest.mark.parametrize("change", [{"seed": 1}, {"temperature": 0.1}, {"use_cases": ("a", "b")}])
def test_every_field_of_a_stage_is_in_its_fingerprint(
    strong: StandIn, seeds: Dataset, change: dict[str, Any]
) -> None:
    """A setting that shapes the rows changes the fingerprint."""
    stage = Encode(strong=endpoint(strong.url))
    assert replace(stage, **change).fingerprint(seeds) != stage.fingerprint(seeds)


def test_a_token_changes_no_hash(strong: StandIn, serve: Serve) -> None:
    """What is hashed and pickled of a stage holds its model's identity, no URL and no token."""
    import dill

    secret = Encode(strong=endpoint(strong.url, api_key="s3cret"))
    pickled = dill.dumps(secret)
    assert b"s3cret" not in pickled
    assert strong.url.encode() not in pickled
    assert dill.loads(pickled).strong is secret.strong


def test_the_transport_outlives_a_failed_map(strong: StandIn, seeds: Dataset) -> None:
    """After a map that failed, the next one works."""
    stage = Encode(strong=endpoint(strong.url))
    strong.script = [(401, "", "text/plain", {})]
    with pytest.raises(EndpointError):
        stage.map(seeds)
    assert stage.map(seeds)["error"] == [None] * 6
    assert transport.run(asyncio.sleep(0, "alive")) == "alive"
