"""Lists of use cases and skills in files."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from codeclm_hf import BadInput
from codeclm_hf.builders import load_names

LISTS = {
    "a.txt": "\ufeffSQL query\r\n\r\n  C++ \r\nC#",
    "b.json": '["SQL query", "C++", "C#"]',
    "c.json": '[{"use_case": "SQL query"}, {"use_case": "C++"}, {"use_case": "C#"}]',
    "d.jsonl": '{"use_case": "SQL query"}\n\n{"use_case": " C++"}\n{"use_case": "C#", "skills": ["x"]}\n',
    "e.csv": "skills,use_case\nx,SQL query\ny,C++\n,C#\n",
    "f.yaml": "- SQL query\n- C++\n- 'C#'\n",
    "g.yml": "- use_case: SQL query\n- use_case: C++\n- use_case: 'C#'\n",
}


@pytest.mark.parametrize("name", [*LISTS, "h.parquet"])
def test_every_format_gives_the_same_names(tmp_path: Path, name: str) -> None:
    """In the file's order, without blank lines and white space."""
    if name in LISTS:
        (tmp_path / name).write_text(LISTS[name], newline="", encoding="utf-8")
    else:
        pq.write_table(pa.table({"use_case": ["SQL query", "C++", "C#"]}), tmp_path / name)
    assert load_names(str(tmp_path / name), "use_case") == ("SQL query", "C++", "C#")


BAD = {
    "a.txt": ("", r"needs at least one skill; `.*a\.txt` holds none; write one a line"),
    "b.txt": ("\n \n", "needs at least one skill"),
    "c.txt": (
        "SQL query\n\nsql-queries\n",
        "each skill once; c.txt, row 3 has `sql-queries`, and c.txt, row 1 has `SQL query`; leave one of them out",
    ),
    "d.txt": ("x\nx\n", "each skill once; d.txt, row 2 has `x`, and d.txt, row 1 has `x`"),
    "e.txt": ("a" * 81, "e.txt, row 1: the name is longer than 80 characters; names need one a line"),
    "f.txt": (b"\xff", "f.txt, row 1: the name holds characters that are not valid UTF-8"),
    "g.json": ('["a", 5]', r"g.json, row 2: the name is a number \(5\), needs text; .* a column `skill`"),
    "h.json": ("[]", "needs at least one skill"),
    "i.json": ("[{", "not JSON"),
    "j.csv": ("use_case\na\n", "j.csv, row 2: the name is missing; names need a list, or a column `skill`"),
    "k.yaml": ("{a: 1}", "needs a list of rows"),
    "l.doc": ("a", "ends in one of .txt"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_list_that_cannot_be_used_is_refused(tmp_path: Path, name: str) -> None:
    """One sentence says which row and why."""
    content, words = BAD[name]
    (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(BadInput, match=words) as caught:
        load_names(str(tmp_path / name), "skill")
    assert "\n" not in str(caught.value)


def test_a_list_that_is_not_there_is_named(tmp_path: Path) -> None:
    """The path is in the error."""
    with pytest.raises(BadInput, match=r"a file with a use case a line; there is no file `.*none\.txt`"):
        load_names(str(tmp_path / "none.txt"), "use_case")
