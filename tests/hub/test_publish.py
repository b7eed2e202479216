"""Publishing: one commit and one tag a version, read back; what cannot be published is said before anything is sent."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from datasets import Dataset, load_dataset
from huggingface_hub import CommitOperationAdd, DatasetCard, HfApi, constants, hf_hub_download

from codeclm_hf import CodecLM, schema
from codeclm_hf.errors import BadInput, CodecLMError
from codeclm_hf.files import sha256
from codeclm_hf.hub.publish import publish
from codeclm_hf.hub.repository import Repository
from codeclm_hf.run import directory
from support.hub_http import Reply
from support.hub_server import Hub, SeenRequest, User
from support.run_directories import REPO, manifest_of, repo, run_directory_of

pytestmark = pytest.mark.usefixtures("token")


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return run_directory_of(tmp_path / "run", ["one", "two", "three"])


def manifest(hub: Hub, revision: str = "main") -> dict[str, Any]:
    return dict(json.loads(repo(hub).files(revision)["codeclm.json"]))


def writes(hub: Hub) -> list[str]:
    return [line for line in hub.seen if not line.startswith(("GET", "HEAD"))]


def test_a_run_comes_back_as_it_was(hub: Hub, codec: CodecLM, seeds: Dataset, tmp_path: Path) -> None:
    """Every config loads at the tag, whole and streamed, equal to the run directory, features included."""
    codec.run(seeds, out=tmp_path / "run", num_instructions=8, num_metadata=4)
    done = publish(tmp_path / "run", REPO, message="the first")
    assert (done.version, done.new) == ("1.0.0", True)
    for config, table in directory.read_tables(tmp_path / "run").items():
        where = {"path": REPO, "name": config, "split": "train", "revision": "v1.0.0"}
        loaded = load_dataset(**where, cache_dir=str(tmp_path / "cache"))
        assert loaded.features == schema.TABLES[config]
        assert loaded.to_list() == table.to_list()
        assert list(load_dataset(**where, streaming=True)) == table.to_list()


def test_a_version_is_one_commit_and_one_tag(hub: Hub, run: Path) -> None:
    """Card, manifest and tables land together on the initial commit, and the annotated tag is on just that commit.

    The journal and what was found in evaluation sets stay here.
    """
    (run / "contamination.jsonl").write_text("{}\n")
    done = publish(run, REPO, message="the first")
    newest, initial = repo(hub).log()
    assert (newest.oid, newest.title) == (done.commit, "v1.0.0: the first")
    assert repo(hub).tags.keys() == {"v1.0.0"}
    assert (repo(hub).tags["v1.0.0"].target, repo(hub).tags["v1.0.0"].message) == (
        newest.oid,
        "v1.0.0: the first",
    )
    files = {path.split("/train-")[0] for path in newest.files}
    pictures = {f"figures/{name}.png" for name in ("use-cases", "skills", "gap", "iterations")}
    tables = {f"data/{name}" for name in schema.TABLES}
    assert files == {".gitattributes", "README.md", "codeclm.json"} | pictures | tables
    assert manifest(hub)["parent"] == {"commit": initial.oid, "version": None}
    assert not any("journal" in path or path.startswith(".base") for path in newest.files)


def test_the_same_content_again_changes_nothing(hub: Hub, run: Path) -> None:
    """A second publish sends no commit and no tag, and says which version has it all."""
    publish(run, REPO)
    before = repo(hub).log()
    hub.seen.clear()
    done = publish(run, REPO, version="1.0.0")
    assert (done.version, done.new) == ("1.0.0", False)
    assert (repo(hub).log(), writes(hub)) == (before, [])


@pytest.mark.parametrize(
    ("change", "version", "changes"),
    [
        ({"texts": ["one", "two", "three", "four"]}, "1.1.0", {"added": 1, "removed": 0, "changed": 0}),
        ({"texts": ["one", "two"]}, "1.1.0", {"added": 0, "removed": 1, "changed": 0}),
        (
            {"texts": ["one", "two", "three"], "responses": {"two": "a better one"}},
            "1.1.0",
            {"added": 0, "removed": 0, "changed": 1},
        ),
    ],
    ids=["added", "removed", "changed"],
)
def test_rows_make_a_minor_version(
    hub: Hub, run: Path, change: Any, version: str, changes: dict[str, int]
) -> None:
    """Rows that come, go or change raise MINOR; stale files of ours go, the parent is the version before."""
    first = publish(run, REPO)
    run_directory_of(run, **change)
    done = publish(run, REPO)
    assert done.version == version
    assert manifest(hub)["changes"]["default"] == changes
    assert manifest(hub)["parent"] == {"commit": first.commit, "version": "1.0.0"}
    shards = [path for path in repo(hub).files() if path.startswith("data/default/")]
    assert len(shards) == 1
    rows = load_dataset(REPO, "default", split="train", revision=f"v{version}")
    assert sorted(rows["instruction"]) == sorted(change["texts"])


def test_words_in_the_card_make_a_patch_version(hub: Hub, run: Path) -> None:
    """A sentence written under the title is a PATCH, and stays in every version after it."""
    publish(run, REPO)
    card = run / "README.md"
    card.write_text(
        card.read_text().replace(
            "\n<!-- codeclm-hf:begin making", "\nRead me first.\n\n<!-- codeclm-hf:begin making"
        )
    )
    assert publish(run, REPO, license="cc-by-4.0").version == "1.0.1"
    run_directory_of(run, ["one", "two", "three", "four"])
    assert publish(run, REPO).version == "1.1.0"
    text = repo(hub).files()["README.md"].decode()
    assert "\nRead me first.\n" in text
    assert "license: cc-by-4.0" in text


def test_an_edit_inside_a_generated_block_is_kept_and_told(hub: Hub, run: Path) -> None:
    """Whoever made it, on the Hub or in the folder: it stands after its block in the next version and the folder."""
    publish(run, REPO)
    card = repo(hub).files()["README.md"].decode()
    repo(hub).commit(
        {"README.md": card.replace("## Limits\n", "## Limits\n\nAsk Ada.\n").encode()}, author="ada"
    )
    done = publish(run, REPO)
    assert (done.version, done.edited) == ("1.0.1", ("limits",))
    (run / "README.md").write_text((run / "README.md").read_text().replace("## Citation\n", "## Cite us\n"))
    done = publish(run, REPO)
    assert (done.version, done.edited) == ("1.0.2", ("citation",))
    for text in (repo(hub).files()["README.md"].decode(), (run / "README.md").read_text()):
        assert text.count("Ask Ada.") == text.count("## Cite us") == 1
    assert not publish(run, REPO).new


def test_what_people_write_on_the_hub_stays(hub: Hub, run: Path) -> None:
    """Words, front matter and files that somebody added there survive the next version."""
    publish(run, REPO)
    text = (
        repo(hub).files()["README.md"].decode().replace("---\n", "---\nlanguage: de\n", 1)
        + "\nThanks to Ada.\n"
    )
    repo(hub).commit({"README.md": text.encode(), "notes/ada.txt": b"hello"}, author="ada")
    run_directory_of(run, ["one", "two", "three", "four"])
    assert publish(run, REPO).version == "1.1.0"
    files = repo(hub).files()
    assert files["notes/ada.txt"] == b"hello"
    assert "language: de" in files["README.md"].decode()
    assert files["README.md"].decode().endswith("\nThanks to Ada.\n")


def test_rows_of_others_stay(hub: Hub, run: Path, tmp_path: Path) -> None:
    """Two folders publish in turn: each adds, changes and removes its own rows alone."""
    publish(run, REPO)
    other = run_directory_of(tmp_path / "other", ["four"], use_case="travel planning")
    publish(other, REPO, token="hf_other")
    run_directory_of(run, ["one", "three", "five"])
    assert publish(run, REPO).version == "1.2.0"
    rows = load_dataset(REPO, "default", split="train", revision="v1.2.0")
    assert sorted(rows["instruction"]) == ["five", "four", "one", "three"]
    assert manifest(hub)["counts"]["rows"]["default"] == 4
    assert len(load_dataset(REPO, "metadata", split="train", revision="v1.2.0")) == 2


def test_replace_leaves_out_what_the_folder_does_not_have(hub: Hub, run: Path, tmp_path: Path) -> None:
    """With `replace` the version holds the folder's rows and no others; the history has the rest."""
    publish(run, REPO)
    publish(run_directory_of(tmp_path / "new", ["four"]), REPO, replace=True)
    assert load_dataset(REPO, "default", split="train", revision="v1.1.0")["instruction"][:] == ["four"]
    assert len(load_dataset(REPO, "default", split="train", revision="v1.0.0")) == 3


def test_a_dry_run_sends_nothing(hub: Hub, run: Path) -> None:
    """It says the version and the changes; there is no repository afterwards."""
    done = publish(run, REPO, dry_run=True)
    assert (done.version, done.commit, done.changes["default"].added) == ("1.0.0", None, 3)
    assert (writes(hub), list(hub.repos)) == ([], [])


def test_a_branch_has_versions_of_its_own(hub: Hub, run: Path) -> None:
    """A version on a branch leaves main as it is, and its number is given once."""
    first = publish(run, REPO)
    run_directory_of(run, ["one", "two", "three", "four"])
    assert publish(run, REPO, branch="wild").version == "1.1.0"
    assert repo(hub).branches["main"] == first.commit
    run_directory_of(run, ["one"])
    assert publish(run, REPO).version == "1.2.0"


def test_many_shards_are_one_version(hub: Hub, run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A table of several files comes back whole, in order."""
    monkeypatch.setattr("codeclm_hf.files.SHARD_BYTES", 1)
    monkeypatch.setattr("codeclm_hf.files.ROWS_A_BATCH", 2)
    texts = [f"instruction {n}" for n in range(7)]
    publish(run_directory_of(run, texts), REPO)
    assert len([path for path in repo(hub).files() if path.startswith("data/default/")]) == 4
    assert load_dataset(REPO, "default", split="train", revision="v1.0.0")["instruction"][:] == texts


def test_an_untagged_version_is_tagged_by_the_next_publisher(hub: Hub, run: Path, tmp_path: Path) -> None:
    """Who commits and cannot tag any more leaves no gap: whoever comes next tags it."""
    done = publish(run, REPO)
    repo(hub).tags.clear()
    publish(run_directory_of(tmp_path / "other", ["four"]), REPO)
    assert {tag: found.target for tag, found in repo(hub).tags.items()}["v1.0.0"] == done.commit


# What cannot be published.


def refused(hub: Hub, folder: Path, name: str = REPO, **options: Any) -> str:
    """The one sentence of a refusal; nothing was sent."""
    hub.seen.clear()
    with pytest.raises(BadInput) as raised:
        publish(folder, name, **options)
    assert [line for line in writes(hub) if "/commit/" in line or "/lfs/" in line or "/tag/" in line] == []
    assert "\n" not in str(raised.value)
    assert raised.value.exit_code == 2
    return str(raised.value)


def test_no_token(hub: Hub, run: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Without a token the hint says how to get one."""
    monkeypatch.delenv("HF_TOKEN")
    monkeypatch.setattr("huggingface_hub.constants.HF_TOKEN_PATH", str(tmp_path / "none"))
    assert "set HF_TOKEN or run hf auth login" in refused(hub, run)


def test_a_token_that_may_only_read(hub: Hub, run: Path) -> None:
    """It fails before anything else, with the way out, and is not in the words."""
    words = refused(hub, run, token="hf_read")
    assert "may write to me/tailored; this one, of me, may only read" in words
    assert "hf_read" not in words
    assert writes(hub) == []


@pytest.mark.parametrize(("scope", "fine"), [("me", True), (REPO, True), ("org", False), ("me/other", False)])
def test_the_scopes_of_a_fine_grained_token(hub: Hub, run: Path, scope: str, fine: bool) -> None:
    """A token for the repository or its owner will do; one for something else is refused before an upload."""
    hub.users["hf_fine"] = User("me", "fineGrained", ((scope, ("repo.write",)),))
    if fine:
        assert publish(run, REPO, token="hf_fine").version == "1.0.0"
    else:
        assert "has no write scope here" in refused(hub, run, token="hf_fine")


def test_an_unknown_token(hub: Hub, run: Path) -> None:
    """A token that the Hub does not know is a sentence that does not hold it."""
    assert "hf_stale" not in refused(hub, run, token="hf_stale")


def test_a_repository_of_another_type(hub: Hub, run: Path) -> None:
    """A model of that name is said to be one."""
    hub.add(REPO, kind="models")
    assert "is a model" in refused(hub, run)


@pytest.mark.parametrize("name", ["spaces/me/app", "models/me/model", "a b", "me/x/y/z", ""])
def test_names_that_are_none(hub: Hub, run: Path, name: str) -> None:
    """What cannot be a data set repository is named in the sentence."""
    assert "needs a" in refused(hub, run, name)


@pytest.mark.parametrize("name", ["datasets/me/tailored", "hf://datasets/me/tailored", "tailored"])
def test_names_in_other_words(hub: Hub, run: Path, name: str) -> None:
    """A URL or a bare name is the same repository."""
    assert publish(run, name).repo == REPO


def test_not_a_run_directory(hub: Hub, tmp_path: Path) -> None:
    """A folder without a manifest."""
    assert "needs a run directory" in refused(hub, tmp_path)


def test_an_unfinished_run(hub: Hub, tmp_path: Path) -> None:
    """A folder that a run has only claimed has nothing to publish, allowed or not."""
    directory.claim(tmp_path / "run", manifest_of(1, "a model"))
    assert "needs a finished run" in refused(hub, tmp_path / "run", allow_incomplete=True)


def test_a_run_that_accepted_nothing(hub: Hub, tmp_path: Path) -> None:
    """It needs --allow-incomplete, and then the card says so."""
    run = run_directory_of(tmp_path / "run", [])
    assert "--allow-incomplete" in refused(hub, run)
    publish(run, REPO, allow_incomplete=True)
    assert manifest(hub)["incomplete"] is True
    assert "[!WARNING]" in repo(hub).files()["README.md"].decode()


def test_a_data_set_of_somebody_else(hub: Hub, run: Path) -> None:
    """Files that codeclm-hf did not make need --adopt; then they stay, and the card keeps its text."""
    hub.add(REPO, {"README.md": b"---\nlicense: mit\n---\n# Poems\n\nBy hand.\n", "poems.csv": b"a\n1\n"})
    assert "--adopt" in refused(hub, run)
    assert publish(run, REPO, adopt=True).version == "1.0.0"
    files = repo(hub).files()
    assert files["poems.csv"] == b"a\n1\n"
    assert "By hand." in files["README.md"].decode()
    assert "license: mit" in files["README.md"].decode()
    assert len(load_dataset(REPO, "default", split="train", revision="v1.0.0")) == 3


@pytest.mark.parametrize(
    ("version", "words"),
    [
        ("0.9.0", "0.9.0 is lower than 1.0.0, the latest"),
        ("1.0.0", "1.0.0 is there already, with other content"),
        ("one", "needs a version such as 1.2.0; came 'one'"),
    ],
)
def test_versions_that_cannot_be(hub: Hub, run: Path, version: str, words: str) -> None:
    """A version that is taken, lower than the latest, or none."""
    publish(run, REPO)
    run_directory_of(run, ["one", "two", "three", "four"])
    assert words in refused(hub, run, version=version)
    assert publish(run, REPO, version="2.0.0").version == "2.0.0"


def test_a_card_that_cannot_be_read(hub: Hub, run: Path) -> None:
    """Broken front matter on the Hub is a sentence; the card stays as it is."""
    publish(run, REPO)
    repo(hub).commit({"README.md": b"---\na: [\n---\nmine\n"})
    run_directory_of(run, ["one"])
    assert "front matter" in refused(hub, run)


@pytest.mark.parametrize("where", ["instruction", "response", "card"])
def test_a_secret_stops_everything(hub: Hub, run: Path, where: str) -> None:
    """A planted token is found in rows and in the card, is not repeated, and nothing is uploaded."""
    secret = "hf_" + "aB3dE5gH7jK9mN1pQ3sT5vW7xY9zA2cE4f"
    if where == "card":
        (run / "README.md").write_text((run / "README.md").read_text() + f"\nUse {secret}.\n")
    else:
        text = f"Call it with {secret}, please"
        made = {"texts": [text]} if where == "instruction" else {"texts": ["one"], "responses": {"one": text}}
        run_directory_of(run, **made)
    words = refused(hub, run)
    assert "needs texts without secrets" in words
    assert secret not in words
    assert list(hub.repos) == []
    assert publish(run, REPO, allow_secrets=True).version == "1.0.0"


def scans(hub: Hub) -> list[dict[str, Any]]:
    """What was found in the rows of each contribution."""
    return [one["scan"] for one in manifest(hub)["contributions"]]


def the_card(hub: Hub) -> str:
    return repo(hub).files()["README.md"].decode()


def test_what_every_contribution_was_searched_for_is_told(hub: Hub, run: Path, tmp_path: Path) -> None:
    """A line each, and an unsearched folder says so."""
    assert "have not been searched" in (run / "README.md").read_text()
    publish(run, REPO)
    publish(run_directory_of(tmp_path / "other", ["ask ada@lovelace.org"], model="model-b"), REPO)
    assert (
        len(scans(hub)) == 2
        and scans(hub)[0]["personal"]["emails"] == 0 < scans(hub)[1]["personal"]["emails"]
    )
    assert "\n| 1.0.0 | 0 | 0 | 0 | 0 |\n| 1.1.0 | " in the_card(hub)
    assert "have not been searched" not in the_card(hub)


def test_languages_are_those_that_are_detected_unless_they_are_given(hub: Hub, run: Path) -> None:
    """Nothing is said of texts that are too short; what was given stays through later versions."""

    def languages() -> Any:
        return DatasetCard(the_card(hub)).data.language

    publish(run, REPO)
    assert languages() is None
    run_directory_of(run, ["Write a short poem about the rain in autumn"])
    publish(run, REPO)
    assert languages() == ["en"]
    assert publish(run, REPO, language="en, de").version == "1.1.1"
    run_directory_of(run, ["Write a short poem about the rain in spring"])
    assert publish(run, REPO).version == "1.2.0"
    assert languages() == ["en", "de"] and "was given by hand" in the_card(hub)
    with pytest.raises(
        BadInput, match="needs languages by their ISO 639 codes, such as en,de; came 'english'"
    ):
        publish(run, REPO, language="english")


def test_personal_data_are_counted_and_redacted(hub: Hub, run: Path) -> None:
    """E-mails, phone numbers and addresses are shown; with `redact` none is published; the folder keeps its texts."""
    run_directory_of(run, ["Write to ada@lovelace.org or +44 20 7946 0958 from 81.2.69.142"])
    done = publish(run, REPO)
    assert all(done.personal[kind] for kind in ("emails", "phone_numbers", "ip_addresses"))
    assert scans(hub) == [{"personal": done.personal, "redacted": False, "secrets": 0}]
    assert "\n| 1.0.0 | {emails} | {phone_numbers} | {ip_addresses} | 0 |\n".format(
        **done.personal
    ) in the_card(hub)
    assert publish(run, REPO, redact=True).version == "1.1.0"
    rows = load_dataset(REPO, "default", split="train", revision="v1.1.0")
    assert rows["instruction"][:] == ["Write to [EMAIL] or [PHONE] from [IP]"]
    assert scans(hub) == [{"personal": done.personal, "redacted": True, "secrets": 0}]
    assert "1.0.0 (personal data replaced) |" in the_card(hub)
    assert "ada@lovelace.org" in directory.read_tables(run)["default"]["instruction"][0]
    assert publish(run, REPO, redact=True).new is False


def test_words_of_evaluation_sets_are_redacted(hub: Hub, run: Path) -> None:
    """The card shows what is shared with an evaluation set; an address in it is a placeholder where that was asked."""
    said = json.loads((run / "codeclm.json").read_text())
    place = {"start": 0, "end": 9, "benchmark_start": 0, "benchmark_end": 9}
    shared = {"id": "00ff", "kind": "instruction", "benchmark": "tests", "row": 1, **place, "allowed": True}
    shared["words"] = "write to ada@lovelace.org today"
    said["contamination"] = {"removed": {}, "allowed": 1, "benchmarks": [], "found": [shared]}
    (run / "codeclm.json").write_text(json.dumps(said))
    publish(run, REPO, redact=True)
    assert "`write to [EMAIL] today`" in the_card(hub).replace("` ", "`").replace(" `", "`")
    assert "ada@lovelace.org" not in json.dumps(manifest(hub))


def test_the_endpoint_of_the_environment(hub: Hub, run: Path) -> None:
    """Everything goes to HF_ENDPOINT: the stand-in saw the version that `huggingface_hub` sees there."""
    publish(run, REPO)
    assert HfApi().list_repo_refs(REPO, repo_type="dataset").tags[0].name == "v1.0.0"


def test_a_card_that_the_hub_refuses(hub: Hub, run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What its check of the front matter says reaches the user; nothing is committed."""
    words = {"errors": [{"message": '"license" must be one of [mit]'}], "warnings": []}
    monkeypatch.setattr("support.hub_server._validated", lambda text: Reply(words, 400))
    with pytest.raises(BadInput, match='"license" must be one of'):
        publish(run, REPO, license="my own")
    assert [commit.title for commit in repo(hub).log()] == ["initial commit"]


def test_the_card_is_edited_here_after_the_hub_had_words_of_its_own(hub: Hub, run: Path) -> None:
    """A license that only the Hub's card has, then a sentence here: both stay, and it is no conflict."""
    publish(run, REPO, license="mit")
    card = run / "README.md"
    card.write_text(card.read_text() + "\nRead me.\n")
    publish(run, REPO)
    text = repo(hub).files()["README.md"].decode()
    assert text.endswith("\nRead me.\n")
    assert "license: mit" in text


def test_a_version_that_reads_back_differently_is_an_error(hub: Hub, run: Path) -> None:
    """If the Hub serves other rows than were sent, publish says so at once."""
    publish(run, REPO)
    old = [oid for path, oid in repo(hub).log()[0].files.items() if path.startswith("data/default/")]

    def tampered(seen: SeenRequest) -> None:
        if seen.method == "POST" and "/tag/" in seen.path:
            files = repo(hub).log()[0].files
            files.update({path: old[0] for path in files if path.startswith("data/default/")})

    run_directory_of(run, ["one", "two", "three"], responses={"two": "a better one"})
    hub.script = tampered
    with pytest.raises(CodecLMError, match="`default` reads back differently"):
        publish(run, REPO)


def test_what_was_sent_is_not_fetched_again(hub: Hub, run: Path) -> None:
    """Reading a version back downloads no table: its files are in the cache already, each by its own hash."""
    commit = publish(run, REPO).commit
    assert not [line for line in hub.seen if line.startswith("GET") and line.endswith(".parquet")]
    for path in (run / "data").glob("*/*.parquet"):
        name = str(path.relative_to(run))
        cached = hf_hub_download(REPO, name, repo_type="dataset", revision=commit, local_files_only=True)
        assert Path(cached).read_bytes() == path.read_bytes()


def test_a_file_that_changed_while_it_was_sent_is_not_cached(run: Path) -> None:
    """The cache holds a file under its own hash or not at all."""
    (file, *_) = (run / "data").glob("default/*.parquet")
    addition = CommitOperationAdd("data/default/train.parquet", file)
    assert addition.upload_info.sha256.hex() == sha256(file)
    file.write_bytes(b"something else")
    Repository("me/changed").cache_uploads([addition])
    folder = Path(constants.HF_HUB_CACHE) / "datasets--me--changed" / "blobs"
    assert list(folder.iterdir()) == []


def test_a_repository_made_anew_gets_every_row(hub: Hub, run: Path) -> None:
    """What a folder and a deleted repository agreed on says nothing about the new one."""
    publish(run, REPO)
    hub.repos.clear()
    assert publish(run, REPO).changes["default"].added == 3
    hub.repos.clear()
    hub.add(REPO)
    assert publish(run, REPO).changes["default"].added == 3
