"""Six cards, from two rows to five thousand: as they were reviewed, and every number on them counted once more."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import yaml
from datasets import load_dataset
from huggingface_hub import DatasetCard
from py3langid import rank

from codeclm_hf import schema
from codeclm_hf.card import check
from codeclm_hf.card.render import split_card
from codeclm_hf.card.shapes import ContaminationSummary, SeedSources
from codeclm_hf.hub.publish import publish
from codeclm_hf.hub.pull import pull
from codeclm_hf.json_types import to_json
from codeclm_hf.run import directory
from codeclm_hf.run.card_context import render_card
from codeclm_hf.run.manifest import Manifest
from codeclm_hf.settings import PAPER
from support import run_directories
from support.gallery import GOLDEN, KINDS, SEEDS, golden, run_directory_of
from support.hub_server import Hub
from support.recount import recount

Numbers = list[str]
_NUMBER = re.compile(r"−?\d+(?:,\d{3})*(?:\.\d+)?")


@pytest.fixture(scope="module", params=KINDS)
def run(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run directory of each kind."""
    return run_directory_of(tmp_path_factory.mktemp("gallery") / request.param, request.param)


def card(run: Path) -> str:
    return (run / "README.md").read_text(encoding="utf-8")


def tables(run: Path) -> dict[str, list[dict[str, Any]]]:
    """The rows as the Parquet files have them."""
    files = {
        name: sorted((run / "data" / name).glob("*.parquet")) for name in ("default", "trace", "metadata")
    }
    return {
        name: [row for path in paths for row in pq.read_table(path).to_pylist()]
        for name, paths in files.items()
    }


def test_the_card_is_the_one_that_was_reviewed(run: Path) -> None:
    """To write them anew, see `support/gallery.py`; look at them before they are committed."""
    assert golden(card(run)) == (GOLDEN / f"{run.name}.md").read_text(encoding="utf-8")


def test_made_anew_it_changes_no_byte(run: Path) -> None:
    """Onto itself, and from nothing."""
    files = {path.name: sorted(path.glob("*.parquet")) for path in (run / "data").iterdir()}
    manifest, told = Manifest.read(run), directory.table_files(files)
    told = {name: told[name] for name in ("default", "preference", "trace", "metadata") if name in told}
    assert render_card(manifest, told, card(run)) == render_card(manifest, told) == card(run)


def test_the_hub_and_datasets_read_its_front_matter(run: Path) -> None:
    """It has no problem, `huggingface_hub` gives back what stands there, and every config loads with its features."""
    assert check.check(card(run)) == []
    front = yaml.safe_load(card(run).split("---\n")[1])
    assert DatasetCard.load(run / "README.md").data.to_dict() == front
    for info in front["dataset_info"]:
        table = load_dataset(str(run), info["config_name"], split="train", cache_dir=str(run / ".cache"))
        assert len(table) == info["splits"][0]["num_examples"]
        assert (
            info["dataset_size"] == info["splits"][0]["num_bytes"] > 0
        )  # without both `datasets` leaves `splits` out
        assert table.features._to_yaml_list() == info["features"]
    assert [one["config_name"] for one in front["configs"]] == [
        one["config_name"] for one in front["dataset_info"]
    ]


def test_its_language_is_told_as_it_was_detected(run: Path) -> None:
    """In the front matter those that are spoken; nothing where nothing is."""
    spoken = {"non-english": {"de", "zh", "ar", "hi"}, "all-failed": set()}.get(run.name, {"en"})
    assert set(split_card(card(run))[0].get("language", [])) == spoken


def test_its_sources_are_told(run: Path) -> None:
    """Data sets on the Hub by name, anything else as original."""
    wanted = ["org/seeds"] if run.name == "rows-5k" else ["original"]
    assert split_card(card(run))[0]["source_datasets"] == wanted


def test_every_number_on_it_is_right(run: Path) -> None:
    """Each line's numbers, in order, are those that plain Python counts in the Parquet; there is no other number."""
    manifest = Manifest.read(run)
    assert _numbers(card(run)) == [[*line] for line in _lines(tables(run), manifest, SEEDS[run.name]) if line]


def test_every_number_in_its_front_matter_is_right(run: Path) -> None:
    """Rows, names, winner, gap and lengths, counted in plain Python."""
    rows, front = tables(run), split_card(card(run))[0]
    found, told = recount(rows), front["codeclm"]["distributions"]
    assert front["codeclm"]["rows"] == {
        **{name: len(part) for name, part in rows.items()},
        "preference": len(rows["default"]),
    }
    for name in ("use_cases", "skills"):
        assert told[name] == found[name]["top"][:10]
    assert told["accepted_by_iteration"] == [one["accepted"] for one in found["iterations"]]
    assert told["winner"] == found["winner"] and told["mean_gap"] == found["gap"]["mean"]
    assert told["mean_tokens"] == {
        name: found["lengths"][name]["mean"] for name in ("instruction", "response")
    }
    assert front["codeclm"]["threshold"] == 3.0
    assert front["size_categories"] == ["1K<n<10K" if len(rows["default"]) >= 1_000 else "n<1K"]


@pytest.mark.usefixtures("token")
def test_every_number_of_a_version_is_right(hub: Hub, tmp_path: Path) -> None:
    """Besides a run's: the version, what changed since the one before, how far it moved, what was searched for."""
    first = run_directories.run_directory_of(tmp_path / "first", ["one", "two", "three"])
    other = run_directories.run_directory_of(
        tmp_path / "other", ["ask"], use_case="travel planning", model="model-b"
    )
    publish(first, run_directories.REPO)
    publish(other, run_directories.REPO)
    pull(run_directories.REPO, tmp_path / "both")
    seen = _numbers(run_directories.repo(hub).files()["README.md"].decode())
    manifest = Manifest.read(tmp_path / "both")
    rows_of_both, before = tables(tmp_path / "both"), recount(tables(first))["diversity"]
    lines = [[*line] for line in _lines(rows_of_both, manifest, None, before) if line]
    whole, (quarters, fourth) = math.log2(1 / 0.875), (math.log2(0.75 / 0.875), math.log2(0.25 / 0.125))
    apart = (whole + 0.75 * quarters + 0.25 * fourth) / 2
    drift = ["1.0", "0", f"{apart:.3f}", "0.000", "100.0", "75.0", "1", "25.0"]
    rows = [["1", "0", "0"] for _ in schema.TABLES]
    lines[1:1] = [["1.1", "0"]] * 2
    lines[-1:-1] = [["1.0", "0"], *rows, drift, ["1.0", "0", *"0000"], ["1.1", "0", *"0000"]]
    assert seen == lines


def _numbers(card: str) -> list[Numbers]:
    """The numbers of each line that has some; those of the prompts' texts are left out."""
    body = re.sub(
        r"<!--.*?-->|^The prompt [^\n]*|^(`{3,})text$.*?^\1$", "", split_card(card)[1], flags=re.S | re.M
    )
    return [numbers for line in body.splitlines() if (numbers := _NUMBER.findall(line))]


def _lines(
    tables: Mapping[str, Any],
    manifest: Manifest,
    seeds: SeedSources | None,
    before: Mapping[str, Any] | None = None,
) -> Iterator[Sequence[str]]:
    """The numbers of each line of a card that has some, in order; a line may be empty."""
    default, trace, metadata = (tables[name] for name in ("default", "trace", "metadata"))
    found, config = recount(tables), manifest.config
    yield (
        _texts(len(default), found["use_cases"]["total"], f"{config.threshold:g}", 1, 10) if default else []
    )
    for rows in (default, default, trace, metadata):
        yield [str(len(rows))]
    if default:
        yield from _content(found, default, before)
    yield from _making(found, tables, manifest)
    yield from _contamination(manifest.contamination) if manifest.contamination else []
    if seeds:
        more, given = len(seeds.sources) - 10, seeds.given
        yield from ([str(more)] if more > 0 else [], [str(given)] if given else [])
    yield ["2024", "2404.05875", "2404.05875"]


def _content(
    found: Mapping[str, Any], default: Sequence[Mapping[str, Any]], before: Mapping[str, Any] | None
) -> Iterator[Sequence[str]]:
    coverage, winner, order = found["coverage"], found["winner"], found["order"]
    repeated = [found["duplicates"]["instructions"]] if found["duplicates"]["instructions"] else []
    apart = [] if coverage["divergence"] is None else [f"{coverage['divergence']:.3f}", 0, 1]
    asked = [coverage["seeds"], coverage["covered"], *apart] if coverage["seeds"] else []
    yield _texts(*asked, winner["strong"], winner["target"], *repeated, order["disagree"], order["judged"])
    for name, of in (("use_cases", "rows"), ("skills", "mentions")):
        top, total = found[name]["top"], found[name]["total"]
        told = [_percent(one["share"]) for one in top[:5]]
        all_of_them = sum(one["share"] for one in top[:10])
        first = (
            [total, found[name][of]] if total <= 10 else [10, total, _percent(all_of_them), found[name][of]]
        )
        yield _texts(*(f"{n:,}" if isinstance(n, int) else n for n in first), *told)
        yield _texts(10, total) if total > 10 else []
        yield from (_texts(one["rows"], f"{100 * one['share']:.1f}") for one in top[:10])
    yield _texts(10, found["pairs"]["total"]) if found["pairs"]["total"] > 10 else []
    yield from (_texts(one["rows"]) for one in found["pairs"]["top"][:10])
    yield ["95"]
    for one in (found["lengths"][name] for name in ("instruction", "response")):
        yield _texts(f"{one['mean']:.0f}", one["p50"], one["p95"], one["max"])
    yield ["8", "4"]  # UTF-8, and bytes a token
    yield from _diversity([found["diversity"], *([before] if before else [])])
    sample = [row["instruction"] for row in sorted(default, key=lambda row: row["id"])[:200]]
    languages = Counter(filter(None, map(_language, sample)))
    told = [n for _, n in sorted(languages.items(), key=lambda one: (-one[1], one[0]))]
    yield _texts(len(sample), *told, len(sample) - sum(told))


def _diversity(versions: Sequence[Mapping[str, Any]]) -> Iterator[Sequence[str]]:
    yield ["1.0", "0"] if len(versions) > 1 else []
    yield _texts(*(one["sample"] for one in versions))
    yield _texts(1, *(f"{one['similarity']:.3f}" for one in versions))
    shares = (
        (one["near_duplicates"], f"{100 * one['near_duplicates'] / one['sample']:.1f}") for one in versions
    )
    yield _texts(*(number for share in shares for number in share))
    for n in (1, 2, 3):
        told = [one[f"distinct_{n}"] for one in versions]
        yield _texts(n, *(f"{100 * share:.1f}" for share in told if share is not None))


def _making(
    found: Mapping[str, Any], tables: Mapping[str, Any], manifest: Manifest
) -> Iterator[Sequence[str]]:
    trace, usable = tables["trace"], [row for row in tables["metadata"] if row["use_case"]]
    origins = Counter(row["origin"] for row in usable)
    yield _texts(
        len(usable), origins["seed"], origins["given"], origins["augmented"], len(tables["metadata"]) - len(usable),
        sum(row["iteration"] == 1 for row in trace), len(tables["default"]),
    )  # fmt: skip
    if manifest.funnel:
        yield [str(manifest.config.num_examples)]
        yield from _funnel(to_json(manifest.funnel), tables)
    verdicts = ("accept_strong", "accept_target", "retry", "exhausted", "failed")
    for iteration in sorted({row["iteration"] for row in trace}):
        counted = Counter(row["verdict"] for row in trace if row["iteration"] == iteration)
        yield _texts(iteration, *(counted[verdict] for verdict in verdicts))
    gap, accepted = found["gap"], len(tables["default"])
    if accepted:
        told = [
            (one["iteration"], one["accepted"], one["judged"], _percent(one["share"]))
            for one in found["iterations"]
        ]
        yield _texts(f"{accepted:,}", *(f"{n:,}" if isinstance(n, int) else n for one in told for n in one))
    if gap["judged"]:
        share, mean = _percent(accepted / gap["judged"]), f"{gap['mean']:.2f}"
        yield _texts(f"{gap['judged']:,}", 3, f"{accepted:,}", share, mean.lstrip("-"))
        yield _texts(10, found["acceptance"]["total"]) if found["acceptance"]["total"] > 10 else []
        for one in found["acceptance"]["top"][:10]:
            yield _texts(one["judged"], one["accepted"], f"{100 * one['rate']:.1f}")
        bins = sorted(
            zip(gap["counts"], pairwise(gap["edges"]), strict=True), key=lambda one: (-one[0], one[1])
        )
        for count, edges in bins[:10]:
            yield _texts(*(f"{edge:g}".replace("-", "−") for edge in edges), count) if count else []
        yield _texts(mean.lstrip("-"), gap["judged"])
        yield _texts(*range(1, 11))
        for one in (found["scores"][role] for role in ("strong", "target")):
            yield _texts(f"{one['mean']:.2f}", *one["counts"])
    yield from (_texts(one["rows"]) for one in found["failures"]["trace"] + found["failures"]["metadata"])
    strong, target = (found.get("flags", {}).get(role, {}) for role in ("strong", "target"))
    flags = {flag: (strong.get(flag, 0), target.get(flag, 0)) for flag in {**strong, **target}}
    yield from (_texts(*pair) for _, pair in sorted(flags.items(), key=lambda one: (-sum(one[1]), one[0])))
    for name, usual in PAPER.items():
        yield (
            _NUMBER.findall(f"{here} {usual}") if (here := getattr(manifest.config, name)) != usual else []
        )


def _funnel(funnel: Mapping[str, Any], tables: Mapping[str, Any]) -> Iterator[Sequence[str]]:
    """Everything that was asked for adds up, and what was accepted is in the data set."""
    numbers = {one["reason"]: one["instructions"] for one in funnel["outcomes"]}
    assert sum(numbers.values()) == funnel["asked"] and numbers["accepted"] == len(tables["default"])
    yield _texts(funnel["asked"])
    yield from (_texts(number, f"{100 * number / funnel['asked']:.1f}") for number in numbers.values())
    yield _texts(funnel["rounds"], *funnel["improvements"].values())


def _contamination(found: ContaminationSummary) -> Iterator[Sequence[str]]:
    yield _texts(len(found.benchmarks))
    yield from (_texts(one.rows, one.texts) for one in found.benchmarks)
    yield _texts(*found.removed.values(), found.allowed)
    yield from (_texts(*_NUMBER.findall(one.id), one.row) for one in found.found)
    yield _texts(sum(found.removed.values()) + found.allowed - len(found.found))


def _texts(*numbers: object) -> Numbers:
    return [str(number) for number in numbers]


def _language(text: str) -> str | None:
    """The language that has nine tenths of the probability."""
    (language, best), *others = rank(text)
    return language if sum(math.exp(score - best) for _, score in others) <= 1 / 9 else None


def _percent(share: float) -> str:
    return "0.1" if 0 < share < 0.001 else f"{100 * share:.1f}"
