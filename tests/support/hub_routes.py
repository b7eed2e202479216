"""What a stand-in Hub answers about one repository, in the shapes that `huggingface_hub` and `datasets` read."""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
from typing import Any
from urllib.parse import parse_qs, urlencode

from support.hub_blobs import Refused
from support.hub_http import HubRequest, Reply, Unknown
from support.hub_store import Commit, Pull, Repo, Tag, card_data, inside, is_lfs

PAGE = 1000
COMMITS_PAGE = 50
Path = list[str]
"""The segments of a request's path after the route's name, unquoted; a revision is one of them."""


def web(repo: Repo) -> str:
    return repo.name if repo.kind == "models" else f"{repo.kind}/{repo.name}"


def pointer(sha: str, size: int) -> bytes:
    return f"version https://git-lfs.github.com/spec/v1\noid sha256:{sha}\nsize {size}\n".encode()


def entry(repo: Repo, path: str, sha: str) -> dict[str, Any]:
    size = repo.blobs.size(sha)
    found: dict[str, Any] = {"type": "file", "path": path, "size": size, "oid": repo.blobs.git_oid(sha)}
    if is_lfs(path, size):
        text = pointer(sha, size)
        found["oid"] = hashlib.sha1(b"blob %d\0" % len(text) + text).hexdigest()
        found["lfs"] = {"oid": sha, "sha256": sha, "size": size, "pointerSize": len(text)}
    return found


def folder_entry(path: str) -> dict[str, Any]:
    return {"type": "directory", "path": path, "size": 0, "oid": hashlib.sha1(path.encode()).hexdigest()}


def last_change(repo: Repo, commit: Commit, path: str) -> dict[str, str]:
    def state(of: Commit) -> list[tuple[str, str]]:
        return sorted((name, sha) for name, sha in of.files.items() if name == path or inside(name, path))

    while commit.parent and state(repo.commits[commit.parent]) == state(commit):
        commit = repo.commits[commit.parent]
    return {"id": commit.oid, "title": commit.title, "date": commit.date}


def page(ask: HubRequest, items: list[Any], size: int) -> Reply:
    start = int(ask.query.get("cursor", 0))
    headers = {"X-Total-Count": str(len(items))}
    if start + size < len(items):
        query = urlencode({**ask.query, "cursor": start + size})
        headers["Link"] = f'<{ask.hub}{ask.path}?{query}>; rel="next"'
    return Reply(items[start : start + size], headers=headers)


def info(repo: Repo, ask: HubRequest, rest: Path) -> Any:
    commit = repo.at(rest[0] if rest else "main")
    siblings: list[dict[str, Any]] = [{"rfilename": path} for path in sorted(commit.files)]
    if ask.true("blobs"):
        for sibling in siblings:
            found = entry(repo, sibling["rfilename"], commit.files[sibling["rfilename"]])
            sibling |= {"size": found["size"], "blobId": found["oid"]}
            sibling |= {"lfs": found["lfs"]} if "lfs" in found else {}
    card = commit.files.get("README.md")
    found = {"_id": "0" * 24, "id": repo.name, "author": repo.name.split("/")[0], "sha": commit.oid}
    found |= {"lastModified": commit.date, "createdAt": "2026-01-01T00:00:00.000Z", "private": repo.private}
    found |= {
        "gated": "manual" if repo.gated else False,
        "disabled": False,
        "tags": [],
        "downloads": 0,
        "likes": 0,
        "siblings": siblings,
    }
    with contextlib.suppress(ValueError):
        found["cardData"] = card_data(repo.blobs.read(card).decode("utf-8-sig")) if card else {}
    return found


def tree(repo: Repo, ask: HubRequest, rest: Path) -> Reply:
    commit, folder = repo.at(rest[0]), "/".join(rest[1:])
    skip = len(folder) + 1 if folder else 0
    found: dict[str, dict[str, Any]] = {}
    for path, sha in commit.files.items():
        if not inside(path, folder):
            continue
        parts = path[skip:].split("/")
        for depth in range(1, len(parts) if ask.true("recursive") else min(2, len(parts))):
            name = path[:skip] + "/".join(parts[:depth])
            found[name] = folder_entry(name)
        if ask.true("recursive") or len(parts) == 1:
            found[path] = entry(repo, path, sha)
    if folder and not found:
        raise Refused(404, f"{folder} does not exist on {rest[0]}", "EntryNotFound", commit.oid)
    reply = page(ask, [found[path] for path in sorted(found)], 50 if ask.true("expand") else PAGE)
    if ask.true("expand"):
        reply.value = [
            {**item, "lastCommit": last_change(repo, commit, item["path"])} for item in reply.value
        ]
    return reply


def paths_info(repo: Repo, ask: HubRequest, rest: Path) -> Any:
    commit, form = repo.at(rest[0]), parse_qs(ask.body.decode())
    found = []
    for path in form.get("paths", []):
        if path in commit.files:
            found.append(entry(repo, path, commit.files[path]))
        elif any(inside(name, path) for name in commit.files):
            found.append(folder_entry(path))
    if form.get("expand", [""])[0].lower() == "true":
        found = [{**item, "lastCommit": last_change(repo, commit, item["path"])} for item in found]
    return found


def commits(repo: Repo, ask: HubRequest, rest: Path) -> Reply:
    listed = [
        {
            "id": c.oid,
            "title": c.title,
            "message": c.description,
            "date": c.date,
            "authors": [{"user": c.author}],
        }
        for c in repo.log(rest[0])
    ]
    return page(ask, listed, COMMITS_PAGE)


def refs(repo: Repo, ask: HubRequest, rest: Path) -> Any:
    def ref(name: str, kind: str, oid: str) -> dict[str, str]:
        return {"name": name, "ref": f"refs/{kind}/{name}" if kind else name, "targetCommit": oid}

    heads = [ref(name, "heads", oid) for name, oid in repo.branches.items() if not name.startswith("refs/")]
    found = {
        "branches": heads,
        "converts": [],
        "tags": [ref(n, "tags", tag.target) for n, tag in repo.tags.items()],
    }
    if ask.true("include_prs"):
        found["pullRequests"] = [
            ref(n, "", oid) for n, oid in repo.branches.items() if n.startswith("refs/pr/")
        ]
    return found


def tag(repo: Repo, ask: HubRequest, rest: Path) -> Any:
    if ask.method == "DELETE":
        if rest[0] not in repo.tags:
            raise Refused(404, f"Reference does not exist: refs/tags/{rest[0]}", "RevisionNotFound")
        del repo.tags[rest[0]]
        return {}
    target, name = repo.at(rest[0]).oid, ask.json["tag"]
    if name in repo.tags:
        raise Refused(409, f"Tag reference exists already: {name}")
    repo.tags[name] = Tag(target, ask.json.get("message") or "")
    return {}


def branch(repo: Repo, ask: HubRequest, rest: Path) -> Any:
    name = rest[0]
    if ask.method == "DELETE":
        if name == "main":
            raise Refused(403, "Cannot delete refs/heads/main")
        if name not in repo.branches:
            raise Refused(404, f"Reference does not exist: refs/heads/{name}", "RevisionNotFound")
        del repo.branches[name]
        return {}
    if name.startswith("refs/"):
        raise Refused(400, f"Invalid reference for a branch: {name}")
    if name in repo.branches:
        raise Refused(409, f"Reference already exists: refs/heads/{name}")
    repo.branches[name] = repo.at(ask.json.get("startingPoint") or "main").oid
    return {}


def squash(repo: Repo, ask: HubRequest, rest: Path) -> Any:
    if rest[0] not in repo.branches:
        raise Refused(400 if rest[0] in repo.tags else 404, f"Invalid rev id: {rest[0]}", "RevisionNotFound")
    files = repo.at(rest[0]).files
    repo.branches[rest[0]] = repo.keep(None, files, ask.json["message"], "", ask.author)
    return {}


def preupload(repo: Repo, ask: HubRequest, rest: Path) -> Any:
    there, found = repo.at(rest[0]), []
    for file in ask.json["files"]:
        path = file["path"]
        mode = {
            "path": path,
            "uploadMode": "lfs" if is_lfs(path, file["size"]) else "regular",
            "shouldIgnore": False,
        }
        if path in there.files:
            old = entry(repo, path, there.files[path])
            mode["oid"] = old["lfs"]["oid"] if "lfs" in old else old["oid"]
        found.append(mode)
    return {"files": found, "commitOid": there.oid}


def commit(repo: Repo, ask: HubRequest, rest: Path) -> Any:
    header, *changes = map(json.loads, ask.body.splitlines())
    oid, num = repo.apply(rest[0], header["value"], changes, ask.author, ask.true("create_pr"))
    found = {
        "success": True,
        "commitOid": oid,
        "commitUrl": f"{ask.hub}/{web(repo)}/commit/{oid}",
        "hookOutput": "",
    }
    return found if num is None else {**found, "pullRequestUrl": f"{ask.hub}/{web(repo)}/discussions/{num}"}


def settings(repo: Repo, ask: HubRequest, rest: Path) -> Any:
    wanted = ask.json
    repo.private = bool(wanted.get("private", wanted.get("visibility") == "private"))
    return {"private": repo.private}


def discussions(repo: Repo, ask: HubRequest, rest: Path) -> Any:
    if rest:
        num = int(rest[0])
        if num not in repo.pulls:
            raise Refused(404, f"Discussion {num} does not exist")
        return one_pull(repo, ask, repo.pulls[num], rest[1] if len(rest) > 1 else "")
    if ask.method == "GET":
        states = {"open": ("draft", "open"), "closed": ("closed", "merged")}.get(ask.query.get("status", ""))
        found = [pull for pull in reversed(repo.pulls.values()) if states is None or pull.status in states]
        found = [pull for pull in found if ask.query.get("author", pull.author) == pull.author]
        found = [] if ask.query.get("type") == "discussion" else found
        start = int(ask.query.get("p", 0)) * COMMITS_PAGE
        shown = [brief(repo, pull) for pull in found[start : start + COMMITS_PAGE]]
        return {"discussions": shown, "count": len(found), "start": start}
    if not ask.json.get("pullRequest"):
        raise Unknown("a discussion that is no pull request")
    wanted = ask.json
    pull = repo.open(wanted["title"], wanted["description"], ask.author, repo.at("main").oid, "draft")
    return {"num": pull.num, "pullRequest": True, "url": f"{ask.hub}/{web(repo)}/discussions/{pull.num}"}


def one_pull(repo: Repo, ask: HubRequest, pull: Pull, what: str) -> Any:
    if ask.method == "GET":
        base, head = repo.at(pull.base).files, repo.at(f"refs/pr/{pull.num}").files
        changed = sorted(path for path in {*base, *head} if base.get(path) != head.get(path))
        wrong = repo.conflicts(pull)[1] if pull.status in ("draft", "open") else []
        changes = {"base": "refs/heads/main"} | (
            {"mergeCommitId": pull.merge_commit} if pull.merge_commit else {}
        )
        diff = "".join(f"diff --git a/{path} b/{path}\n" for path in changed)
        found = {"events": pull.events, "changes": changes, "filesWithConflicts": wrong, "diff": diff}
        return brief(repo, pull) | found
    if what == "comment":
        return {"newMessage": repo.say(pull, ask.author, ask.json["comment"])}
    if words := ask.json.get("comment"):
        repo.say(pull, ask.author, words)
    if what == "merge":
        return {"mergeCommitId": repo.merge(pull, ask.author)}
    if what == "status":
        if pull.status == "merged":
            raise Refused(400, "needs a pull request that is not merged")
        pull.status = ask.json["status"]
        return {"newStatus": repo.event(pull, ask.author, "status-change", status=pull.status)}
    if what == "title":
        old, pull.title = pull.title, ask.json["title"]
        return {"newTitle": repo.event(pull, ask.author, "title-change", **{"from": old, "to": pull.title})}
    raise Unknown(what)


def brief(repo: Repo, pull: Pull) -> dict[str, Any]:
    found = {
        "num": pull.num,
        "title": pull.title,
        "status": pull.status,
        "createdAt": pull.events[0]["createdAt"],
    }
    where = {"name": repo.name, "type": repo.kind[:-1]}
    return found | {"author": {"name": pull.author}, "isPullRequest": True, "repo": where}


def file(repo: Repo, ask: HubRequest, revision: str, path: str) -> Reply:
    if repo.gated:
        words = f"Access to {web(repo)} is restricted; visit {ask.hub}/{web(repo)} to ask for access."
        raise Refused(403 if ask.user else 401, words, "GatedRepo")
    commit = repo.at(revision)
    if path not in commit.files:
        raise Refused(404, "Entry not found", "EntryNotFound", commit.oid)
    sha, found = commit.files[path], entry(repo, path, commit.files[path])
    size, lfs = found["size"], "lfs" in found
    headers = {
        "ETag": f'"{sha if lfs else found["oid"]}"',
        "X-Repo-Commit": commit.oid,
        "Accept-Ranges": "bytes",
    }
    if lfs:
        headers |= {"X-Linked-Etag": f'"{sha}"', "X-Linked-Size": str(size)}
    if not (match := re.fullmatch(r"bytes=(\d*)-(\d*)", ask.headers["Range"] or "")) or not any(
        match.groups()
    ):
        return Reply(None, 200, headers, size, repo.blobs.blocks(sha))
    start = int(match[1]) if match[1] else max(0, size - int(match[2]))
    stop = min(size, int(match[2]) + 1) if match[1] and match[2] else size
    if start >= stop:
        return Reply(b"", 416, headers | {"Content-Range": f"bytes */{size}"})
    headers["Content-Range"] = f"bytes {start}-{stop - 1}/{size}"
    return Reply(None, 206, headers, stop - start, repo.blobs.blocks(sha, start, stop))


def objects(repo: Repo, ask: HubRequest) -> Any:
    found = []
    for wanted in ask.json["objects"]:
        oid, size = wanted["oid"], wanted["size"]
        upload = {"href": f"{ask.hub}/lfs/{repo.kind}/{repo.name}/{oid}?size={size}", "header": {}}
        verify = {"href": f"{ask.hub}/{web(repo)}.git/info/lfs/objects/verify", "header": {}}
        there = {} if oid in repo.blobs else {"actions": {"upload": upload, "verify": verify}}
        found.append({"oid": oid, "size": size, **there})
    return {"transfer": "basic", "objects": found}


def verify(repo: Repo, ask: HubRequest) -> Any:
    oid, size = ask.json["oid"], ask.json["size"]
    if oid not in repo.blobs or repo.blobs.size(oid) != size:
        raise Refused(404, f"needs an object {oid} of {size} bytes")
    return {}
