from __future__ import annotations

import json
import os
import tempfile
import time

from support.hub_server import HUB, Hub

# Read when datasets, huggingface_hub and evaluate are imported: no test may touch the user's caches or the network.
os.environ["HF_DATASETS_CACHE"] = tempfile.mkdtemp(prefix="codeclm-hf-tests-")
os.environ["HF_HUB_CACHE"] = tempfile.mkdtemp(prefix="codeclm-hf-tests-")
os.environ["HF_METRICS_CACHE"] = tempfile.mkdtemp(prefix="codeclm-hf-tests-")
os.environ["KF_RULE_CACHE_DIR"] = tempfile.mkdtemp(prefix="codeclm-hf-tests-")
os.environ["HF_ENDPOINT"] = HUB.url
os.environ["HF_HUB_DISABLE_XET"] = "1"
os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
os.environ.pop("HF_TOKEN", None)

from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import datasets
import hypothesis
import pytest
from datasets import Dataset
from huggingface_hub import file_download, utils

from codeclm_hf import CodecLM, Endpoint, endpoint
from codeclm_hf.endpoints import clock as clocks
from codeclm_hf.endpoints.local import local_endpoint
from support.clock import FastClock
from support.command_line import cli
from support.inputs import SEEDS
from support.model_server import TEMPLATE, StandIn
from support.shortcuts import one_pixel_pictures, quick_yaml
from support.world import World, answers

__all__ = ["cli"]

TESTS = Path(__file__).parent
STACK = ("builders", "exports", "hub", "run",
         "card/test_card.py", "card/test_card_text.py", "card/test_check.py", "card/test_figures.py",
         "card/test_gallery.py", "cli/test_cli.py", "cli/test_hub.py", "e2e/test_notebook.py", "e2e/test_manual.py",
         "endpoints/test_connect.py", "endpoints/test_local.py", "evaluation/test_capacity_recovery.py",
         "evaluation/test_compare.py", "evaluation/test_run.py", "stages/test_augment.py", "stages/test_draft.py",
         "stages/test_compare.py", "stages/test_processes.py", "stages/test_stage.py", "stages/test_tailor.py",
         "support/test_hub_http.py", "support/test_hub_server.py")  # fmt: skip
"""Where tests are marked `stack`: they touch what datasets, huggingface_hub, transformers, evaluate or text-generation
do, and so are run with the newest of them as well."""


datasets.disable_progress_bars()
# No test depends on wall time, and what CI finds must be found again.
hypothesis.settings.register_profile("house", deadline=None, derandomize="CI" in os.environ)
hypothesis.settings.load_profile("house")


def pytest_configure(config: pytest.Config) -> None:
    # how huggingface_hub 2 itself uploads an LFS object
    config.addinivalue_line(
        "filterwarnings", "ignore:Use 'content=<...>' to upload raw:DeprecationWarning:httpx2"
    )


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark `stack` what lies in STACK."""
    folders = [TESTS / name for name in STACK]
    if gone := [str(folder) for folder in folders if not folder.exists()]:
        raise pytest.UsageError(f"STACK in tests/conftest.py names {', '.join(gone)}, which is not there")
    for item in items:
        if any(item.path.is_relative_to(folder) for folder in folders):
            item.add_marker(pytest.mark.stack)


@pytest.fixture(autouse=True)
def clock() -> Iterator[FastClock]:
    """The test's own time: retries and commits come at once."""
    clock = FastClock()
    with clocks.using(clock):
        yield clock


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """The Hub's client does not wait before it asks again."""
    hurried = SimpleNamespace(**{**vars(time), "sleep": lambda seconds: None})
    for module in (utils._http, file_download):
        monkeypatch.setattr(module, "time", hurried)


@pytest.fixture(autouse=True)
def quick_yaml_and_pictures(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Quick YAML, and pictures of a pixel, except in tests marked `pictures`: to draw a card's takes a second."""
    quick_yaml(monkeypatch.setattr)
    if request.node.get_closest_marker("pictures") is None:
        one_pixel_pictures(monkeypatch.setattr)


@pytest.fixture
def hub() -> Iterator[Hub]:
    """A Hub with nothing but users; a request it does not know fails the test."""
    HUB.clear()
    yield HUB
    assert HUB.unknown == []


@pytest.fixture
def token(monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment's token of the Hub, which may write."""
    monkeypatch.setenv("HF_TOKEN", "hf_write")


@pytest.fixture(scope="session")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A folder with a tokenizer whose chat template can be read back: what a stand-in TGI calls its model."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    inner = Tokenizer(models.WordLevel({"[UNK]": 0}, unk_token="[UNK]"))
    inner.pre_tokenizer = pre_tokenizers.Whitespace()
    folder = tmp_path_factory.mktemp("tokenizer")
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=inner, unk_token="[UNK]")
    tokenizer.chat_template = TEMPLATE
    tokenizer.save_pretrained(folder)
    return str(folder)


@pytest.fixture(scope="session")
def embedded() -> Endpoint:
    """The embedded model on one thread: where all cores are busy, threads that wait for each other cost twice."""
    return local_endpoint("smollm2-135m-instruct", threads=1)


@pytest.fixture
def serve(tokenizer: str) -> Iterator[Callable[..., StandIn]]:
    """Start stand-in servers; a request they do not know fails the test."""
    servers: list[StandIn] = []

    def start(answer: Any, *, tgi: bool = True, **options: Any) -> StandIn:
        servers.append(StandIn(answer, tgi=tgi, **{"model": tokenizer, **options}))
        return servers[-1]

    yield start
    for server in servers:
        server.close()
    assert [server.unknown for server in servers if server.unknown] == []


@pytest.fixture
def world_of(serve: Callable[..., StandIn]) -> Callable[..., tuple[StandIn, StandIn]]:
    """Start the strong and the target server of a world."""

    def start(
        world: World | None = None, *, as_text: bool = False, **options: Any
    ) -> tuple[StandIn, StandIn]:
        world = world or World()
        strong, target = (
            serve(answers(world, role, as_text=as_text), **options) for role in ("strong", "target")
        )
        return strong, target

    return start


@pytest.fixture
def codec(world_of: Callable[..., tuple[StandIn, StandIn]]) -> CodecLM:
    """The method with the paper's settings on two stand-in TGIs."""
    strong, target = world_of()
    return CodecLM(strong=endpoint(strong.url), target=endpoint(target.url))


@pytest.fixture
def seeds() -> Dataset:
    return Dataset.from_dict({"instruction": SEEDS})


@pytest.fixture
def seeds_file(tmp_path: Path) -> Path:
    path = tmp_path / "seeds.jsonl"
    path.write_text("".join(json.dumps({"instruction": seed}) + "\n" for seed in SEEDS))
    return path
