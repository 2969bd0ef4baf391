"""A subscription to all tables: what it subscribes to is known once the protocol is."""

from __future__ import annotations

from typing import Any

import pytest

from spacetime_proto.bindings import Module, dynamic_module
from spacetime_proto.client.all_tables import AllTables, choose
from spacetime_proto.sats.algebraic import Primitive, RefType
from spacetime_proto.schema.load import load_schema, to_v10_json
from tests.support.modules import make_module, product
from tests.support.script import Script

ROW = product(id=Primitive("U32"))
PARAMS = product(level=Primitive("U32"), at=RefType(0))


def module() -> Module[Any]:
    made = make_module(
        {"Row": ROW},
        {
            "alert": ("Row", {"is_event": True}),
            "item": "Row",
            "mine": ("Row", {"is_view": True}),
            "near": ("Row", {"is_view": True, "params": PARAMS}),
            "secret": ("Row", {"is_public": False}),
            "st_x": ("Row", {"is_system": True}),
        },
    )
    return dynamic_module(load_schema(to_v10_json(made)))


ALWAYS_OUT = {
    "near": "it is a view with parameters, so it needs arguments",
    "secret": "it is private",
    "st_x": "it is a system table",
}


def test_what_is_left_out_depends_on_the_protocol() -> None:
    queries, left_out = choose(module().bound, "v3.bsatn.spacetimedb")
    assert queries == [f'SELECT * FROM "{name}"' for name in ("alert", "item", "mine")]
    assert left_out == ALWAYS_OUT
    for protocol in ("v1.bsatn.spacetimedb", "v1.json.spacetimedb"):
        queries, left_out = choose(module().bound, protocol)
        assert queries == ['SELECT * FROM "item"', 'SELECT * FROM "mine"']
        assert left_out.keys() == {"alert", *ALWAYS_OUT}
        assert left_out["alert"].endswith(f"needs v2 or v3 (this connection has {protocol})")


@pytest.mark.parametrize("protocol", ["v1.json", "v1.bsatn", "v2.bsatn", "v3.bsatn"])
def test_the_queries_are_chosen_when_the_protocol_is_known(protocol: str) -> None:
    script = Script(f"{protocol}.spacetimedb", module=module(), will_reconnect=True)
    subscription = script.session.subscribe("SELECT * FROM item WHERE id = 1", AllTables())
    assert subscription.left_out == {}
    for _ in range(2):  # again after a reconnect
        script.open()
        (sent,) = script.received()
        assert tuple(getattr(sent, "query_strings", ())) == subscription.queries
        assert subscription.queries[0] == "SELECT * FROM item WHERE id = 1"
        assert ('SELECT * FROM "alert"' in subscription.queries) is not protocol.startswith("v1")
        assert "near" in subscription.left_out
        script.lose()


def test_a_view_s_parameters_survive_the_schema() -> None:
    assert module().definition.tables[3].params == PARAMS
