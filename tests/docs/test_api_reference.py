"""The API reference: the README's command makes it, and it has no name without a word about it."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from pathlib import Path

from pdoc import doc

import codeclm_hf
from support import readme


def undocumented(namespace: doc.Module | doc.Class) -> Iterator[str]:
    """Public names without a docstring in a module, or of a class's own; submodules have pages of their own."""
    listed = getattr(namespace.obj, "__all__", [])
    for member in namespace.own_members if isinstance(namespace, doc.Class) else namespace.members.values():
        if member.kind == "module" or (member.name.startswith("_") and member.name not in listed):
            continue
        if not member.docstring.strip():
            yield member.fullname
        if isinstance(member, doc.Class):
            yield from undocumented(member)


def test_the_readmes_command_documents_every_public_name(tmp_path: Path) -> None:
    """A page a module, without a warning; every class, function, method, property, field and constant is described."""
    (command,) = (block.content for block in readme.blocks() if block.content.startswith("pdoc"))
    assert "Warn:" not in readme.run(command, "bash", tmp_path).stderr
    pages = sorted(page.relative_to(tmp_path / "api") for page in (tmp_path / "api").rglob("*.html"))
    names = [".".join(page.with_suffix("").parts) for page in pages if page.name != "index.html"]
    modules = [doc.Module(importlib.import_module(name)) for name in names]
    assert "codeclm_hf" in names
    assert not [module.fullname for module in modules if not module.docstring.strip()]
    assert not [name for module in modules for name in undocumented(module)]
    shown = (tmp_path / "api" / "codeclm_hf.html").read_text(encoding="utf-8")
    assert not [name for name in codeclm_hf.__all__ if f'id="{name}"' not in shown]
