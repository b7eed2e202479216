"""Texts and names that would like to be markup, or more than one line."""

from __future__ import annotations

from hypothesis import strategies as st

TEXTS = st.text(max_size=40) | st.text("|`<>!-[]()#*_&\\\n\r\t '\":{}%@~", max_size=30)
"""Any Unicode, and what means something in Markdown, HTML, YAML or Jinja."""

HOSTILE = [
    "$\\frac{1}{0}$ and $x",
    "a\nb\r\u2028c\x00d",
    "\u202eevil\u2066\u200b",
    "w" * 10_000,
    "a very long name of many words " * 300,
    "Z" + "\u0300\u0301\u0302\u0303" * 20,
    "创意写作",
    "كتابة قصيدة",
    "हिन्दी",
    "\U0001f680\ufe0f",
    "\ud800\udfff",
    "\ufffe\U0010ffff\ue000",
    "",
    "\u200d",
    "‮𒐫﷽",
    "<b>x</b>](http://x)|",
]
