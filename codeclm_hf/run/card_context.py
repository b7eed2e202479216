"""What a card shows of a manifest, and the card of one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from codeclm_hf import ids
from codeclm_hf.card.context import CardContext
from codeclm_hf.card.render import NAME, render
from codeclm_hf.card.shapes import RunConfig, TableFiles
from codeclm_hf.run.manifest import Contribution, Manifest


def render_card(
    manifest: Manifest,
    tables: Mapping[str, TableFiles],
    previous: str = "",
    *,
    name: str = NAME,
    front: Mapping[str, Any] | None = None,
) -> str:
    """Return the card of a run directory or of a version, with the template that its manifest keeps.

    Args:
        manifest: what made it, and what it holds.
        tables: what the files of each table hold.
        previous: the card as it was; what people wrote there stays.
        name: what `load_dataset` is to be called with.
        front: front matter that was asked for.

    Raises:
        BadInput: the front matter of `previous` cannot be read, or the template cannot be rendered.
    """
    template = manifest.card_template
    return render(card_context(manifest), tables, previous, template=template, name=name, front=front)


def card_context(manifest: Manifest) -> CardContext:
    """Return the context of the card of a run directory or of a version."""
    contributions = manifest.contributions or (manifest.contribution(),)
    configs = [entry.config for entry in contributions if entry.config is not None]
    return CardContext(
        roles=manifest.models,
        config=manifest.config,
        counts=manifest.counts,
        models=_models(manifest.models, manifest.contributions),
        prompts=manifest.prompts,
        prompt_texts=manifest.prompt_texts,
        distributions=manifest.distributions,
        languages=manifest.languages,
        drift=manifest.drift,
        funnel=manifest.funnel,
        cost_per_row=_cost_per_row(manifest),
        contamination=manifest.contamination,
        compared_with=tuple(config.decontaminate for config in configs),
        seeds=tuple(entry.seeds for entry in contributions if entry.seeds is not None),
        scans=tuple((entry.version, entry.scan) for entry in contributions if entry.scan is not None),
        version=manifest.version,
        previous_version=manifest.parent.version if manifest.parent else None,
        changes={table: changes for table, changes in manifest.changes.items() if changes},
        incomplete=manifest.incomplete,
        evaluations=manifest.evaluations,
        system_prompts=_system_prompts(configs),
        added_fields=_added_fields(configs),
        answer_tokens=sum(row.completion_tokens for row in manifest.usage or ()),
        thinking_tokens=sum(row.thinking_tokens for row in manifest.usage or ()),
        tokens_estimated=any(row.estimated for row in manifest.usage or ()),
    )


def _cost_per_row(manifest: Manifest) -> float | None:
    """Return what an accepted row cost, with everything that the run's answers did; None where that is not known."""
    costs = [row.cost for row in manifest.usage or () if row.cost is not None]
    accepted = manifest.funnel.accepted if manifest.funnel else 0
    return sum(costs) / accepted if costs and accepted else None


def _system_prompts(configs: Sequence[RunConfig]) -> tuple[tuple[str, str], ...]:
    """Return (role, system prompt) of all runs, each once."""
    prompts = ((("strong", config.strong_system), ("target", config.target_system)) for config in configs)
    return tuple(dict.fromkeys((role, text) for pairs in prompts for role, text in pairs if text is not None))


def _added_fields(configs: Sequence[RunConfig]) -> tuple[tuple[str, str], ...]:
    """Return (role, JSON) of the fields that were added in all runs, each once."""
    return tuple(
        dict.fromkeys(
            (role, ids.canonical(dict(extra))) for config in configs for role, extra in config.extra.items()
        )
    )


def _models(roles: Mapping[str, str], contributions: tuple[Contribution, ...]) -> tuple[tuple[str, str], ...]:
    """Return (role, model) of every model that made rows, this version's roles first."""
    makers: list[Mapping[str, str | None]] = [roles, *(entry.models for entry in contributions)]
    pairs = dict.fromkeys((role, str(model)) for models in makers for role, model in models.items())
    order = list(dict.fromkeys(role for role, _ in pairs))
    return tuple(sorted(pairs, key=lambda pair: (order.index(pair[0]), pair[1])))
