"""What the Hub's client raises, in our words: the one boundary where foreign errors become ours."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

from huggingface_hub.errors import (
    GatedRepoError,
    HfHubHTTPError,
    HFValidationError,
    LocalEntryNotFoundError,
    RepositoryNotFoundError,
)

from codeclm_hf.errors import BadInput, HubError

_NETWORK: tuple[type[Exception], ...] = (HfHubHTTPError.__mro__[1], OSError)
"""What requests (an OSError) or httpx2, whichever the installed huggingface_hub talks through, raise."""
_LATER = {408, 425, 429, 500, 502, 503, 504}
_CONFLICTS = (409, 412)


@contextmanager
def translated(repo: str, *, may_be_missing: bool = False) -> Iterator[None]:
    """Let a conflict pass as it is, and a missing thing where it may be missing; the rest becomes ours.

    Raises:
        HubError: no answer.
        BadInput: the Hub refuses it.
    """
    try:
        yield
    except GatedRepoError:
        raise BadInput(f"needs access to {repo}, which is gated; ask for it on its page") from None
    except HFValidationError as exc:
        raise BadInput(f"needs the name of a data set; {repo!r} is none ({words(exc)})") from None
    except _NETWORK as exc:
        missing = status(exc) == 404 and not isinstance(exc, LocalEntryNotFoundError)
        gone = missing or isinstance(exc, RepositoryNotFoundError)  # which may be a 401
        if (gone and may_be_missing) or status(exc) in _CONFLICTS or getattr(exc, "errno", None) is not None:
            raise
        if means_later(exc):
            raise HubError(
                f"the Hub gives no answer for {repo} ({words(exc)})", hint="run the same again"
            ) from None
        if status(exc) in (401, 403):
            raise BadInput(f"needs a token that may do this in {repo}; the Hub says: {words(exc)}") from None
        raise BadInput(f"the Hub refuses {repo} ({words(exc)})") from None


def means_later(exc: BaseException) -> bool:
    """Whether the same may succeed when asked again: no answer, or an answer that says so."""
    if not isinstance(exc, _NETWORK):
        return False
    code = status(exc)
    return code in _LATER if code is not None else getattr(exc, "errno", None) is None


def status(exc: BaseException) -> int | None:
    """The HTTP status of the answer, if there was one."""
    return getattr(getattr(exc, "response", None), "status_code", None)


def words(exc: BaseException) -> str:
    """What the Hub said, as one short line."""
    text = getattr(exc, "server_message", None) or str(exc)
    return re.sub(r"\?\S+", "", " ".join(str(text).split()))[:300]  # a link to storage is signed
