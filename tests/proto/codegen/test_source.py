"""A file in the making: imports give way to public names, long lines are broken."""

from __future__ import annotations

import pytest

from spacetime_proto.codegen.source import (
    BINDINGS,
    Group,
    SourceFile,
    Symbol,
    all_names,
    natural_key,
)


def rendered(file):
    return file.render("# header")


def test_an_empty_file_has_header_and_docstring():
    assert rendered(SourceFile(['"""Doc."""'], ())) == (
        '# header\n"""Doc."""\n\nfrom __future__ import annotations\n'
    )


def test_imports_are_grouped_sorted_and_only_what_is_used():
    file = SourceFile(['"""Doc."""'], ["x"])
    file.use("._legacy", "LEGACY")
    file.use(".", "reducers")
    file.use(BINDINGS, "Struct")
    file.use(BINDINGS, "Call")
    file.use("typing", "ClassVar")
    file.use("collections.abc", "Iterator")
    file.use("builtins", "int")
    file.annotation((Symbol(".user", "User"), " | ", Symbol(".item10", "B"), Symbol(".item9", "A")))
    file.add("x = 1")
    assert rendered(file) == "\n".join([
        "# header",
        '"""Doc."""',
        "",
        "from __future__ import annotations",
        "",
        "from collections.abc import Iterator",
        "from typing import TYPE_CHECKING, ClassVar",
        "",
        "from spacetime_proto.bindings import Call, Struct",
        "",
        "from . import reducers",
        "from ._legacy import LEGACY",
        "",
        "if TYPE_CHECKING:",
        "    from .item9 import A",
        "    from .item10 import B",
        "    from .user import User",
        "",
        "x = 1",
        "",
    ])  # fmt: skip


def test_an_import_that_would_be_shadowed_gets_another_name():
    file = SourceFile((), ["int", "Identity", "User", "TYPE_CHECKING"])
    assert file.annotation((Symbol("builtins", "int"),)) == "int_"
    assert file.use(BINDINGS, "Identity") == "Identity_"
    assert file.use(BINDINGS, "Identity") == "Identity_"
    assert file.use(".user", "User", runtime=False) == "User_"
    assert file.use(".other", "User", runtime=False) == "User__"
    text = rendered(file)
    assert "from builtins import int as int_\n" in text
    assert "from spacetime_proto.bindings import Identity as Identity_\n" in text
    assert "    from .other import User as User__\n    from .user import User as User_\n" in text
    assert "from typing import TYPE_CHECKING as TYPE_CHECKING_\n" in text
    assert "if TYPE_CHECKING_:\n" in text


def test_members_imported_under_another_name_stand_on_lines_of_their_own():
    file = SourceFile((), ["B"])
    for name in ("A", "B", "C"):
        file.use(BINDINGS, name)
    assert (
        "from spacetime_proto.bindings import A, C\nfrom spacetime_proto.bindings import B as B_\n"
    ) in rendered(file)


def test_many_members_are_imported_one_per_line():
    file = SourceFile((), ())
    for number in range(12):
        file.use(BINDINGS, f"Name{number}")
    text = rendered(file)
    assert "from spacetime_proto.bindings import (\n    Name0,\n    Name1,\n    Name2,\n" in text
    assert "    Name9,\n    Name10,\n    Name11,\n)\n" in text


def test_what_the_file_defines_itself_is_not_imported():
    file = SourceFile((), ["User"], ".user")
    assert file.use(".user", "User") == "User"
    assert "import User" not in rendered(file)


def test_a_symbol_used_at_run_time_once_is_imported_for_it():
    file = SourceFile((), ())
    file.annotation((Symbol(".user", "User"),))
    file.use(".user", "User")
    assert "TYPE_CHECKING" not in rendered(file)


def test_definitions_stand_two_lines_below_the_imports():
    file = SourceFile((), ())
    file.add("class X: ...")
    assert "annotations\n\n\nclass X: ..." in rendered(file)


def test_ambiguous_names_are_excused_once_for_the_file():
    file = SourceFile(['"""Doc."""'], ["l"])
    assert rendered(file).startswith(
        '# header\n# ruff: noqa: E741, E742, E743, RUF100\n"""Doc."""\n'
    )


@pytest.mark.parametrize(
    ("node", "lines"),
    [
        (Group("f(", ("a", "b"), ")"), ["x = f(a, b)"]),
        ("y" * 100, ["x = " + "y" * 100]),
        (Group("f(", (), ")"), ["x = f()"]),
        (
            Group("f(", ("a" * 60, Group("g[", ("b" * 50, "c" * 50), "]")), ")"),
            ["x = f(", f"    {'a' * 60},", "    g[", f"        {'b' * 50},", f"        {'c' * 50},",
             "    ],", ")"],
        ),
        (Group("g[", ("b" * 90,), "]"), ["x = g[", f"    {'b' * 90}", "]"]),
    ],
)  # fmt: skip
def test_code_is_broken_at_its_brackets_where_it_is_too_long(node, lines):
    file = SourceFile((), ())
    file.layout("x = ", node)
    assert file.lines == lines


def test_signatures():
    file = SourceFile((), ())
    file.signature("f", [], "None")
    file.signature("g", ["a: int", f"b: {'B' * 70}"], "None", "    ")
    assert file.lines == [
        "def f() -> None:",
        "    def g(",
        "        a: int,",
        f"        b: {'B' * 70},",
        "    ) -> None:",
    ]


def test_all_names_are_sorted_as_linters_do():
    names = ["b", "User", "MODULE", "Db", "a", "Item10", "Item9", "b", "A"]
    assert all_names(names) == ["MODULE", "A", "Db", "Item9", "Item10", "User", "a", "b"]
    assert natural_key("item9") < natural_key("item10")
