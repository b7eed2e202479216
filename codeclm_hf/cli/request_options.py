"""What is typed for a role's requests: fields to add, and a system prompt; as text, or as a file that has it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from codeclm_hf.errors import BadInput

_FILE_NAME = re.compile(r"[\w.~@+:=/\\-]+", re.I)
_LIKE_A_PATH = re.compile(r"[/\\]|\.(txt|md|jinja2?|json|ya?ml|prompt|text)$", re.I)
"""What makes a single word the name of a file."""


def read_extra(typed: str | None, option: str) -> Mapping[str, Any] | None:
    """Return the fields of an option `--ROLE-extra`.

    Args:
        typed: a JSON object, or the name of a file that holds one; None where the option is not there.
        option: what messages call it.

    Raises:
        BadInput: there is no such file, it is no JSON object, or it sets what a run sets itself.
    """
    if typed is None:
        return None
    from codeclm_hf.endpoints.extra import check_extra

    path = None if typed.lstrip().startswith("{") else _file(typed)
    text, place = (typed, "it") if path is None else (_read(path, option), str(path))
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as exc:
        what = f"{place} is none ({exc})" if path or "{" in text else f"there is no file {typed}"
        raise BadInput(
            f'needs {option} as a JSON object such as {{"top_p": 0.9}}, or a file with one; {what}'
        ) from exc
    return check_extra(value, option)


def read_system(typed: str | None, option: str) -> str | None:
    """Return the system prompt of an option `--ROLE-system`, without white space around it.

    Args:
        typed: the prompt, or the name of a file that holds it; None where the option is not there.
        option: what messages call it.

    Raises:
        BadInput: the prompt is empty, or the file is not there or not in UTF-8.
    """
    if typed is None:
        return None
    path, word = _file(typed), typed.strip()
    if path is None and _FILE_NAME.fullmatch(word) and _LIKE_A_PATH.search(word):
        raise BadInput(
            f"needs {option} as a text, or a file with one; there is no file {word}, and a text has more words"
        )
    text = (typed if path is None else _read(path, option)).strip()
    if not text.isascii() and text != text.encode("utf-8", "replace").decode("utf-8"):
        raise BadInput(f"needs a text in UTF-8 for {option}; it has bytes that are none; put it into a file")
    if not text:
        raise BadInput(f"needs a system prompt for {option}; {path or 'it'} is empty; leave the option out")
    return text


def _file(typed: str) -> Path | None:
    """Return the file that a text names; None where there is none of this name."""
    try:
        path = Path(typed.strip()).expanduser()
        return path if typed.strip() and path.exists() else None
    except (OSError, ValueError, RuntimeError):  # too long for a name, or with characters that none has
        return None


def _read(path: Path, option: str) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except OSError as exc:
        raise BadInput(f"needs a file for {option}; {path} cannot be read ({exc.strerror or exc})") from exc
    except UnicodeDecodeError as exc:
        raise BadInput(f"needs a file in UTF-8 for {option}; {path} is not ({exc.reason})") from exc
