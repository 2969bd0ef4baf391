"""Types as data: references, and the types that are recognised by their structure."""

from __future__ import annotations

import pytest

from spacetime_proto.sats.algebraic import (
    BYTES,
    CONNECTION_ID,
    IDENTITY,
    INTEGER_BITS,
    PRIMITIVE_SIZES,
    SCHEDULE_AT,
    TIME_DURATION,
    TIMESTAMP,
    UNIT,
    UUID,
    ArrayType,
    Element,
    Primitive,
    ProductType,
    RefType,
    SumType,
    Typespace,
    Variant,
    is_enum,
    option,
    option_payload,
    result,
    result_payloads,
    special_name,
)

U8, U256, STRING = Primitive("U8"), Primitive("U256"), Primitive("String")


def test_references_are_followed() -> None:
    """Through any number of others, but not in circles and not out of the typespace."""
    space = Typespace((RefType(1), U8, RefType(3), RefType(2), RefType(9), RefType(-1)))
    assert space.resolve(RefType(0)) == U8
    assert space.resolve(STRING) == STRING
    for index in (2, 4, 5):
        with pytest.raises(ValueError, match="leads nowhere"):
            space.resolve(RefType(index))


def test_special_types_are_recognised_by_structure() -> None:
    """Exact field names and types; anything else is an ordinary type."""
    names = {
        "Identity": IDENTITY,
        "ConnectionId": CONNECTION_ID,
        "Timestamp": TIMESTAMP,
        "TimeDuration": TIME_DURATION,
        "Uuid": UUID,
        "ScheduleAt": SCHEDULE_AT,
    }
    for name, ty in names.items():
        assert special_name(ty) == name
    for other in (
        U8,
        UNIT,
        ProductType((Element("__identity__", U8),)),
        ProductType((Element("identity", U256),)),
        ProductType((Element("__identity__", U256), Element("x", U8))),
        SumType((Variant("interval", TIME_DURATION), Variant("time", TIMESTAMP))),
        SumType((Variant("Time", TIMESTAMP), Variant("Interval", TIME_DURATION))),
        SumType((Variant("Time", TIMESTAMP),)),
    ):
        assert special_name(other) is None


def test_options_and_results() -> None:
    """By lowercase names in the given order."""
    assert option_payload(option(U8)) == U8
    assert result_payloads(result(U8, STRING)) == (U8, STRING)
    for other in (
        U8,
        SumType((Variant("Some", U8), Variant("None", UNIT))),
        SumType((Variant("none", UNIT), Variant("some", U8))),
        SumType((Variant("some", U8), Variant("none", U8))),
        SumType((Variant("some", U8),)),
        result(U8, U8),
    ):
        assert option_payload(other) is None
    for other in (
        U8,
        option(U8),
        SumType((Variant("ok", U8),)),
        SumType((Variant("err", U8), Variant("ok", U8))),
    ):
        assert result_payloads(other) is None


def test_simple_enums() -> None:
    """Sums of units only, at least one, and neither option nor result."""
    assert is_enum(SumType((Variant("a", UNIT),)))
    assert is_enum(SumType((Variant("none", UNIT), Variant("some", UNIT))))
    for other in (
        U8,
        UNIT,
        SumType(),
        SumType((Variant("a", UNIT), Variant("b", U8))),
        option(UNIT),
        result(UNIT, UNIT),
        SCHEDULE_AT,
        SumType((Variant("a", RefType(0)),)),
    ):
        assert not is_enum(other)


def test_types_are_values() -> None:
    """They compare and hash by structure."""
    assert ArrayType(Primitive("U8")) == BYTES
    assert hash(option(STRING)) == hash(option(Primitive("String")))
    assert ProductType() == UNIT
    assert len({option(U8), option(U8), U8}) == 2


def test_tables_of_primitives() -> None:
    """Sizes and widths agree."""
    assert PRIMITIVE_SIZES["U256"] == 32
    assert {
        f"{sign}{bits}": bits for bits in (8, 16, 32, 64, 128, 256) for sign in "IU"
    } == INTEGER_BITS
