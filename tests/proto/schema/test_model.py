"""The module description is a value."""

from __future__ import annotations

from spacetime_proto.sats.algebraic import UNIT
from spacetime_proto.schema.model import ModuleDef, ReducerDef, TableDef


def test_descriptions_compare_by_what_they_say() -> None:
    """And can be made of names alone."""
    assert ModuleDef() == ModuleDef()
    assert TableDef("t", "t", 0, ()) == TableDef("t", "t", 0, ())
    reducer = ReducerDef("r", "r", UNIT)
    assert (reducer.ok_type, reducer.err_type, reducer.is_private) == (UNIT, None, False)
