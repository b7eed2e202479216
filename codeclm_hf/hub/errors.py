"""The boundary where errors of the Hub's client become errors of ours."""

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
def translate_errors(repo: str, *, may_be_missing: bool = False) -> Iterator[None]:
    """Turn what the Hub's client raises inside the block into errors of ours.

    An HTTP conflict (409 or 412) passes unchanged, because only the caller knows what it means.

    Args:
        repo: the repository's id, for the messages.
        may_be_missing: let the client's own errors for a missing repository, revision or file pass as well.

    Raises:
        HubError: the Hub gave no answer, or one that says "later".
        BadInput: the Hub refuses the request.
    """
    try:
        yield
    except GatedRepoError:
        raise BadInput(f"needs access to {repo}, which is gated; ask for it on its page") from None
    except HFValidationError as exc:
        raise BadInput(f"needs the name of a data set; {repo!r} is none ({hub_message(exc)})") from None
    except _NETWORK as exc:
        missing = http_status(exc) == 404 and not isinstance(exc, LocalEntryNotFoundError)
        gone = missing or isinstance(exc, RepositoryNotFoundError)  # which may be a 401
        is_local = getattr(exc, "errno", None) is not None  # a full disk is no matter of the Hub's
        if (gone and may_be_missing) or http_status(exc) in _CONFLICTS or is_local:
            raise
        if is_temporary(exc):
            raise HubError(
                f"the Hub gives no answer for {repo} ({hub_message(exc)})", hint="run the same again"
            ) from None
        if http_status(exc) in (401, 403):
            raise BadInput(
                f"needs a token that may do this in {repo}; the Hub says: {hub_message(exc)}"
            ) from None
        raise BadInput(f"the Hub refuses {repo} ({hub_message(exc)})") from None


def is_temporary(exc: BaseException) -> bool:
    """Return whether the same request may succeed later: there was no answer, or the answer says so."""
    if not isinstance(exc, _NETWORK):
        return False
    code = http_status(exc)
    return code in _LATER if code is not None else getattr(exc, "errno", None) is None


def http_status(exc: BaseException) -> int | None:
    """Return the HTTP status of the answer; None where there was no answer."""
    return getattr(getattr(exc, "response", None), "status_code", None)


def hub_message(exc: BaseException) -> str:
    """Return the Hub's own message as one short line, without the signatures of links to its storage."""
    text = getattr(exc, "server_message", None) or str(exc)
    line = " ".join(str(text).split())
    return re.sub(r"\?\S+", "", line)[:300]  # a link to storage is signed
