"""The whole line: resume, reproducibility, ablations, and what a run directory holds."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from datasets import Dataset, load_dataset
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from codeclm_hf import BadInput, CodecLM, CodecLMError, Decode, EndpointError, endpoint, schema
from codeclm_hf.run import directory
from codeclm_hf.stages.encode import metadata_row
from support.inputs import SEEDS, tree
from support.model_server import StandIn
from support.world import World, answers

WorldOf = Callable[..., tuple[StandIn, StandIn]]
SMALL = {"num_instructions": 10, "num_metadata": 4}


def codec_of(servers: tuple[StandIn, StandIn], prefix: str = "", **options: Any) -> CodecLM:
    strong, target = (endpoint(prefix + server.url) for server in servers)
    return CodecLM(strong=strong, target=target, **options)


def test_a_run_directory_is_a_data_set(codec: CodecLM, seeds: Dataset, tmp_path: Path) -> None:
    """`load_dataset` reads every table of it, with the contract's features, and `default` is the default."""
    tables = codec.run(seeds, out=tmp_path / "out", **SMALL)
    for name, features in schema.TABLES.items():
        loaded = load_dataset(str(tmp_path / "out"), name, split="train")
        assert loaded.features == features
        assert loaded.to_list() == tables[name].to_list()
    assert load_dataset(str(tmp_path / "out"), split="train").to_list() == tables["default"].to_list()


def test_load_dataset_never_shows_an_older_run(world_of: WorldOf, seeds: Dataset, tmp_path: Path) -> None:
    """A run made anew in its folder, and one in another folder of the same name, are read as they are."""
    servers = world_of()
    for folder, threshold in (("a", 0), ("b", 3), ("a", 6)):
        tables = codec_of(servers, threshold=threshold).run(seeds, out=tmp_path / folder / "out", **SMALL)
        loaded = load_dataset(str(tmp_path / folder / "out"), "default", split="train")
        assert loaded.to_list() == tables["default"].to_list()


def test_the_manifest_says_what_made_it(codec: CodecLM, seeds: Dataset, tmp_path: Path) -> None:
    """Models, settings, prompts and counts are in it; no URL is."""
    tables = codec.run(seeds, out=tmp_path, **SMALL)
    text = (tmp_path / "codeclm.json").read_text()
    manifest = json.loads(text)
    assert manifest["status"] == "complete"
    assert manifest["models"]["judge"] == codec.strong.identity
    assert manifest["config"]["threshold"] == 3
    assert set(manifest["prompts"]) == {"encode", "rubrics", "decode", "improve", "judge"}
    assert manifest["counts"]["rows"] == {name: len(table) for name, table in tables.items()}
    assert "127.0.0.1" not in text


def test_the_same_command_again_asks_nothing(world_of: WorldOf, seeds: Dataset, tmp_path: Path) -> None:
    """A finished run that is run again sends no request and changes no byte, whatever URL serves the models."""
    servers, elsewhere = world_of(), world_of()
    codec_of(servers).run(seeds, out=tmp_path, **SMALL)
    before = {
        path.name: path.read_bytes() for path in (tmp_path / "codeclm.json", tmp_path / "README.md")
    } | tree(tmp_path)
    codec_of(elsewhere, "chat+").run(seeds, out=tmp_path, **SMALL)
    assert [server.asked for server in elsewhere] == [[], []]
    after = {
        path.name: path.read_bytes() for path in (tmp_path / "codeclm.json", tmp_path / "README.md")
    } | tree(tmp_path)
    assert after == before


@pytest.mark.parametrize("served", [1, 7, 30])
def test_a_run_that_was_stopped_goes_on_where_it_was(
    world_of: WorldOf, seeds: Dataset, tmp_path: Path, served: int
) -> None:
    """What was answered before the stop is not asked again, and the tables are an undisturbed run's."""
    whole = world_of()
    undisturbed = codec_of(whole).run(seeds, out=tmp_path / "whole", **SMALL)
    servers = world_of()
    strong, honest = servers[0], servers[0].answer

    def dies(messages: list[dict[str, str]], how: dict[str, Any]) -> Any:
        if len(strong.asked) > served:
            strong.asked.pop()
            strong.script = [(503, "", "text/plain", {})] * 10_000
        return honest(messages, how)

    strong.answer = dies
    with pytest.raises(EndpointError):
        codec_of(servers).run(seeds, out=tmp_path / "out", **SMALL)
    assert json.loads((tmp_path / "out" / "codeclm.json").read_text())["status"] == "running"
    strong.answer, strong.script = honest, []
    resumed = codec_of(servers).run(seeds, out=tmp_path / "out", **SMALL)
    assert {name: table.to_list() for name, table in resumed.items()} == {
        n: t.to_list() for n, t in undisturbed.items()
    }
    bodies = [json.dumps(asked["body"], sort_keys=True) for asked in strong.asked]
    # one answer may have been given to the request that found the server dying
    assert len(bodies) - len(set(bodies)) <= 1


def test_the_same_seed_writes_the_same_bytes_and_another_does_not(
    world_of: WorldOf, seeds: Dataset, tmp_path: Path
) -> None:
    """Two runs with one seed send the same requests and write byte-identical Parquet; another seed does neither."""
    sent: list[Counter[str]] = []
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        servers = world_of()
        codec_of(servers, seed=seed).run(seeds, out=tmp_path / name, **SMALL)
        sent.append(Counter(json.dumps(asked["body"]) for server in servers for asked in server.asked))
    assert sent[0] == sent[1] != sent[2]
    assert tree(tmp_path / "a") == tree(tmp_path / "b") != tree(tmp_path / "c")


def test_tgi_and_chat_servers_make_the_same_tables(world_of: WorldOf, seeds: Dataset, tmp_path: Path) -> None:
    """Native TGI, its Messages API, a chat server, and servers without grammars all lead to identical Parquet."""
    for name, prefix, options in (
        ("tgi", "", {}),
        ("messages", "chat+", {}),
        ("chat", "", {"tgi": False}),
        ("tgi without grammar", "", {"grammar": False}),
        ("chat without grammar", "", {"tgi": False, "grammar": False}),
        ("chat that ignores the grammar", "", {"tgi": False, "as_text": True}),
    ):
        codec_of(world_of(**options), prefix).run(seeds, out=tmp_path / name, **SMALL)
    first, *others = (tree(folder) for folder in sorted(tmp_path.iterdir()))
    assert first
    assert all(other == first for other in others)


def test_from_metadata_alone(world_of: WorldOf, tmp_path: Path) -> None:
    """Hand-written use cases and skills are enough; nothing is encoded."""
    servers = world_of()
    given = [
        {"use_case": "creative writing", "skills": ["haiku"]},
        {"use_case": "code review", "skills": ["Rust"]},
    ]
    tables = codec_of(servers).run(metadata=given, out=tmp_path, num_instructions=6, num_metadata=2)
    assert tables["metadata"]["origin"] == ["given", "given"]
    assert tables["metadata"]["seed_ids"] == [[], []]
    assert (
        Counter(row["metadata_id"] for row in tables["trace"] if row["iteration"] == 1).most_common()[0][1]
        == 3
    )
    assert not any(
        "Describe the instruction" in asked["messages"][0]["content"] for asked in servers[0].asked
    )


def test_given_metadata_stands_beside_seeds(codec: CodecLM, seeds: Dataset, tmp_path: Path) -> None:
    """Both sources count, and both are mixed."""
    given = [{"use_case": "code review", "skills": ["Rust"]}]
    tables = codec.run(seeds, metadata=given, out=tmp_path, num_instructions=12, num_metadata=12)
    assert set(tables["metadata"]["origin"]) == {"given", "seed", "augmented"}


def test_without_self_rubrics_every_instruction_is_judged_once(
    world_of: WorldOf, seeds: Dataset, tmp_path: Path
) -> None:
    """No rubrics are asked for and nothing is improved (table 3)."""
    servers = world_of()
    tables = codec_of(servers, self_rubrics=False).run(seeds, out=tmp_path, **SMALL)
    assert tables["trace"]["iteration"] == [1] * 10
    assert tables["metadata"]["rubrics"] == [[]] * 4
    openings = {asked["messages"][0]["content"][:12] for asked in servers[0].asked}
    assert not openings & {"Think of ins", "Rewrite the "}


def test_without_contrastive_filtering_everything_is_kept(
    world_of: WorldOf, seeds: Dataset, tmp_path: Path
) -> None:
    """Every instruction is improved to the last iteration and kept with the strong response (table 3)."""
    servers = world_of()
    tables = codec_of(servers, contrastive_filter=False, iterations=2).run(seeds, out=tmp_path, **SMALL)
    assert len(tables["default"]) == 10
    assert set(tables["default"]["iteration"]) == {2}
    assert servers[1].asked == []
    with pytest.raises(ValueError, match="preference"):
        load_dataset(str(tmp_path), "preference")


def test_a_share_of_the_metadata_makes_as_many_instructions(
    codec: CodecLM, seeds: Dataset, tmp_path: Path
) -> None:
    """Sub-sampled to a half, each metadata makes twice as many (fig. 4)."""
    tables = codec.run(seeds, out=tmp_path, num_instructions=12, num_metadata=6, metadata_fraction=0.5)
    assert len(tables["metadata"]) == 3
    basic = Counter(row["metadata_id"] for row in tables["trace"] if row["iteration"] == 1)
    assert set(basic.values()) == {4}


@settings(max_examples=6, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(total=st.integers(1, 20), size=st.integers(1, 30))
def test_every_metadata_makes_the_same_number_of_instructions(
    world_of: WorldOf, tmp_path_factory: pytest.TempPathFactory, total: int, size: int
) -> None:
    """The same to within one, exactly the total in all, and never more metadata than instructions."""
    codec = codec_of(world_of(), iterations=1)
    tables = codec.run(
        Dataset.from_dict({"instruction": SEEDS}),
        out=tmp_path_factory.mktemp("out"),
        num_instructions=total,
        num_metadata=size,
    )
    basic = Counter(tables["trace"]["metadata_id"])
    assert sum(basic.values()) == total
    assert max(basic.values()) - min(basic.values()) <= 1
    assert len(basic) == len(tables["metadata"]) <= min(total, size)


def test_long_lists_of_instructions_are_asked_for_in_parts(serve: Callable[..., StandIn]) -> None:
    """No request asks for more than ten; what a short answer leaves out is asked for again, then fails in words."""
    numbers = iter(range(1000))

    def answer(messages: list[dict[str, str]], how: dict[str, Any]) -> Any:
        return {"instructions": [f"Task {next(numbers)}" for _ in range(5)]}

    server = serve(answer)
    metadata = Dataset.from_list([metadata_row("writing", ["rhyme"], origin="given", seed_ids=[])])
    rows = Decode(strong=endpoint(server.url), num_instructions=25).map(metadata)
    assert len(rows["instruction"]) == 25
    assert [asked["schema"]["properties"]["instructions"]["maxItems"] for asked in server.asked] == [
        10,
        10,
        5,
        10,
        5,
    ]
    server.answer = lambda *_: {"instructions": ["The same"]}
    rows = Decode(strong=endpoint(server.url), num_instructions=3).map(metadata)
    assert rows["instruction"] == ["The same", None, None]
    assert "instruction 3 of 3: the model repeats itself" in rows["error"][2]


def test_bad_seeds_fail_as_rows_and_the_rest_runs(codec: CodecLM, tmp_path: Path) -> None:
    """Empty and missing instructions are failed metadata rows that say which seed they were."""
    tables = codec.run(Dataset.from_dict({"instruction": ["good", "", None, "fine"]}), out=tmp_path, **SMALL)
    errors = [error for error in tables["metadata"]["error"] if error]
    assert errors == ["seed 2: the instruction is empty", "seed 3: the instruction is no text but NoneType"]
    assert len(tables["default"]) > 0
    assert json.loads((tmp_path / "codeclm.json").read_text())["counts"]["metadata"]["failed"] == 2


def test_a_column_of_the_users_own_called_error_means_nothing(codec: CodecLM, tmp_path: Path) -> None:
    """Only in our own seed tables does `error` say that a row cannot be used."""
    mine = Dataset.from_dict(
        {"instruction": ["fix bug 1", "fix bug 2"], "error": ["TypeError", "KeyError"], "source": [1, 2]}
    )
    tables = codec.run(mine, out=tmp_path, num_instructions=2)
    assert tables["metadata"]["error"][:] == [None] * len(tables["metadata"])
    assert codec.encode.map(mine)["error"][:] == [None, None]


def test_a_greedy_model_is_not_asked_the_same_twice(serve: Callable[..., StandIn]) -> None:
    """At temperature 0 the further parts of a long list are sampled: they would all come back the same."""

    def answer(messages: list[dict[str, str]], how: dict[str, Any]) -> Any:
        drawn = how["seed"] if how["temperature"] else 0
        return {"instructions": [f"Task {drawn}-{n}" for n in range(10)]}

    metadata = Dataset.from_list([metadata_row("writing", ["rhyme"], origin="given", seed_ids=[])])
    stage = Decode(strong=endpoint(serve(answer).url), num_instructions=30, temperature=0.0)
    assert stage.map(metadata)["error"][:] == [None] * 30


def test_repeated_seeds_are_encoded_once(world_of: WorldOf, tmp_path: Path) -> None:
    """A seed that is there thrice is asked about once."""
    servers = world_of()
    codec_of(servers).run(Dataset.from_dict({"instruction": ["same"] * 3}), out=tmp_path, num_instructions=1)
    assert sum(asked["messages"][0]["content"].startswith("Describe") for asked in servers[0].asked) == 1


def test_more_seeds_than_metadata_are_drawn_from(world_of: WorldOf, tmp_path: Path) -> None:
    """No more seeds are encoded, and paid for, than metadata are wanted."""
    servers = world_of()
    many = Dataset.from_dict({"instruction": [f"seed {n}" for n in range(50)]})
    codec_of(servers).run(many, out=tmp_path, num_instructions=5)
    assert sum(asked["messages"][0]["content"].startswith("Describe") for asked in servers[0].asked) == 5


def test_everything_failed_is_still_a_data_set_of_why(
    serve: Callable[..., StandIn], seeds: Dataset, tmp_path: Path
) -> None:
    """A model that never answers as asked leaves metadata rows with its words, and empty tables."""
    server = serve(lambda *_: "no")
    tables = codec_of((server, server)).run(seeds, out=tmp_path, **SMALL)
    assert {name: len(table) for name, table in tables.items()} == {
        "default": 0,
        "preference": 0,
        "trace": 0,
        "metadata": 4,
    }
    assert all("the model answered 'no'" in error for error in tables["metadata"]["error"])


def test_a_smaller_result_leaves_nothing_of_a_larger_one(
    world_of: WorldOf, seeds: Dataset, tmp_path: Path
) -> None:
    """A table that has become empty is gone from the folder and from the card."""
    servers = world_of()
    codec_of(servers, threshold=0).run(seeds, out=tmp_path, **SMALL)
    codec_of(servers, threshold=9).run(seeds, out=tmp_path, **SMALL)
    assert sorted(path.name for path in (tmp_path / "data").iterdir()) == ["metadata", "trace"]
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == [".lock"]


def test_a_full_disk_under_the_tables_is_said_and_costs_no_answer(
    world_of: WorldOf, seeds: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What cannot be written is one sentence; with room again the same run asks nothing and ends."""
    servers = world_of()
    with monkeypatch.context() as full:
        full.setattr(
            directory, "_write_table", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left"))
        )
        with pytest.raises(
            CodecLMError, match=r"cannot be written to .* \(No space left\); every answer is kept"
        ):
            codec_of(servers).run(seeds, out=tmp_path, **SMALL)
    asked = [len(server.asked) for server in servers]
    codec_of(servers).run(seeds, out=tmp_path, **SMALL)
    assert [len(server.asked) for server in servers] == asked
    assert not list(tmp_path.glob(".data-*"))


def test_a_changed_threshold_asks_only_what_is_new(world_of: WorldOf, seeds: Dataset, tmp_path: Path) -> None:
    """Answers are the journal's; the tables follow from them anew."""
    servers = world_of()
    codec_of(servers, threshold=9).run(seeds, out=tmp_path, **SMALL)
    asked = len(servers[0].asked)
    tables = codec_of(servers, threshold=0).run(seeds, out=tmp_path, **SMALL)
    assert len(servers[0].asked) == asked
    assert len(tables["default"]) > 0


def test_an_edited_prompt_asks_again(world_of: WorldOf, seeds: Dataset, tmp_path: Path) -> None:
    """A prompt file of the caller's is used, named in the manifest by its hash, and asks anew."""
    from codeclm_hf import prompts

    servers = world_of()
    codec_of(servers).run(seeds, out=tmp_path / "out", **SMALL)
    before = json.loads((tmp_path / "out" / "codeclm.json").read_text())["prompts"]
    servers[0].asked.clear()
    (tmp_path / "encode.jinja").write_text(prompts.load("encode").text + "\n")
    codec_of(servers, prompts=tmp_path).run(seeds, out=tmp_path / "out", **SMALL)
    assert servers[0].asked == []  # white space at the end is no change in what is sent
    (tmp_path / "encode.jinja").write_text(
        prompts.load("encode").text.replace("Give no explanation.", "Be brief.")
    )
    codec_of(servers, prompts=tmp_path).run(seeds, out=tmp_path / "out", **SMALL)
    assert len(servers[0].asked) == 4
    after = json.loads((tmp_path / "out" / "codeclm.json").read_text())["prompts"]
    assert {name for name in before if before[name] != after[name]} == {"encode"}


@pytest.mark.parametrize(
    "setting",
    [{"threshold": -1}, {"threshold": 9.5}, {"iterations": 0}, {"iterations": 5}, {"scoring": "x"}, {"temperature": 3},
     {"num_rubrics": 0}, {"max_new_tokens": 0}, {"prompts": "/nowhere"}],
)  # fmt: skip
def test_a_setting_out_of_range_is_refused(codec: CodecLM, setting: dict[str, Any]) -> None:
    """The error names the setting, its range and what came."""
    (name,) = setting
    with pytest.raises(
        BadInput, match=f"needs .*{name.replace('_', '-')[:-1]}.*{next(iter(setting.values()))}"
    ):
        replace(codec, **setting)


def test_input_that_cannot_be_used_writes_nothing(codec: CodecLM, seeds: Dataset, tmp_path: Path) -> None:
    """Wrong sizes, no input, a missing column and bad metadata are refused before the folder is made."""
    out = tmp_path / "out"
    for arguments in (
        {"seeds": seeds, "num_instructions": 0},
        {"seeds": seeds, "metadata_fraction": 0},
        {},
        {"seeds": Dataset.from_dict({"prompt": ["x"]})},
        {"seeds": Dataset.from_dict({"instruction": []})},
        {"metadata": [{"use_case": "x", "skills": []}]},
        {"metadata": [{"use_case": "", "skills": ["y"]}]},
        {"seeds": seeds.to_iterable_dataset()},
        {"seeds": "seeds.jsonl"},
    ):
        with pytest.raises(BadInput, match="needs"):
            codec.run(out=out, **arguments)  # type: ignore[arg-type]
    assert not out.exists()


def test_a_folder_of_something_else_is_left_alone(codec: CodecLM, seeds: Dataset, tmp_path: Path) -> None:
    """A folder with other files, a file, and a foreign codeclm.json are refused and stay as they are."""
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter.txt").write_text("mine")
    (tmp_path / "foreign").mkdir()
    (tmp_path / "foreign" / "codeclm.json").write_text('{"a": 1}')
    for name in ("thesis", "thesis/chapter.txt", "foreign"):
        with pytest.raises(BadInput, match="name another"):
            codec.run(seeds, out=tmp_path / name, **SMALL)
    assert (tmp_path / "thesis" / "chapter.txt").read_text() == "mine"
    assert [path.name for path in (tmp_path / "foreign").iterdir()] == ["codeclm.json"]


def test_each_stage_is_reachable_for_use_alone(codec: CodecLM, seeds: Dataset) -> None:
    """The stages of `codec`, one after the other by hand, lead from seeds to a trace."""
    metadata = codec.rubrics.map(codec.encode.map(seeds))
    trace = codec.tailor.map(codec.decode.map(metadata))
    assert set(trace["verdict"]) <= {"accept_strong", "accept_target", "retry", "exhausted"}
    assert len(set(trace["root_id"])) == len(set(metadata["metadata_id"]))


def test_the_plan_bounds_what_is_asked(world_of: WorldOf, seeds: Dataset, tmp_path: Path) -> None:
    """Requests sent lie between the plan's least and most, for the method and each ablation."""
    for name, options in (
        ("all", {}),
        ("once", {"self_rubrics": False}),
        ("unfiltered", {"contrastive_filter": False}),
        ("strict", {"threshold": 9}),
    ):
        servers = world_of()
        codec = codec_of(servers, **options)
        plan = codec.plan(seeds, **SMALL)
        assert not [server.asked for server in servers if server.asked]
        codec.run(seeds, out=tmp_path / name, **SMALL)
        asked = sum(len(server.asked) for server in servers)
        assert sum(stage.least for stage in plan) <= asked <= sum(stage.most for stage in plan)


def test_the_judge_may_be_a_third_model(
    world_of: WorldOf, serve: Callable[..., StandIn], seeds: Dataset, tmp_path: Path
) -> None:
    """With a judge of its own, no judgement is asked of the strong model."""
    servers, judge = world_of(), serve(answers(World(), "judge"), tgi=False, model="judge")
    codec = replace(codec_of(servers), judge=endpoint(judge.url))
    codec.run(seeds, out=tmp_path, **SMALL)
    assert judge.asked
    assert not any("Two assistants" in asked["messages"][0]["content"] for asked in servers[0].asked)
