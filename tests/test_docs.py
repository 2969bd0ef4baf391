"""What the documents point at is there, and their programs are Python."""

from __future__ import annotations

import ast
import pkgutil
import re
import textwrap
from pathlib import Path
from typing import Any

import pytest

from spacetime_proto.limits import DEFAULT_LIMITS, Limits

ROOT = Path(__file__).parent.parent
DOCUMENTS = sorted(
    path
    for path in [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("*/README.md")]
    if path.is_file()
)
#: ``[text](target)`` and ``![text](target)``.
LINK = re.compile(r"\]\(([^)\s]+)\)")
#: A file of this repository, named in prose.
FILE = re.compile(r"`((?:spacetime_proto|spacetime_transports|docs|tests)/[\w./-]+)`")
#: A module, class or function of this project, named in prose.
DOTTED = re.compile(r"`((?:spacetime_proto|spacetime_transports)(?:\.\w+)+)(?=[`(])")
OURS = re.compile(r"(?:spacetime_proto|spacetime_transports)\b")
FENCE = re.compile(r"^( *)```(\w*)[^\n]*\n(.*?)^\1```", re.DOTALL | re.MULTILINE)


def prose(text: str) -> str:
    """Return a document without its code, in which brackets are no links."""
    return re.sub(r"`[^`\n]*`", "", FENCE.sub("", text))


def anchors(text: str) -> set[str]:
    """Return the names that a document's headings have on GitHub."""
    titles = re.findall(r"^#+ (.+)$", FENCE.sub("", text), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", DOCUMENTS, ids=name)
def test_links_lead_somewhere(path: Path) -> None:
    for link in LINK.findall(prose(path.read_text())):
        if re.match(r"[a-z]+:", link):
            continue
        target, _, anchor = link.partition("#")
        file = path.parent / target if target else path
        assert file.exists(), f"{name(path)}: {link}"
        if anchor:
            assert anchor in anchors(file.read_text()), f"{name(path)}: {link}"


@pytest.mark.parametrize("path", DOCUMENTS, ids=name)
def test_files_that_are_named_are_there(path: Path) -> None:
    for file in FILE.findall(FENCE.sub("", path.read_text())):
        assert (ROOT / file).exists(), f"{name(path)}: {file}"


@pytest.mark.parametrize("path", DOCUMENTS, ids=name)
def test_programs_compile(path: Path) -> None:
    for _, language, code in FENCE.findall(path.read_text()):
        if language == "python":
            compile(textwrap.dedent(code), name(path), "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)


@pytest.mark.parametrize("path", DOCUMENTS, ids=name)
def test_names_of_this_project_are_there(path: Path) -> None:
    """Those that programs import, fragments included, and those that the prose names with dots."""
    text = path.read_text()
    wanted = set(DOTTED.findall(text))
    for _, language, code in FENCE.findall(text):
        if language == "python":
            for node in ast.walk(ast.parse(textwrap.dedent(code))):
                if isinstance(node, ast.ImportFrom) and OURS.match(node.module or ""):
                    wanted.update(f"{node.module}.{alias.name}" for alias in node.names)
    for dotted in sorted(wanted):
        assert pkgutil.resolve_name(dotted) is not None, f"{name(path)}: {dotted}"


def test_the_regular_expressions_see_what_they_should() -> None:
    text = "# A `b`: c\n[x](y.md#z) `a[0](1)`\n```python\nq[0](no)\n```\n"
    assert LINK.findall(prose(text)) == ["y.md#z"]
    assert anchors(text) == {"a-b-c"}
    assert [(language, code) for _, language, code in FENCE.findall(text)] == [
        ("python", "q[0](no)\n")
    ]


def shown(name: str, value: Any) -> str:
    """Return a limit as the table writes it."""
    if isinstance(value, bool):
        return str(value)
    if name.endswith("_time"):
        return f"{value:g} s"
    if name.endswith("_size") or name == "decompression_floor":
        unit, size = max(
            (unit, size) for unit, size in ((10, "KiB"), (20, "MiB"), (30, "GiB")) if value >> unit
        )
        return f"{value >> unit} {size}"
    return f"{value:,}"


def test_the_table_of_limits_is_that_of_the_code() -> None:
    """Each limit with its name, its default and its error, in the order of the code."""
    text = (ROOT / "docs" / "choosing-a-protocol.md").read_text()
    table = text.partition("| limit | default |")[2].partition("\n\n")[0]
    rows = re.findall(r"^\| `(\w+)` \| (.+?) \| .+? \| .+? \|$", table, re.MULTILINE)
    assert rows == [
        (name, shown(name, getattr(DEFAULT_LIMITS, name))) for name in Limits.__struct_fields__
    ]
