"""The text of what holds a package together."""

from __future__ import annotations

import ast
import json

from spacetime_proto.client.context import Context
from spacetime_proto.codegen.package import generate
from spacetime_proto.codegen.render_package import render_schema
from spacetime_proto.sats.algebraic import Primitive
from spacetime_proto.schema.load import load_schema
from tests.support.modules import make_module, product

ROW = product(id=Primitive("U8"))


def files(tables, **types):
    return generate(make_module({"User": ROW, **types}, tables), source="test", version="1")


def test_the_tables_of_a_client():
    text = files({"user": "User", "old.user": ("User", {})})["_db.py"]
    assert text.endswith(
        "if TYPE_CHECKING:\n"
        "    from .old_user import OldUserTable\n"
        "    from .user import UserTable\n"
        "\n"
        "\n"
        "class OldDb(DbNamespace):\n"
        '    """The tables of submodule ``old``: ``client.db.old``."""\n'
        "\n"
        "    user: OldUserTable\n"
        "\n"
        "\n"
        "class Db(DbBase):\n"
        '    """The tables of this database: ``client.db``."""\n'
        "\n"
        "    user: UserTable\n"
        "    old: OldDb\n"
        "\n"
        "\n"
        "Context = Context_[Db]\n"
        '"""The first argument of callbacks: ``ctx.db`` is a `Db`."""\n'
    )


def test_the_module():
    text = files({"user": "User", "old.user": ("User", {})})["_module.py"]
    assert (
        "MODULE: Module[Db] = module(\n"
        "    SCHEMA,\n"
        "    db=Db,\n"
        '    tables={"old.user": OldUserTable, "user": UserTable},\n'
        "    classes={0: User},\n"
        "    legacy=LEGACY,\n"
        ")\n"
    ) in text


def test_the_context_of_callbacks_keeps_its_name(import_package):
    package = import_package(files({"context": "Context"}, Context=ROW))
    assert package.Context == Context[package.Db]
    assert package.Context_(1).id == 1


def test_the_tables_as_queries():
    text = files({"user": "User", "MODULE": "User"})["tables.py"]
    assert text.endswith(
        "from ._module import MODULE as MODULE_\n"
        "from .module import ModuleColumns\n"
        "from .user import User, UserColumns\n"
        "\n"
        'MODULE = MODULE_.query(User, ModuleColumns, "MODULE")\n'
        'user = MODULE_.query(User, UserColumns, "user")\n'
    )


def test_the_front_door():
    text = files({"user": "User"}, Zed=ROW)["__init__.py"]
    assert '"""Bindings for test.\n' in text
    assert "Tables: `user`.\n" in text
    assert text.endswith(
        "from . import procedures, reducers, tables\n"
        "from ._db import Context, Db\n"
        "from ._module import MODULE\n"
        "from .user import User\n"
        "\n"
        "__all__ = [\n"
        '    "MODULE",\n    "Context",\n    "Db",\n    "User",\n    "procedures",\n    "reducers",\n    "tables",\n'
        "]\n"
    )


def test_many_tables_are_counted():
    tables = {f"t{number}": "User" for number in range(10)}
    assert "`t7` and 2 more.\n" in files(tables)["__init__.py"]
    assert "Tables: none.\n" in files({})["__init__.py"]


def test_the_schema_is_one_literal_in_short_lines():
    text = files({"user": "User"})["_schema.py"]
    assert max(map(len, text.splitlines())) <= 88
    namespace = {}
    exec(compile(text, "_schema", "exec"), namespace)  # the very thing that importing it does
    assert load_schema(namespace["SCHEMA"]).tables[0].name == "user"


def test_a_change_of_the_schema_changes_few_lines():
    def lines(count):
        entries = [{"name": "n" * 20, "number": number} for number in range(count)]
        return render_schema(json.dumps({"list": entries}), "# h").splitlines()

    before, after = lines(20), lines(21)
    assert len(set(after) - set(before)) <= 2
    tree = ast.parse("\n".join(after))
    assert json.loads(ast.literal_eval(tree.body[-1].value))["list"][20]["number"] == 20


def test_tables_of_submodules_as_queries():
    text = files({"user": "User", "a.b.c": ("User", {}), "a.d.c": ("User", {})})["tables.py"]
    assert text.endswith(
        'user = MODULE.query(User, UserColumns, "user")\n'
        "\n"
        "\n"
        "class a:\n"
        '    """The tables of submodule ``a``."""\n'
        "\n"
        "    class b:\n"
        '        """The tables of submodule ``a.b``."""\n'
        "\n"
        '        c = MODULE.query(User, ABCColumns, "a.b.c")\n'
        "\n"
        "    class d:\n"
        '        """The tables of submodule ``a.d``."""\n'
        "\n"
        '        c = MODULE.query(User, ADCColumns, "a.d.c")\n'
    )
