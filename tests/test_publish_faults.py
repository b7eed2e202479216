"""Publishing that is cut short: killed at any request, or with a Hub that fails; the Hub shows old or new, whole."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import datasets
import pytest
from datasets import load_dataset

from codeclm_hf import run_directory, schema
from codeclm_hf.hub import base
from codeclm_hf.hub.publish import publish
from conftest import HUB
from hub import Fault, Hub, Repo, Seen
from hub_http import Ask, Reply
from published import run_directory_of
from publisher import Publisher

NAME = "me/tailored"
SLOTS = 2
Rows = dict[str, dict[str, dict[str, Any]]]
"""By config and id."""
_loaded: dict[tuple[tuple[str, str], ...], Rows] = {}
_loading = threading.Lock()


class KillingHub(Hub):
    """Kills who asks at one of the requests."""

    kill: Callable[[], None] | None = None
    left, after = 0, False
    """How many requests are still to be answered, and whether the one after them is dealt with."""
    method = ""
    """Of the request that was the last."""

    def _reply(self, ask: Ask) -> Reply:
        with self.lock:
            self.left -= 1
            last = self.left == -1 and self.kill is not None
        reply = super()._reply(ask) if self.after or not last else Reply()
        if last:
            self.method = ask.method
            assert self.kill is not None
            self.kill()
            raise ConnectionError("nobody is there any more")
        return reply


@dataclass
class Bench:
    """A Hub, a process that publishes to it, and a folder."""

    hub: KillingHub
    publisher: Publisher
    folder: Path

    def lay(self, scene: Scene) -> Path:
        """Put all in place for a publish; returns the run directory."""
        self.hub.clear()
        self.hub.kill = None
        if scene.repo is not None:
            self.hub.repos["datasets", NAME] = copy_of(scene.repo, self.hub)
        for name in ("run", "hf", "tmp"):
            shutil.rmtree(self.folder / name, ignore_errors=True)
        (self.folder / "tmp").mkdir()
        return Path(shutil.copytree(scene.directory, self.folder / "run"))

    def left(self, directory: Path) -> object:
        """All that outlives a process: what the Hub has, and the names and sizes of the files here."""
        repo = self.repo
        files = [path for folder in (directory, self.folder / "hf") for path in folder.rglob("*") if path.is_file()]
        here = sorted(f"{path.relative_to(self.folder)} {path.stat().st_size}" for path in files)
        there = repo and (len(repo.commits), sorted(repo.tags), sorted(repo.blobs._sizes))
        return re.sub("[0-9a-f]{40}", "", f"{here} {there}")  # a commit is called differently every time

    @property
    def repo(self) -> Repo | None:
        return self.hub.repos.get(("datasets", NAME))


@dataclass(frozen=True)
class Scene:
    """What there is before a publish, and what there is to be after it."""

    repo: Repo | None
    directory: Path
    old: Rows
    new: Rows
    versions: tuple[str, ...]


def copy_of(repo: Repo, hub: Hub) -> Repo:
    """The same repository, in another Hub."""
    found = hub.add(NAME)
    for commit in repo.commits.values():
        for sha in commit.files.values():
            found.blobs.add([repo.blobs.read(sha)])
    found.branches, found.tags, found.commits = dict(repo.branches), dict(repo.tags), dict(repo.commits)
    return found


def rows_of(directory: Path) -> Rows:
    tables = run_directory.read_tables(directory)
    return {name: {row[schema.KEYS[name]]: row for row in table.to_list()} for name, table in tables.items()}


def united(*sides: Rows) -> Rows:
    return {name: {key: row for side in sides for key, row in side[name].items()} for name in schema.TABLES}


def loaded(repo: Repo, folder: Path) -> Rows:
    """What anybody loads at main, config by config; asked once for the same files."""
    files = tuple(sorted((name, sha) for name, sha in repo.at("main").files.items() if name != run_directory.MANIFEST))
    with _loading:
        if files not in _loaded:
            HUB.repos["datasets", NAME] = repo
            cache = str(folder / f"loaded-{len(_loaded)}")
            found: Rows = {name: {} for name in schema.TABLES}
            for name in datasets.get_dataset_config_names(NAME):
                table = load_dataset(NAME, name, split="train", cache_dir=cache)
                found[name] = {row[schema.KEYS[name]]: row for row in table.to_list()}
                assert len(found[name]) == len(table)
            _loaded[files] = found
        return _loaded[files]


def check_whole(bench: Bench, scene: Scene) -> None:
    """The Hub shows the version before or the version after, and its manifest says the same."""
    repo = bench.repo
    if repo is None or run_directory.MANIFEST not in repo.files():
        assert scene.repo is None
        assert repo is None or set(repo.files()) == {".gitattributes"}
        return
    rows = loaded(repo, bench.folder)
    assert rows in (scene.old, scene.new)
    manifest = json.loads(repo.files()[run_directory.MANIFEST])
    assert manifest["counts"]["rows"] == {name: len(table) for name, table in rows.items()}
    assert manifest["version"] == scene.versions[-1 if rows == scene.new else -2]


def check_done(bench: Bench, scene: Scene, directory: Path, told: dict[str, Any] | None) -> None:
    """The version is there once, with its tag and its base."""
    repo = bench.repo
    assert repo is not None and told is not None
    check_whole(bench, scene)
    assert loaded(repo, bench.folder) == scene.new
    head, *before = repo.log()
    made = [commit for commit in [*reversed(before), head] if run_directory.MANIFEST in commit.files]
    manifests = [json.loads(repo.files(commit.oid)[run_directory.MANIFEST]) for commit in made]
    assert tuple(manifest["version"] for manifest in manifests) == scene.versions
    assert {name: tag.target for name, tag in repo.tags.items()} == {
        f"v{version}": commit.oid for version, commit in zip(scene.versions, made, strict=True)
    }
    assert (told.get("version"), told.get("commit")) == (scene.versions[-1], head.oid), told
    kept = base.load(directory, NAME, "main")
    assert kept is not None
    assert (kept.commit, kept.version) == (head.oid, scene.versions[-1])
    assert len(list(directory.glob(".base*"))) == 1


@pytest.fixture(scope="module")
def benches(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Bench]]:
    """As many as there are cores, warm."""

    def bench(folder: Path) -> Bench:
        hub = KillingHub()
        found = Bench(hub, Publisher(hub.url, folder / "hf"), folder)
        warm = found.publisher.publish(run_directory_of(folder / "warm", ["warm"]), NAME)
        assert warm is not None and warm.get("version") == "1.0.0", warm
        return found

    with ThreadPoolExecutor(SLOTS) as pool:
        found = list(pool.map(bench, [tmp_path_factory.mktemp("bench") for _ in range(SLOTS)]))
    yield found
    for one in found:
        one.publisher.close()
        one.hub.close()
        assert one.hub.unknown == []


@pytest.fixture
def scene(request: pytest.FixtureRequest, hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Scene:
    """A first publish, or one that merges with what a colleague published since."""
    monkeypatch.setenv("HF_TOKEN", "hf_write")
    mine, theirs = tmp_path / "mine", tmp_path / "theirs"
    nothing: Rows = {name: {} for name in schema.TABLES}
    if request.param == "first":
        run_directory_of(mine, ["a", "b"])
        return Scene(None, mine, nothing, rows_of(mine), ("1.0.0",))
    publish(run_directory_of(mine, ["a", "b"]), NAME)
    publish(run_directory_of(theirs, ["c"], use_case="code generation"), NAME, token="hf_other")
    both = united(rows_of(mine), rows_of(theirs))
    run_directory_of(mine, ["a", "b", "d"])
    versions = ("1.0.0", "1.1.0", "1.2.0")
    return Scene(hub.repos["datasets", NAME], mine, both, united(both, rows_of(mine)), versions)


def is_over(bench: Bench, scene: Scene) -> bool:
    """Whether what is left is to read the version back, which a first publish does in just the same way."""
    return scene.repo is not None and bench.repo is not None and f"v{scene.versions[-1]}" in bench.repo.tags


def everywhere(benches: list[Bench], case: Callable[[Bench, int], bool]) -> int:
    """Run the cases 0, 1, 2, … until there is none, on all benches at once; returns how many there were."""

    def some(slot: int) -> int:
        return next(n for n in range(slot, 1_000, SLOTS) if not case(benches[slot], n))

    with ThreadPoolExecutor(SLOTS) as pool:
        return min(pool.map(some, range(SLOTS)))


def killed(bench: Bench, scene: Scene, at: int, ended: set[object], *, after: bool) -> bool:
    """Kill a publish at one of its requests, look at the Hub, and publish again; whether it came to that request.

    Where another kill left just the same, it is not published again: `ended` holds what kills left before.
    """
    directory = bench.lay(scene)

    def kill() -> None:
        bench.publisher.started.wait()
        os.kill(bench.publisher.pid, signal.SIGKILL)

    bench.hub.left, bench.hub.after, bench.hub.kill = at, after, kill
    told = bench.publisher.publish(directory, NAME)
    bench.hub.kill = None
    if told is not None:
        check_done(bench, scene, directory, told)
        return False
    over = is_over(bench, scene)
    check_whole(bench, scene)
    if (left := bench.left(directory)) not in ended:
        ended.add(left)
        check_done(bench, scene, directory, bench.publisher.publish(directory, NAME))
    return not over


@pytest.mark.parametrize("scene", ["first", "merge"], indirect=True)
def test_killed_at_any_request(benches: list[Bench], scene: Scene) -> None:
    """Whenever a publish is killed, the Hub shows the old or the new version, and the same publish again ends it."""
    ended: set[object] = set()

    def case(bench: Bench, at: int) -> bool:
        if not killed(bench, scene, at, ended, after=False):
            return False
        return bench.hub.method in ("GET", "HEAD") or killed(bench, scene, at, ended, after=True)

    assert everywhere(benches, case) > (40 if scene.repo is None else 20)
    assert len(ended) > 12


@pytest.mark.parametrize("scene", ["first", "merge"], indirect=True)
def test_every_request_may_fail_once(benches: list[Bench], scene: Scene) -> None:
    """A Hub that breaks at any one request, before or after it has dealt with it, costs a publish nothing."""

    def failing(bench: Bench, at: int, fault: Fault) -> str:
        directory, asked = bench.lay(scene), ""

        def script(seen: Seen) -> Fault:
            nonlocal asked
            if seen.index != at or is_over(bench, scene):
                return None
            asked = f"{seen.method} {seen.path}"
            return fault

        bench.hub.script = script
        told = bench.publisher.publish(directory, NAME)
        check_done(bench, scene, directory, told)
        assert told is not None and told["new"]
        return asked

    def case(bench: Bench, at: int) -> bool:
        faults: tuple[Fault, ...] = ("drop-after", 500, "drop", 429)
        asked = failing(bench, at, faults[at // SLOTS % 4])
        changes = any(f"/{what}" in asked for what in ("commit/", "tag/", "create", "branch/"))
        for fault in faults if changes else ():
            failing(bench, at, fault)
        return asked != ""

    assert everywhere(benches, case) > (40 if scene.repo is None else 20)


@pytest.mark.parametrize("scene", ["first", "merge"], indirect=True)
def test_the_network_may_go_for_good(benches: list[Bench], scene: Scene) -> None:
    """Without a network, from whichever request on, a publish ends in a sentence and leaves the Hub whole."""

    def case(bench: Bench, at: int) -> bool:
        directory = bench.lay(scene)
        bench.hub.script = lambda seen: "drop" if seen.index >= at else None
        told = bench.publisher.publish(directory, NAME)
        assert told is not None
        check_whole(bench, scene)
        if "error" not in told:
            return False
        over = is_over(bench, scene)
        assert (told["error"], told["exit_code"]) == ("HubError", 3), told["text"]
        assert "\n" not in told["text"] and len(told["text"]) < 400
        assert "hf_write" not in told["text"]
        return not over

    assert everywhere(benches, case) > (40 if scene.repo is None else 20)
