"""Values against the official TypeScript SDK's reader, writer and serialisers.

Every value goes to the judge as our BSATN, which it reads, tells in plain form and writes again, and
in plain form, from which it makes a value of its own and writes that. What JavaScript or the SDK
cannot hold is left out; below each such thing has a test that shows it.
"""

from __future__ import annotations

from math import isnan
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import assume, given, seed, settings

from spacetime_proto.sats.algebraic import (
    AlgebraicType,
    ArrayType,
    Primitive,
    RefType,
    Typespace,
    option,
    option_payload,
    result,
    result_payloads,
)
from spacetime_proto.sats.compile import TypeContext
from spacetime_proto.schema.reader import type_to_json
from spacetime_proto.types import Err, Ok, Some

from .cases import JUDGED, LONG, SEED, Case, Count, cases, double, parts, plain

if TYPE_CHECKING:
    from .conftest import Judge

pytestmark = LONG

CANONICAL_NAN = "7ff8000000000000"
BYTE_ORDER_MARK = "\ufeff"


def ask(judge: Judge, case: Case, **items: list[Any]) -> Any:
    """Return the judge's verdicts on values of the case's type."""
    typespace = [type_to_json(ty) for ty in case.context.typespace.types]
    return judge(typespace=typespace, type=type_to_json(case.type), **items)


def is_ended_by_a_struct(types: tuple[AlgebraicType, ...]) -> bool:
    """Say whether every circle of references leads through a product or a sum of the user's own.

    The SDK remembers only those while it builds a serialiser; others it builds without end.
    """

    def next_refs(ty: AlgebraicType) -> list[int]:
        if isinstance(ty, RefType):
            return [ty.index]
        if isinstance(ty, ArrayType):
            return next_refs(ty.element)
        payloads = result_payloads(ty) or (option_payload(ty),)
        return [ref for payload in payloads if payload is not None for ref in next_refs(payload)]

    def is_free(ref: int, above: frozenset[int]) -> bool:
        if ref in above:
            return False
        return all(is_free(inner, above | {ref}) for inner in next_refs(types[ref]))

    return all(is_free(ref, frozenset()) for ref in range(len(types)))


def can_read(value: Any) -> bool:
    """Say whether JavaScript can hold a value, given in plain form."""
    for part in parts(value):
        match part:
            case {"double": bits} if isnan(double(bits)) and bits != CANONICAL_NAN:
                return False
            case {"some": None}:
                return False
            case str() if part.startswith(BYTE_ORDER_MARK):
                return False
    return True


def can_write(value: Any) -> bool:
    """Say whether the SDK can write a value that it can hold: it writes an err as if it were an ok."""
    return not any(isinstance(part, dict) and "err" in part for part in parts(value))


def test_values(typescript: Judge) -> None:
    count = Count()

    @seed(SEED)
    @settings(parent=JUDGED, max_examples=1800)
    @given(cases())
    def run(case: Case) -> None:
        assume(is_ended_by_a_struct(case.context.typespace.types))
        told = {
            data: form
            for data, value in zip(case.encoded, case.values, strict=True)
            if can_read(form := plain(case.context, case.type, value))
        }
        answer = ask(
            typescript, case, bsatn=[data.hex() for data in told], plain=list(told.values())
        )
        judged = zip(told.items(), answer["bsatn"], answer["plain"], strict=True)
        for (data, form), from_bsatn, from_plain in judged:
            count.values += 1
            assert from_bsatn["plain"] == form, from_bsatn
            assert from_bsatn["left"] == 0
            if can_write(form):
                assert from_bsatn["bsatn"] == data.hex()
                assert from_plain == {"bsatn": data.hex()}

    run()
    assert count.values >= 10_000


# --- what JavaScript, or the SDK, cannot hold -----------------------------------------------------


def verdict_on(judge: Judge, ty: AlgebraicType, data: bytes) -> Any:
    """Return the one verdict on one encoded value."""
    (verdict,) = ask(judge, Case(TypeContext(Typespace()), ty, [], []), bsatn=[data.hex()])["bsatn"]
    return verdict


def encoded(ty: AlgebraicType, value: Any) -> tuple[bytes, Any]:
    """Return our encoding of a value and the value in plain form."""
    context = TypeContext(Typespace())
    return context.codec(ty).encode(value), plain(context, ty, value)


def test_some_of_none_is_none(typescript: Judge) -> None:
    ty = option(option(Primitive("U8")))
    data, form = encoded(ty, Some(None))
    assert (data, form) == (b"\x00\x01", {"some": None})
    assert not can_read(form)
    assert verdict_on(typescript, ty, data) == {"plain": None, "left": 0, "bsatn": "01"}


def test_nan_payloads_may_be_lost(typescript: Judge) -> None:
    """A signalling NaN of 32 bits is quiet once it is a number."""
    verdict = verdict_on(typescript, Primitive("F32"), bytes.fromhex("0100807f"))
    assert verdict["bsatn"] == "0100c07f"
    assert not can_read(verdict["plain"])


def test_a_byte_order_mark_is_dropped(typescript: Judge) -> None:
    data, form = encoded(Primitive("String"), BYTE_ORDER_MARK + "x")
    assert not can_read(form)
    assert verdict_on(typescript, Primitive("String"), data)["plain"] == "x"


def test_an_err_is_written_as_an_ok(typescript: Judge) -> None:
    ty = result(Primitive("U32"), Primitive("String"))
    data, form = encoded(ty, Err("no"))
    assert can_read(form)
    assert not can_write(form)
    verdict = verdict_on(typescript, ty, data)
    assert verdict["plain"] == form
    assert verdict["bsatn"] != data.hex()
    data, form = encoded(ty, Ok(7))
    assert verdict_on(typescript, ty, data) == {"plain": form, "left": 0, "bsatn": data.hex()}


def test_a_circle_of_arrays_has_no_serialiser(typescript: Judge) -> None:
    types = (ArrayType(RefType(0)),)
    assert not is_ended_by_a_struct(types)
    with pytest.raises(AssertionError, match="Maximum call stack size exceeded"):
        ask(typescript, Case(TypeContext(Typespace(types)), RefType(0), [], []))
