"""The dataset card: front matter by `huggingface_hub`, body from the template in `codeclm_hf.cards`."""

from __future__ import annotations

import re
from typing import Any

import jinja2
from huggingface_hub import DatasetCardData

_jinja = jinja2.Environment(
    loader=jinja2.PackageLoader("codeclm_hf.cards", ""),
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    keep_trailing_newline=True,
    autoescape=False,
)
_SIZES = (("n<1K", 1_000), ("1K<n<10K", 10_000), ("10K<n<100K", 100_000), ("100K<n<1M", 1_000_000))


def render(manifest: dict[str, Any], patterns: dict[str, str]) -> str:
    """The card of a run directory.

    Args:
        manifest: the run's manifest.
        patterns: the pattern of each table's files; a table without rows has none, since `load_dataset` cannot load
            it, and is no config.
    """
    configs = [
        {
            "config_name": name,
            "data_files": [{"split": "train", "path": pattern}],
            **({"default": True} if name == "default" else {}),
        }
        for name, pattern in patterns.items()
    ]
    rows = manifest["counts"]["rows"]
    front_matter = DatasetCardData(
        annotations_creators=["machine-generated"],
        language_creators=["machine-generated"],
        size_categories=[next((name for name, below in _SIZES if rows["default"] < below), "n>1M")],
        task_categories=["text-generation"],
        tags=["synthetic", "codeclm", "codeclm-hf"],
        configs=configs,
    )
    body = _jinja.get_template("dataset_card.md.jinja").render(
        manifest=manifest, counts=manifest["counts"], config=manifest["config"], rows=rows, escape=_escape
    )
    return f"---\n{front_matter.to_yaml()}\n---\n\n{body}"


def _escape(text: object) -> str:
    """Text of a model or a server as one harmless Markdown line."""
    line = " ".join(str(text).split())
    return re.sub(r"([\\`*_{}\[\]()<>#+!|&~-])", r"\\\1", line)
