"""The dataset card: front matter in YAML, generated blocks from the template in `codeclm_hf.cards`.

What stands outside the generated blocks, and front matter that is not ours, belongs to people: it stays.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

import jinja2
import yaml
from markupsafe import Markup

from codeclm_hf import about, schema
from codeclm_hf.errors import BadInput
from codeclm_hf.hub import blocks
from codeclm_hf.hub import words as shown

TITLE = "# A data set tailored with CodecLM"
_LISTS: dict[str, list[str]] = {
    "annotations_creators": ["machine-generated"],
    "language_creators": ["machine-generated"],
    "task_categories": ["text-generation"],
    "tags": ["synthetic", "codeclm", "codeclm-hf", "sft", "dpo"],
}
"""Front matter that people may add to."""
_TO_TRAIN_ON = ("sft", "dpo")
"""Tags of a data set that has rows to train on."""
_OURS = ("size_categories", "configs", "dataset_info", "codeclm")
_MOST_NAMES = 10
"""Use cases and skills that the front matter lists."""
_SLIPS = (ValueError, LookupError, AttributeError, TypeError, RecursionError)
"""What PyYAML lets through of values that are not what their tags say, and of depth."""
_SIZES = (("n<1K", 1_000), ("1K<n<10K", 10_000), ("10K<n<100K", 100_000), ("100K<n<1M", 1_000_000))
_FRONT = re.compile(r"\A\ufeff?---[ \t]*\r?\n(.*?)^---[ \t]*(?:\r?\n|\Z)", re.S | re.M)


def render(
    manifest: Mapping[str, Any],
    patterns: dict[str, str],
    onto: str = "",
    *,
    name: str = "PATH_OR_REPO",
    front: Mapping[str, Any] | None = None,
) -> str:
    """The card of a run directory or of a version.

    Args:
        manifest: the manifest.
        patterns: the pattern of each table's files; a table without rows has none, since `load_dataset` cannot load
            it, and is no config.
        name: what `load_dataset` is to be called with.
        onto: the card as it was; what people wrote there stays.
        front: front matter that was asked for.

    Raises:
        BadInput: the front matter of `onto` cannot be read.
    """
    made = [{"models": manifest["models"]}, *manifest.get("contributions", [])]
    models = dict.fromkeys((role, str(model)) for each in made for role, model in each.get("models", {}).items())
    roles = list(dict.fromkeys(role for role, _ in models))
    config, changes = manifest["config"], manifest.get("changes", {})
    fresh = _jinja.get_template("dataset_card.md.jinja").render(
        title=Markup(TITLE),
        version=manifest.get("version"),
        before=manifest.get("parent", {}).get("version"),
        counts=manifest["counts"],
        config=config,
        rows=manifest["counts"]["rows"],
        models=sorted(models, key=lambda one: (roles.index(one[0]), one[1])),
        trained=manifest["models"].get("target", "the target"),
        unlike=[(name, config[name], usual) for name, usual in about.PAPER.items() if config.get(name, usual) != usual],
        prompts=manifest.get("prompts", {}),
        texts=manifest.get("prompt_texts", {}),
        changes={name: one for name, one in changes.items() if any(one.values())},
        incomplete=manifest.get("incomplete", False),
        found=manifest.get("distributions"),
        name=name,
    )
    fresh = blocks.signed(fresh)
    old, body = parted(onto)
    about_it = {**old, **_front(old, manifest, patterns), **(front or {})}
    text = yaml.safe_dump(
        {key: value for key, value in about_it.items() if value is not None}, sort_keys=False, allow_unicode=True
    )
    return f"---\n{text}---\n{blocks.put(fresh, body) if onto else chr(10) + fresh}"


def _front(old: dict[str, Any], manifest: Mapping[str, Any], patterns: dict[str, str]) -> dict[str, Any]:
    """What the front matter says of our own; lists that people may add to keep what they added."""
    configs = [
        {
            "config_name": name,
            "data_files": [{"split": "train", "path": pattern}],
            **({"default": True} if name == "default" else {}),
        }
        for name, pattern in patterns.items()
    ]
    rows = manifest["counts"]["rows"]["default"]
    theirs = _added(old)
    foreign = theirs.pop("configs")
    if "default" in patterns:  # two defaults would make load_dataset refuse them all
        foreign = [{name: value for name, value in config.items() if name != "default"} for config in foreign]
    ours = {name: [one for one in values if rows or one not in _TO_TRAIN_ON] for name, values in _LISTS.items()}
    called = f"Instructions tailored to {shown.name(str(manifest['models'].get('target', 'a model')))}"
    return {
        "pretty_name": called if old.get("pretty_name") in (None, _called(old)) else old["pretty_name"],
        **{name: [*values, *theirs[name]] for name, values in ours.items()},
        "size_categories": [next((name for name, below in _SIZES if rows < below), "n>1M")],
        "configs": [*configs, *foreign],
        "dataset_info": None,  # sizes and features of another version would make load_dataset refuse this one
        "codeclm": {"pretty_name": called, **_for_machines(manifest)},
    }


def _called(front: Mapping[str, Any]) -> Any:
    """The name that we gave last."""
    ours = front.get("codeclm")
    return ours.get("pretty_name") if isinstance(ours, dict) else None


def _for_machines(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """What programs want to know of a data set before they load it; `codeclm.json` has it in full."""
    told: dict[str, Any] = {
        "version": manifest.get("version"),
        "models": {str(role): str(model) for role, model in manifest["models"].items()},
        "threshold": manifest["config"].get("threshold"),
        "rows": dict(manifest["counts"]["rows"]),
    }
    if found := manifest.get("distributions"):
        told["distributions"] = {
            **{
                name: [{**one, "name": shown.name(one["name"])} for one in found[name]["top"][:_MOST_NAMES]]
                for name in ("use_cases", "skills")
            },
            "accepted_by_iteration": [one["accepted"] for one in found["iterations"]],
            "winner": dict(found["winner"]),
            "mean_gap": found["gap"]["mean"],
            "mean_tokens": {name: found["lengths"][name]["mean"] for name in ("instruction", "response")},
        }
    return {name: value for name, value in told.items() if value is not None}


def _added(front: dict[str, Any]) -> dict[str, list[Any]]:
    """What people added to the lists that are ours, and their own configs."""
    foreign = [config for config in _list(front, "configs") if isinstance(config, dict)]
    return {
        **{name: [value for value in _list(front, name) if value not in ours] for name, ours in _LISTS.items()},
        "configs": [config for config in foreign if config.get("config_name") not in list(schema.TABLES)],
    }


def _list(front: dict[str, Any], name: str) -> list[Any]:
    value = front.get(name)
    return value if isinstance(value, list) else [] if value is None else [value]


def parted(card: str) -> tuple[dict[str, Any], str]:
    """A card's front matter and its body.

    Raises:
        BadInput: the front matter is no YAML mapping.
    """
    match = _FRONT.match(card)
    if match is None:
        return {}, card.removeprefix("\ufeff")
    try:
        front = yaml.safe_load(match[1]) or {}
        if not isinstance(front, dict):
            raise ValueError(f"it is a {type(front).__name__}")
    except (yaml.YAMLError, *_SLIPS) as exc:
        words = " ".join(str(exc).split())
        raise BadInput(f"needs a card with YAML front matter; the one that is there cannot be read ({words})") from exc
    return {str(name): value for name, value in front.items()}, card[match.end() :]


def words(card: str) -> str:
    """What people wrote in a card: the same text for every card they did not touch."""
    front, body = parted(card)
    theirs = {name: value for name, value in front.items() if name not in (*_LISTS, *_OURS)}
    if theirs.get("pretty_name") == _called(front):
        theirs.pop("pretty_name", None)
    added = _added(front)
    for config in added["configs"]:
        config.pop("default", None)
    told = [theirs, {name: values for name, values in added.items() if values}, blocks.around(body)]
    return str(yaml.safe_dump([*told, *filter(None, [blocks.edits(body)])]))


def escape(text: object) -> str:
    """Text of a model or a server as one harmless Markdown line."""
    line = " ".join(str(text).split())
    return re.sub(r"([\\`*_{}\[\]()<>#+!|&~-])", r"\\\1", line)


def named(text: object) -> str:
    """A name or a reason as one short, harmless line of what can be seen."""
    return escape(shown.name(str(text)))


def fenced(text: str) -> str:
    """A long text as a fenced block that it cannot end, and that holds no markers of ours."""
    inside = shown.visible(text).replace("<!-- codeclm-hf:", "<!-- codeclm-hf ").strip("\n")
    fence = "`" * max(3, 1 + max(map(len, re.findall("`+", inside)), default=0))
    return f"{fence}text\n{inside}\n{fence}"


def _shown(value: object) -> object:
    """What a template's expression becomes: all text is escaped that no filter of ours made harmless."""
    return value if isinstance(value, (Markup, int, float)) else escape(value)


_jinja = jinja2.Environment(
    loader=jinja2.PackageLoader("codeclm_hf.cards", ""),
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    keep_trailing_newline=True,
    autoescape=False,  # that is for HTML; `finalize` escapes for Markdown
    finalize=_shown,
)
_jinja.filters |= {
    "named": lambda text: Markup(named(text)),
    "fenced": lambda text: Markup(fenced(text)),
    "quoted": lambda text: Markup(json.dumps(text, ensure_ascii=False)),
}
PLAIN = words(TITLE)
"""What people wrote in a card that they did not touch."""
