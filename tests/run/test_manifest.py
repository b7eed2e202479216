"""The manifest: what is read is written again byte for byte, and what no run wrote is refused in words."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from codeclm_hf.errors import BadInput
from codeclm_hf.run.manifest import Manifest
from support.run_directories import run_directory_of

WHOLE: dict[str, Any] = {
    "codeclm_hf": "0.1.0",
    "models": {"strong": "big", "target": "small"},
    "config": {"threshold": 3, "contrastive_filter": True},
    "counts": {},
    "usage": [],
    "status": "complete",
}


def read(**said: Any) -> Manifest:
    return Manifest.from_json({**WHOLE, **said}, source="me/data")


def test_a_run_directorys_manifest_is_written_as_it_was_read(tmp_path: Path) -> None:
    """Also where its keys stand in another order, and hold keys that nobody knows here."""
    run_directory_of(tmp_path, ["one", "two"])
    text = (tmp_path / "codeclm.json").read_text(encoding="utf-8")
    assert Manifest.read(tmp_path).to_text() == text
    document = {"from a later version": [1, {"a": None}], **dict(reversed(json.loads(text).items()))}
    document["cost"] = {"price_in": 1.0, "price_out": None, "all": 0.5}
    for part in ("config", "counts", "distributions", "cost"):
        document[part]["from a later version"] = {"x": 1}
    document["usage"][0]["from a later version"] = 2
    manifest = Manifest.from_json(json.dumps(document), source="me/data")
    assert list(manifest.to_json().items()) == list(document.items())


def test_a_changed_manifest_keeps_the_order_of_its_keys() -> None:
    """A new key comes last; a pull request's version is null, not missing."""
    manifest = replace(read(version=None, parent={"commit": None, "version": None}), card_template="x")
    document = manifest.to_json()
    assert list(document) == [
        *WHOLE, "version", "parent", "card_template", "columns", "changes", "contributions",
    ]  # fmt: skip
    assert document["version"] is None and document["card_template"] == "x"


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"models": ["big"]}, "`models` is not an object but list"),
        ({"models": {"strong": 1}}, "`models.strong` is not a text but int"),
        ({"config": {"threshold": "3", "contrastive_filter": True}}, "`config.threshold` is not a number but str"),
        ({"config": {"threshold": 3.0}}, "`config` lacks `contrastive_filter`"),
        ({"config": {"threshold": True, "contrastive_filter": True}}, "`config.threshold` is not a number but bool"),
        ({"counts": {"rows": {"default": 1.5}}}, "`counts.rows.default` is not a whole number but float"),
        ({"usage": {"strong": {}}}, "`usage` is not a list but dict"),
        ({"usage": [{"stage": 1}]}, r"`usage\[0\].stage` is not a text but int"),
        ({"distributions": {}}, "`distributions` lacks `use_cases`"),
    ],
)  # fmt: skip
def test_what_is_of_another_type_is_named_with_its_place(said: dict[str, Any], words: str) -> None:
    """One sentence, with what is needed, what came, and where."""
    with pytest.raises(BadInput, match=f"needs a codeclm.json .* of me/data is none \\({words}\\)"):
        read(**said)


@pytest.mark.parametrize("missing", ["codeclm_hf", "models", "config", "counts", "usage", "status"])
def test_what_a_complete_manifest_must_say(missing: str) -> None:
    """A file without it is no manifest."""
    document = {name: value for name, value in WHOLE.items() if name != missing}
    with pytest.raises(BadInput, match=r"it is no manifest of a run|it has no counts"):
        Manifest.from_json(document, source="me/data")


@pytest.mark.parametrize("text", ["", "no JSON", "[]", '"x"', "null"])
def test_other_files_are_refused(text: str, tmp_path: Path) -> None:
    """On the Hub and in a folder."""
    with pytest.raises(BadInput, match="that codeclm-hf wrote"):
        Manifest.from_json(text, source="me/data")
    (tmp_path / "codeclm.json").write_text(text)
    with pytest.raises(BadInput, match="needs a manifest that a run wrote"):
        Manifest.read(tmp_path)


def test_a_folder_without_one(tmp_path: Path) -> None:
    """It is no run directory."""
    assert Manifest.read_if_there(tmp_path) is None
    with pytest.raises(BadInput, match="needs a run directory"):
        Manifest.read(tmp_path)
