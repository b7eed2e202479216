"""Which certificates are trusted: the system's, and those that the environment of a company names."""

from __future__ import annotations

import functools
import os
import ssl

from codeclm_hf.errors import BadInput

VARIABLES = ("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
"""Environment variables that name a file or folder with certificates of authorities."""
UNKNOWN_AUTHORITY = (2, 18, 19, 20, 21)
"""What OpenSSL says where it does not know who signed a certificate."""


def tls_context() -> ssl.SSLContext | bool:
    """Return what a connection verifies a server by; True where the environment says nothing of it.

    Raises:
        BadInput: a variable names what holds no certificates.
    """
    named = tuple((variable, os.environ[variable]) for variable in VARIABLES if os.environ.get(variable))
    return _context(named) if named else True


@functools.lru_cache(maxsize=8)
def _context(named: tuple[tuple[str, str], ...]) -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.set_alpn_protocols(["http/1.1"])
    for variable, path in named:
        if variable == "SSL_CERT_DIR":  # which may be several, and OpenSSL reads itself
            continue
        try:
            if os.path.isdir(path):
                context.load_verify_locations(capath=path)
            else:
                context.load_verify_locations(cafile=path)
        except OSError as exc:  # ssl.SSLError is one
            reason = "it holds none" if isinstance(exc, ssl.SSLError) else exc.strerror or "it cannot be read"
            raise BadInput(
                f"needs a file of certificates (PEM) in {variable}; came {path} ({reason})"
            ) from None
    return context


def certificate_hint(code: int) -> str:
    """Return what a user can do about a certificate that cannot be verified, by OpenSSL's number for why."""
    if code not in UNKNOWN_AUTHORITY:
        return ""
    named = [variable for variable in VARIABLES if os.environ.get(variable)]
    if named:
        return f"the authority that signed it is not in what {' and '.join(named)} names; add it there"
    return (
        "name a file with the certificate of the authority that signed it (your company's?) in SSL_CERT_FILE "
        "or REQUESTS_CA_BUNDLE"
    )
