"""What a template may speak of: every name is documented, and the names of earlier templates still stand."""

from __future__ import annotations

import inspect

import pytest

from codeclm_hf.card.context import CardContext, template_names
from codeclm_hf.card.render import templates
from codeclm_hf.run.card_context import card_context
from support.manifests import manifest_from

CONTEXT = card_context(
    manifest_from(
        {
            "models": {"strong": "big"},
            "config": {"threshold": 2.0, "contrastive_filter": True, "from a later version": 1},
            "counts": {},
        }
    )
)
NAMES = template_names(CONTEXT, {}, "me/data")


@pytest.mark.parametrize("name", NAMES)
def test_every_name_is_documented(name: str) -> None:
    """As a field or property of the context, or in its docstring."""
    source = inspect.getsource(CardContext)
    assert f"    {name}: " in source or f"def {name}(" in source or f"`{name}" in source


def test_names_of_earlier_templates_stand() -> None:
    """And mean the same."""
    assert {"title", "version", "before", "counts", "config", "rows", "models", "trained", "unlike", "prompts", "texts",
            "changes", "incomplete", "found", "most", "gaps", "pictures", "evaluations", "ratio", "languages", "spoken",
            "seeds", "scans", "front", "name"} <= set(NAMES)  # fmt: skip
    assert NAMES["trained"] == "the target" and NAMES["unlike"] == [("threshold", 2.0, 3.0)]
    assert NAMES["config"] == {"threshold": 2.0, "contrastive_filter": True, "from a later version": 1}


def test_a_template_can_look_for_a_pair() -> None:
    """`models`, `unlike` and the like hold tuples: a template may ask whether one is there, or which differ."""
    template = '{{ ("strong", "big") in models }} {{ models | unique | list | length }}'
    assert templates.from_string(template).render(NAMES) == "True 1"


def test_what_was_added_to_requests_is_told_of_every_run() -> None:
    """Each system prompt and each set of fields once, whichever version brought the rows that were made so."""
    usual = {"threshold": 3.0, "contrastive_filter": True}
    brief = {**usual, "target_system": "Be brief.", "extra": {"strong": {"top_p": 0.5, "n": 1}}}
    configs = [brief, {**brief, "threshold": 2.0}, usual, {**usual, "target_system": "Be kind."}]
    contributions = [{"version": f"1.{n}.0", "config": config} for n, config in enumerate(configs)]
    said = {"models": {}, "config": usual, "counts": {}, "contributions": contributions}
    names = template_names(card_context(manifest_from(said)), {}, "me/data")
    assert names["system_prompts"] == [("target", "Be brief."), ("target", "Be kind.")]
    assert names["added_fields"] == [("strong", '{"n":1,"top_p":0.5}')]
