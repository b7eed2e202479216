"""The notebook that the manual names: kept without outputs, and it runs from the first cell to the last."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

from support.hub_server import Hub
from support.world import World, answers

NOTEBOOK = Path(__file__).parents[2] / "docs" / "example.ipynb"
IN_A_LOOP = "import asyncio\nasyncio.get_running_loop().is_running()"
"""Every cell runs inside the kernel's event loop, where nothing else may run or wait for one."""


@pytest.fixture
def notebook() -> Any:
    """The notebook, which must be valid."""
    found = nbformat.read(NOTEBOOK, as_version=4)
    nbformat.validate(found)
    return found


def test_the_notebook_is_kept_small(notebook: Any) -> None:
    """No outputs, counts or tools' traces: a change to it shows in a diff as what it is."""
    assert NOTEBOOK.stat().st_size < 20_000
    assert set(notebook.metadata) == {"kernelspec", "language_info"}
    assert notebook.metadata.language_info == {"name": "python"}
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell.id for cell in code if cell.outputs or cell.execution_count is not None] == []
    assert [cell.id for cell in notebook.cells if cell.metadata] == []


def test_the_notebook_runs(
    hub: Hub,
    token: None,
    serve: Callable[..., Any],
    notebook: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """In a real kernel and inside its event loop, against stand-ins: a run, the stages alone, an export, a version."""
    monkeypatch.setenv("STRONG", serve(answers(World(), "strong")).url)
    monkeypatch.setenv("TARGET", serve(answers(World(), "target"), tgi=False, model="target").url)
    monkeypatch.setenv("REPO", "me/tour")
    for name in ("IPYTHONDIR", "JUPYTER_RUNTIME_DIR", "JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR"):
        monkeypatch.setenv(name, str(tmp_path / "jupyter"))
    (tmp_path / "work").mkdir()
    notebook.cells.append(nbformat.v4.new_code_cell(IN_A_LOOP))
    NotebookClient(notebook, timeout=120, resources={"metadata": {"path": str(tmp_path / "work")}}).execute()
    shown = {
        cell.id: cell.outputs[-1] for cell in notebook.cells if cell.cell_type == "code" and cell.outputs
    }
    assert shown[notebook.cells[-1].id].data["text/plain"] == "True"
    assert "image/png" in shown["gap"].data
    assert sorted(hub.repos["datasets", "me/tour"].tags) == ["v1.0.0"]
    assert shown["publish"].text.startswith("me/tour 1.0.0 ")
