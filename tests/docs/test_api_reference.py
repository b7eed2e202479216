"""The manual as a site: one command builds it, it asks nobody for anything, and its reference has every public name."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import zlib
from collections.abc import Iterator
from pathlib import Path

import griffe
import pytest

import codeclm_hf
from support import manual

Names = griffe.Object | griffe.Alias
"""A module or a class."""
SOURCES = {"codeclm_hf", "builders"}
"""Where the documented modules lie; `builders` is installed as `codeclm_hf.builders`."""
DOCUMENTED = sorted(
    name
    for page in manual.PAGES.values()
    for name in re.findall(r"^::: (\S+)$", page.read_text(encoding="utf-8"), re.M)
)
"""The modules that the reference's pages name."""
FETCHED = re.compile(
    r"<(?:script|img|iframe|source)[^>]*\ssrc=.?(?:https?:)?//|<link[^>]*\shref=.?(?:https?:)?//"
)
IMPORTED = re.compile(r"url\(.?(?:https?:)?//|@import")
"""What makes a browser ask another host: in a page, and in a style sheet."""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built by the README's command from a copy, so that nothing is left in the repository."""
    if sys.version_info < (3, 11):
        pytest.skip("the manual is built with Python 3.11 or newer, which Zensical needs")
    folder = tmp_path_factory.mktemp("manual")
    for name in ("zensical.toml", "CHANGELOG.md"):
        shutil.copy(manual.ROOT / name, folder)
    for name in ("docs", *SOURCES):
        shutil.copytree(manual.ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    (block,) = (one for one in manual.blocks("README.md") if one.code.startswith("# build the manual"))
    command, *words = block.code.split(".venv/bin/")[-1].split()
    built = subprocess.run(
        [str(Path(sys.executable).with_name(command)), *words, "--strict"],
        cwd=folder, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert built.returncode == 0, built.stdout + built.stderr
    return folder / "site"


@pytest.fixture(scope="module")
def sources() -> griffe.ModulesCollection:
    """The modules as griffe reads them, which is how the reference is made; nothing is imported."""
    loader = griffe.GriffeLoader(search_paths=[manual.ROOT], docstring_parser="google")
    for package in SOURCES:
        loader.load(package)
    loader.resolve_aliases()
    return loader.modules_collection


def public(namespace: Names) -> Iterator[Names]:
    """The public names in a module, and of a class's own; submodules have entries of their own."""
    for name, member in namespace.members.items():
        if member.is_public and not member.is_module and (namespace.is_module or not name.startswith("_")):
            yield member


def undocumented(namespace: Names) -> Iterator[str]:
    """The public names without a docstring; what a class sets anew is described where its base class declares it."""
    bases = namespace.mro() if namespace.is_class else []
    for member in public(namespace):
        declared = (base.members[member.name] for base in bases if member.name in base.members)
        if not member.has_docstring and not any(one.has_docstring for one in declared):
            yield member.path
        if member.is_class:
            yield from undocumented(member)


def shown(namespace: Names) -> Iterator[str]:
    """The names that the reference must have an entry for."""
    for member in public(namespace):
        if member.has_docstring:
            yield f"{namespace.path}.{member.name}"
        if member.is_class:
            yield from shown(member)


def entries(site: Path) -> set[str]:
    """The names that the built reference has an entry for."""
    *_, packed = (site / "objects.inv").read_bytes().split(b"\n", 4)
    return {line.split()[0] for line in zlib.decompress(packed).decode().splitlines() if " py:" in line}


@pytest.mark.parametrize("module", DOCUMENTED)
def test_every_public_name_is_described(sources: griffe.ModulesCollection, module: str) -> None:
    """The module, and every class, function, method, property, field and constant in it, has a docstring."""
    assert sources[module].has_docstring
    assert list(undocumented(sources[module])) == []


def test_the_reference_has_every_public_name_and_no_other(
    sources: griffe.ModulesCollection, site: Path
) -> None:
    """What a package exports is what its page shows; a private name is on none."""
    assert {name.rpartition(".")[2] for name in shown(sources["codeclm_hf"])} >= set(codeclm_hf.__all__)
    there = entries(site)
    assert [name for module in DOCUMENTED for name in shown(sources[module]) if name not in there] == []
    private = re.compile(r"(?:^|\.)_(?!_\w+__$)")
    assert [name for name in there if private.search(name)] == []


def test_the_site_asks_nobody_for_anything(site: Path) -> None:
    """Its pages work without a network: every script, style, font and picture is a file of its own."""
    pages = [page for page in site.rglob("*.html") if FETCHED.search(page.read_text(encoding="utf-8"))]
    assert (site / "index.html").is_file() and pages == []
    styles = [style for style in site.rglob("*.css") if IMPORTED.search(style.read_text(encoding="utf-8"))]
    assert styles == []
