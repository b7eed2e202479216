"""A card with all that could get out of a page, and a picture."""

from __future__ import annotations

import struct
import zlib

WORD = "W" * 10_000


HOSTILE = f"""---
license: apache2
tags: [a, "<script>alert(1)</script>", {WORD}]
pretty_name: "</title><script>alert(2)</script>\\u202e gnidaeh"
language: no
configs:
- config_name: "<img src=x onerror=alert(3)>"
  data_files: {WORD}
{WORD[:1000]}: {WORD[:1000]}
nested: [[1, [2, [3]]], {{x: {{y: {{z: [1, {{w: 2}}]}}}}}}]
---
# A heading <script>alert(4)</script> {WORD[:200]}

<script>alert(5); fetch("http://evil.example/x")</script>

<img src="http://evil.example/y.png" onerror="alert(6)">

<style>body {{ display: none }}</style>

<iframe src="http://evil.example/"></iframe>

<svg onload="alert(7)"><a href="javascript:alert(8)">x</a></svg>

Inline <b onmouseover="alert(9)">bold</b>, <br>a break, <!-- nothing --> <base href="http://evil.example/">.

[one](javascript:alert(10)), [two](JaVaScRiPt:alert(11)), [three](data:text/html,<script>alert(12)</script>),
[four](vbscript:x), [five](&#x6A;avascript:alert(13)), [six](java&Tab;script:alert(14)), [seven](//evil.example/z),
[eight](file:///etc/passwd), [nine](x:y), <javascript:alert(15)>, [ten](/root),
[good](https://huggingface.co "\\"><script>alert(16)</script>"), [here](#a-heading), [file](LICENSE), <mailto:a@b.c>.

![remote](http://evil.example/remote.png) ![protocol](//evil.example/p.png) ![data](data:image/svg+xml,<svg/onload=x>)
![outside](../secret.png) ![absolute](/etc/passwd) ![missing](figures/none.png) ![](<x" onerror="alert(17)>)

> [!WARNING]
> A warning with <script>alert(18)</script>.

> [!TIP]

{WORD}

`{WORD}`

````html"><script>alert(19)</script>
<script>alert(20)</script> {WORD}
```
nested
```
````

| {WORD} | b | <script>alert(21)</script> |
|---|---|---|
| {WORD} | ![x](http://evil.example/t.png) | c |

| {" | ".join(f"column {n}" for n in range(30))} |
|{"---|" * 30}
| {" | ".join(["cell"] * 30)} |

RTL: \u202eevil txt.exe\u202c &#x202e;evil&#x2066; \u2067isolated\u2069 mark.

שלום עולם, זהו משפט בעברית.

{"> " * 45}deep

{"- " * 45}deep list

<details>
<summary>A fold-out with <b>markup</b></summary>

Inside, **bold**.

</details>

> <details>
> <summary>never closed in a quote</summary>
>
> inside

after the quote </details>

</details>

<details><summary>never closed</summary>

### {WORD[:200]}

<!-- never closed
<script>alert(22)</script>
"""


def png(width: int = 3, height: int = 2, grey: int = 128) -> bytes:
    """A picture in one grey."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = zlib.compress((b"\0" + bytes([grey]) * width) * height)
    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")
