"""The tokens of chat templates that servers leave around an answer, and what is not one."""

from __future__ import annotations

import re

_ALL_TOKENS = (
    "<|im_end|>", "<|im_start|>", "</s>", "<s>", "<|eot_id|>", "<|eom_id|>", "<|end_of_text|>",
    "<|begin_of_text|>", "<|endoftext|>", "<|end|>", "<|return|>", "<|call|>", "<|end_of_turn|>",
    "<end_of_turn>", "<start_of_turn>", "<eos>", "<bos>", "<pad>", "<|eos|>", "<|endofturn|>", "<turn|>",
    "<|END_OF_TURN_TOKEN|>", "<|START_OF_TURN_TOKEN|>", "<|CHATBOT_TOKEN|>", "<EOS_TOKEN>",
    "<|end_of_sentence|>", "<｜end▁of▁sentence｜>", "<｜begin▁of▁sentence｜>", "<|EOT|>", "<|eot|>",
    "<|header_end|>", "<|end_of_role|>", "<|endofprompt|>", "<|assistant|>", "<|assistant_end|>", "<|user|>",
    "<|observation|>", "<|im_sep|>", "[EOS]", "[/INST]", "[e~[", "<|role_end|>", "<seed:eos>", "<|hy_eos|>",
    "<|start_header_id|>", "<|end_header_id|>", "<|start_of_role|>", "<|begin|>", "<|content|>",
    "<|end_of_msg|>", "<|close|>message<|sep|>", "<|close|>response<|sep|>",
)  # fmt: skip
_TOKENS = "|".join(map(re.escape, sorted(_ALL_TOKENS, key=len, reverse=True)))
_ROLE = r"(?:(?:assistant|model)(?=\s*\n|<\|))"
_LEADING = re.compile(rf"\s*(?:(?:{_TOKENS})\s*{_ROLE}?\s*)+")
_NEXT_TURN = re.compile(
    r"(?:<\|(?:im_start|start|begin|start_header_id|start_of_role)\|>|<start_of_turn>)\s*\w+\Z"
)
"""A turn that was begun and has nothing in it."""
_LONGEST_TURN = 60
_BOX = re.compile(r"(?<![`'\"])<\|begin_of_box\|>(.*?)<\|end_of_box\|>", re.S)
"""GLM's marks around the result in an answer."""


def without_template_tokens(text: str) -> str:
    """Return a text without the template's tokens at its beginning and its end."""
    if "<" not in text and "[" not in text:
        return text
    struck_out = "<s>" in text and text.find("</s>") not in (-1, len(text.rstrip()) - len("</s>"))  # in HTML
    leading = None if struck_out else _LEADING.match(text)
    text = text[leading.end() :] if leading else text
    while True:
        bare = text.rstrip()
        if turn := _NEXT_TURN.search(bare, max(0, len(bare) - _LONGEST_TURN)):
            text = bare[: turn.start()]
            continue
        token = max((token for token in _ALL_TOKENS if bare.endswith(token)), key=len, default=None)
        if token is None or (token == "</s>" and bare.count("<s>") >= bare.count("</s>")):
            break
        text = bare[: -len(token)].rstrip()
    return _BOX.sub(r"\1", text) if "<|begin_of_box|>" in text else text
