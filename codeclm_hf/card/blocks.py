"""The generated blocks of a card: signed, found again, and put in place of older ones.

A block stands between two comments; the first holds a hash of what was generated, which tells whether somebody edited
it since. What people wrote inside a block is kept aside, after it; what they wrote around blocks stays.
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


def signed(card: str) -> str:
    """A card that was just generated, with the hash of every block."""
    return _BLOCK.sub(lambda block: f"{_BEGIN}{block[1]} {_hash(block[3])} -->{_rest(block)}", card)


def marked(card: str) -> bool:
    """Whether a card has a block."""
    return _BLOCK.search(card) is not None


def whole(name: str, text: str) -> str:
    """A text as one block."""
    return f"{_BEGIN}{name} -->\n{text.strip()}\n<!-- codeclm-hf:end {name} -->\n"


def edits(card: str) -> dict[str, str]:
    """What people made of the blocks that they edited, by name; a block without a hash counts as generated."""
    return {block[1]: block[3].strip() for block in _BLOCK.finditer(card) if _edited(block)}


def put(fresh: str, body: str) -> str:
    """The blocks of a fresh card in the places that they have in `body`; new ones after the one that comes before them.

    An edited block gives way to the fresh one and is kept after it.
    """
    blocks = {block[1]: block[0] for block in _BLOCK.finditer(fresh)}
    known = {block[1] for block in _BLOCK.finditer(body)}
    body = _BLOCK.sub(lambda block: _new(block, blocks), body)
    before = None
    for name, block in blocks.items():
        if name not in known:
            end = body.index(blocks[before]) + len(blocks[before]) if before else len(body.rstrip())
            body = f"{body[:end]}\n\n{block}\n{body[end:]}"
        before = name
    return body


def around(card: str) -> list[list[str]]:
    """What people wrote outside of the blocks: (the block before it, or "", and the text)."""
    found, at, before = [], 0, ""
    for block in _BLOCK.finditer(card):
        found.append([before, card[at : block.start()].strip()])
        at, before = block.end(), block[1]
    return [part for part in [*found, [before, card[at:].strip()]] if part[1]]


def _new(block: re.Match[str], blocks: Mapping[str, str]) -> str:
    name, new = block[1], blocks.get(block[1], "")
    fresh = _BLOCK.fullmatch(new)
    if not _edited(block) or (fresh and _hash(fresh[3]) == _hash(block[3])):
        return new
    return new + _KEPT.format(name=name, edit=block[3].strip())


def _edited(block: re.Match[str]) -> bool:
    return block[2] is not None and block[2] != _hash(block[3])


def _rest(block: re.Match[str]) -> str:
    return block[0].split("-->", 1)[1]


def _hash(text: str) -> str:
    """Of what is seen: editors change the ends of lines."""
    seen = "\n".join(line.rstrip() for line in text.strip().splitlines())
    return hashlib.sha256(seen.encode()).hexdigest()[:8]
