"""A three-way merge of what people wrote in two cards."""

from __future__ import annotations

from codeclm_hf.card import render
from codeclm_hf.errors import MergeConflict
from codeclm_hf.hub.merge import MergeInputs, Side


def merge_cards(inputs: MergeInputs, *, take: Side | None = None) -> str:
    """Return the card whose hand-written parts go into the next version: that of the side that changed them.

    Args:
        inputs: the two sides, and what people had written in the card of their base.
        take: the side whose card is taken, whatever the other says.

    Raises:
        MergeConflict: both sides changed the text, differently.
    """
    current, incoming = inputs.current.card, inputs.incoming.card
    if not current or take == "incoming":
        return incoming
    if not incoming or take == "current":
        return current
    current_words, incoming_words = render.words(current), render.words(incoming)
    base_words = render.PLAIN if inputs.base_card_words is None else inputs.base_card_words
    if incoming_words in (current_words, base_words):
        return current
    if current_words == base_words:
        return incoming
    raise MergeConflict(
        "the text of the card was changed on both sides, differently; make the two alike by hand"
    )
