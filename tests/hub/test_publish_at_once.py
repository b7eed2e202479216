"""Many who publish to one data set at once, and people who load it meanwhile: no row is lost, no version is torn."""

from __future__ import annotations

import itertools
import json
import random
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from datasets import get_dataset_config_names, load_dataset
from huggingface_hub import HfApi, constants, hf_hub_download

from codeclm_hf import ids, schema
from codeclm_hf.hub.publish import PublishResult, publish
from codeclm_hf.hub.version import Version
from codeclm_hf.run import directory as run_directory
from support.hub_server import Commit, Fault, Hub, Repo, SeenRequest, User
from support.publish_process import Publisher
from support.run_directories import run_directory_of

NAME = "me/tailored"
VERSIONS = 16
WRITERS, ROUNDS = 8, 2


def manifest_of(repo: Repo, commit: Commit) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(repo.files(commit.oid)[run_directory.MANIFEST])
    return found


def rows(commit: str | None, folder: Path) -> list[str]:
    """The instructions that anybody loads, from the newest commit unless one is given."""
    table = load_dataset(NAME, split="train", revision=commit, cache_dir=str(folder))
    assert table["id"][:] == [ids.row_id("instruction", text) for text in table["instruction"]]
    return list(table["instruction"])


def texts(version: int) -> list[str]:
    """What the n-th version holds: each text names it, and no other version has as many rows but one in seven."""
    return [f"instruction {n} of version {version}" for n in range(1 + version % 7)]


def poll(n: int, folder: Path) -> int:
    """Load the data set as it is and at a commit; returns the version that was seen last."""
    try:
        plain = rows(None, folder / f"plain-{n}")
    except (ValueError, OSError):  # a version came out at a bad moment, see the test below
        plain = []
    assert not plain or plain == texts(int(plain[0].split()[-1]))
    commit = HfApi().dataset_info(NAME).sha
    found = rows(commit, folder / f"exact-{n}")
    version = int(found[0].split()[-1])
    assert found == texts(version)
    path = hf_hub_download(NAME, run_directory.MANIFEST, repo_type="dataset", revision=commit)
    manifest = json.loads(Path(path).read_text(encoding="utf-8"))
    assert manifest["counts"]["rows"] == dict.fromkeys(schema.TABLES, len(found)) | {"metadata": 1}
    assert manifest["version"] == f"1.{version}.0"
    return version


def test_no_reader_sees_two_versions(hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever loads the data set while versions come out gets one version, whole, and never an older one again."""
    monkeypatch.setenv("HF_TOKEN", "hf_write")
    publish(run_directory_of(tmp_path / "run", texts(0)), NAME)
    begun, at_writes = threading.Semaphore(0), itertools.count(10 * VERSIONS)
    wrong: list[BaseException | None] = []

    def script(seen: SeenRequest) -> None:
        writes = seen.method == "POST" and ("/commit/" in seen.path or "/tag/" in seen.path)
        if writes and version % 5 == 1:  # between any two changes, and not only when it happens so
            with ThreadPoolExecutor(1) as apart:
                wrong.append(apart.submit(poll, next(at_writes), tmp_path).exception())

    def read() -> list[int]:
        seen = []
        while len(seen) < VERSIONS:
            begun.acquire()
            seen.append(poll(len(seen), tmp_path))
        return seen

    with ThreadPoolExecutor(1) as pool:
        reader = pool.submit(read)
        version, hub.script = 0, script
        for version in range(1, VERSIONS):
            begun.release()
            made = publish(run_directory_of(tmp_path / "run", texts(version)), NAME)
            assert made.version == f"1.{version}.0"
        begun.release()
        seen = reader.result()
    assert wrong == [None] * 2 * len(range(1, VERSIONS, 5))
    assert seen == sorted(seen) and seen[-1] == VERSIONS - 1
    assert len(set(seen)) > 5


def test_a_version_comes_out_while_somebody_loads(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever is loading the data set when a version comes out gets the old one or the new one, or no answer."""
    monkeypatch.setenv("HF_TOKEN", "hf_write")
    made = [publish(run_directory_of(tmp_path / "run", texts(version)), NAME) for version in (1, 2)]
    old, new = (one.commit for one in made)
    assert old and new
    branches, found = hub.repos["datasets", NAME].branches, []
    for at in itertools.count():
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / f"hub-{at}"))
        branches["main"], before = old, len(hub.seen)
        hub.script = lambda seen, at=at + before: branches.update(main=new) if seen.index == at else None
        try:
            found.append(rows(None, tmp_path / f"cache-{at}"))
        except (ValueError, OSError):
            found.append([])
        if branches["main"] == old:
            break
    assert all(one in (texts(1), texts(2), []) for one in found)
    assert (found[0], found[-1]) == (texts(2), texts(1))
    assert found.count([]) <= 1, (
        "the card's name and the card are two requests of the client, the rest goes by commit"
    )
    assert len(found) > 6


def test_the_same_numbers_are_not_the_same_rows(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody whose version says the same of itself, and comes first, is not taken for ourselves."""
    monkeypatch.setenv("HF_TOKEN", "hf_write")
    mine, theirs = (run_directory_of(tmp_path / name, [name]) for name in ("mine", "theirs"))

    def script(seen: SeenRequest) -> None:
        if "/commit/" in seen.path:
            hub.script = None
            publish(theirs, NAME, token="hf_other")

    hub.script = script
    made = publish(mine, NAME)
    assert (made.version, made.new) == ("1.1.0", True)
    assert rows(None, tmp_path / "main") == ["theirs", "mine"]
    assert [commit.author for commit in hub.repos["datasets", NAME].log()] == ["me", "colleague", "me"]


def write_together(hub: Hub, folder: Path) -> list[PublishResult]:
    """Writers publish at once, twice each, each a process with a run directory of its own that grows."""
    tokens = [f"hf_writer{n}" for n in range(WRITERS)]
    hub.users |= {token: User(f"writer{n}") for n, token in enumerate(tokens)}
    hub.add(NAME)
    publishers = [Publisher(folder / f"home-{n}", token) for n, token in enumerate(tokens)]
    start, alone = threading.Barrier(WRITERS), threading.Lock()

    def writer(n: int) -> list[PublishResult]:
        made = []
        start.wait()
        for number in range(1, ROUNDS + 1):
            grown = [*(f"row {i} of writer {n}" for i in range(number)), "everybody's row"]
            with alone:
                directory = run_directory_of(folder / f"writer-{n}", grown, model=f"model-{n % 3}")
            told = publishers[n].publish(directory, NAME)
            assert told is not None and "error" not in told, told
            made.append(PublishResult(NAME, told["version"], told["commit"], told["new"]))
        return made

    with ThreadPoolExecutor(WRITERS) as pool:
        return list(itertools.chain(*pool.map(writer, range(WRITERS))))


def check_history(hub: Hub, made: Sequence[PublishResult], folder: Path) -> None:
    """Every version is there once, in one chain, and the last has everybody's rows."""
    repo = hub.repos["datasets", NAME]
    *versions, first = repo.log()
    manifests = [manifest_of(repo, commit) for commit in versions]
    numbers = [Version.parse(manifest["version"]) for manifest in manifests]
    assert numbers == sorted(set(numbers), reverse=True)
    assert {name: tag.target for name, tag in repo.tags.items()} == {
        number.tag: commit.oid for number, commit in zip(numbers, versions, strict=True)
    }
    parents = [manifest["parent"] for manifest in manifests]
    before = [*({"commit": c.oid, "version": str(n)} for c, n in zip(versions, numbers, strict=True))][1:]
    assert parents == [*before, {"commit": first.oid, "version": None}]
    assert {one.version: one.commit for one in made if one.new} == {
        str(number): commit.oid for number, commit in zip(numbers, versions, strict=True)
    }
    for manifest, parent in zip(manifests, [*manifests[1:], {"counts": {"rows": {}}}], strict=True):
        for name, changes in manifest["changes"].items():
            grown = manifest["counts"]["rows"][name] - parent["counts"]["rows"].get(name, 0)
            assert grown == changes["added"] - changes["removed"]
            assert changes["removed"] == 0
    assert set(get_dataset_config_names(NAME)) == set(schema.TABLES)
    every = {f"row {i} of writer {n}" for n in range(WRITERS) for i in range(ROUNDS)} | {"everybody's row"}
    found = rows(None, folder / "main")
    assert (set(found), len(found)) == (every, len(every))
    assert manifests[0]["counts"]["rows"] == dict.fromkeys(schema.TABLES, len(every)) | {"metadata": 1}


def test_no_writer_loses_a_row(hub: Hub, tmp_path: Path) -> None:
    """What eight people publish at once, and then again, is all there, each version on the one before."""
    made = write_together(hub, tmp_path)
    check_history(hub, made, tmp_path)


def at_random(seed: int, share: float) -> Callable[[SeenRequest], Fault]:
    """Something goes wrong with a share of the requests."""
    draw, lock = random.Random(seed), threading.Lock()

    def script(seen: SeenRequest) -> Fault:
        faults: list[Fault] = [429, 500, "drop", "drop-after"]
        if seen.method == "POST" and "/commit/" in seen.path:
            faults += [409, 412]
        with lock:
            return draw.choice(faults) if draw.random() < share else None

    return script


def test_no_writer_loses_a_row_to_a_hub_that_fails(hub: Hub, tmp_path: Path) -> None:
    """The same where one request in twenty is refused, is answered with an error, or loses its connection."""
    hub.script = at_random(0, 0.05)
    made = write_together(hub, tmp_path)
    hub.script = None
    check_history(hub, made, tmp_path)
