"""Names of models: which one is meant, what a list of them may look like, and what of a path may be shown."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from datasets import Dataset
from hypothesis import given
from hypothesis import strategies as st

from codeclm_hf import BadInput, CodecLM, GenerationRequest, Message, endpoint
from codeclm_hf.endpoints import transport
from codeclm_hf.endpoints.journal import Journal, JournaledEndpoint
from codeclm_hf.endpoints.model_names import public_name
from codeclm_hf.errors import AccessDenied, ModelChanged
from support.gateway import CHAT, NOT_FOUND, Gateway, models, tgi_info

REQUEST = GenerationRequest(messages=(Message("user", "hello"),), seed=1)
LIST, POST = "GET /v1/models", "POST /v1/chat/completions"
MANY = models(*(f"org/model-{n}" for n in range(300)), "qwen/qwen3-32b", "qwen/qwen3-8b")
SHA = "0123456789abcdef0123456789abcdef01234567"


@pytest.mark.parametrize(
    ("listed", "wanted", "warned"),
    [
        (models("a", "b"), "b", False),
        (models("a"), "b", True),
        ((200, ["a", "b"]), "b", False),
        ((200, [{"id": "a"}, {"id": "b"}]), "b", False),
        ((200, {"models": [{"name": "a"}, {"name": "b"}]}), "b", False),
        ((200, {"models": ["a", "b"]}), "b", False),
        ((200, {"data": {"models": [{"slug": "a"}]}}), "a", False),
        ((200, {"data": [{"id": "a"}, {"id": None}, 7, {}]}), "a", False),
        ((200, {"data": []}), "b", False),
        ((200, {"data": None}), "b", False),
        ((200, {"hello": "world"}), "b", False),
        ((200, "null"), "b", False),
        ((200, "<html>hello</html>"), "b", False),
        (NOT_FOUND, "b", False),
        ((401, {"error": "no listing"}), "b", False),
        ((403, {"error": "no listing"}), "b", False),
        ((405, ""), "b", False),
        ((501, ""), "b", False),
        (models("org/model"), "org/model:provider", False),
        (models("llama3.2:latest", "llama3.2:1b"), "llama3.2", False),
        (models("models/gemini-2.5-flash"), "gemini-2.5-flash", False),
        (models("gemini-2.5-flash"), "models/gemini-2.5-flash", False),
        (models("Org/Model"), "org/model", False),
        (models("gpt-4.1", "gpt-5"), "my-deployment", True),
        (MANY, "qwen/qwen3-14b", True),
    ],
)
def test_the_list_is_advice_once_a_name_is_given(
    gateway: Callable[..., Gateway], caplog: Any, listed: Any, wanted: str, warned: bool
) -> None:
    """Whatever the list is or says, the model is asked for by the name; one that is not there is said once."""
    server = gateway({LIST: listed, POST: CHAT})
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            connected = endpoint(server.url, model=wanted)
    assert transport.run(connected.generate(REQUEST)).text == "hi"
    assert server.asked[-1]["body"]["model"] == connected.identity == wanted
    assert len(caplog.messages) == warned
    if listed == MANY:
        nearest = caplog.messages[0].partition("it lists ")[2]
        assert (
            nearest.startswith("qwen/qwen3-") and "qwen/qwen3-32b" in nearest and nearest.endswith("297 more")
        )


@pytest.mark.parametrize(
    ("listed", "role", "words"),
    [
        (models(), "judge", r"it has none; name one with --judge-model NAME"),
        (models("a", "b"), "strong", r"it has a, b; name one with --strong-model NAME"),
        (models("a", "b"), None, r"it has a, b; name one with endpoint\(…, model=NAME\)"),
        (MANY, "candidate", r"org/model-0, .*org/model-4 and 297 more; name one with --candidate-model"),
        (NOT_FOUND, "target", "needs an LLM server.*answered 404.*base URL.*--target-model NAME"),
        ((200, "<html>hello</html>"), "judge", "needs an LLM server.*lists no models.*--judge-model NAME"),
        ((200, {"hello": "world"}), "judge", "needs an LLM server.*lists no models.*--judge-model NAME"),
    ],
)
def test_without_a_name_there_must_be_one_model(
    gateway: Callable[..., Gateway], listed: Any, role: str | None, words: str
) -> None:
    """Several models, none and no list are told apart, with at most five names and the option to use."""
    with pytest.raises(BadInput, match=words) as raised:
        endpoint(gateway({LIST: listed, POST: CHAT}).url, role=role)
    assert str(raised.value).count("org/model-") <= 5


@pytest.mark.parametrize("named", [None, "m"])
def test_a_token_that_no_route_takes_stops_at_the_door(
    gateway: Callable[..., Gateway], named: str | None
) -> None:
    """401 at the list is advice for who names the model; at the completions it is the token."""
    with pytest.raises(AccessDenied, match="--judge-key-env"):
        endpoint(gateway({}, token="right").url, model=named, api_key="wrong", role="judge")


def test_the_probe_names_the_model(gateway: Callable[..., Gateway]) -> None:
    """What is asked to learn whether the token is taken has the model, and nothing to answer."""
    server = gateway({LIST: models("m"), POST: CHAT})
    endpoint(server.url)
    assert server.bodies == [{"model": "m"}]


def test_a_model_that_the_server_denies_is_found_out_at_the_door(gateway: Callable[..., Gateway]) -> None:
    """404 in words about the model ends connecting, with the option that names one."""
    words = {"error": {"message": "The model `b` does not exist", "code": "model_not_found"}}
    with pytest.raises(BadInput, match=r"`b` does not exist.*--strong-model"):
        endpoint(gateway({LIST: models("a"), POST: (404, words)}).url, model="b", role="strong")


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("/home/alice/secret-project/model.gguf", "model.gguf"),
        ("/home/alice/secret-project/model", "model"),
        ("/home/alice/secret-project/model/", "model"),
        ("~/secret-project/model.gguf", "model.gguf"),
        ("./secret-project/model.gguf", "model.gguf"),
        ("../secret-project/model", "model"),
        ("secret-project/alice/model.gguf", "model.gguf"),
        ("secret-project/model.GGUF", "model.GGUF"),
        ("C:\\Users\\alice\\model.gguf", "model.gguf"),
        ("c:/Users/alice/model.gguf", "model.gguf"),
        ("\\\\alice\\share\\model", "model"),
        ("secret-project\\model", "model"),
        ("file:///home/alice/model.gguf", "model.gguf"),
        ("s3://secret-project/model/", "model"),
        (f"/home/alice/.cache/huggingface/hub/models--org--name/snapshots/{SHA}", f"org/name@{SHA}"),
        (f"/home/alice/hub/models--org--a-b--c/snapshots/{SHA}/m.gguf", f"org/a-b--c/m.gguf@{SHA}"),
        (f"C:\\alice\\hub\\models--gpt2\\snapshots\\{SHA}\\", f"gpt2@{SHA}"),
        ("/", "model"),
    ],
)
def test_a_path_is_shown_as_its_last_part(name: str, label: str) -> None:
    """No folder of the server's machine shows; a hash tells equal last parts apart, and a commit needs none."""
    shown = public_name(name)
    assert shown == label or (shown.startswith(f"{label}@path:") and len(shown) == len(label) + 14)
    assert "alice" not in shown and "secret" not in shown
    assert (
        public_name(name.replace("alice", "bob").replace("secret", "other")) == shown
        if "@" in label
        else True
    )


def test_two_paths_with_one_last_part_are_two_models() -> None:
    """What is shown of a path depends on the whole of it, and on no other model."""
    assert public_name("/a/model.gguf") != public_name("/b/model.gguf")


@pytest.mark.parametrize(
    "name",
    ["org/model", "gpt-4.1", "org/model:provider", "llama3.2:latest", "models/gemini-2.5-flash", "model.gguf",
     "accounts/fireworks/models/llama-v3p1-8b", "@cf/meta/llama-3-8b", "us.anthropic.claude-v2:0", "ft:gpt:org::x"],
)  # fmt: skip
def test_a_name_that_is_no_path_is_shown_as_it_is(name: str) -> None:
    """Ids on hubs and names of services stay."""
    assert public_name(name) == name


@given(st.lists(st.text(st.characters(exclude_characters="/\\@:", codec="utf-8"), min_size=3), min_size=2))
def test_no_folder_of_any_path_is_shown(parts: list[str]) -> None:
    """Whatever the folders are called, only the last part shows."""
    assert public_name("/" + "/".join(parts)).partition("@path:")[0] == (parts[-1].rstrip("/\\") or "model")


@pytest.mark.parametrize(
    ("routes", "identity"),
    [
        ({LIST: models("/home/alice/model.gguf")}, r"model\.gguf@path:[0-9a-f]{8}"),
        ({LIST: models("llama", root="/data/alice/ft-7")}, r"llama@ft-7@path:[0-9a-f]{8}"),
        ({LIST: models("llama", root="org/llama")}, "llama@org/llama"),
        ({LIST: models("/data/alice/m", root="/data/alice/m")}, r"m@path:[0-9a-f]{8}"),
        ({"GET /info": tgi_info("/data/alice/m")}, r"m@path:[0-9a-f]{8}"),
        ({"GET /info": tgi_info("/data/alice/m", SHA)}, f"m@{SHA}"),
        ({"GET /info": tgi_info("org/m", SHA)}, f"org/m@{SHA}"),
        ({"GET /info": tgi_info("org/m")}, "org/m@unknown"),
    ],
)
def test_no_identity_holds_a_path_and_requests_have_the_servers_name(
    gateway: Callable[..., Gateway], routes: dict[str, Any], identity: str
) -> None:
    """What the journal, the manifest and the card get has no path; the server is asked in its own words."""
    server = gateway({**routes, POST: CHAT})
    connected = endpoint(server.url)
    assert re.fullmatch(identity, connected.identity)
    transport.run(connected.generate(REQUEST))
    name = routes[LIST][1]["data"][0]["id"] if LIST in routes else "tgi"
    assert server.asked[-1]["body"]["model"] == name


@pytest.mark.parametrize("typed", ["model.gguf", "/home/alice/model.gguf"])
def test_a_path_may_be_named_as_it_is_shown(gateway: Callable[..., Gateway], typed: str) -> None:
    """A user who was shown the last part of a path names the model by it."""
    server = gateway({LIST: models("/home/alice/model.gguf", "/home/alice/other.gguf"), POST: CHAT})
    connected = endpoint(server.url, model=typed)
    transport.run(connected.generate(REQUEST))
    assert server.asked[-1]["body"]["model"] == "/home/alice/model.gguf"


def test_answers_that_were_paid_for_under_a_path_are_found_again(
    gateway: Callable[..., Gateway], tmp_path: Path
) -> None:
    """A journal of a version that had the path in its keys is not asked for anew."""
    server = gateway({LIST: models("/home/alice/model.gguf"), POST: CHAT})
    connected: Any = endpoint(server.url)
    new_identity, connected.identity = connected.identity, "/home/alice/model.gguf"
    for identity in (connected.identity, new_identity, new_identity):
        connected.identity = identity
        journal = Journal(tmp_path / "journal.sqlite")
        journaled = JournaledEndpoint(connected, journal)
        assert transport.run(journaled.generate(REQUEST)).text == "hi"
        journal.close()
    assert len(server.asked) == 1


@pytest.mark.parametrize("wanted", [None, "a"])
def test_another_model_behind_a_listed_name_stops_the_run(
    gateway: Callable[..., Gateway], clock: Any, wanted: str | None
) -> None:
    """The list is asked again after a while; a model that is gone from it was exchanged, by its public name."""
    server = gateway({LIST: models("a"), POST: CHAT})
    connected = endpoint(server.url, model=wanted)
    server.routes[LIST] = models("/home/alice/b")
    clock.time += 100
    with pytest.raises(ModelChanged, match="served a when the run began and now serves b@path:"):
        transport.run(connected.generate(REQUEST))


@pytest.mark.parametrize(
    "then", [models("c"), NOT_FOUND, (500, ""), (200, "<html></html>"), (200, {"data": 1})]
)
def test_a_list_that_never_had_the_name_proves_nothing(
    gateway: Callable[..., Gateway], clock: Any, then: Any
) -> None:
    """Who is asked by a name that no list has is believed, whatever the list becomes."""
    server = gateway({LIST: models("a"), POST: CHAT})
    connected = endpoint(server.url, model="b")
    server.routes[LIST] = then
    clock.time += 100
    assert transport.run(connected.generate(REQUEST)).text == "hi"


def test_no_file_of_a_run_holds_a_path_of_the_servers_machine(
    world_of: Callable[..., Any], seeds: Dataset, tmp_path: Path
) -> None:
    """Manifest, card and tables of a whole run have the last part of the path, and the journal needs no more."""
    strong, target = world_of(tgi=False, model="/home/alice/secret-project/model.gguf")
    codec = CodecLM(strong=endpoint(strong.url), target=endpoint(target.url))
    codec.run(seeds, out=tmp_path / "out", num_instructions=4, num_metadata=2)
    files = [path for path in (tmp_path / "out").rglob("*") if path.is_file()]
    assert [path.name for path in files if b"alice" in path.read_bytes()] == []
    assert (
        "pretty_name: Instructions tailored to model.gguf@path:"
        in (tmp_path / "out" / "README.md").read_text()
    )
