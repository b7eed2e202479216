"""What a run costs, at the command line: prices of models, a limit, and what is said of either."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from codeclm_hf.run.manifest import Manifest
from support import command_line
from support.command_line import Cli
from support.model_server import StandIn

WorldOf = Callable[..., tuple[StandIn, StandIn]]
cli = command_line.cli


@pytest.fixture
def servers(world_of: WorldOf) -> tuple[StandIn, StandIn]:
    strong, target = world_of(tgi=False)
    target.model = "Org/Small"
    return strong, target


@pytest.fixture
def typed(servers: tuple[StandIn, StandIn], tmp_path: Path, seeds_file: Path) -> list[object]:
    """A small run's words."""
    strong, target = servers
    return ["run", seeds_file, "--strong", strong.url, "--target", target.url, "--out", tmp_path / "out",
            "--num-instructions", 8, "--num-metadata", 4]  # fmt: skip


@pytest.mark.parametrize(
    ("words", "refusal"),
    [
        (["--price", "strong"], "needs a price as MODEL=IN,OUT, .*; came 'strong'"),
        (["--price", "strong=1"], "came 'strong=1'"),
        (["--price", "strong=1,x"], "came 'strong=1,x'"),
        (["--price", "strong=1,-2"], "came strong=1,-2"),
        (["--price", "strong=nan,2"], "came strong=nan,2"),
        (["--price", "strong=1,2", "--price", "strong=3,4"], "one price for strong; came two"),
        (["--price", "gpt-7=1,2"], r"plays a role \(strong is .*, target is .*, judge is .*\); came 'gpt-7'"),
        (["--price", "stong=1,2"], r"came 'stong'; did you mean strong\?"),
        (["--max-cost", 5], "needs prices beside max-cost; came none; give --price"),
        (["--max-cost", 5, "--price", "strong=1,2"], "of every model .*, the target, has none; give --price target"),
        (["--max-cost", 0, "--price-in", 1], "needs max-cost as a number above 0; came 0"),
        (["--max-cost", "nan", "--price-in", 1], "needs max-cost as a number above 0; came nan"),
        (["--price-in", "inf"], "needs a price-in of at least 0; came inf"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("more", [[], ["--dry-run"]])
def test_a_price_or_limit_that_cannot_be_used_is_one_sentence(
    typed: list[object],
    servers: tuple[StandIn, StandIn],
    tmp_path: Path,
    cli: Cli,
    words: list[object],
    refusal: str,
    more: list[object],
) -> None:
    """Exit code 2, before anything is asked or written, also where nothing would be."""
    result = cli(*typed, *words, *more)
    assert result.returncode == 2
    assert re.search(refusal, result.stderr.splitlines()[-1])
    assert not (tmp_path / "out").exists()
    assert [server.asked for server in servers] == [[], []]


def test_an_evaluation_refuses_the_same(servers: tuple[StandIn, StandIn], tmp_path: Path, cli: Cli) -> None:
    """A side that brings its responses is not asked, and has no price."""
    benchmark = tmp_path / "b.jsonl"
    benchmark.write_text(json.dumps({"instruction": "Why?", "response": "So."}) + "\n")
    words = ["evaluate", benchmark, "--candidate", servers[1].url, "--reference", benchmark, "--judge",
             servers[0].url, "--out", tmp_path / "out"]  # fmt: skip
    for price, refusal in (
        ("reference=1,2", "plays a role .candidate is .*, judge is "),
        ("judge=1", "came 'judge=1'"),
    ):
        result = cli(*words, "--price", price)
        assert result.returncode == 2
        assert re.search(refusal, result.stderr.splitlines()[-1])
    result = cli(*words, "--max-cost", 1)
    assert (result.returncode, "needs prices beside max-cost" in result.stderr) == (2, True)
    assert not (tmp_path / "out").exists()
    assert [server.asked for server in servers] == [[], []]


def test_a_limit_of_cost_is_returncode_4_and_a_larger_one_goes_on(
    typed: list[object], tmp_path: Path, cli: Cli
) -> None:
    """The line says what is paid and which option to raise; the end says what each stage cost."""
    stopped = cli(*typed, "--max-cost", 0.002, "--price-in", 3, "--price-out", 15)
    assert stopped.returncode == 4
    assert re.search(
        r"the budget of 0\.002 \(of which 0\.00\d+ is paid\) is spent, .* give a larger --max-cost",
        stopped.stderr.splitlines()[-1],
    )
    done = cli(*typed, "--max-cost", 10, "--price-in", 3, "--price-out", 15)
    assert done.returncode == 0, done.stderr
    manifest = Manifest.read(tmp_path / "out")
    assert manifest.cost is not None and manifest.usage is not None
    assert manifest.cost.all == pytest.approx(sum(row.cost or 0.0 for row in manifest.usage))


@pytest.mark.parametrize(
    "prices",
    ["price: {strong: [2, 4]}\nprice-in: 1", "price: ['strong=2,4']\nprice_in: 1", "price: strong=2,4\nprice-in: 1"],
)  # fmt: skip
def test_prices_stand_in_a_config_file_too(
    typed: list[object], tmp_path: Path, cli: Cli, prices: str
) -> None:
    """As a mapping from models to pairs, or as they are typed; the manifest has them by model."""
    config = tmp_path / "run.yaml"
    config.write_text(prices)
    done = cli(*typed, "--config", config)
    assert done.returncode == 0, done.stderr
    manifest = Manifest.read(tmp_path / "out")
    assert manifest.cost is not None
    assert (manifest.cost.price_in, manifest.cost.price_out) == (1, None)
    assert dict(manifest.cost.prices) == {manifest.models["strong"]: (2.0, 4.0)}


def test_a_config_file_with_a_price_that_is_none_is_refused(
    typed: list[object], tmp_path: Path, cli: Cli
) -> None:
    """In the same words as one on the command line."""
    config = tmp_path / "run.yaml"
    config.write_text("price: {strong: 3}")
    refused = cli(*typed, "--config", config)
    assert refused.returncode == 2
    assert "came 'strong=3'" in refused.stderr.splitlines()[-1]
