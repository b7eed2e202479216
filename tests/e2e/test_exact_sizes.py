"""A careless pair of models, and exactly as many rows as were asked for: whole, new, in no evaluation set."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import combinations, product
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from datasets import DatasetDict

from codeclm_hf.endpoints import clock as clocks
from codeclm_hf.run.manifest import Manifest
from codeclm_hf.schema import DEFAULT
from codeclm_hf.stages.flags import BLOCKING
from codeclm_hf.stages.near_duplicates import THRESHOLD, similarity
from support.careless import QUESTIONS, WHOLE, Books, Pair, careless_pair, command, run, write_questions
from support.clock import FastClock
from support.command_line import Cli, output_of, refusal_of
from support.inputs import SEEDS, tree
from support.model_server import StandIn

PairOf = Callable[..., Pair]


class Made(NamedTuple):
    """A run that has ended, and the servers that it asked."""

    n: int
    tables: DatasetDict
    manifest: Manifest
    out: Path
    books: Books

    @property
    def trace(self) -> list[dict[str, Any]]:
        return list(self.tables["trace"])


@pytest.fixture(scope="module", params=[1, 7, 40, 150])
def made(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Made]:
    """A run that was to accept so many rows."""
    n, out = request.param, tmp_path_factory.mktemp("run") / "out"
    servers = careless_pair()
    with clocks.using(FastClock()):
        tables = run(servers, out, n)
    yield Made(n, tables, Manifest.read(out), out, Books(*servers))
    for server in servers:
        server.close()


@pytest.fixture
def pair_of() -> Iterator[Callable[..., Pair]]:
    """Start careless pairs of models."""
    servers: list[StandIn] = []

    def start(**options: Any) -> Pair:
        pair = careless_pair(**options)
        servers.extend(pair)
        return pair

    yield start
    for server in servers:
        server.close()


def words_of(text: str) -> list[str]:
    return re.findall(r"\w+", text.casefold())


def runs_of_words(text: str, n: int = 8) -> set[tuple[str, ...]]:
    words = words_of(text)
    return {tuple(words[at : at + n]) for at in range(len(words) - n + 1)}


def test_exactly_so_many_rows_are_in_the_data_set(made: Made) -> None:
    """Of models that repeat, break off, loop and copy, N rows come out, no more and no fewer."""
    assert len(made.tables["default"]) == len(made.tables["preference"]) == made.n
    assert made.manifest.funnel is not None
    assert made.manifest.funnel.shortfall is None


def test_no_two_rows_are_alike(made: Made) -> None:
    """By the measure of the package, by the words alone and by the models' books, no row repeats another or a seed."""
    texts = made.tables["default"]["instruction"][:]
    bags = [frozenset(words_of(text)) for text in [*SEEDS, *texts]]
    assert all(
        len(one & other) < 0.8 * len(one | other) for one, other in combinations(bags[len(SEEDS) - 1 :], 2)
    )
    if made.n <= 40:  # comparing all of more takes seconds
        pairs = [*combinations(texts, 2), *product(SEEDS, texts)]
        assert all(similarity(one, other) < THRESHOLD for one, other in pairs)
    rows = {row["id"]: row for row in made.trace}
    families = {draft.text: draft.family for draft in made.books.drafts}
    roots = [rows[rows[id]["root_id"]]["instruction"] for id in made.tables["default"]["id"]]
    assert len({families[root] for root in roots}) == made.n


def test_both_responses_of_every_row_are_whole(made: Made) -> None:
    """No response that the models broke off, looped or left empty is in an accepted row, and none has such a flag."""
    fates = {(said.role, said.instruction, said.text): said.fate for said in made.books.responses}
    kept = set(made.tables["default"]["id"])
    for row, role in product(made.trace, ("strong", "target")):
        if row["id"] in kept:
            assert fates[role, row["instruction"], row[f"{role}_response"]] in WHOLE
            assert not set(row[f"{role}_flags"]) & set(BLOCKING)


def test_no_row_shares_words_with_the_evaluation_set(made: Made) -> None:
    """No eight words in a row stand in a question, neither in an instruction nor in a response of either model."""
    kept = set(made.tables["default"]["id"])
    asked = set().union(*map(runs_of_words, QUESTIONS))
    for row in made.trace:
        if row["id"] in kept:
            for column in ("instruction", "strong_response", "target_response"):
                assert not runs_of_words(row[column]) & asked


def test_every_removal_is_counted_with_its_reason(made: Made) -> None:
    """What became of the instructions adds up to those that were asked for, as the models' books have it."""
    books, trace, funnel = made.books, made.trace, made.manifest.funnel
    assert funnel is not None
    outcomes = Counter({outcome.reason: outcome.instructions for outcome in funnel.outcomes})
    assert outcomes.total() == funnel.asked == books.asked
    assert outcomes["accepted"] == made.n
    assert outcomes["missing"] == books.asked - len(books.drafts)

    copied = sum(draft.copied for draft in books.drafts)
    new = len({draft.family for draft in books.drafts if not draft.copied})
    repeated = sum("duplicate of" in (row["removed"] or "") for row in trace)
    assert outcomes["duplicate"] + outcomes["near_duplicate"] == len(books.drafts) - copied - new + repeated

    fates = {(said.role, said.instruction): said.fate for said in books.responses if said.fate not in WHOLE}
    for said in books.responses:
        if said.fate in WHOLE:  # with twice the room
            fates.pop((said.role, said.instruction), None)
    failed = [
        {fates[asked] for role in ("strong", "target") if (asked := (role, row["instruction"])) in fates}
        for row in trace
        if row["verdict"] == "failed"
    ]
    for reason in ("cut_off", "empty", "degenerate", "contaminated"):
        count = outcomes[reason] - (copied if reason == "contaminated" else 0)
        assert failed.count({reason}) <= count <= sum(reason in reasons for reasons in failed)
    assert outcomes["failed"] == failed.count(set())
    assert outcomes["exhausted"] == sum(row["verdict"] == "exhausted" for row in trace)
    assert outcomes["surplus"] == sum(row["removed"] == "surplus" for row in trace)
    assert funnel.improvements == books.improvements


def test_spellings_of_a_use_case_are_one(made: Made) -> None:
    """However the strong model spells use cases, each has one spelling in the tables."""
    use_cases = set(made.tables["metadata"]["use_case"])
    assert use_cases >= set(made.tables["default"]["use_case"])
    assert len({" ".join(words_of(name)) for name in use_cases}) == len(use_cases)


def test_what_the_evaluation_set_holds_is_written_down(made: Made) -> None:
    """The file of removals has each text that a question stands in, once, with the words and where they stand."""
    path, books = made.out / "contamination.jsonl", made.books
    lines = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
    found = [(line["kind"], line["text"]) for line in lines]
    responses = {
        (f"{said.role}_response", said.text) for said in books.responses if said.fate == "contaminated"
    }
    assert set(found) == responses | {("instruction", draft.text) for draft in books.drafts if draft.copied}
    assert len(set(found)) == len(found)
    for line in lines:
        for match in line["matches"]:
            words = words_of(match["words"])
            question = QUESTIONS[match["row"] - 1][match["benchmark_start"] : match["benchmark_end"]]
            assert words == words_of(question) == words_of(line["text"][match["start"] : match["end"]])
            assert len(words) >= 8
        assert line["matches"]


def test_a_budget_ends_a_run_that_goes_on_to_the_same_rows(
    cli: Cli, pair_of: PairOf, seeds_file: Path, tmp_path: Path
) -> None:
    """Ended by its budget with exit code 4, the same command with a larger one makes what one call makes."""
    run(pair_of(), tmp_path / "at once", 7)
    servers = pair_of()
    words = command(servers, seeds_file, tmp_path / "out", 7, "--decontaminate", write_questions(tmp_path))
    for most in (10, 40):
        assert "--max-requests" in refusal_of(cli(*words, "--max-requests", most), 4)
        assert Manifest.read(tmp_path / "out").counts.rows == {}
    output_of(cli(*words))
    assert tree(tmp_path / "out") == tree(tmp_path / "at once")


def test_models_that_know_little_give_fewer_rows_and_a_reason(
    cli: Cli, pair_of: PairOf, seeds_file: Path, tmp_path: Path
) -> None:
    """Of a model that thinks of 12 instructions come at most 12 rows, and words on why there are no more."""
    servers = pair_of(knows=12)
    said = output_of(cli(*command(servers, seeds_file, tmp_path / "out", 20, "--num-metadata", 3)))
    manifest, books = Manifest.read(tmp_path / "out"), Books(*servers, knows=12)
    rows = manifest.counts.rows["default"]
    assert 0 < rows <= 12
    assert f"accepted {rows} of 20 examples: the strong model writes no new instructions" in said
    assert manifest.funnel is not None
    assert manifest.funnel.asked == books.asked


def test_seeds_that_no_model_describes_are_the_reason(
    cli: Cli, serve: Callable[..., StandIn], seeds_file: Path, tmp_path: Path
) -> None:
    """Where encode fails for every seed, the run says that, and not that the model repeats itself."""
    server = serve(lambda messages, how: "I cannot do that.", tgi=False)
    error = refusal_of(cli(*command((server, server), seeds_file, tmp_path / "out", 5)), 1)
    assert "accepted 0 of 5 examples: no seed could be described (" in error
    assert "I cannot do that." in error


def test_rows_that_were_pulled_are_none_of_the_examples(
    cli: Cli, pair_of: PairOf, seeds_file: Path, tmp_path: Path
) -> None:
    """What others made is in the data set, and does not count among the rows that the run accepted."""
    words = command(pair_of(knows=12), seeds_file, tmp_path / "out", 20, "--num-metadata", 3)
    output_of(cli(*words))
    rows = Manifest.read(tmp_path / "out").counts.rows["default"]
    pulled = tmp_path / "out" / ".pulled" / "default"
    pulled.mkdir(parents=True)
    text = "Name a lake that no river leaves, and say where its water goes"
    row = {"id": "f" * 16, "instruction": text, "response": "The Caspian Sea; it evaporates."}
    pq.write_table(pa.Table.from_pylist([row], schema=DEFAULT.arrow_schema), pulled / "train-00000.parquet")
    said = output_of(cli(*words))
    assert Manifest.read(tmp_path / "out").counts.rows["default"] == rows + 1
    assert f"accepted {rows} of 20 examples" in said


def test_a_run_without_a_row_fails_and_says_why(
    cli: Cli, pair_of: PairOf, seeds_file: Path, tmp_path: Path
) -> None:
    """Where the judge sees no difference, nothing is accepted: exit code 1, and where to look."""
    servers = pair_of(knows=12, judges=False)
    error = refusal_of(cli(*command(servers, seeds_file, tmp_path / "out", 5, "--num-metadata", 3)), 1)
    assert "accepted 0 of 5 examples" in error
    assert "codeclm-hf inspect" in error
