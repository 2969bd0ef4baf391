"""Modules of SpacetimeDB 2.14: what they say of themselves is what the server answers."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest

from spacetime_proto.sats.algebraic import ProductType
from spacetime_proto.schema.case import snake_case
from spacetime_proto.schema.load import load_schema, to_v10_json
from spacetime_proto.schema.model import EnvironmentDef, HttpRouteDef, ModuleDef, OutboxDef
from spacetime_proto.schema.raw_bsatn import load_raw_module

GOLDEN = Path(__file__).parents[2] / "golden" / "v2.14" / "schema"
NAMES = sorted(path.name.partition(".")[0] for path in GOLDEN.glob("*.v10.json"))


def answered(name: str, version: int = 10) -> ModuleDef:
    """Return what the server answers."""
    return load_schema((GOLDEN / f"{name}.v{version}.json").read_text())


def compiled(name: str, form: str) -> ModuleDef:
    """Return what the module, or the server in the form of a module, says."""
    return load_raw_module((GOLDEN / f"{name}.{form}.bin").read_bytes())


def params(ty: ProductType) -> list[str]:
    """Return names of parameters, one way."""
    return [snake_case(element.name or "") for element in ty.elements]


@pytest.mark.parametrize("name", [name for name in NAMES if name != "m214"])
@pytest.mark.parametrize("form", ["describe", "published"])
def test_what_a_module_says_of_itself(name: str, form: str) -> None:
    """Source names are made canonical as the server does it; canonical ones stay."""
    assert compiled(name, form) == answered(name)


@pytest.mark.parametrize("name", NAMES)
def test_written_again(name: str) -> None:
    """What is read from the server can be written and read again."""
    module = answered(name)
    assert load_schema(to_v10_json(module)) == module


@pytest.mark.parametrize("name", NAMES)
def test_version_9(name: str) -> None:
    """It says the same as far as it says anything: nothing of submodules, source parameter names."""
    old, new = answered(name, 9), answered(name)
    tables = {table.name: table for table in new.tables if "." not in table.name}
    assert {table.name for table in old.tables} == set(tables)
    for table in old.tables:
        now = tables[table.name]
        assert (table.columns, table.params.elements and ()) == (now.columns, ())
        assert params(table.params) == params(now.params)
        assert table.unique_columns == now.unique_columns or now.is_view
    reducers = {reducer.name: reducer for reducer in new.reducers if "." not in reducer.name}
    assert {one.name: params(one.params) for one in old.reducers} == {
        name: params(one.params) for name, one in reducers.items()
    }
    assert not (old.environment or old.outboxes or old.http_routes)


def test_names_of_parameters_are_canonical() -> None:
    """By the module's policy."""
    (reducer,) = answered("plain").reducers
    assert [one.name for one in reducer.params.elements] == ["new_name", "http_code_2"]
    (view, _) = compiled("viewargs", "describe").tables[::-1]
    assert [one.name for one in view.params.elements] == ["min_level", "team_name"]
    kept = compiled("plain_no_conversion", "describe")
    names = [one.name for reducer in kept.reducers for one in reducer.params.elements]
    assert names == ["newName"]


def test_environment() -> None:
    """Sorted, without repetitions; a declared environment may be empty."""
    assert compiled("environment", "describe").environment == (
        EnvironmentDef("API_KEY", "string"),
        EnvironmentDef("KIND", "literal", ("x",), optional=True),
        EnvironmentDef("MODE", "union", ("dev", "prod"), optional=True),
    )
    assert answered("environment_empty").environment == ()


def test_outbox() -> None:
    """An ordinary table, and a reducer that only the server calls."""
    module = compiled("outbox", "describe")
    digits = "cd56a361ec7eb3678cb41abe5fa0b16e59aae83c8fda3bb7f0b57255d0c43f92"
    assert module.outboxes == (
        OutboxDef("outbound_pings", "receive_ping", 1, (2,), "ping_sent", digits),
    )
    assert {one.name: one.is_private for one in module.reducers} == {
        "ping_sent": True,
        "receive_ping": False,
    }


@pytest.mark.parametrize("callback", [True, False])
def test_outboxes_of_2_12(callback: bool) -> None:
    """The hash was a text then, in JSON and in bytes, under the same tag."""
    digits = "cd56a361ec7eb3678cb41abe5fa0b16e59aae83c8fda3bb7f0b57255d0c43f92"
    data = (GOLDEN / "outbox.describe.bin").read_bytes()
    raw = bytes.fromhex(digits)
    assert data.count(raw) == 1
    text = len(digits).to_bytes(4, "little") + digits.encode()
    old = data.replace(raw, text)
    expected = answered("outbox")
    name = b"\0\x08\0\0\0pingSent"
    if not callback:
        old = old.replace(name + text, b"\1" + text)
    assert old != data
    found = load_raw_module(old)
    assert found.outboxes == tuple(
        outbox if callback else msgspec.structs.replace(outbox, on_result_reducer=None)
        for outbox in expected.outboxes
    )
    if callback:
        assert found == expected
        answer = json.loads((GOLDEN / "outbox.v10.json").read_text())
        (boxes,) = (one["Outboxes"] for one in answer["sections"] if "Outboxes" in one)
        boxes[0]["signature_hash"] = digits
        assert load_schema(answer) == expected
        odd = msgspec.structs.replace(
            expected, outboxes=(msgspec.structs.replace(found.outboxes[0], signature_hash="?"),)
        )
        assert load_schema(to_v10_json(odd)) == odd


def test_submodules() -> None:
    """Wire names are canonical, level by level; accessors are the source path in snake_case."""
    for name, namespace in (("submodule", "my_auth"), ("namespace", "authz")):
        module = answered(name)
        assert [(table.name, table.accessor) for table in module.tables] == [
            (f"{namespace}.sessions", "my_auth.sessions"),
            ("plain_table", "plainTable"),
        ]
        assert [(one.name, one.accessor) for one in module.reducers] == [
            (f"{namespace}.clean_expired", "my_auth.clean_expired")
        ]
        assert [one.name for one in module.types] == ["MyAuthSessions", "PlainTable"]


def test_namespaces_before_2_11() -> None:
    """There is no entry for them: they are called as they stand."""
    answer = json.loads((GOLDEN / "submodule.v10.json").read_text())
    for one in answer["sections"]:
        if "ExplicitNames" in one:
            entries = one["ExplicitNames"]["entries"]
            entries[:] = [entry for entry in entries if "Namespace" not in entry]
    module = load_schema(answer)
    assert [(table.name, table.accessor) for table in module.tables] == [
        ("myAuth.sessions", "my_auth.sessions"),
        ("plain_table", "plainTable"),
    ]


def test_views_with_parameters_have_no_key() -> None:
    """Not even those that return a query of a table with one."""
    tables = {table.name: table for table in answered("viewargs").tables}
    assert (tables["mine"].primary_key, tables["players_by"].primary_key) == (0, None)
    answer = json.loads((GOLDEN / "submodule.v10.json").read_text())
    inner = next(one for one in answer["sections"] if "Submodules" in one)["Submodules"][0]
    field = {"name": {"some": "__query__"}, "algebraic_type": {"Ref": 0}}
    view = {
        "source_name": "by",
        "index": 0,
        "is_public": True,
        "is_anonymous": True,
        "params": {"elements": []},
        "return_type": {"Product": {"elements": [field]}},
    }
    element = {"name": {"some": "level"}, "algebraic_type": {"U8": []}}
    called = view | {"source_name": "called", "params": {"elements": [element]}}
    inner["module"]["sections"].append({"Views": [view, called]})
    found = {table.name: table.primary_key for table in load_schema(answer).tables}
    assert (found["my_auth.by"], found["my_auth.called"]) == (0, None)


def test_http_routes() -> None:
    """Handlers by their canonical names, whatever a route calls them."""
    expected = (
        HttpRouteDef("Any", "/get", "get_simple"),
        HttpRouteDef("POST", "/post", "get_simple"),
    )
    assert compiled("http", "describe").http_routes == answered("http").http_routes == expected
    answer = json.loads((GOLDEN / "http.v10.json").read_text())
    before = [one for one in answer["sections"] if "ExplicitNames" not in one]
    for one in before:
        for route in one.get("HttpRoutes", ()):
            route["handler_function"] = "get_simple"  # as 2.8.3 says it
    assert load_schema({"sections": before}).http_routes == expected


def test_routes_are_written_again() -> None:
    """Methods that have a name in schemas, and others."""
    methods = ("Any", "GET", "PATCH", "PURGE", "get", "Foo")
    routes = tuple(HttpRouteDef(method, "/", "h") for method in methods)
    module = ModuleDef(http_routes=routes)
    assert load_schema(to_v10_json(module)) == module
