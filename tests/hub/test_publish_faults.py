"""Publishing that is killed, or that a Hub fails, at any kind of request; the Hub shows old or new, whole."""

from __future__ import annotations

import itertools
import json
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import datasets
import pytest
from datasets import load_dataset

from codeclm_hf import schema
from codeclm_hf.hub import merge_base
from codeclm_hf.hub.publish import publish
from codeclm_hf.run import directory as run_directory
from support.hub_http import HubRequest, Reply
from support.hub_server import HUB, Fault, Hub, Repo, SeenRequest
from support.publish_process import Publisher
from support.run_directories import restorer_of, run_directory_of

NAME = "me/tailored"
Rows = dict[str, dict[str, dict[str, Any]]]
"""By config and id."""
_loaded: dict[tuple[tuple[str, str], ...], Rows] = {}


@dataclass(frozen=True)
class Kind:
    """What a request is, whatever the names of commits, versions, configs and files are."""

    changes: int
    """How often a repository, a commit or a tag was made before it."""
    method: str
    route: str

    @property
    def is_change(self) -> bool:
        return self.method == "POST" and bool(_CHANGES.search(self.route))

    @property
    def writes(self) -> bool:
        return self.method not in ("GET", "HEAD")


_CHANGES = re.compile("/commit/|/tag/|/create$|/branch/")
_NAMES = re.compile(
    rf"[0-9a-f]{{40,}}|(?<=/)v[0-9.]+(?=/)|(?<=/data/)({'|'.join(schema.TABLES)})|[^/]+(?=\.(parquet|png)$)"
)


class NotingHub(Hub):
    """Notes what kinds of request come, and kills who asks the first of one kind."""

    kill: Callable[[], None] | None = None
    fatal: Kind | None = None
    """Who asks the first of these is killed."""
    after = False
    """Whether it is dealt with before."""

    def clear(self) -> None:
        self.kinds: list[Kind] = []
        """Of all requests so far."""
        self._made = 0
        super().clear()

    def kind(self, method: str, path: str) -> Kind:
        return Kind(self._made, method, _NAMES.sub("*", unquote(path.split("?")[0])))

    def _reply(self, ask: HubRequest) -> Reply:
        with self.lock:
            kind = self.kind(ask.method, ask.path)
            last = self.kill is not None and kind == self.fatal and kind not in self.kinds
            self.kinds.append(kind)
        reply = super()._reply(ask) if self.after or not last else Reply()
        with self.lock:
            self._made += kind.is_change
        if last:
            assert self.kill is not None
            self.kill()
            raise ConnectionError("nobody is there any more")
        return reply


@dataclass
class Bench:
    """A Hub, a process that publishes to it, and a folder."""

    hub: NotingHub
    publisher: Publisher
    folder: Path

    def lay(self, scene: Scene) -> Path:
        """Put all in place for a publish; returns the run directory."""
        self.hub.clear()
        self.hub.kill = None
        if scene.repo is not None:
            scene.repo(self.hub)
        for name in ("run", "hf", "tmp"):
            shutil.rmtree(self.folder / name, ignore_errors=True)
        (self.folder / "tmp").mkdir()
        return Path(shutil.copytree(scene.directory, self.folder / "run"))

    def publish(self, directory: Path) -> dict[str, Any] | None:
        """What the process returns or raises; its Hub answers at the address that Hugging Face's libraries know."""
        usual = HUB.server.arrive, HUB.server.answer
        HUB.server.arrive, HUB.server.answer = self.hub._arrive, self.hub._reply
        try:
            return self.publisher.publish(directory, NAME)
        finally:
            HUB.server.arrive, HUB.server.answer = usual

    def left(self, directory: Path) -> object:
        """All that outlives a process: what the Hub has, and the names and sizes of the files here."""
        repo = self.repo
        files = [
            path for folder in (directory, self.folder / "hf") for path in folder.rglob("*") if path.is_file()
        ]
        here = sorted(f"{path.relative_to(self.folder)} {path.stat().st_size}" for path in files)
        there = repo and (len(repo.commits), sorted(repo.tags), sorted(repo.blobs._sizes))
        return re.sub("[0-9a-f]{40}", "", f"{here} {there}")  # a commit is called differently every time

    @property
    def repo(self) -> Repo | None:
        return self.hub.repos.get(("datasets", NAME))


@dataclass(frozen=True)
class Scene:
    """What there is before a publish, and what there is to be after it."""

    repo: Callable[[Hub], Repo] | None
    """Puts it into a Hub."""
    directory: Path
    old: Rows
    new: Rows
    versions: tuple[str, ...]
    first: Scene | None = None
    """Where this one merges, a first publish of the same."""


def rows_of(directory: Path) -> Rows:
    tables = run_directory.read_tables(directory)
    return {name: {row[schema.KEYS[name]]: row for row in table.to_list()} for name, table in tables.items()}


def united(*sides: Rows) -> Rows:
    return {name: {key: row for side in sides for key, row in side[name].items()} for name in schema.TABLES}


def loaded(repo: Repo, folder: Path) -> Rows:
    """What anybody loads at main, config by config; asked once for the same files."""
    files = tuple(
        sorted((name, sha) for name, sha in repo.at("main").files.items() if name != run_directory.MANIFEST)
    )
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
    assert repo is not None and told is not None and "error" not in told, told
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
    agreed = merge_base.load(directory, NAME, "main")
    assert agreed is not None
    assert (agreed.commit, agreed.version) == (head.oid, scene.versions[-1])
    assert len(list(directory.glob(".base*"))) == 1


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    folder, hub = tmp_path_factory.mktemp("bench"), NotingHub()
    hub.url = HUB.url  # where it answers, see `Bench.publish`
    yield Bench(hub, Publisher(folder / "hf"), folder)
    hub.close()
    assert hub.unknown == []


@pytest.fixture
def scene(request: pytest.FixtureRequest, hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Scene:
    """A first publish, or one that merges with what a colleague published since."""
    monkeypatch.setenv("HF_TOKEN", "hf_write")
    mine, theirs = tmp_path / "mine", tmp_path / "theirs"
    nothing: Rows = {name: {} for name in schema.TABLES}
    if request.param == "first":
        run_directory_of(mine, ["a", "b"])
        return Scene(None, mine, nothing, rows_of(mine), ("1.0.0",))
    alone = run_directory_of(tmp_path / "alone", ["a", "b"])
    first = Scene(None, alone, nothing, rows_of(alone), ("1.0.0",))
    publish(run_directory_of(mine, ["a", "b"]), NAME)
    publish(run_directory_of(theirs, ["c"], use_case="code generation"), NAME, token="hf_other")
    both = united(rows_of(mine), rows_of(theirs))
    run_directory_of(mine, ["a", "b", "d"])
    versions = ("1.0.0", "1.1.0", "1.2.0")
    return Scene(
        restorer_of(hub.repos["datasets", NAME]), mine, both, united(both, rows_of(mine)), versions, first
    )


def kinds(bench: Bench, scene: Scene) -> list[Kind]:
    """Of the requests of a publish that nothing disturbs, each once; so a new kind is tested when it comes.

    Of one that merges, those that change or upload something and those on routes that a first publish has no use for:
    what else it asks, it asks in just the same way.
    """

    def of(scene: Scene) -> list[Kind]:
        directory = bench.lay(scene)
        check_done(bench, scene, directory, bench.publish(directory))
        return list(dict.fromkeys(bench.hub.kinds))

    found = of(scene)
    if scene.first is None:
        return found
    usual = {(kind.method, kind.route) for kind in of(scene.first)}
    return [kind for kind in found if kind.writes or (kind.method, kind.route) not in usual]


@pytest.mark.parametrize("scene", ["first", "merge"], indirect=True)
def test_killed_at_any_kind_of_request(bench: Bench, scene: Scene) -> None:
    """Whenever a publish is killed, the Hub shows the old or the new version, and the same publish again ends it.

    Killed before the Hub deals with the first request of each kind, and after that where it may change something.
    Where another kill left just the same, it is not published again: `ended` holds what kills left before.
    """
    ended: set[object] = set()
    found = kinds(bench, scene)
    for kind, after in [*((kind, False) for kind in found), *((kind, True) for kind in found if kind.writes)]:
        directory = bench.lay(scene)
        bench.hub.fatal, bench.hub.after, bench.hub.kill = kind, after, bench.publisher.kill
        assert bench.publish(directory) is None
        bench.hub.kill = None
        check_whole(bench, scene)
        if (left := bench.left(directory)) not in ended:
            ended.add(left)
            check_done(bench, scene, directory, bench.publish(directory))
    assert len(found) > (20 if scene.first is None else 10)
    assert len(ended) > 8


@pytest.mark.parametrize("scene", ["first", "merge"], indirect=True)
def test_a_request_of_every_kind_may_fail_once(bench: Bench, scene: Scene) -> None:
    """A Hub that breaks at one request, before or after it has dealt with it, costs a publish nothing.

    The first request of each kind meets one of the faults, and one that changes something meets all of them.
    """
    faults: tuple[Fault, ...] = ("drop-after", 500, "drop", 429)
    found = kinds(bench, scene)
    changes = [(kind, fault) for kind in found if kind.is_change for fault in faults]
    rest = [kind for kind in found if not kind.is_change]
    for kind, fault in [*changes, *zip(rest, itertools.cycle(faults))]:
        directory, wanted = bench.lay(scene), [fault]
        bench.hub.script = lambda seen, kind=kind, wanted=wanted: (
            wanted.pop() if wanted and bench.hub.kind(seen.method, seen.path) == kind else None
        )
        told = bench.publish(directory)
        check_done(bench, scene, directory, told)
        assert told is not None and told["new"] and not wanted
    assert len(changes) == len(faults) * (3 if scene.first is None else 2)


@pytest.mark.parametrize("scene", ["first", "merge"], indirect=True)
def test_the_network_may_go_for_good(bench: Bench, scene: Scene) -> None:
    """Without a network, from any write or the first request after one, it ends in a sentence; the Hub stays whole.

    The other reads between two changes find the same Hub, and fail in the same place of ours.
    """
    found = kinds(bench, scene)
    first_after = {kind.changes: kind for kind in reversed(found)}
    for kind in [kind for kind in found if kind.writes or kind is first_after[kind.changes]]:
        directory, asked = bench.lay(scene), list[Kind]()

        def script(seen: SeenRequest, kind: Kind = kind, asked: list[Kind] = asked) -> Fault:
            asked.append(bench.hub.kind(seen.method, seen.path))
            return "drop" if kind in asked else None

        bench.hub.script = script
        told = bench.publish(directory)
        assert kind in asked and told is not None
        check_whole(bench, scene)
        assert (told["error"], told["exit_code"]) == ("HubError", 3), told["text"]
        assert "\n" not in told["text"] and len(told["text"]) < 400
        assert "hf_write" not in told["text"]
