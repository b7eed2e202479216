"""The way to a server: the proxy before it, and where it sends us instead."""

from __future__ import annotations

import ipaddress
import urllib.request

import aiohttp
from yarl import URL

from codeclm_hf.endpoints.credentials import public_url
from codeclm_hf.errors import BadInput


def proxy_for(url: URL) -> URL | None:
    """Return the proxy that the environment names for a server; None for one on this machine."""
    host = url.host or ""
    try:
        local = ipaddress.ip_address(host).is_loopback
    except ValueError:
        local = host == "localhost" or host.endswith(".localhost")
    if local or urllib.request.proxy_bypass(host):
        return None
    proxy = urllib.request.getproxies().get(url.scheme)
    if not proxy:
        return None
    try:
        parsed = URL(proxy if "://" in proxy else f"http://{proxy}")
        if parsed.scheme in ("http", "https") and parsed.host and parsed.path in ("", "/"):
            return parsed
    except ValueError:
        pass
    # Not a word of it: where it does not parse, nobody knows which part is the password.
    raise BadInput(
        f"needs a proxy like http://HOST:PORT in {url.scheme}_proxy to reach {public_url(url)}; came another"
    )


def redirect_target(response: aiohttp.ClientResponse) -> URL | None:
    """Return where a reply sends the same request; None where it sends it nowhere.

    Raises:
        ValueError: where it sends it is no URL that may be asked.
    """
    location = response.headers.get("Location")
    # A POST after 301, 302 and 303 would be another request: a GET.
    follows = response.status in (307, 308) or (
        response.method == "GET" and response.status in (301, 302, 303)
    )
    if not location or not follows:
        return None
    target = response.url.join(URL(location))
    if target.scheme not in ("http", "https") or not target.host or target.user or target.password:
        raise ValueError("it redirects to what is no server's URL, or names a user")
    return target


def moved_hint(response: aiohttp.ClientResponse) -> str:
    """Return where a server sends a request that would be another one there, as far as it may be shown."""
    try:
        target = public_url(response.url.join(URL(response.headers.get("Location", ""))))
    except ValueError:
        target = ""
    if not target or target == public_url(response.url):
        return "it redirects, and does not say where; give the URL that serves"
    return f"it redirects to {target}; give the URL that serves there"


def asks_for_a_password(response: aiohttp.ClientResponse) -> bool:
    """Return whether a refusal is one of basic authentication."""
    ways = ",".join(response.headers.getall("WWW-Authenticate", [])).lower()
    return "basic" in ways and "bearer" not in ways
