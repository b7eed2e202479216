"""Seeds and weights from the Hub: the real clients against a stand-in Hub."""

from __future__ import annotations

import json

import pytest

from codeclm_hf import BadInput, endpoint, inputs
from codeclm_hf.builders.seeds import load_seeds
from codeclm_hf.endpoints import local
from hub import Hub

LINES = "".join(json.dumps({"prompt": text, "n": n}) + "\n" for n, text in enumerate(["one", "", "three"])).encode()


def test_seeds_from_a_hub_data_set(hub: Hub) -> None:
    """A data set's column becomes seeds whose source names the repository, the revision and the row."""
    revision = hub.add("org/seeds", {"data/train.jsonl": LINES, "README.md": b"# Seeds\n"}).branches["main"]
    seeds = load_seeds("org/seeds", column="prompt", revision=revision)
    assert seeds["instruction"][:] == ["one", None, "three"]
    assert seeds["source"][0] == f"org/seeds@{revision}:1"
    assert seeds["error"][1] == "the instruction is empty"


@pytest.mark.parametrize(
    ("card", "license"),
    [
        (b"---\nlicense: cc-by-4.0\n---\n", "cc-by-4.0"),
        (b"---\nlicense: [mit, apache-2.0]\n---\n", "mit, apache-2.0"),
        (b"# Seeds\n", None),
        (b"---\nlanguage: en\n---\n", None),
    ],
)
def test_the_license_of_seeds_is_kept_for_the_card(hub: Hub, card: bytes, license: str | None) -> None:
    """As the card of their data set gives it."""
    hub.add("org/licensed", {"data/train.jsonl": LINES, "README.md": card})
    assert inputs.provenance(load_seeds("org/licensed", column="prompt"), None).get("license") == license


def test_a_branch_is_named_by_its_commit(hub: Hub) -> None:
    """Seeds from a branch say which commit it was, since a branch moves on."""
    commit = hub.add("org/moving", {"data/train.jsonl": LINES}).branches["main"]
    assert load_seeds("org/moving", column="prompt")["source"][0] == f"org/moving@{commit}:1"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (
            {"column": "instruction"},
            "needs a column `instruction`; org/wrong@main has `prompt`, `n`; pass --column prompt",
        ),
        ({"column": "prompt", "split": "holdout"}, "holdout"),
        ({"column": "prompt", "revision": "v9"}, "v9"),
    ],
)
def test_what_a_hub_data_set_has_not_is_said(hub: Hub, options: dict[str, str], words: str) -> None:
    """A missing column, split and revision are one sentence each."""
    hub.add("org/wrong", {"data/train.jsonl": LINES, "README.md": b"# Seeds\n"})
    with pytest.raises(BadInput) as raised:
        load_seeds("org/wrong", **options)
    assert words in str(raised.value)
    assert "\n" not in str(raised.value)


def test_weights_from_the_hub(hub: Hub) -> None:
    """`local:org/repo/file.gguf` is fetched from the Hub and known by the hash of its bytes."""
    weights = local.fetch("smollm2-135m-instruct")
    hub.add("org/repo", {"q4/model.gguf": weights.read_bytes()}, kind="models")
    assert (
        endpoint("local:org/repo/q4/model.gguf").identity
        == f"model.gguf@sha256:{local.PACKAGED['smollm2-135m-instruct'].sha256}"
    )


def test_weights_the_hub_does_not_have_are_named(hub: Hub) -> None:
    """A missing repository is one sentence."""
    with pytest.raises(BadInput, match=r"needs org/none/model\.gguf: no such file here, and the Hub does not give it"):
        endpoint("local:org/none/model.gguf")
