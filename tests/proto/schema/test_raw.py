"""The common form of both versions: parts are not shared between modules."""

from __future__ import annotations

from spacetime_proto.sats.algebraic import UNIT, Typespace
from spacetime_proto.schema.raw import RawFunction, RawModule, RawTable, RawType, RawView


def test_defaults_are_fresh() -> None:
    """A list put into one description does not show up in another."""
    first, second = RawModule(), RawModule()
    first.types.append(RawType(("a",), 0))
    first.table_names["a"] = "b"
    assert second.types == []
    assert second.table_names == {}
    assert second.typespace == Typespace()


def test_defaults() -> None:
    """What a description leaves out."""
    assert RawTable("t", 0, "").is_public
    assert RawFunction("f", UNIT, False).ok_type == UNIT
    assert RawView("v", UNIT, "").is_public
