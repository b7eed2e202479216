"""What the stand-in Hub keeps, as the real client sees it: commits, tags, branches and pull requests."""

from __future__ import annotations

import hashlib
import http.client
import io
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import CommitOperationAdd, CommitOperationCopy, HfApi
from huggingface_hub.errors import (
    BadRequestError,
    EntryNotFoundError,
    RevisionNotFoundError,
)

from support.hub_client import NAME, PARQUET, commit, refusal
from support.hub_server import Hub, Repo


@pytest.fixture
def api(hub: Hub) -> HfApi:
    return HfApi(endpoint=hub.url, token="hf_write")


@pytest.fixture
def repo(hub: Hub) -> Repo:
    return hub.add(NAME, {"README.md": b"---\nlicense: mit\n---\n# Data\n", "data/train.parquet": PARQUET})


def test_a_repository_is_made_once(hub: Hub, api: HfApi) -> None:
    """A new repository has the Hub's first commit; a second creation is 409, or the same URL where that is fine."""
    url = api.create_repo(NAME, repo_type="dataset", private=True)
    assert (url.repo_id, url.repo_type) == (NAME, "dataset")
    assert hub.repos["datasets", NAME].private
    assert api.list_repo_files(NAME, repo_type="dataset") == [".gitattributes"]
    (first,) = api.list_repo_commits(NAME, repo_type="dataset")
    assert (first.title, first.authors) == ("initial commit", ["me"])
    assert refusal(api.create_repo, NAME, repo_type="dataset")[0] == 409
    assert api.create_repo(NAME, repo_type="dataset", exist_ok=True) == url
    assert api.create_repo("mine").repo_id == "me/mine"
    assert api.model_info("me/mine").sha == hub.repos["models", "me/mine"].branches["main"]
    api.delete_repo(NAME, repo_type="dataset")
    assert not api.repo_exists(NAME, repo_type="dataset")


def test_a_commit_holds_regular_and_lfs_files(hub: Hub, repo: Repo, api: HfApi, tmp_path: Path) -> None:
    """One commit takes both kinds of file, keeps the others, and is what every reader sees."""
    (tmp_path / "picture.png").write_bytes(PARQUET[::-1])
    files: list[Any] = [
        CommitOperationAdd("codeclm.json", b"{}"),
        CommitOperationAdd("data/other.parquet", io.BytesIO(PARQUET * 2)),
        CommitOperationAdd("picture.png", tmp_path / "picture.png"),
        CommitOperationCopy("data/train.parquet", "data/copy.parquet"),
    ]
    done = api.create_commit(NAME, files, commit_message="Add", commit_description="Why", repo_type="dataset")
    assert done.oid == repo.branches["main"]
    assert repo.files() == {
        "README.md": b"---\nlicense: mit\n---\n# Data\n", "codeclm.json": b"{}", "picture.png": PARQUET[::-1],
        "data/train.parquet": PARQUET, "data/other.parquet": PARQUET * 2, "data/copy.parquet": PARQUET,
    }  # fmt: skip
    newest, oldest = repo.log()
    assert (newest.title, newest.description, newest.author, newest.parent) == (
        "Add",
        "Why",
        "me",
        oldest.oid,
    )
    info = api.dataset_info(NAME, files_metadata=True)
    sizes = {
        sibling.rfilename: (sibling.size, sibling.lfs and sibling.lfs.sha256)
        for sibling in info.siblings or []
    }
    assert sizes["codeclm.json"] == (2, None)
    assert sizes["data/other.parquet"] == (len(PARQUET) * 2, hashlib.sha256(PARQUET * 2).hexdigest())
    assert info.card_data is not None and info.card_data.license == "mit"
    path = api.hf_hub_download(NAME, "picture.png", repo_type="dataset", cache_dir=tmp_path / "cache")
    assert Path(path).read_bytes() == PARQUET[::-1]
    folder = api.snapshot_download(NAME, repo_type="dataset", cache_dir=tmp_path / "cache")
    assert (Path(folder) / "data" / "copy.parquet").read_bytes() == PARQUET


def test_what_is_there_is_not_uploaded_again(hub: Hub, repo: Repo, api: HfApi) -> None:
    """The same bytes under another name are committed without an upload."""
    commit(api, {"data/again.parquet": PARQUET})
    assert repo.files()["data/again.parquet"] == PARQUET
    assert not any(line.startswith("PUT") for line in hub.seen)


def test_unchanged_files_make_no_commit(hub: Hub, repo: Repo, api: HfApi) -> None:
    """A commit of what is there already returns the head and adds nothing."""
    head = repo.branches["main"]
    done = commit(api, {"README.md": repo.files()["README.md"], "data/train.parquet": PARQUET})
    assert (done.oid, len(repo.commits)) == (head, 1)
    assert not any(line.startswith("POST /api/datasets/me/data/commit") for line in hub.seen)


def test_files_and_folders_are_deleted(repo: Repo, api: HfApi) -> None:
    """A file and a folder go; what is not there, or is the other of the two, is refused and nothing changes."""
    commit(api, {"data/": None, "a/b.txt": b"x", "c.txt": b"y"})
    assert set(repo.files()) == {"README.md", "a/b.txt", "c.txt"}
    commit(api, {"c.txt": None})
    head = repo.branches["main"]
    for path in ("c.txt", "a", "README.md/"):
        code, words = refusal(commit, api, {"new.txt": b"", path: None}, error=EntryNotFoundError)
        assert (code, "A file with this name doesn't exist" in words) == (404, True)
    assert refusal(commit, api, {"a/b.txt/c.txt": b""})[0] == 400
    assert repo.branches["main"] == head


def test_a_stale_parent_is_refused(repo: Repo, api: HfApi) -> None:
    """A commit made for a head that has moved is 412 and changes nothing; for the head it goes through."""
    head = repo.branches["main"]
    moved = repo.commit({"colleague.txt": b"1"}, author="colleague")
    code, words = refusal(commit, api, {"mine.txt": b"2"}, parent_commit=head)
    assert (code, "A commit has happened since" in words, repo.branches["main"]) == (412, True, moved)
    assert commit(api, {"mine.txt": b"2"}, parent_commit=moved).oid == repo.branches["main"]


def test_an_object_that_was_never_uploaded_is_refused(hub: Hub, repo: Repo, api: HfApi) -> None:
    """An LFS object must have come, and be what its name says."""
    hub.script = lambda seen: 200 if seen.method == "PUT" or "verify" in seen.path else None
    code, words = refusal(commit, api, {"new.parquet": b"never sent"}, error=BadRequestError)
    assert (code, "points" in words or "pointed" in words, len(repo.commits)) == (400, True, 1)
    connection = http.client.HTTPConnection(hub.url.removeprefix("http://"))
    hub.script = None
    for size, body in ((4, b"else"), (9, b"else")):
        oid = hashlib.sha256(b"else" if size == 9 else b"this").hexdigest()
        connection.request("PUT", f"/lfs/datasets/{NAME}/{oid}?size={size}", body)
        response = connection.getresponse()
        assert (response.status, b"needs" in response.read()) == (400, True)
    connection.close()


def test_tags_stay_where_they_are(repo: Repo, api: HfApi) -> None:
    """A tag names a branch's head, a tag's commit or an oid; a second of its name is 409 until it is deleted."""
    first = repo.branches["main"]
    api.create_tag(NAME, tag="v1", tag_message="One", repo_type="dataset")
    second = repo.commit({"more.txt": b"1"})
    assert refusal(api.create_tag, NAME, tag="v1", repo_type="dataset")[0] == 409
    api.create_tag(NAME, tag="v1", repo_type="dataset", exist_ok=True)
    api.create_tag(NAME, tag="same", revision="v1", repo_type="dataset")
    api.create_tag(NAME, tag="v2", revision=second, repo_type="dataset")
    refs = api.list_repo_refs(NAME, repo_type="dataset")
    assert {tag.name: tag.target_commit for tag in refs.tags} == {"v1": first, "same": first, "v2": second}
    assert repo.tags["v1"].message == "One"
    assert api.dataset_info(NAME, revision="v1").sha == first
    api.delete_tag(NAME, tag="v1", repo_type="dataset")
    assert refusal(api.delete_tag, NAME, tag="v1", repo_type="dataset", error=RevisionNotFoundError)[0] == 404
    assert refusal(api.create_tag, NAME, tag="v3", revision="no", repo_type="dataset")[0] == 404


def test_branches(repo: Repo, api: HfApi) -> None:
    """A branch starts at a revision, takes commits of its own, and goes; `main` stays."""
    first = repo.branches["main"]
    repo.commit({"more.txt": b"1"})
    api.create_branch(NAME, branch="try/it", revision=first, repo_type="dataset")
    assert refusal(api.create_branch, NAME, branch="try/it", repo_type="dataset")[0] == 409
    done = commit(api, {"branch.txt": b"2"}, revision="try/it")
    assert set(repo.files("try/it")) - set(repo.files()) == {"branch.txt"}
    refs = api.list_repo_refs(NAME, repo_type="dataset")
    assert {ref.name: ref.target_commit for ref in refs.branches}["try/it"] == done.oid
    api.delete_branch(NAME, branch="try/it", repo_type="dataset")
    assert set(repo.branches) == {"main"}
    assert refusal(api.delete_branch, NAME, branch="main", repo_type="dataset")[0] == 403
    assert refusal(api.create_branch, NAME, branch="refs/pr/9", repo_type="dataset")[0] == 400


def test_history_is_paged_and_can_be_squashed(repo: Repo, api: HfApi) -> None:
    """Every commit is listed, newest first, with who made it; squashed, a branch has one commit with the same files."""
    for number in range(120):
        repo.commit({"n.txt": b"%d" % number}, title=f"Number {number}", author="colleague")
    listed = api.list_repo_commits(NAME, repo_type="dataset")
    assert [found.commit_id for found in listed] == [kept.oid for kept in repo.log()]
    assert (listed[0].title, listed[0].authors, len(listed)) == ("Number 119", ["colleague"], 121)
    assert listed[0].created_at > listed[1].created_at
    (found,) = [
        e for e in api.list_repo_tree(NAME, expand=True, repo_type="dataset") if e.path == "README.md"
    ]
    assert found.last_commit is not None and found.last_commit["title"] == "initial commit"
    files = repo.files()
    api.super_squash_history(NAME, repo_type="dataset", commit_message="All")
    assert ([kept.title for kept in repo.log()], repo.files()) == (["All"], files)


def test_trees(repo: Repo, api: HfApi) -> None:
    """A folder is listed by itself or with all below it, in pages; a missing one is 404."""
    repo.commit({f"many/{n % 3}/{n:04}.txt": b"" for n in range(1100)})
    tree = [found.path for found in api.list_repo_tree(NAME, "many", recursive=True, repo_type="dataset")]
    assert (len(tree), tree[0]) == (1103, "many/0")
    assert [found.path for found in api.list_repo_tree(NAME, "many", repo_type="dataset")] == [
        "many/0", "many/1", "many/2",
    ]  # fmt: skip
    found = api.get_paths_info(NAME, ["README.md", "data", "gone"], repo_type="dataset")
    assert [entry.path for entry in found] == ["README.md", "data"]
    assert (
        refusal(list, api.list_repo_tree(NAME, "gone", repo_type="dataset"), error=EntryNotFoundError)[0]
        == 404
    )


def test_a_pull_request_is_opened_talked_about_and_merged(hub: Hub, repo: Repo, api: HfApi) -> None:
    """A commit with `create_pr` leaves `main` alone until the merge, which keeps what others did meanwhile."""
    first = repo.branches["main"]
    done = commit(api, {"mine.txt": b"1"}, create_pr=True, parent_commit=first)
    assert (int(done.pr_num or 0), done.pr_revision) == (1, "refs/pr/1")
    assert repo.branches["main"] == first
    commit(api, {"more.txt": b"2"}, revision="refs/pr/1")
    repo.commit({"theirs.txt": b"3"}, author="colleague")
    (listed,) = api.get_repo_discussions(NAME, repo_type="dataset")
    assert (listed.num, listed.title, listed.status, listed.is_pull_request) == (1, "Change", "open", True)
    comment = api.comment_discussion(NAME, 1, "Fine", repo_type="dataset")
    assert (comment.content, comment.author, repo.pulls[1].comments) == ("Fine", "me", ["Fine"])
    refs = api.list_repo_refs(NAME, include_pull_requests=True, repo_type="dataset")
    assert [(ref.name, ref.target_commit) for ref in refs.pull_requests or []] == [
        ("refs/pr/1", repo.branches["refs/pr/1"])
    ]
    api.merge_pull_request(NAME, 1, repo_type="dataset")
    details = api.get_discussion_details(NAME, 1, repo_type="dataset")
    assert (details.status, details.merge_commit_oid) == ("merged", repo.branches["main"])
    assert set(repo.files()) == {"README.md", "data/train.parquet", "mine.txt", "more.txt", "theirs.txt"}
    assert repo.log()[0].title == "Change (#1)"
    assert refusal(api.merge_pull_request, NAME, 1, repo_type="dataset")[0] == 400


def test_a_pull_request_with_conflicts_is_not_merged(repo: Repo, api: HfApi) -> None:
    """Where both sides changed a file differently the merge is 409; closed and opened again it is as before."""
    commit(api, {"README.md": b"mine"}, create_pr=True)
    head = repo.commit({"README.md": b"theirs"}, author="colleague")
    assert api.get_discussion_details(NAME, 1, repo_type="dataset").conflicting_files == ["README.md"]
    assert refusal(api.merge_pull_request, NAME, 1, repo_type="dataset")[0] == 409
    assert (repo.branches["main"], repo.pulls[1].status) == (head, "open")
    api.change_discussion_status(NAME, 1, "closed", comment="No", repo_type="dataset")
    assert (repo.pulls[1].status, repo.pulls[1].comments) == ("closed", ["No"])
    assert refusal(commit, api, {"a.txt": b""}, revision="refs/pr/1")[0] == 403
    assert api.change_discussion_status(NAME, 1, "open", repo_type="dataset").new_status == "open"


def test_a_pull_request_by_itself_is_a_draft(repo: Repo, api: HfApi) -> None:
    """One made without a commit is a draft, which is opened before it is merged."""
    made = api.create_pull_request(NAME, "Later", description="Words", repo_type="dataset")
    assert (made.num, made.status, made.events[0].content) == (1, "draft", "Words")  # type: ignore[attr-defined]
    commit(api, {"a.txt": b"1"}, revision="refs/pr/1")
    assert refusal(api.merge_pull_request, NAME, 1, repo_type="dataset")[0] == 400
    api.change_discussion_status(NAME, 1, "open", repo_type="dataset")
    api.merge_pull_request(NAME, 1, repo_type="dataset")
    assert repo.files()["a.txt"] == b"1"
