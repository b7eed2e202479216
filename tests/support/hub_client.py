"""How tests speak to the stand-in Hub: with the real client, or in plain HTTP."""

from __future__ import annotations

import http.client
from collections.abc import Callable
from typing import Any

import pytest
from huggingface_hub import CommitInfo, CommitOperationAdd, CommitOperationDelete, HfApi
from huggingface_hub.errors import HfHubHTTPError

from support.hub_server import Hub

NAME = "me/data"
PARQUET = b"PAR1" + bytes(range(256)) * 40


def commit(api: HfApi, files: dict[str, bytes | None], **options: Any) -> CommitInfo:
    """Commit files to `NAME`; None deletes one, or a folder where the path ends in `/`."""
    operations = [
        CommitOperationDelete(path) if content is None else CommitOperationAdd(path, content)
        for path, content in files.items()
    ]
    done: CommitInfo = api.create_commit(
        NAME, operations, commit_message="Change", repo_type="dataset", **options
    )
    return done


def refusal(
    call: Callable[..., object], *args: Any, error: type[HfHubHTTPError] = HfHubHTTPError, **options: Any
) -> tuple[int, str]:
    """The status and the words of the Hub's answer to a call that the client raises `error` for."""
    with pytest.raises(error) as raised:
        call(*args, **options)
    assert raised.value.response is not None
    return raised.value.response.status_code, raised.value.server_message or ""


def get(
    hub: Hub, path: str, method: str = "GET", **headers: str
) -> tuple[int, http.client.HTTPMessage, bytes]:
    connection = http.client.HTTPConnection(hub.url.removeprefix("http://"))
    connection.request(method, path, headers=headers)
    response = connection.getresponse()
    body = response.read()
    connection.close()
    return response.status, response.headers, body
