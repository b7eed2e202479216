"""Semantic versions of data sets."""

from __future__ import annotations

import re
from typing import NamedTuple

from codeclm_hf.errors import BadInput

LEVELS = ("major", "minor", "patch")
_TEXT = re.compile(r"v?(0|[1-9]\d{0,8})\.(0|[1-9]\d{0,8})\.(0|[1-9]\d{0,8})", re.ASCII)


class Version(NamedTuple):
    """The number of a version, such as 1.2.0.

    MAJOR goes up when columns or their meaning change, MINOR when rows change, PATCH when only the card or
    the manifest does.
    """

    major: int
    minor: int
    patch: int

    @staticmethod
    def parse(text: str) -> Version:
        """Read a version that a user gave, as `1.2.0` or `v1.2.0`.

        Raises:
            BadInput: the text is no version.
        """
        if (version := Version.of_tag(text)) is None:
            raise BadInput(f"needs a version such as 1.2.0; came {text!r}")
        return version

    @staticmethod
    def of_tag(tag: str) -> Version | None:
        """Return the version that a tag names; None for a tag of another kind."""
        match = _TEXT.fullmatch(tag)
        return Version(*map(int, match.groups())) if match else None

    def bump(self, level: str) -> Version:
        """Return the next version at a level of `LEVELS`."""
        if level == "major":
            return Version(self.major + 1, 0, 0)
        if level == "minor":
            return Version(self.major, self.minor + 1, 0)
        return Version(self.major, self.minor, self.patch + 1)

    @property
    def tag(self) -> str:
        """The name of the version's tag."""
        return f"v{self}"

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}.{self.patch}"


FIRST = Version(1, 0, 0)
