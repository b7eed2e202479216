"""How the stand-in Hub answers: parts of files, tokens, faults, many at once, the real `datasets`."""

from __future__ import annotations

import hashlib
import http.client
import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from datasets import Dataset, load_dataset
from huggingface_hub import HfApi
from huggingface_hub.errors import (
    EntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from support.hub_client import NAME, PARQUET, commit, get, refusal
from support.hub_server import Fault, Hub, Repo, SeenRequest, User


@pytest.fixture
def api(hub: Hub) -> HfApi:
    return HfApi(endpoint=hub.url, token="hf_write")


@pytest.fixture
def repo(hub: Hub) -> Repo:
    return hub.add(NAME, {"README.md": b"---\nlicense: mit\n---\n# Data\n", "data/train.parquet": PARQUET})


def test_parts_of_a_file(hub: Hub, repo: Repo) -> None:
    """A range is 206 with its bytes, one beyond the end 416; an LFS file's tag is its SHA-256."""
    path, size = f"/datasets/{NAME}/resolve/main/data/train.parquet", len(PARQUET)
    code, headers, body = get(hub, path, "HEAD")
    assert (code, body, headers["Content-Length"], headers["X-Repo-Commit"]) == (
        200, b"", str(size), repo.branches["main"],
    )  # fmt: skip
    assert headers["ETag"] == headers["X-Linked-Etag"] == f'"{hashlib.sha256(PARQUET).hexdigest()}"'
    for asked, part in (("4-9", PARQUET[4:10]), (f"{size - 5}-", PARQUET[-5:]), ("-7", PARQUET[-7:])):
        code, headers, body = get(hub, path, Range=f"bytes={asked}")
        assert (code, body) == (206, part)
        assert headers["Content-Range"].endswith(f"/{size}")
    assert get(hub, path, Range=f"bytes={size}-")[0] == 416


def test_what_is_missing_is_told_apart(hub: Hub, repo: Repo, api: HfApi) -> None:
    """A missing repository, revision and file each have the client's own error."""
    assert refusal(api.repo_info, "me/none", repo_type="dataset", error=RepositoryNotFoundError)[0] == 404
    assert (
        refusal(api.repo_info, NAME, repo_type="dataset", revision="v9", error=RevisionNotFoundError)[0]
        == 404
    )
    assert refusal(api.hf_hub_download, NAME, "none", repo_type="dataset", error=EntryNotFoundError)[0] == 404
    with pytest.raises(ValueError, match="Invalid metadata"):
        commit(api, {"README.md": b"---\na: [\n---\n"})


def test_tokens(hub: Hub, repo: Repo) -> None:
    """Anyone reads what is public; a write needs a token that gives it, for the repository or its namespace."""
    hub.add("org/secret", private=True)
    scopes = (("org/secret", ("repo.write",)), ("me", ("discussion.write",)))
    hub.users["hf_fine"] = User("me", "fineGrained", scopes)

    def with_token(token: str | bool) -> HfApi:
        return HfApi(endpoint=hub.url, token=token)

    def add(token: str | bool, **options: bool) -> Callable[[], object]:
        return lambda: commit(with_token(token), {"a.txt": b"1"}, **options)

    assert with_token(False).dataset_info(NAME).sha == repo.branches["main"]
    assert refusal(with_token(False).dataset_info, "org/secret", error=RepositoryNotFoundError)[0] == 401
    assert with_token("hf_read").dataset_info("org/secret").private
    assert with_token("hf_fine").dataset_info("org/secret").private
    assert refusal(add(False), error=RepositoryNotFoundError)[0] == 401
    assert "Invalid credentials" in refusal(add("hf_nobody"))[1]
    code, words = refusal(add("hf_read"))
    assert (code, words) == (403, "You don't have the rights to write to me/data with this token")
    assert refusal(add("hf_fine"))[0] == 403
    assert with_token("hf_fine").upload_file(
        path_or_fileobj=b"1", path_in_repo="a.txt", repo_id="org/secret", repo_type="dataset"
    )
    add("hf_fine", create_pr=True)()
    assert len(repo.commits) == 2 and repo.pulls[1].author == "me"
    for token in ("hf_read", "hf_fine"):
        code, words = refusal(with_token(token).create_repo, "me/new")
        assert (code, "rights to create a model under the namespace" in words) == (403, True)
    whoami = with_token("hf_fine").whoami()
    assert (whoami["name"], whoami["auth"]["accessToken"]["role"]) == ("me", "fineGrained")
    assert whoami["auth"]["accessToken"]["fineGrained"]["scoped"][0]["permissions"] == ["repo.write"]
    assert with_token("hf_other").whoami()["name"] == "colleague"


@pytest.mark.parametrize("create_pr", [False, True])
def test_datasets_pushes_and_loads(hub: Hub, api: HfApi, create_pr: bool) -> None:
    """`push_to_hub` and `load_dataset`, whole and streamed, meet the Hub they expect; a tag keeps its version."""
    hub.add(NAME)
    rows = {"text": [f"row {n}" for n in range(300)], "n": list(range(300))}
    Dataset.from_dict(rows).push_to_hub(NAME, token="hf_write", create_pr=create_pr)
    revision = "refs/pr/1" if create_pr else "main"
    api.create_tag(NAME, tag="v1", revision=revision, repo_type="dataset")
    Dataset.from_dict({"text": ["new"], "n": [1]}).push_to_hub(NAME, token="hf_write", revision=revision)
    assert load_dataset(NAME, revision="v1", split="train").to_dict() == rows
    assert load_dataset(NAME, revision=revision, split="train")["text"][:] == ["new"]
    streamed = load_dataset(NAME, revision="v1", split="train", streaming=True)
    assert [row["n"] for row in streamed] == rows["n"]


def test_a_script_makes_it_fail(hub: Hub, repo: Repo, api: HfApi) -> None:
    """A request can be answered with a status, or lose its connection before or after it was dealt with."""
    faults: dict[str, Fault] = {"503": 503, "before": "drop", "after": "drop-after"}
    asked: list[SeenRequest] = []

    def script(seen: SeenRequest) -> Fault:
        asked.append(seen)
        return next((fault for word, fault in faults.items() if word.encode() in (seen.body or b"")), None)

    hub.script = script
    url = f"/api/datasets/{NAME}/commit/main"
    connection = http.client.HTTPConnection(hub.url.removeprefix("http://"))
    for word, made in (("503", 0), ("before", 0), ("after", 1)):
        line = {"key": "header", "value": {"summary": word}}
        connection.request("POST", url, json.dumps(line), {"Authorization": "Bearer hf_write"})
        if word == "503":
            response = connection.getresponse()
            assert (response.status, json.loads(response.read())) == (503, {"error": "scripted: 503"})
        else:
            with pytest.raises(http.client.RemoteDisconnected):
                connection.getresponse()
        assert len(repo.commits) == 1 + made
    assert [(seen.index, seen.method, seen.path) for seen in asked] == [(n, "POST", url) for n in range(3)]
    assert hub.seen == [f"POST {url}"] * 3
    hub.script = lambda seen: 429
    code, headers, _ = get(hub, url)
    assert (code, headers["Retry-After"]) == (429, "1")


def test_an_unknown_route_is_remembered(hub: Hub) -> None:
    """A request for what the stand-in has not is 501 and named."""
    hub.add(NAME)
    assert get(hub, f"/api/datasets/{NAME}/likers?x=1")[0] == 501
    assert hub.unknown == [f"GET /api/datasets/{NAME}/likers"]
    hub.unknown.clear()


def test_eight_writers_at_once(hub: Hub, repo: Repo) -> None:
    """Commits that come together are all kept, one after the other, and none is lost."""

    def write(number: int) -> str:
        return commit(HfApi(endpoint=hub.url, token="hf_write"), {f"{number}.parquet": b"%d" % number}).oid

    with ThreadPoolExecutor(8) as pool:
        oids = set(pool.map(write, range(24)))
    assert {kept.oid for kept in repo.log()} == oids | {repo.log()[-1].oid}
    assert {f"{n}.parquet" for n in range(24)} < set(repo.files())


def test_contents_can_be_kept_on_disk(tmp_path: Path) -> None:
    """With a folder every content is a file in it, read back in parts; what is wrong leaves nothing behind."""
    hub = Hub(tmp_path)
    repo, content = hub.add(NAME, {"a.txt": b"abc"}), PARQUET * 300
    connection = http.client.HTTPConnection(hub.url.removeprefix("http://"))
    for oid, code in ((hashlib.sha256(content).hexdigest(), 200), ("0" * 64, 400)):
        blocks = (content[at : at + 70_000] for at in range(0, len(content), 70_000))  # sent chunked
        connection.request("PUT", f"/lfs/datasets/{NAME}/{oid}?size={len(content)}", blocks)
        response = connection.getresponse()
        assert (response.status, bool(response.read())) == (code, code == 400)
    connection.close()
    repo.commit({"big.parquet": content})
    assert repo.files() == {"a.txt": b"abc", "big.parquet": content}
    kept = {path.name for path in (tmp_path / "datasets" / NAME).iterdir()}
    assert kept == {hashlib.sha256(content).hexdigest(), hashlib.sha256(b"abc").hexdigest()}
    assert (
        get(hub, f"/datasets/{NAME}/resolve/main/big.parquet", Range="bytes=2000000-2999999")[2]
        == (content[2_000_000:3_000_000])
    )
    hub.close()
    with pytest.raises(ConnectionRefusedError):
        get(hub, "/")
