"""Whether mixed metadata are plausible: who is asked about, what is left out, and what takes its place."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from datasets import Dataset

from codeclm_hf import CodecLM, augment, endpoint, schema
from codeclm_hf.errors import UnreadableAnswer
from codeclm_hf.run.manifest import Manifest
from codeclm_hf.stages.check_metadata import MOST_DRAWS, CheckMetadata, plausible_mix
from codeclm_hf.stages.encode import metadata_row
from codeclm_hf.stages.parsing import answers
from support.inputs import tree
from support.model_server import StandIn
from support.world import World

Serve = Callable[..., StandIn]
WorldOf = Callable[..., tuple[StandIn, StandIn]]
FEW = [
    metadata_row(use_case, [skill], origin="seed", seed_ids=[skill])
    for use_case, skill in (("law", "a"), ("maths", "b"), ("poetry", "c"))
]


def table(rows: list[dict[str, Any]]) -> Dataset:
    return schema.table(rows, schema.METADATA)


def checks(server: StandIn) -> CheckMetadata:
    return CheckMetadata(strong=endpoint(server.url))


def about(asked: dict[str, Any]) -> tuple[str, str]:
    """The use case and skills that a request is about."""
    lines = asked["messages"][0]["content"].splitlines()
    return tuple(line.partition(": ")[2] for line in lines if line.startswith(("Use case", "Skills")))  # type: ignore[return-value]


@pytest.mark.parametrize(
    ("text", "plausible"),
    [
        ('{"plausible": true}', True),
        ('{"plausible": false}', False),
        ('```json\n{"plausible": true}\n```', True),
        ('{"Plausible": "No"}', False),
        ('{"plausible": false, "reason": "yes and no"}', False),
        ("Yes.", True),
        ("**No**, it is not.", False),
        ("Answer: yes", True),
        ("true", True),
        ("Not plausible", False),
        ("Implausible.", False),
    ],
)
def test_a_yes_and_a_no_are_read(text: str, plausible: bool) -> None:
    """As JSON, or as the first word."""
    assert answers.plausible(text) is plausible


@pytest.mark.parametrize(
    "text",
    ["", "It depends.", "yes or no", "Not really", "Nothing", '{"plausible": null}', '{"a": true}', "Nobody"],
)
def test_what_is_neither_yes_nor_no_is_unreadable(text: str) -> None:
    """In doubt it is asked again."""
    with pytest.raises(UnreadableAnswer, match="a yes or a no"):
        answers.plausible(text)


@pytest.mark.parametrize("grammar", [True, False])
def test_mixed_rows_alone_are_asked_about(serve: Serve, grammar: bool) -> None:
    """What came from seeds or from a person is not; implausible rows are left out, the others stay as they are."""
    mixed = [metadata_row("law", [skill], origin="augmented", seed_ids=["1"]) for skill in "bcd"]
    given = metadata_row("law", ["z"], origin="given", seed_ids=[])
    no = {"c": {"plausible": False} if grammar else "No."}
    server = serve(
        lambda messages, how: no.get(
            about({"messages": messages})[1], {"plausible": True} if grammar else "Yes"
        ),
        tgi=False,
        grammar=grammar,
    )
    left = checks(server).map(table([FEW[0], *mixed, given]))
    assert left.to_list() == [FEW[0], mixed[0], mixed[2], given]
    assert sorted(map(about, server.asked)) == [("law", "b"), ("law", "c"), ("law", "d")]
    assert all(asked["temperature"] in (None, 0) for asked in server.asked)


def test_a_table_may_become_empty(serve: Serve) -> None:
    """It has the same columns then."""
    server = serve(lambda *_: {"plausible": False}, tgi=False)
    left = checks(server).map(table([metadata_row("law", ["b"], origin="augmented", seed_ids=["1"])]))
    assert (len(left), left.features) == (0, schema.METADATA)


def test_a_row_whose_answer_cannot_be_read_stays(serve: Serve) -> None:
    """Nothing is lost because a model does not answer."""
    row = metadata_row("law", ["b"], origin="augmented", seed_ids=["1"])
    server = serve(lambda *_: "It depends.", tgi=False, grammar=False)
    assert checks(server).map(table([row])).to_list() == [row]
    assert len(server.asked) == 3


def test_others_are_drawn_in_place_of_the_implausible(serve: Serve) -> None:
    """Each pair is asked about once, none that is implausible is left, and the size is reached where it can be."""

    def is_odd(pair: tuple[str, str]) -> bool:
        return pair[0] == "law" and "c" in pair[1]

    server = serve(lambda messages, _: {"plausible": not is_odd(about({"messages": messages}))}, tgi=False)
    stage = checks(server)
    found = plausible_mix(table(FEW), 9, check=stage, map=lambda one, rows: one.map(rows))
    pairs = list(map(about, server.asked))
    assert len(set(pairs)) == len(pairs)
    implausible = list(filter(is_odd, pairs))
    assert found.implausible == len(implausible) > 0
    kept = {(row["use_case"], ", ".join(row["skills"])) for row in found.metadata}
    assert not kept & set(implausible)
    assert len(found.metadata) == 9
    assert found.metadata.to_list()[:3] == FEW


def test_drawing_ends(serve: Serve) -> None:
    """Where nothing is plausible, what was not mixed is left after a few draws."""
    server = serve(lambda *_: {"plausible": False}, tgi=False)
    found = plausible_mix(table(FEW), 6, check=checks(server), map=lambda one, rows: one.map(rows))
    assert found.metadata.to_list() == FEW
    assert found.implausible == len(server.asked) == 3 * MOST_DRAWS


def test_where_all_is_plausible_the_mix_is_as_without_the_check(serve: Serve) -> None:
    """Row for row."""
    server = serve(lambda *_: {"plausible": True}, tgi=False)
    found = plausible_mix(table(FEW), 9, check=checks(server), map=lambda one, rows: one.map(rows))
    assert (found.metadata.to_list(), found.implausible) == (augment(table(FEW), 9).to_list(), 0)


def test_a_run_leaves_out_what_is_implausible(world_of: WorldOf, seeds: Dataset, tmp_path: Path) -> None:
    """The manifest counts it, names the prompt and the setting; again, it asks nothing and writes the same."""
    servers = world_of(tgi=False)
    codec = CodecLM(strong=endpoint(servers[0].url), target=endpoint(servers[1].url), check_metadata=True)
    sizes = {"num_instructions": 12, "num_metadata": 12}
    tables = codec.run(seeds, out=tmp_path, **sizes)
    mixed = [row for row in tables["metadata"] if row["origin"] == "augmented"]
    assert mixed and all(World().plausible(row["use_case"], row["skills"]) for row in mixed)
    manifest = Manifest.read(tmp_path)
    assert manifest.funnel and manifest.funnel.implausible > 0
    assert manifest.config.check_metadata is True
    assert "check_metadata" in manifest.prompts
    asked = [one for one in manifest.usage or () if one.stage == "check"]
    assert sum(one.answers for one in asked) == len(mixed) + manifest.funnel.implausible
    (planned,) = [one for one in codec.plan(seeds, **sizes) if one.stage == "check"]
    assert planned.least <= asked[0].answers <= planned.most
    before, count = tree(tmp_path), len(servers[0].asked)
    codec.run(seeds, out=tmp_path, **sizes)
    assert (tree(tmp_path), len(servers[0].asked)) == (before, count)


def test_without_the_check_nothing_speaks_of_it(world_of: WorldOf, seeds: Dataset, tmp_path: Path) -> None:
    """No request, no prompt in the manifest, no setting, no stage in the plan."""
    servers = world_of(tgi=False)
    codec = CodecLM(strong=endpoint(servers[0].url), target=endpoint(servers[1].url))
    codec.run(seeds, out=tmp_path, num_instructions=8, num_metadata=8)
    assert "check" not in (tmp_path / "codeclm.json").read_text().replace("judge_check", "")
    assert not any("plausible" in asked["messages"][0]["content"] for asked in servers[0].asked)
    assert "check" not in [one.stage for one in codec.plan(seeds)]
