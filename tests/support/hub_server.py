"""A stand-in for the Hugging Face Hub on a real socket: the real `huggingface_hub` and `datasets` are its clients."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from support import hub_routes
from support.hub_blobs import Blobs, Refused
from support.hub_http import Fault, HubRequest, Reply, Server, Unknown
from support.hub_store import ATTRIBUTES, Commit, Pull, Repo, Tag, User, card_data

__all__ = ["Commit", "Fault", "Hub", "Pull", "Repo", "SeenRequest", "Tag", "User"]

_NAME = "([^/]+/[^/]+)"
_FILE = re.compile(rf"/(datasets/|spaces/)?{_NAME}/resolve/([^/]+)/(.+)")
_OBJECTS = re.compile(rf"/(datasets/|spaces/)?{_NAME}\.git/info/lfs/objects/(batch|verify)")
_UPLOAD = re.compile(rf"/lfs/(datasets|models|spaces)/{_NAME}/([0-9a-f]{{64}})")
_API = re.compile(rf"/api/(datasets|models|spaces)/{_NAME}(?:/([^/]+)(?:/(.+))?)?")
_BARE = re.compile(r"/api/(datasets|models|spaces)/([^/]+)")
_ROUTES: dict[str, Callable[[Repo, HubRequest, list[str]], Any]] = {
    "GET ": hub_routes.info,
    "GET revision": hub_routes.info,
    "GET tree": hub_routes.tree,
    "POST paths-info": hub_routes.paths_info,
    "GET commits": hub_routes.commits,
    "GET refs": hub_routes.refs,
    "POST tag": hub_routes.tag,
    "DELETE tag": hub_routes.tag,
    "POST branch": hub_routes.branch,
    "DELETE branch": hub_routes.branch,
    "POST super-squash": hub_routes.squash,
    "POST preupload": hub_routes.preupload,
    "POST commit": hub_routes.commit,
    "PUT settings": hub_routes.settings,
    "GET discussions": hub_routes.discussions,
    "POST discussions": hub_routes.discussions,
}


@dataclass(frozen=True)
class SeenRequest:
    """A request as a script sees it."""

    index: int
    method: str
    path: str
    """With the query, as it came."""
    body: bytes | None
    """None for the upload of an LFS object."""


class Hub:
    """Keeps data sets, models and Spaces; a request on a route it does not know is remembered in `unknown`.

    Args:
        folder: where contents are kept; in memory if None.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self.folder, self.lock = folder, threading.RLock()
        self.repos: dict[tuple[str, str], Repo] = {}
        """(datasets | models | spaces, org/name) -> repository."""
        self.users: dict[str, User] = {}
        """Token -> who has it."""
        self.unknown: list[str] = []
        self.seen: list[str] = []
        """Method and path of every request, without the query, in the order of arrival."""
        self.script: Callable[[SeenRequest], Fault] | None = None
        """Called for every request before it is dealt with; says what the request gets instead."""
        self.clear()
        self.server = Server(self._arrive, self._reply)
        self.url = self.server.url
        self._thread = threading.Thread(
            target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True
        )
        self._thread.start()

    def add(
        self,
        name: str,
        files: dict[str, bytes] | None = None,
        *,
        kind: str = "datasets",
        private: bool = False,
    ) -> Repo:
        """A new repository with one commit that holds `files`; as on the Hub, `.gitattributes` alone if None."""
        return self._create(
            kind, name, {".gitattributes": ATTRIBUTES} if files is None else files, "me", private
        )

    def _create(self, kind: str, name: str, files: dict[str, bytes], author: str, private: bool) -> Repo:
        repo = Repo(kind, name, Blobs(self.folder and self.folder / kind / name), self.lock, private=private)
        repo.commit(dict(files), title="initial commit", author=author)
        self.repos[kind, name] = repo
        return repo

    def clear(self) -> None:
        """Forget everything but the three usual tokens."""
        for repo in self.repos.values():
            repo.blobs.clear()
        for kept in (self.repos, self.users, self.unknown, self.seen):
            kept.clear()
        self.script = None
        self.users |= {
            "hf_write": User("me"),
            "hf_read": User("me", role="read"),
            "hf_other": User("colleague"),
        }

    def close(self) -> None:
        """Go away: connections are dropped, and new ones are refused."""
        self.server.shutdown()
        self.server.server_close()
        self.server.drop_all()
        self._thread.join(10)

    def _arrive(self, method: str, path: str, body: bytes | None) -> Fault:
        with self.lock:
            index = len(self.seen)
            self.seen.append(f"{method} {unquote(path.split('?')[0])}")
        return self.script(SeenRequest(index, method, path, body)) if self.script else None

    def _reply(self, ask: HubRequest) -> Reply:
        try:
            token = (ask.headers["Authorization"] or "").removeprefix("Bearer ")
            if token and token not in self.users:
                raise Refused(401, "Invalid credentials in Authorization header")
            ask.user = self.users.get(token)
            found = self._answer(ask)
            return found if isinstance(found, Reply) else Reply(found)
        except Refused as refused:
            return Reply(refused.body, refused.status, refused.headers)
        except ConnectionError:
            raise
        except Exception as error:  # what the stand-in cannot do fails the test that asks for it
            wrong = "" if isinstance(error, Unknown) else f": {error!r}"
            self.unknown.append(f"{ask.method} {unquote(ask.path)}{wrong}")
            return Reply({"error": f"the stand-in does not know this{wrong}"}, 501)

    def _answer(self, ask: HubRequest) -> Any:
        if match := _FILE.fullmatch(ask.path):
            return hub_routes.file(
                self._repo(ask, match[1], match[2]), ask, unquote(match[3]), unquote(match[4])
            )
        if match := _API.fullmatch(ask.path):
            kind, name, what, rest = match.groups(default="")
            found = [unquote(part) for part in rest.split("/")] if rest else []
            route = _ROUTES.get(f"{ask.method} {what}")
            if route is None and (kind, name) in self.repos:
                raise Unknown
            repo = self._repo(ask, kind, name, self._needs(ask, what, found))
            assert route is not None
            with self.lock:
                return route(repo, ask, found)
        if match := _UPLOAD.fullmatch(ask.path):
            blobs = self._repo(None, match[1], match[2]).blobs
            blobs.add(ask.blocks, (match[3], int(ask.query["size"])))
            return b""
        if match := _OBJECTS.fullmatch(ask.path):
            repo = self._repo(ask, match[1], match[2], ("repo.write", "discussion.write"))
            return (hub_routes.objects if match[3] == "batch" else hub_routes.verify)(repo, ask)
        if match := _BARE.fullmatch(ask.path):
            return self._repo(ask, match[1], match[2])
        if ask.path == "/api/whoami-v2":
            return _whoami(ask.user)
        if ask.path == "/api/validate-yaml":
            return _validated(ask.json["content"])
        if ask.path in ("/api/repos/create", "/api/repos/delete"):
            with self.lock:
                return self._make(ask) if ask.method == "POST" else self._delete(ask)
        raise Unknown

    @staticmethod
    def _needs(ask: HubRequest, what: str, rest: list[str]) -> tuple[str, ...]:
        if ask.method == "GET" or what == "paths-info":
            return ()
        proposal = ask.true("create_pr") or "".join(rest[:1]).startswith("refs/pr/")
        if proposal or (what == "discussions" and rest[1:] != ["merge"]):
            return ("repo.write", "discussion.write")
        return ("repo.write",)

    def _repo(self, ask: HubRequest | None, kind: str | None, name: str, needs: tuple[str, ...] = ()) -> Repo:
        """The repository, if the one who asks may see it and do what `needs` names."""
        repo = self.repos.get(((kind or "models").rstrip("/"), name))
        user = ask and ask.user
        if ask and user is None and (repo is None or repo.private or needs):
            # The clients take any 401 of https for a missing repository; here the code has to say so.
            raise Refused(401, "Invalid username or password.", "RepoNotFound")
        if repo is None or (ask and user and repo.private and not user.may(name)):
            raise Refused(404, "Repository not found", "RepoNotFound")
        if user and needs and not user.may(name, *needs):
            raise Refused(403, f"You don't have the rights to write to {name} with this token")
        return repo

    def _make(self, ask: HubRequest) -> Any:
        kind, name, user = self._named(ask)
        where = name if kind == "models" else f"{kind}/{name}"
        found = {"url": f"{self.url}/{where}", "name": name, "id": "0" * 24}
        if (kind, name) in self.repos:
            raise Refused(409, f"You already created this {kind[:-1]} repo: {name}", **found)
        private = ask.json.get("private") or ask.json.get("visibility") == "private"
        self._create(kind, name, {".gitattributes": ATTRIBUTES}, user.name, bool(private))
        return found

    def _delete(self, ask: HubRequest) -> Any:
        kind, name, _ = self._named(ask)
        self._repo(ask, kind, name, ("repo.write",)).blobs.clear()
        del self.repos[kind, name]
        return {}

    def _named(self, ask: HubRequest) -> tuple[str, str, User]:
        """What to create or delete: kind, name, and by whom."""
        kind = f"{ask.json.get('type') or 'model'}s"
        if ask.user is None:
            raise Refused(401, "Invalid username or password.")
        name = f"{ask.json.get('organization') or ask.user.name}/{ask.json['name']}"
        if not ask.user.may(name, "repo.write"):
            where = name.split("/")[0]
            raise Refused(
                403, f'You don\'t have the rights to create a {kind[:-1]} under the namespace "{where}"'
            )
        return kind, name, ask.user


def _whoami(user: User | None) -> Any:
    if user is None:
        raise Refused(401, "Invalid username or password.")
    token: dict[str, Any] = {
        "displayName": "stand-in",
        "role": user.role,
        "createdAt": "2026-01-01T00:00:00.000Z",
    }
    if user.role == "fineGrained":
        scoped = []
        for number, (name, permissions) in enumerate(user.scopes):
            kind = "dataset" if "/" in name else "user" if name == user.name else "org"
            scoped.append(
                {"entity": {"_id": f"{number:024x}", "type": kind, "name": name}, "permissions": permissions}
            )
        token["fineGrained"] = {"canReadGatedRepos": False, "global": [], "scoped": scoped}
    found = {"type": "user", "id": "0" * 24, "name": user.name, "fullname": user.name.title(), "orgs": []}
    return found | {"auth": {"type": "access_token", "accessToken": token}}


def _validated(text: str) -> Reply:
    try:
        card_data(text)
    except ValueError as error:
        return Reply({"errors": [{"message": str(error)}], "warnings": []}, 400)
    return Reply({"errors": [], "warnings": []})


HUB = Hub()
"""The one that this process's Hugging Face libraries know: its address is set before they are imported."""
