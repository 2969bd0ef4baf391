"""Values of any type: a small one, the smallest or emptiest, the largest, and a second small one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from spacetime_proto import (
    ConnectionId,
    Err,
    Identity,
    Ok,
    ScheduleAt,
    TimeDuration,
    Timestamp,
    Uuid,
)
from spacetime_proto.sats.algebraic import (
    BYTES,
    ArrayType,
    Primitive,
    ProductType,
    RefType,
    SumType,
    is_enum,
    option_payload,
    result_payloads,
    special_name,
)

if TYPE_CHECKING:
    from spacetime_proto.sats.algebraic import AlgebraicType
    from spacetime_proto.sats.compile import TypeContext

__all__ = ["KINDS", "Kind", "sample", "variants"]

Kind = Literal["small", "least", "most", "other"]
KINDS: tuple[Kind, ...] = ("small", "least", "most")

#: By kind, in the order of `Kind`.
_PLAIN: dict[str, tuple[Any, Any, Any, Any]] = {
    "Bool": (True, False, True, False),
    "String": ("small", "", 'naïve "quotes" \\ \0\n 日本 🎉', "other"),
    "F32": (1.5, -3.4028234663852886e38, 3.4028234663852886e38, 2.25),
    "F64": (0.1, -1.7976931348623157e308, 5e-324, 2.25),
}
_INDEX = {"small": 0, "least": 1, "most": 2, "other": 3}
#: The years that a Timestamp can be printed in, microseconds.
_TIMES = (1_700_000_000_123_456, -62_135_596_800_000_000, 253_402_300_799_999_999, 7_000_000)


def sample(context: TypeContext, type_: AlgebraicType, kind: Kind = "small") -> Any:
    """Return a value of a type of a module.

    Args:
        context: the module's types.
        type_: the type.
        kind: which value; they differ from each other wherever the type has enough values.
    """
    at = _INDEX[kind]
    special = special_name(type_)
    if special is not None:
        return _special(special, at)
    if isinstance(type_, Primitive):
        plain = _PLAIN.get(type_.name)
        return plain[at] if plain else _integers(type_.name)[at]
    if type_ == BYTES:
        return (b"\1\2\3", b"", bytes(range(256)), b"\7")[at]
    if isinstance(type_, ArrayType):
        if kind == "least":
            return []
        kinds: tuple[Kind, ...] = ("small", "least", "most") if kind == "most" else (kind,)
        return [sample(context, type_.element, one) for one in kinds]
    if isinstance(type_, SumType):
        payload = option_payload(type_)
        if payload is not None:
            return None if kind == "least" else sample(context, payload, kind)
        both = result_payloads(type_)
        if both is not None:
            good, bad = both
            return Err(sample(context, bad, kind)) if at % 2 else Ok(sample(context, good, kind))
    return _named(context, type_, kind)


def variants(context: TypeContext, type_: AlgebraicType, kind: Kind = "small") -> list[Any]:
    """Return a value of every variant of a sum type that has a class."""
    cls: Any = context.python_class(type_)
    resolved = context.typespace.types[type_.index] if isinstance(type_, RefType) else type_
    assert isinstance(resolved, SumType)
    if is_enum(resolved):
        return list(cls)
    return [
        made(sample(context, variant.type, kind)) if made.__struct_fields__ else made()
        for made, variant in zip(cls.__variants__, resolved.variants, strict=True)
    ]


def _named(context: TypeContext, type_: AlgebraicType, kind: Kind) -> Any:
    resolved = context.typespace.types[type_.index] if isinstance(type_, RefType) else type_
    if isinstance(resolved, ProductType):
        cls: Any = context.python_class(type_)
        if not resolved.elements:
            return () if cls is None else cls()
        return cls(*(sample(context, element.type, kind) for element in resolved.elements))
    if not isinstance(resolved, SumType):
        return sample(context, resolved, kind)
    values = variants(context, type_, kind)
    return values[(0, 0, -1, 1)[_INDEX[kind]] % len(values)]


def _integers(name: str) -> tuple[int, int, int, int]:
    bits = int(name[1:])
    if name[0] == "U":
        return 7, 0, 2**bits - 1, 9
    return -7, -(2 ** (bits - 1)), 2 ** (bits - 1) - 1, 9


def _special(name: str, at: int) -> Any:
    number = (0x1234, 0, None, 0x77)[at]
    match name:
        case "Timestamp":
            return Timestamp(_TIMES[at])
        case "TimeDuration":
            return TimeDuration((1_500_000, -(2**63) + 1, 2**63 - 1, 7)[at])
        case "ScheduleAt":
            span = TimeDuration((1_500_000, -7, 2**62, 7)[at])
            return ScheduleAt.Time(Timestamp(_TIMES[at])) if at % 2 else ScheduleAt.Interval(span)
        case _:
            cls = {"Identity": Identity, "ConnectionId": ConnectionId, "Uuid": Uuid}[name]
            return cls.from_int(2 ** (8 * cls.SIZE) - 1 if number is None else number)
