"""The common form of both versions: parts are not shared between modules."""

from __future__ import annotations

from spacetime_proto.sats.algebraic import Typespace
from spacetime_proto.schema.raw import RawModule, RawType


def test_defaults_are_fresh() -> None:
    """A list put into one description does not show up in another."""
    first, second = RawModule(), RawModule()
    first.types.append(RawType(("a",), 0))
    first.table_names["a"] = "b"
    assert second.types == []
    assert second.table_names == {}
    assert second.typespace == Typespace()
