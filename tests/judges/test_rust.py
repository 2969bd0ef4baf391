"""Values and types against the crate that the server reads and writes them with.

Every value goes to the judge as our BSATN and as our SATS-JSON in both styles. What the judge
writes must be the same bytes and the same JSON, and we must read its JSON as the same value.
"""

from __future__ import annotations

from math import isfinite
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, seed, settings
from hypothesis import strategies as st

from spacetime_proto.errors import DecodeError, LimitExceeded
from spacetime_proto.sats.algebraic import (
    AlgebraicType,
    ArrayType,
    Element,
    Primitive,
    ProductType,
    RefType,
    SumType,
    Typespace,
)
from spacetime_proto.sats.bsatn import decode
from spacetime_proto.sats.compile import TypeContext
from spacetime_proto.sats.sats_json import Style, dumps, from_json, loads, to_json
from spacetime_proto.schema.reader import type_to_json
from spacetime_proto.testing import strategies as sts
from tests.support.type_bytes import decode_type, encode_type

from .cases import JUDGED, LONG, SEED, Case, Count, cases, doubles, plain

if TYPE_CHECKING:
    from .conftest import Judge

pytestmark = LONG

NAN, INFINITY = float("nan"), float("inf")
STYLES: tuple[Style, ...] = ("objects", "positional", "named")


def ask(judge: Judge, case: Case, **items: list[str]) -> Any:
    """Return the judge's verdicts on values of the case's type."""
    return judge(
        of="value", typespace=case.typespace.hex(), type=encode_type(case.type).hex(), **items
    )


def case_of(ty: AlgebraicType, *values: Any) -> Case:
    """Return a case of values given, without a typespace."""
    context = TypeContext(Typespace())
    return Case(context, ty, list(values), [context.codec(ty).encode(value) for value in values])


def same_units(json: Any) -> Any:
    """Return parsed JSON with the unit always ``[]``: the crate writes ``{}`` with names at hand."""
    match json:
        case dict():
            return {name: same_units(item) for name, item in json.items()} or []
        case list():
            return list(map(same_units, json))
    return json


def is_finite(case: Case, value: Any) -> bool:
    """Say whether no float in the value is NaN or infinite, which JSON cannot say."""
    return all(map(isfinite, doubles(plain(case.context, case.type, value))))


def test_values(rust: Judge) -> None:
    count = Count()

    @seed(SEED)
    @settings(parent=JUDGED, max_examples=1800)
    @given(cases())
    def run(case: Case) -> None:
        texts: list[str] = []
        wanted: list[str] = []
        for data, value in zip(case.encoded, case.values, strict=True):
            count.values += 1
            if is_finite(case, value):
                for style in STYLES:
                    texts.append(dumps(to_json(case.type, case.context, value, style=style)))
                    wanted.append(data.hex())
        answer = ask(rust, case, bsatn=[data.hex() for data in case.encoded], json=texts)
        assert [verdict.get("bsatn", verdict) for verdict in answer["json"]] == wanted
        for data, verdict in zip(case.encoded, answer["bsatn"], strict=True):
            assert verdict.get("bsatn") == data.hex(), verdict
            assert verdict["left"] == 0
            assert_read_back(case, data, verdict)

    run()
    assert count.values >= 10_000


def assert_read_back(case: Case, data: bytes, verdict: Any) -> None:
    """Check that we read the same value from the bytes and from the judge's JSON of them."""
    codec, context = case.codec, case.context
    value = codec.decode_exact(data)
    assert codec.encode(value) == data
    positional = loads(verdict["positional"])
    assert positional == to_json(case.type, context, value, style="positional")
    written = [positional]
    if verdict["objects"] is not None:
        written.append(loads(verdict["objects"]))
        assert same_units(written[-1]) == same_units(to_json(case.type, context, value))
    if is_finite(case, value):
        for json in written:
            assert codec.encode(from_json(case.type, context, json)) == data


def has_sizeless_elements(case: Case) -> bool:
    """Whether an array's elements take no bytes.

    The crate has no limit there: a count of 2^32 units in 4 bytes takes it all memory there is.
    """
    seen: set[int] = set()

    def look(ty: AlgebraicType) -> bool:
        match ty:
            case RefType(index):
                if index in seen:
                    return False
                seen.add(index)
                return look(case.context.typespace.types[index])
            case ArrayType(element):
                return case.context.codec(element).min_size == 0 or look(element)
            case ProductType(elements):
                return any(look(element.type) for element in elements)
            case SumType(variants):
                return any(look(variant.type) for variant in variants)
            case _:
                return False

    return look(case.type)


def test_damaged_values(rust: Judge) -> None:
    """What one refuses the other refuses, and what both read is the same."""
    count = Count()

    @seed(SEED)
    @settings(parent=JUDGED, max_examples=1800)
    @given(cases(), st.data())
    def run(case: Case, draw: st.DataObject) -> None:
        if has_sizeless_elements(case):
            return
        ours: dict[bytes, tuple[int, str] | DecodeError | LimitExceeded] = {}
        for data in (draw.draw(sts.damaged(data)) for data in case.encoded):
            try:
                value, end = decode(case.type, case.context.shapes, case.context.layout, data)
            except (DecodeError, LimitExceeded) as error:
                ours[data] = error
            else:
                ours[data] = len(data) - end, case.codec.encode(value).hex()
        verdicts = ask(rust, case, bsatn=[data.hex() for data in ours])["bsatn"]
        for (data, mine), verdict in zip(ours.items(), verdicts, strict=True):
            count.values += 1
            if not isinstance(mine, tuple):
                assert "error" in verdict, (data.hex(), mine)
            else:
                assert mine == (verdict.get("left"), verdict.get("bsatn")), (data.hex(), verdict)

    run()
    assert count.values >= 10_000


def test_types(rust: Judge) -> None:
    @seed(SEED)
    @settings(parent=JUDGED, max_examples=1000)
    @given(sts.algebraic_types(3, max_leaves=20))
    def run(ty: AlgebraicType) -> None:
        data, text = encode_type(ty), dumps(type_to_json(ty))
        answer = rust(of="type", bsatn=[data.hex()], json=[text])
        for verdict in (*answer["bsatn"], *answer["json"]):
            assert verdict.get("bsatn") == data.hex(), verdict
            assert loads(verdict["objects"]) == loads(text)
            assert verdict["left"] == 0
        assert decode_type(data) == (ty, len(data))

    run()


# --- what the crate cannot say --------------------------------------------------------------------


def test_floats_that_json_cannot_say(rust: Judge) -> None:
    case = case_of(ArrayType(Primitive("F64")), [NAN, INFINITY, -INFINITY])
    (verdict,) = ask(rust, case, bsatn=[case.encoded[0].hex()])["bsatn"]
    assert verdict["bsatn"] == case.encoded[0].hex()
    assert (
        verdict["positional"]
        == "[null,null,null]"
        == dumps(to_json(case.type, case.context, case.values[0]))
    )
    assert "error" in ask(rust, case, json=["[null]"])["json"][0]
    with pytest.raises(DecodeError, match="a number expected"):
        from_json(case.type, case.context, [None])


def test_a_field_without_a_name_in_an_object(rust: Judge) -> None:
    """The crate cannot write it with names; we write an array, which it reads."""
    case = case_of(ProductType((Element(None, Primitive("U8")),)), (7,))
    (verdict,) = ask(rust, case, bsatn=["07"])["bsatn"]
    assert verdict["objects"] is None
    assert verdict["positional"] == "[7]" == dumps(to_json(case.type, case.context, (7,)))
    (verdict,) = ask(rust, case, json=["[7]"])["json"]
    assert verdict["bsatn"] == "07"


def test_a_signalling_nan_of_32_bits(rust: Judge) -> None:
    """Python's floats are doubles, and to make one of a signalling F32 quiets it.

    Rows are kept and compared as bytes, so this shows only where a value is encoded again.
    """
    case = case_of(Primitive("F32"), NAN)
    signalling = bytes.fromhex("0100807f")
    (verdict,) = ask(rust, case, bsatn=[signalling.hex()])["bsatn"]
    assert verdict["bsatn"] == signalling.hex()
    assert case.codec.encode(case.codec.decode_exact(signalling)).hex() == "0100c07f"
    for kept in ("0100c07f", "0100c0ff", "010000000000f07f"):
        ty = Primitive("F32" if len(kept) == 8 else "F64")
        codec = case.context.codec(ty)
        assert codec.encode(codec.decode_exact(bytes.fromhex(kept))).hex() == kept
