"""From the options of a role to its endpoint, the same in every command.

A new option of a role is a field of `RoleOptions` and an argument in `connect`; one that holds for all roles
is a field of `AllRoles`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from codeclm_hf.endpoints.protocol import Endpoint


@dataclass(frozen=True)
class AllRoles:
    """The options of a command that hold for each of its endpoints."""

    concurrency: int | None
    timeout: float
    give_up_after: float
    thinking_tokens: int
    allow_fallback: bool


@dataclass(frozen=True)
class RoleOptions:
    """The options of one role, as they are typed."""

    role: str
    """What the options begin with, such as `judge`."""
    model: str | None = None
    key_env: str | None = None
    header: Sequence[str] | None = None
    extra: Mapping[str, Any] | None = None
    """As `request_options.read_extra` read it."""

    def connect(self, target: str, all_roles: AllRoles) -> Endpoint:
        """Return the role's endpoint.

        Args:
            target: a URL, or `local:MODEL`.
            all_roles: the options that hold for every role.

        Raises:
            BadInput, EndpointError: as `endpoint`.
        """
        from codeclm_hf.endpoints.connect import endpoint, key_in
        from codeclm_hf.endpoints.headers import read_headers

        return endpoint(
            target,
            model=self.model,
            api_key=key_in(self.key_env),
            headers=read_headers(self.header or (), f"--{self.role}-header"),
            concurrency=all_roles.concurrency,
            timeout=all_roles.timeout,
            give_up_after=all_roles.give_up_after,
            extra=self.extra,
            thinking_tokens=all_roles.thinking_tokens,
            allow_fallback=all_roles.allow_fallback,
            role=self.role,
        )
