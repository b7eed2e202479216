"""From what a person types to an endpoint that answers: the server itself is asked what it is."""

from __future__ import annotations

import importlib.util
import os
import re
from typing import Any

from yarl import URL

from codeclm_hf.endpoints import chat, transport
from codeclm_hf.endpoints.base import Endpoint
from codeclm_hf.endpoints.chat import Chat
from codeclm_hf.endpoints.local import local
from codeclm_hf.endpoints.transport import DEFAULT_CONCURRENCY, DEFAULT_TIMEOUT, Client
from codeclm_hf.errors import AccessDenied, BadInput, CodecLMError

_HUGGING_FACE = ("huggingface.co", "huggingface.cloud")  # not hf.space, where strangers' code runs
_FORMS = "http(s)://HOST:PORT (tgi+http:// or chat+http:// to force the dialect) or local:MODEL"


def endpoint(
    target: str,
    *,
    model: str | None = None,
    api_key: str | None = None,
    concurrency: int | None = None,
    timeout: float = DEFAULT_TIMEOUT,
) -> Endpoint:
    """Connect to a model.

    Args:
        target: a base URL (`http://tgi:8080`), or `local:MODEL` for an embedded one.
        model: the served model's name where a server has several; for TGI, whose tokenizer to use.
        api_key: a bearer token for this server; `HF_TOKEN` is used for Hugging Face's own https hosts alone.
        concurrency: most requests in flight; asked from TGI, 64 elsewhere.
        timeout: seconds one request may take.

    Raises:
        BadInput: nothing answers there, or what answers is no LLM server.
        AccessDenied: the server refuses the token.
    """
    if concurrency is not None and concurrency < 1:
        raise BadInput(f"needs a concurrency of at least 1; came {concurrency}")
    if target.startswith("local:"):
        return local(target.removeprefix("local:"), concurrency=concurrency)
    dialect, _, rest = target.rpartition("+") if target.startswith(("tgi+", "chat+")) else ("", "", target)
    shown = re.sub(r"//[^/]*@", "//", target)
    try:
        url = URL(rest)
    except ValueError as exc:
        raise BadInput(f"needs an endpoint like {_FORMS}; came {shown!r}") from exc
    if url.scheme not in ("http", "https") or not url.host:
        raise BadInput(f"needs an endpoint like {_FORMS}; came {shown!r}")
    # People paste the URL of the route as often as the server's.
    base = rest.rstrip("/").removesuffix(chat.PATH).removesuffix("/v1").removesuffix("/generate")
    key = api_key or _hub_token(url)
    asking = Client(base, api_key=key)
    return transport.run(_connect(asking, dialect, model, key, concurrency, timeout))


def _hub_token(url: URL) -> str | None:
    host = url.host or ""
    ours = url.scheme == "https" and any(host == name or host.endswith("." + name) for name in _HUGGING_FACE)
    return os.environ.get("HF_TOKEN") if ours else None


async def _connect(
    asking: Client, dialect: str, model: str | None, key: str | None, concurrency: int | None, timeout: float
) -> Endpoint:
    info = await _ask(asking, "/info")
    is_tgi = isinstance(info, dict) and "model_id" in info
    if dialect == "tgi" and not is_tgi:
        raise BadInput(f"needs a TGI server at {asking.shown}; its /info is not TGI's; use chat+ or no prefix")
    told = info.get("max_concurrent_requests") if is_tgi else None
    slots = concurrency or (told if isinstance(told, int) and told > 0 else DEFAULT_CONCURRENCY)
    client = Client(asking.url, api_key=key, concurrency=slots, timeout=timeout)
    if is_tgi:
        identity = f"{info['model_id']}@{info.get('model_sha') or 'unknown'}"
        native = importlib.util.find_spec("text_generation") is not None
        if dialect == "tgi" and not native:
            raise BadInput('needs the package text-generation for tgi+; pip install "codeclm-hf[tgi]", or use chat+')
        if dialect != "chat" and native:
            from codeclm_hf.endpoints import tgi  # needs the extra `tgi`

            await client.check_access(tgi.PATH)
            name, revision = (model, None) if model else (info["model_id"], info.get("model_sha"))
            return tgi.TGI(client=client, identity=identity, tokenizer=tgi.load_tokenizer(name, revision))
        await client.check_access(chat.PATH)
        return Chat(client=client, model="tgi", identity=identity, tgi=True)
    name, identity = _served(await _models(asking), model, asking.shown)
    await client.check_access(chat.PATH)
    return Chat(client=client, model=name, identity=identity)


async def _ask(client: Client, path: str) -> Any:
    try:
        return await client.get(path)
    except AccessDenied:
        raise
    except CodecLMError:
        return None


async def _models(client: Client) -> list[dict[str, Any]]:
    try:
        reply = await client.get("/v1/models")
        return [entry for entry in reply["data"] if isinstance(entry["id"], str)]
    except AccessDenied:
        raise
    except (CodecLMError, KeyError, TypeError) as exc:
        reason = str(exc) if isinstance(exc, CodecLMError) else "its /v1/models lists no models"
        raise BadInput(f"needs an LLM server (TGI, vLLM, SGLang, llama.cpp, …) at {client.shown}: {reason}") from exc


def _served(models: list[dict[str, Any]], wanted: str | None, shown: str) -> tuple[str, str]:
    by_name = {str(entry["id"]): entry for entry in models}
    if wanted is not None and wanted not in by_name:
        raise BadInput(f"needs a model that {shown} serves; came {wanted!r}; it has {', '.join(by_name) or 'none'}")
    if wanted is None and len(by_name) != 1:
        raise BadInput(
            f"needs to know which model of {shown} to use; it has {', '.join(by_name) or 'none'}; "
            "name one with --strong-model/--target-model"
        )
    name = wanted if wanted is not None else next(iter(by_name))
    # vLLM tells the weights behind the served name as `root`; nothing else in these lists identifies a model.
    root = by_name[name].get("root")
    return name, f"{name}@{root}" if root and root != name else name
