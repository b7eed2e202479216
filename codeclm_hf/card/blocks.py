"""The generated blocks of a card: signed, found again, and put in place of older ones.

A block stands between two comments; the first holds a hash of what was generated, which tells whether
somebody edited it since. What people wrote inside a block is kept aside, after it; what they wrote around
blocks stays.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping

_BEGIN = "<!-- codeclm-hf:begin "
_BLOCK = re.compile(
    rf"{_BEGIN}(\w+)(?: ([0-9a-f]{{8}}))? -->((?:(?!{_BEGIN}).)*?)<!-- codeclm-hf:end \1 -->", re.S
)
_KEPT = """

> [!NOTE]
> The block `{name}` above is generated anew with every version. Somebody edited it, and the edit is kept here:
> take out of it what is to stay, and delete the rest.

<details><summary>The edited block</summary>

{edit}

</details>
"""


def sign(card: str) -> str:
    """Return a card that was just generated with a hash of each block in its opening comment."""
    return _BLOCK.sub(lambda block: f"{_BEGIN}{block[1]} {_hash(block[3])} -->{_after_opening(block)}", card)


def has_blocks(card: str) -> bool:
    """Return whether a card has a block."""
    return _BLOCK.search(card) is not None


def as_block(name: str, text: str) -> str:
    """Return a text as one block of this name, not signed yet."""
    return f"{_BEGIN}{name} -->\n{text.strip()}\n<!-- codeclm-hf:end {name} -->\n"


def hand_edits(card: str) -> dict[str, str]:
    """Return what people made of blocks that they edited, by name; one without a hash counts as generated."""
    return {block[1]: block[3].strip() for block in _BLOCK.finditer(card) if _is_edited(block)}


def replace(fresh: str, body: str) -> str:
    """Return a body with each of its blocks replaced by the one of that name in a fresh card.

    A block that the body lacks comes after the block that is before it in the fresh card. An edited block
    gives way to the fresh one and is kept after it, folded.
    """
    blocks = {block[1]: block[0] for block in _BLOCK.finditer(fresh)}
    names = {block[1] for block in _BLOCK.finditer(body)}
    body = _BLOCK.sub(lambda block: _replacement(block, blocks), body)
    before = None
    for name, block in blocks.items():
        if name not in names:
            end = body.index(blocks[before]) + len(blocks[before]) if before else len(body.rstrip())
            body = f"{body[:end]}\n\n{block}\n{body[end:]}"
        before = name
    return body


def text_outside(card: str) -> list[list[str]]:
    """Return what people wrote outside of blocks, each text after the name of the block before it, or ""."""
    parts, at, before = [], 0, ""
    for block in _BLOCK.finditer(card):
        parts.append([before, card[at : block.start()].strip()])
        at, before = block.end(), block[1]
    return [part for part in [*parts, [before, card[at:].strip()]] if part[1]]


def _replacement(block: re.Match[str], blocks: Mapping[str, str]) -> str:
    name, new = block[1], blocks.get(block[1], "")
    fresh = _BLOCK.fullmatch(new)
    if not _is_edited(block) or (fresh and _hash(fresh[3]) == _hash(block[3])):
        return new
    return new + _KEPT.format(name=name, edit=block[3].strip())


def _is_edited(block: re.Match[str]) -> bool:
    return block[2] is not None and block[2] != _hash(block[3])


def _after_opening(block: re.Match[str]) -> str:
    return block[0].split("-->", 1)[1]


def _hash(text: str) -> str:
    """Return the hash of what a reader sees of a text: editors change the ends of lines."""
    visible = "\n".join(line.rstrip() for line in text.strip().splitlines())
    return hashlib.sha256(visible.encode()).hexdigest()[:8]
