"""Whole packages: from every recorded schema, and from the worst that a schema can be."""

from __future__ import annotations

import ast
import builtins
import json
import re
import subprocess
import sys
from operator import attrgetter

import msgspec
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from spacetime_proto.codegen.package import MARKER, generate
from spacetime_proto.schema.load import load_schema, to_v10_json
from spacetime_proto.schema.model import ModuleDef
from spacetime_proto.schema.raw_bsatn import load_raw_module
from tests.support.golden import GOLDEN
from tests.support.hostile import hostile_modules

SCHEMAS = [
    *sorted((GOLDEN / "schema").glob("*.json")),
    *sorted((GOLDEN / "v2.14" / "schema").glob("*.json")),
]


def generate_from(path, **options):
    module = load_schema(path.read_text())
    return generate(module, source=path.name, version="1.2.3", **options)


@pytest.fixture(params=SCHEMAS, ids=lambda path: path.stem)
def schema(request):
    return request.param


def test_every_file_is_marked_and_ascii_named(schema):
    files = generate_from(schema, include_private=True)
    assert list(files) == sorted(files)
    for name, text in files.items():
        assert re.fullmatch(r"[a-z_][a-z0-9_]*\.py", name)
        assert text.startswith(MARKER)
        assert text.splitlines()[0] == f"{MARKER}1.2.3 from {schema.name}. Do not edit."
        assert text.endswith("\n")
        assert not text.endswith("\n\n")
        compile(text, name, "exec")


def test_generating_again_changes_nothing(schema):
    assert generate_from(schema) == generate_from(schema)
    # Nor does the way that the description took: the embedded schema gives the same package.
    module = load_schema(schema.read_text())
    again = load_schema(to_v10_json(module))
    first = generate(module, source="x", version="1")
    assert generate(again, source="x", version="1") == first


def test_a_package_imports_and_fits_its_own_schema(schema, import_package):
    package = import_package(generate_from(schema))
    module = load_schema(schema.read_text())
    db = package.MODULE.create_db()
    public = {table.name for table in module.tables if table.is_public and not table.is_system}
    assert {handle.table_name for handle in db} == public
    for name in public:
        attribute = package.MODULE.create_db().__attribute_names__[name]
        assert attrgetter(attribute)(db) is db[name]
        query = attrgetter(attribute)(package.tables)
        if not db[name].table.definition.params.elements:  # else it takes arguments
            assert query.sql.startswith("SELECT * FROM ")
    package.MODULE.check_fits(module)
    for name in package.__all__:
        assert getattr(package, name) is not None


def test_private_tables_and_functions_are_there_for_their_owner():
    path = next(path for path in SCHEMAS if path.stem == "sdk-test-view.v10")
    without, with_private = generate_from(path), generate_from(path, include_private=True)
    assert "class PlayerLocationTable" not in without["player_location.py"]
    assert "class PlayerLocationTable" in with_private["player_location.py"]
    assert "\nplayer_location = " not in without["tables.py"]


def test_an_empty_module_is_a_package(import_package):
    package = import_package(generate(ModuleDef(), source="nothing", version="1"))
    assert package.__all__ == ["MODULE", "Context", "Db", "procedures", "reducers", "tables"]
    assert list(package.MODULE.create_db()) == []


# --- what a schema cannot do --------------------------------------------------------------------

# Without the phase that explains failures: it traces every line, which takes minutes here.
PHASES = [Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink]

_STATEMENTS = (
    ast.ImportFrom, ast.Import, ast.ClassDef, ast.FunctionDef, ast.Assign, ast.AnnAssign, ast.If,
)  # fmt: skip


def assert_harmless(text):
    """Check that a file defines things, and at import calls nothing but our own constructors."""
    tree = ast.parse(text)
    assert isinstance(tree.body[0], ast.Expr)  # the docstring
    for statement in tree.body[1:]:
        if isinstance(statement, ast.Expr):
            assert isinstance(statement.value, ast.Constant)
            continue
        assert isinstance(statement, _STATEMENTS), ast.dump(statement)
        if isinstance(statement, (ast.ImportFrom, ast.Import)):
            assert statement.module in (
                "__future__", "builtins", "collections.abc", "enum", "typing",
                "spacetime_proto.bindings",
            ) or statement.level == 1  # fmt: skip
        if isinstance(statement, (ast.Assign, ast.AnnAssign)) and statement.value is not None:
            for node in ast.walk(statement.value):
                if isinstance(node, ast.Call):
                    called = ast.unparse(node.func).rstrip("_")
                    assert re.fullmatch(r"LegacyRegistry_*|module_*|MODULE_*\.query", called)


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck), phases=PHASES)
@given(hostile_modules(), st.text(max_size=40), st.booleans())
def test_hostile_schemas_make_harmless_packages(module, source, include_private):
    files = generate(module, source=source, version="1", include_private=include_private)
    assert len({name.casefold() for name in files}) == len(files)
    for name, text in files.items():
        assert re.fullmatch(r"[a-z_][a-z0-9_]*\.py", name)
        assert len(name) < 150
        assert text.startswith(MARKER)
        assert "\n" not in text.partition(" from ")[2].partition(". Do not edit.")[0]
        assert_harmless(text)


@settings(
    max_examples=30,
    deadline=None,
    phases=PHASES,
    suppress_health_check=[HealthCheck.function_scoped_fixture, *HealthCheck],
)
@given(hostile_modules())
def test_hostile_schemas_can_be_imported(import_package, module):
    files = generate(module, source="hostile", version="1", include_private=True)
    package = import_package(files)
    assert not hasattr(builtins, "PWNED")
    db = package.MODULE.create_db()
    names = {table.name for table in module.tables if not table.is_system}
    assert {handle.table_name for handle in db} == names
    attributes = db.__attribute_names__
    assert set(attributes) == names
    assert len(set(attributes.values())) == len(names)
    for name, attribute in attributes.items():
        assert attrgetter(attribute)(db) is db[name]
        query = attrgetter(attribute)(package.tables)
        row = package.MODULE.bound.tables[query.table].row_class
        assert row in package.MODULE.bound.types.classes.values()


def test_a_package_does_not_pull_in_the_event_loops():
    code = "import sys, spacetime_proto.bindings; print(sorted(m for m in sys.modules))"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    for heavy in ("'anyio'", "'asyncio'", "'trio'", "'spacetime_proto.codegen'", "'hypothesis'"):
        assert heavy not in out.stdout


NEWEST = GOLDEN / "v2.14" / "schema"


@pytest.mark.parametrize(
    "name", sorted(path.name.partition(".")[0] for path in NEWEST.glob("*.describe.bin"))
)
def test_it_does_not_matter_who_was_asked(name):
    """The server, an older one, and the compiled module give one package."""
    answer = (NEWEST / f"{name}.v10.json").read_text()
    expected = generate(load_schema(answer), source="x", version="1")
    compiled = load_raw_module((NEWEST / f"{name}.describe.bin").read_bytes())
    assert generate(compiled, source="x", version="1") == expected
    before = answer
    for new, old in (("new_name", "newName"), ("http_code_2", "HTTPCode2"), ("max_age", "maxAge")):
        before = before.replace(f'"some": "{new}"', f'"some": "{old}"')
        before = before.replace(f'"some":"{new}"', f'"some":"{old}"')
    assert generate(load_schema(before), source="x", version="1") == expected


def test_version_9_gives_the_same_functions():
    """As far as source and canonical names of things are the same, which version 9 does not tell."""
    for name in ("plain", "viewargs"):
        files = {}
        for version in (9, 10):
            text = (NEWEST / f"{name}.v{version}.json").read_text()
            module = load_schema(text)
            canonical = msgspec.structs.replace(
                module,
                tables=tuple(msgspec.structs.replace(t, accessor=t.name) for t in module.tables),
                reducers=tuple(
                    msgspec.structs.replace(r, accessor=r.name) for r in module.reducers
                ),
            )
            files[version] = generate(canonical, source="x", version="1")
        assert files[9]["reducers.py"] == files[10]["reducers.py"]


def test_bindings_from_before_2_14_go_on_working(import_package):
    """Their tables of submodules stand beside the others, their parameters have source names."""
    answer = json.loads((NEWEST / "combined.v10.json").read_text())
    module = load_schema(answer)
    files = generate(module, source="x", version="1")
    old = msgspec.structs.replace(
        module,
        tables=tuple(
            msgspec.structs.replace(t, accessor=t.accessor.replace("my_auth", "myAuth"))
            for t in module.tables
        ),
    )
    files["_schema.py"] = f"SCHEMA = {to_v10_json(old)!r}\n"
    db = import_package(files).MODULE.create_db()
    assert db.myAuth_session_row is db["my_auth.session_row"]
