"""Versions of data: how they are read, ordered and counted up."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codeclm_hf.errors import BadInput
from codeclm_hf.hub.version import FIRST, LEVELS, Version

VERSIONS = st.builds(Version, *[st.integers(0, 999_999_998)] * 3)


@given(version=VERSIONS)
def test_a_version_reads_as_it_is_written(version: Version) -> None:
    """As a number and as a tag."""
    assert Version.parse(str(version)) == Version.parse(version.tag) == Version.of_tag(version.tag) == version
    assert version.tag == f"v{version}" == f"v{version.major}.{version.minor}.{version.patch}"


@pytest.mark.parametrize(
    "text",
    ["", "1", "1.2", "1.2.3.4", "01.2.3", "1.2.3-rc1", "V1.2.3", "vv1.2.3", " 1.2.3", "1.2.3\n", "-1.2.3", "1١.2.3",
     "main", "1.2.3" + "0" * 9],
)  # fmt: skip
def test_what_is_no_version_is_told(text: str) -> None:
    """Anything but three plain numbers is bad input; as a tag it is just another tag."""
    assert Version.of_tag(text) is None
    with pytest.raises(BadInput, match=r"^needs a version such as 1\.2\.0; came "):
        Version.parse(text)


@given(version=VERSIONS, level=st.sampled_from(LEVELS))
def test_a_bump_is_the_next_version_of_its_level(version: Version, level: str) -> None:
    """It is higher, the places before stay, and those after are 0."""
    bumped = version.bump(level)
    at = LEVELS.index(level)
    assert bumped > version
    assert bumped[:at] == version[:at] and bumped[at] == version[at] + 1 and not any(bumped[at + 1 :])
    assert Version.parse(str(bumped)) == bumped


def test_versions_are_ordered_by_number() -> None:
    """Not as texts are; the first is 1.0.0."""
    texts = ["1.10.0", "0.9.9", "1.2.10", "1.2.9", "10.0.0", "2.0.0"]
    assert [str(one) for one in sorted(map(Version.parse, texts))] == [
        "0.9.9", "1.2.9", "1.2.10", "1.10.0", "2.0.0", "10.0.0"]  # fmt: skip
    assert Version(1, 0, 0) == FIRST
