"""Tailored out: a data set prepared, killed, resumed, loaded from its cache, and what names its cache folder."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import datasets.builder
import pytest
from aiohttp import web
from datasets import Dataset, DatasetDict, ReadInstruction, load_dataset
from datasets.arrow_writer import ArrowWriter
from hypothesis import given, settings
from hypothesis import strategies as st

from codeclm_hf import (
    BadInput,
    Budget,
    BudgetSpent,
    CodecLM,
    CodecLMError,
    EndpointError,
    endpoint,
    prompts,
    schema,
)
from codeclm_hf.builders import Tailored, load_seeds
from codeclm_hf.endpoints.journal_db import JournalFile
from codeclm_hf.stages import stage
from support.inputs import SEEDS
from support.killed_processes import exit_codes
from support.model_server import StandIn
from support.world import World, answers

SMALL = {"num_instructions": 10, "num_metadata": 4}
Servers = tuple[StandIn, StandIn]
WorldOf = Callable[..., Servers]


@pytest.fixture
def servers(world_of: WorldOf) -> Servers:
    """A strong and a target chat server."""
    return world_of(tgi=False)


def connected(servers: Servers) -> dict[str, Any]:
    return {"strong": endpoint(servers[0].url), "target": endpoint(servers[1].url)}


def builder_of(servers: Servers, seeds: Any, cache: Path, **options: Any) -> Tailored:
    models = {} if {"strong", "target"} <= set(options) else connected(servers)
    return Tailored(seeds=seeds, cache_dir=cache, **{**models, **SMALL, **options})


def prepared(servers: Servers, seeds: Any, cache: Path, mode: str | None = None, **options: Any) -> Tailored:
    builder = builder_of(servers, seeds, cache, **options)
    builder.download_and_prepare(download_mode=mode)
    return builder


def rows(tables: DatasetDict) -> dict[str, list[Any]]:
    return {name: table.to_list() for name, table in tables.items()}


def run(servers: Servers, seeds: Dataset, out: Path, **options: Any) -> dict[str, list[Any]]:
    """The rows that `CodecLM.run` makes of the same."""
    return rows(CodecLM(**connected(servers), **options).run(seeds, out=out, **SMALL))


def asked(servers: Servers) -> int:
    """Generation requests that were answered."""
    return sum(len(server.asked) for server in servers)


def kept(journal: Path) -> int:
    with closing(sqlite3.connect(journal, timeout=60)) as db:
        return int(db.execute("SELECT count(*) FROM answers").fetchone()[0])


def test_prepared_it_gives_the_tables_of_a_run(servers: Servers, seeds: Dataset, tmp_path: Path) -> None:
    """Each config by its name, all of them as a `DatasetDict`, and several as a list, with the contract's features."""
    expected = run(servers, seeds, tmp_path / "out")
    builder = prepared(servers, seeds, tmp_path / "cache")
    tables = builder.as_dataset()
    assert isinstance(tables, DatasetDict)
    assert list(tables) == list(schema.TABLES)
    assert rows(tables) == expected
    for name, features in schema.TABLES.items():
        table = builder.as_dataset(name)
        assert (table.features, table.to_list()) == (features, expected[name])
        assert tables[name].features == features
        assert builder.as_dataset(name, in_memory=True).cache_files == []
    assert [len(table) for table in builder.as_dataset(["trace", "metadata"])] == [
        len(expected["trace"]),
        len(expected["metadata"]),
    ]


def test_slices_are_those_of_datasets(servers: Servers, seeds: Dataset, tmp_path: Path) -> None:
    """Numbers, percentages, sums of one config and `ReadInstruction`s; a slice of nothing has no rows."""
    builder = prepared(servers, seeds, tmp_path)
    trace = builder.as_dataset("trace").to_list()
    half = builder.as_dataset("trace[:50%]")
    assert half.to_list() == trace[: len(half)]
    assert 0 < len(half) < len(trace)
    for split, expected in (
        ("trace[2:5]", trace[2:5]),
        ("trace[-3:]", trace[-3:]),
        ("trace[:1]+trace[4:6]", trace[:1] + trace[4:6]),
        (ReadInstruction("trace", to=3, unit="abs"), trace[:3]),
        ("trace[:0]", []),
    ):
        table = builder.as_dataset(split)
        assert table.to_list() == expected
        assert table.features == schema.TRACE
        assert table.info.splits["trace"].num_examples == len(trace)


def test_an_empty_config_has_its_features(servers: Servers, seeds: Dataset, tmp_path: Path) -> None:
    """Where nothing is accepted, `default` and `preference` are there without rows, whole and sliced."""
    builder = prepared(servers, seeds, tmp_path, threshold=9)
    for name in ("default", "preference"):
        for split in (name, f"{name}[:10]"):
            table = builder.as_dataset(split)
            assert (len(table), table.features) == (0, schema.TABLES[name])
    assert len(builder.as_dataset()["trace"]) > 0
    assert builder.info.splits["default"].num_examples == 0


def test_what_info_says(servers: Servers, seeds: Dataset, tmp_path: Path) -> None:
    """Features, rows and bytes of each config, citation, license of the seeds, description; also from the cache."""
    seeds.info.license = "cc-by-4.0"
    builder = builder_of(servers, seeds, tmp_path)
    assert builder.info.license == "cc-by-4.0"
    assert builder.info.features == schema.DEFAULT
    assert "@inproceedings" in builder.info.citation
    assert builder.info.splits is None
    builder.download_and_prepare()
    for info in (builder.info, builder_of(servers, seeds, tmp_path).info, builder.as_dataset("default").info):
        assert {name: split.num_examples for name, split in info.splits.items()} == {
            name: len(table) for name, table in builder.as_dataset().items()
        }
        assert info.dataset_size == sum(split.num_bytes for split in info.splits.values()) > 0
        assert info.features == schema.DEFAULT
        assert "CodecLM" in info.citation and "2404.05875" in info.homepage
        assert info.license == "cc-by-4.0"
        assert f"{Path(servers[0].model).name}@path:" in info.description
    del seeds.info.license
    assert builder_of(servers, Dataset.from_dict({"instruction": ["x"]}), tmp_path).info.license == ""


def test_loaded_from_the_cache_without_a_request(servers: Servers, seeds: Dataset, tmp_path: Path) -> None:
    """What is prepared is read by another builder of the same, which asks the servers nothing at all."""
    first = prepared(servers, seeds, tmp_path)
    models, count, seen = connected(servers), asked(servers), list[str]()

    def note(request: web.Request) -> None:
        seen.append(request.path)

    for server in servers:
        server.closed = note
    again = prepared(servers, seeds, tmp_path, **models)
    assert again.cache_dir == first.cache_dir
    assert rows(again.as_dataset()) == rows(first.as_dataset())
    assert rows(builder_of(servers, seeds, tmp_path, **models).as_dataset()) == rows(first.as_dataset())
    assert (seen, asked(servers)) == ([], count)
    # a URL is asked what it serves, no more
    prepared(servers, seeds, tmp_path, strong=servers[0].url)
    assert asked(servers) == count
    assert "/v1/models" in seen


def test_files_and_urls_are_taken_as_they_are_typed(
    servers: Servers, seeds_file: Path, tmp_path: Path
) -> None:
    """Seeds and metadata by their paths, models by their URLs; rows are those of the loaded tables."""
    given = tmp_path / "metadata.yaml"
    given.write_text("- {use_case: code review, skills: [Rust]}\n")
    urls = {"strong": servers[0].url, "target": servers[1].url, "judge": servers[1].url}
    typed = prepared(servers, seeds_file, tmp_path, metadata=given, **urls)
    models = {role: endpoint(url) for role, url in urls.items()}
    metadata = [{"use_case": "code review", "skills": ["Rust"]}]
    loaded = builder_of(servers, load_seeds(str(seeds_file)), tmp_path, metadata=metadata, **models)
    assert loaded.cache_dir == typed.cache_dir
    assert "given" in typed.as_dataset("metadata")["origin"][:]
    alone = builder_of(servers, None, tmp_path, metadata=metadata)
    assert alone.cache_dir != typed.cache_dir


def test_a_changed_threshold_asks_only_what_is_new(servers: Servers, seeds: Dataset, tmp_path: Path) -> None:
    """Answers are every setting's; each setting has tables of its own, and the earlier ones stay."""
    strict = prepared(servers, seeds, tmp_path / "cache", threshold=9)
    count, before = asked(servers), rows(strict.as_dataset())
    lax = prepared(servers, seeds, tmp_path / "cache", threshold=0)
    assert asked(servers) == count
    assert lax.cache_dir != strict.cache_dir
    assert rows(lax.as_dataset()) == run(servers, seeds, tmp_path / "out", threshold=0)
    assert len(lax.as_dataset("default")) > 0 == len(strict.as_dataset("default"))
    assert rows(builder_of(servers, seeds, tmp_path / "cache", threshold=9).as_dataset()) == before


def test_a_lower_threshold_first_costs_only_the_rest(
    servers: Servers, seeds: Dataset, tmp_path: Path
) -> None:
    """From one threshold to a larger one, no request is sent twice."""
    for threshold in (0, 3, 9):
        prepared(servers, seeds, tmp_path, threshold=threshold)
    bodies = [
        (server.url, json.dumps(one["body"], sort_keys=True)) for server in servers for one in server.asked
    ]
    journal = tmp_path / "tailored" / "journal.sqlite"
    assert len(bodies) == len(set(bodies)) == kept(journal)
    with closing(JournalFile(journal)) as file, pytest.raises(BadInput, match="needs a complete run"):
        file.prune()  # it would delete what the other thresholds need


POINTS = [1, 7, 30, "when the tables are written"]


def test_killed_and_called_again_it_goes_on(
    servers: Servers, world_of: WorldOf, seeds: Dataset, seeds_file: Path, tmp_path: Path
) -> None:
    """SIGKILL costs what was on its way; nothing half-made is loaded, and the tables are an undisturbed run's."""
    undisturbed = world_of(tgi=False)
    expected = run(undisturbed, load_seeds(str(seeds_file)), tmp_path / "out")
    job = {"strong": servers[0].url, "target": servers[1].url, "seeds": str(seeds_file), **SMALL}
    cache = tmp_path / "cache"
    for point in POINTS:
        assert exit_codes({**job, "cache_dir": str(cache), "dies": point}) == [-9]
        with pytest.raises(FileNotFoundError, match="download_and_prepare"):
            builder_of(servers, seeds_file, cache).as_dataset()
    journal = cache / "tailored" / "journal.sqlite"
    assert kept(journal) == asked(undisturbed)  # the last was killed when it had all
    before = asked(servers)
    builder = prepared(servers, seeds_file, cache)
    assert asked(servers) == before
    assert rows(builder.as_dataset()) == expected
    files = {path.name for path in Path(builder.cache_dir).iterdir()}
    assert files == {"dataset_info.json", *(f"tailored-{name}.arrow" for name in schema.TABLES)}


def test_no_answer_that_was_kept_is_asked_again(servers: Servers, seeds_file: Path, tmp_path: Path) -> None:
    """After a kill, the call asks what the journal lacks of all that there is to ask."""
    job = {"strong": servers[0].url, "target": servers[1].url, "seeds": str(seeds_file), **SMALL}
    assert exit_codes({**job, "cache_dir": str(tmp_path), "dies": 20}) == [-9]
    journal = tmp_path / "tailored" / "journal.sqlite"
    had, before = kept(journal), asked(servers)
    assert had > 0
    prepared(servers, seeds_file, tmp_path)
    assert asked(servers) - before == kept(journal) - had


def test_two_at_once_do_not_hurt_each_other(
    servers: Servers, world_of: WorldOf, seeds_file: Path, tmp_path: Path
) -> None:
    """Of the same settings the second waits and finds the tables; of other settings each makes its own."""
    cache, others = tmp_path / "cache", world_of(tgi=False)
    job = {"strong": servers[0].url, "target": servers[1].url, "seeds": str(seeds_file), **SMALL}
    jobs = [{**job, "cache_dir": str(cache), "threshold": threshold} for threshold in (0, 0, 3, 3)]
    assert exit_codes(*jobs) == [0, 0, 0, 0]
    alone = 0
    for threshold in (0, 3):
        expected = run(
            others, load_seeds(str(seeds_file)), tmp_path / f"out {threshold}", threshold=threshold
        )
        alone, before = alone + asked(others), asked(servers)
        others[0].asked.clear(), others[1].asked.clear()
        assert rows(prepared(servers, seeds_file, cache, threshold=threshold).as_dataset()) == expected
        assert asked(servers) == before
    assert asked(servers) <= alone  # what both need may be asked by both, if both ask at the same moment


def test_reuse_cache_writes_the_tables_anew_of_the_same_answers(
    servers: Servers, seeds: Dataset, tmp_path: Path
) -> None:
    """`reuse_cache_if_exists` asks nothing, and makes good what somebody broke."""
    builder = prepared(servers, seeds, tmp_path)
    count, before = asked(servers), rows(builder.as_dataset())
    Path(builder.cache_dir, "tailored-trace.arrow").write_bytes(b"")
    again = prepared(servers, seeds, tmp_path, "reuse_cache_if_exists")
    assert rows(again.as_dataset()) == before
    assert asked(servers) == count


def test_forced_it_asks_for_all_anew(servers: Servers, seeds: Dataset, tmp_path: Path) -> None:
    """`force_redownload` takes no kept answer, for these settings alone; later calls take the new ones."""
    other = rows(prepared(servers, seeds, tmp_path, threshold=0).as_dataset())
    old = rows(prepared(servers, seeds, tmp_path).as_dataset())
    count = asked(servers)
    for role, server in zip(("strong", "target"), servers, strict=True):
        server.answer = answers(World(bias=1), role)
    new = rows(prepared(servers, seeds, tmp_path, "force_redownload").as_dataset())
    assert new["trace"] != old["trace"]
    assert len(new["default"]) != len(old["default"])
    assert asked(servers) > count
    count = asked(servers)
    assert rows(prepared(servers, seeds, tmp_path).as_dataset()) == new
    assert rows(prepared(servers, seeds, tmp_path, "reuse_cache_if_exists").as_dataset()) == new
    assert (
        rows(prepared(servers, seeds, tmp_path, "reuse_cache_if_exists", threshold=0).as_dataset()) == other
    )
    assert asked(servers) == count
    prepared(servers, seeds, tmp_path, "force_redownload")
    assert asked(servers) > count


@pytest.mark.parametrize("point", ["when the old tables are away", "while the old tables are deleted"])
def test_killed_while_it_replaces_tables(
    servers: Servers, seeds_file: Path, tmp_path: Path, point: str
) -> None:
    """A forced call that is killed leaves the old tables or none, and the same call goes on without asking again."""
    job = {"strong": servers[0].url, "target": servers[1].url, "seeds": str(seeds_file), **SMALL}
    forced = {**job, "cache_dir": str(tmp_path), "mode": "force_redownload"}
    old = rows(prepared(servers, seeds_file, tmp_path).as_dataset())
    assert exit_codes({**forced, "dies": 20}) == [-9]
    assert rows(builder_of(servers, seeds_file, tmp_path).as_dataset()) == old
    assert exit_codes({**forced, "dies": point}) == [-9]
    count = asked(servers)
    with pytest.raises(FileNotFoundError, match="download_and_prepare"):
        builder_of(servers, seeds_file, tmp_path).as_dataset()
    assert rows(prepared(servers, seeds_file, tmp_path, "force_redownload").as_dataset()) == old
    assert asked(servers) == count
    assert not list(tmp_path.glob("tailored/*/*.replaced"))


class FullDisk(ArrowWriter):  # type: ignore[misc]  # datasets ships no types
    """What writes tables where there is no room."""

    def write_table(self, *_: Any) -> None:
        raise OSError(28, "No space")


def test_a_budget_has_the_prices_of_the_models(servers: Servers, seeds: Dataset, tmp_path: Path) -> None:
    """Prices by role are taken as in a run: they count for its limit, and one of no model is refused."""
    with pytest.raises(BadInput, match="did you mean strong"):
        builder_of(servers, seeds, tmp_path, budget=Budget(prices={"storng": (1, 2)}))
    with pytest.raises(BudgetSpent, match="--max-cost"):
        prepared(servers, seeds, tmp_path, budget=Budget(prices={"strong": (1e6, 1e6)}, max_cost=500))


def test_what_stops_it_comes_out_as_itself(
    servers: Servers, seeds: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A spent budget, a server that is down, a bad prompt and a full disk; each time the same call goes on."""
    budget = Budget(max_requests=5)
    with pytest.raises(BudgetSpent, match="budget of 5 requests"):
        prepared(servers, seeds, tmp_path, budget=budget)
    assert asked(servers) == 5
    servers[1].script = [(503, "", "text/plain", {})] * 10_000
    with pytest.raises(EndpointError):
        prepared(servers, seeds, tmp_path)
    servers[1].script = []
    (tmp_path / "prompts").mkdir()
    (tmp_path / "prompts" / "encode.jinja").write_text("--- user\n{{ instruction.nothing.here }}")
    with pytest.raises(BadInput, match="prompt `encode` cannot be filled in"):
        prepared(servers, seeds, tmp_path, prompts=tmp_path / "prompts")
    with monkeypatch.context() as full:
        full.setattr(datasets.builder, "ArrowWriter", FullDisk)
        with pytest.raises(CodecLMError, match=r"cannot be written to .* \(No space\); every answer is kept"):
            prepared(servers, seeds, tmp_path)
    assert not builder_of(servers, seeds, tmp_path).info.splits
    count = asked(servers)
    prepared(servers, seeds, tmp_path)
    assert asked(servers) == count == kept(tmp_path / "tailored" / "journal.sqlite")


def test_rows_that_fail_are_data(servers: Servers, seeds: Dataset, tmp_path: Path) -> None:
    """A model that never answers as asked leaves metadata that say why, and a prepared data set."""
    servers[0].answer = lambda *_: "no"
    tables = prepared(servers, seeds, tmp_path).as_dataset()
    assert {name: len(table) for name, table in tables.items()} == {
        "default": 0,
        "preference": 0,
        "trace": 0,
        "metadata": 4,
    }
    assert all("the model answered 'no'" in error for error in tables["metadata"]["error"])


def test_progress_is_told(servers: Servers, seeds: Dataset, tmp_path: Path) -> None:
    """`on_progress` hears of every stage."""
    stages = set()
    prepared(servers, seeds, tmp_path, on_progress=lambda progress: stages.add(progress.stage))
    assert stages == {"encode", "rubrics", "decode", "tailor"}


def test_parquet_for_elsewhere(servers: Servers, seeds: Dataset, tmp_path: Path) -> None:
    """`output_dir` and `file_format` are those of `datasets`: each config's Parquet has its own columns."""
    builder = builder_of(servers, seeds, tmp_path / "cache")
    builder.download_and_prepare(str(tmp_path / "out"), file_format="parquet")
    for name, features in schema.TABLES.items():
        loaded = load_dataset(
            "parquet", data_files=str(tmp_path / "out" / f"tailored-{name}.parquet"), split="train"
        )
        assert loaded.features == features


@pytest.mark.parametrize(
    ("split", "words"),
    [
        (
            "defualt",
            r"needs one of the configs default, preference, trace, metadata; came `defualt`; did you mean def",
        ),
        ("metdata[:10]", "came `metdata`; did you mean metadata?"),
        ("everything", "came `everything`$"),
        ("default[", "cannot read `default\\["),
        ("default+trace", "needs one config at a time"),
        ("all", "needs one config at a time"),
    ],
)
def test_an_unknown_config_is_told_the_nearest(
    servers: Servers, seeds: Dataset, tmp_path_factory: pytest.TempPathFactory, split: str, words: str
) -> None:
    """What is no config, or several at once, is refused in one sentence."""
    builder = prepared(servers, seeds, tmp_path_factory.mktemp("cache"), num_instructions=1)
    with pytest.raises(BadInput, match=words):
        builder.as_dataset(split)


@dataclass
class Model:
    """An endpoint that nobody asks."""

    identity: str
    url: str = ""

    async def generate(self, request: Any, *, send_guard: Any = nullcontext) -> Any:
        raise AssertionError("nothing is to be asked")


MODELS: dict[str, Any] = {"strong": Model("a"), "target": Model("b")}


def test_input_that_cannot_be_used_is_refused_at_once(seeds: Dataset, tmp_path: Path) -> None:
    """Unknown settings, bad values, no input, a remote cache and streaming, each in a sentence; nothing is written."""
    for options, words in (
        ({"treshold": 2}, "came `treshold`; did you mean threshold"),
        ({"judgement": 2}, "needs settings that CodecLM has; came `judgement`"),
        ({"threshold": 10}, "needs threshold from 0 to 9"),
        ({"num_instructions": 0}, "needs num-instructions"),
        ({"seeds": None}, "came neither"),
        ({"seeds": "nowhere.jsonl"}, "there is no `nowhere.jsonl`"),
        ({"seeds": DatasetDict(train=seeds)}, "one split"),
        ({"column": "prompt"}, "needs a column `prompt`"),
        ({"metadata": "nowhere.yaml"}, "there is no file"),
        ({"cache_dir": "s3://bucket"}, "needs a cache folder on this machine"),
        ({"strong": "ftp://x"}, "needs an endpoint"),
    ):
        with pytest.raises(BadInput, match=words):
            Tailored(**{**MODELS, "seeds": seeds, "cache_dir": tmp_path / "cache", **options})
    assert not (tmp_path / "cache").exists()
    builder = Tailored(seeds=seeds, cache_dir=tmp_path / "cache", **MODELS)
    with pytest.raises(BadInput, match="to_iterable_dataset"):
        builder.as_streaming_dataset("trace")
    with pytest.raises(FileNotFoundError, match="download_and_prepare"):
        builder.as_dataset("default")


INPUTS: dict[str, tuple[Any, Any]] = {
    "six": ("six", lambda: Dataset.from_dict({"instruction": SEEDS})),
    "the same read from a list": (
        "six",
        lambda: Dataset.from_list([{"instruction": seed} for seed in SEEDS]),
    ),
    "the same with more columns": (
        "six",
        lambda: Dataset.from_dict({"n": list("abcdef"), "instruction": SEEDS}),
    ),
    "the same, selected": ("six", lambda: Dataset.from_dict({"instruction": [*SEEDS, "x"]}).select(range(6))),
    "another order": ("back", lambda: Dataset.from_dict({"instruction": SEEDS[::-1]})),
    "another seed": ("other", lambda: Dataset.from_dict({"instruction": [*SEEDS[:-1], "another"]})),
    "one that is no text": ("hole", lambda: Dataset.from_dict({"instruction": [*SEEDS, None]})),
    "none": (None, lambda: None),
}
"""By what they are: what tells them apart, and how they are made."""
GIVEN = [{"use_case": "letters", "skills": ["tone"]}]
OPTIONS: dict[str, list[Any]] = {
    "strong": ["a", "b"],
    "target": ["a", "b"],
    "judge": [None, "a", "b"],
    "threshold": [3, 3.0, 2.5],
    "temperature": [1, 1.0, 0.7],
    "iterations": [1, 2],
    "self_rubrics": [True, False],
    "contrastive_filter": [True, False],
    "scoring": ["discrete", "expected"],
    "num_rubrics": [3, 4],
    "max_new_tokens": [100, 200],
    "use_cases": [(), ("letters",)],
    "seed": [0, 1],
    "num_instructions": [20, 30],
    "num_metadata": [10, 50, 60],
    "metadata_fraction": [1, 1.0, 0.5],
    "seeds": list(INPUTS),
    "given": [GIVEN, [{"use_case": "poems", "skills": ["tone"]}]],
    "prompt": ["", *prompts.VARIABLES],
    # none of these shapes a row
    "url": ["http://one", "http://two"],
    "cache": ["one", "two"],
    "budget": [None, 5],
}


def shape_of(drawn: dict[str, Any]) -> Any:
    """What shapes the rows, as the method has it."""
    seeds, text = (
        INPUTS[drawn["seeds"]][0],
        dict.fromkeys(prompts.VARIABLES, "ours") | {drawn["prompt"]: "changed"},
    )
    iterations = drawn["iterations"] if drawn["self_rubrics"] else 1
    rubrics = (iterations, drawn["num_rubrics"], text["rubrics"], text["improve"])
    judging = (
        drawn["target"],
        drawn["judge"] or drawn["strong"],
        drawn["threshold"],
        drawn["scoring"],
        text["judge"],
    )
    plain = (
        "strong",
        "temperature",
        "max_new_tokens",
        "seed",
        "num_instructions",
        "metadata_fraction",
        "given",
    )
    return (
        [drawn[name] for name in plain],
        min(drawn["num_metadata"], drawn["num_instructions"]),
        text["decode"],
        seeds and (seeds, drawn["use_cases"], text["encode"]),
        rubrics if iterations > 1 else None,
        judging if drawn["contrastive_filter"] else None,
    )


@pytest.fixture(scope="module")
def name_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[[dict[str, Any]], str]:
    """The name of the cache folder for one value of each of `OPTIONS`."""
    folder = tmp_path_factory.mktemp("names")
    for name in prompts.VARIABLES:
        (folder / name).mkdir()
        (folder / name / f"{name}.jinja").write_text(prompts.load(name).text + "\nThink.")

    def name_of(drawn: dict[str, Any]) -> str:
        own = {"seeds", "given", "prompt", "url", "cache", "budget", "strong", "target", "judge"}
        builder = Tailored(
            **{
                role: drawn[role] and Model(drawn[role], drawn["url"])
                for role in ("strong", "target", "judge")
            },
            seeds=INPUTS[drawn["seeds"]][1](),
            metadata=drawn["given"],
            prompts=folder / drawn["prompt"] if drawn["prompt"] else None,
            cache_dir=folder / drawn["cache"],
            budget=drawn["budget"] and Budget(max_requests=drawn["budget"]),
            **{name: value for name, value in drawn.items() if name not in own},
        )
        return Path(builder.cache_dir).relative_to(folder / drawn["cache"] / "tailored").as_posix()

    return name_of


NameOf = Callable[[dict[str, Any]], str]


@pytest.mark.parametrize("option", OPTIONS)
@pytest.mark.parametrize(
    "base",
    [{"iterations": 2}, {"iterations": 1, "contrastive_filter": False, "seeds": "none"}],
    ids=["all in use", "little in use"],
)
def test_the_folders_name_changes_with_what_shapes_the_rows(
    name_of: NameOf, option: str, base: dict[str, Any]
) -> None:
    """Each value of an option has a name of its own, exactly if it changes the requests."""
    base = {name: values[0] for name, values in OPTIONS.items()} | base
    drawn = [base | {option: value} for value in OPTIONS[option]]
    names = [name_of(one) for one in drawn]
    for at, one in enumerate(drawn):
        for other in range(at):
            assert (names[at] == names[other]) == (shape_of(one) == shape_of(drawn[other]))


@settings(max_examples=30)
@given(data=st.data())
def test_the_folders_name_changes_when_and_only_when_the_rows_do(
    name_of: NameOf, data: st.DataObject
) -> None:
    """Whatever the other options are, two sets of arguments have one name exactly if they lead to the same requests."""
    one = {name: data.draw(st.sampled_from(values), name) for name, values in OPTIONS.items()}
    changed = data.draw(st.sets(st.sampled_from(sorted(OPTIONS)), max_size=2), "changed")
    two = one | {name: data.draw(st.sampled_from(OPTIONS[name]), name) for name in sorted(changed)}
    assert (name_of(one) == name_of(two)) == (shape_of(one) == shape_of(two))


def test_the_folders_name_is_the_versions_and_not_the_servers(
    world_of: WorldOf, seeds: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another URL, concurrency, token, dialect or price keeps it; another version of the package does not."""
    here, there = world_of(), world_of(token="secret")
    first = builder_of(here, seeds, tmp_path).cache_dir
    for options in ({"api_key": "secret"}, {"api_key": "secret", "concurrency": 3}):
        strong, target = (endpoint(server.url, **options) for server in there)
        assert builder_of(here, seeds, tmp_path, strong=strong, target=target).cache_dir == first
    chat = endpoint("chat+" + here[0].url)
    assert builder_of(here, seeds, tmp_path, strong=chat, budget=Budget(price_in=1)).cache_dir == first
    monkeypatch.setattr(stage, "VERSION", "99.0")
    assert builder_of(here, seeds, tmp_path).cache_dir != first
