"""What people install: a wheel with the whole package in it and nothing else."""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_the_wheel_holds_the_package_alone(tmp_path: Path) -> None:
    """Every module, template and marker is in the wheel under `codeclm_hf/`; no test, benchmark or cache is."""
    source = tmp_path / "source"  # setuptools leaves a build folder behind, and packs what an older one holds
    shutil.copytree(ROOT, source, ignore=shutil.ignore_patterns(".*", "build", "*.egg-info", "__pycache__"))
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(tmp_path), str(source)],
        check=True, capture_output=True, cwd=tmp_path,
    )  # fmt: skip
    (wheel,) = tmp_path.glob("*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    assert {name.split("/")[0] for name in names if ".dist-info/" not in name} == {"codeclm_hf"}
    shipped = {
        **{
            path: f"codeclm_hf/{path.relative_to(ROOT / 'codeclm_hf')}"
            for path in (ROOT / "codeclm_hf").rglob("*")
        },
        **{path: f"codeclm_hf/builders/{path.name}" for path in (ROOT / "builders").iterdir()},
        **{path: f"codeclm_hf/cards/{path.name}" for path in (ROOT / "cards").iterdir()},
    }
    expected = {name for path, name in shipped.items() if path.is_file() and "__pycache__" not in name}
    assert {name for name in names if ".dist-info/" not in name} == expected
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in names)


def test_the_package_is_light_to_import(tmp_path: Path) -> None:
    """Importing it loads neither transformers nor evaluate, llama.cpp or the builders."""
    heavy = ("transformers", "evaluate", "xllamacpp", "torch", "text_generation", "codeclm_hf.builders")
    code = f"import sys, codeclm_hf; print([name for name in {heavy!r} if name in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True, cwd=tmp_path
    )
    assert done.stdout.strip() == "[]"
