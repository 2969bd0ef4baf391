"""What a compiled module says of itself: the BSATN of ``RawModuleDef`` (docs/protocol.md section 9).

The bytes are decoded by the ordinary codec with the types below, turned into the same JSON that a
server answers, and read by the same reader. Names in them are not canonical yet; `canonicalise` does
what the host does at publish time (section 8.5).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ..errors import DecodeError, SchemaError
from ..sats.algebraic import (
    BYTES,
    UNIT,
    AlgebraicType,
    ArrayType,
    Element,
    Primitive,
    ProductType,
    RefType,
    SumType,
    Typespace,
    Variant,
    option,
    option_payload,
    result_payloads,
    special_name,
)
from ..sats.compile import TypeContext
from ..sats.sats_json import to_json
from ..sats.type_bsatn import TYPE_TAGS
from .assemble import resolve
from .case import camel_case, snake_case
from .reader import Reader
from .v9 import read_v9
from .v10 import read_v10

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .model import ModuleDef
    from .raw import RawModule

__all__ = ["RAW_MODULE", "RAW_TYPES", "canonicalise", "load_raw_module"]

_STRING: Final = Primitive("String")
_U16: Final = Primitive("U16")
_U32: Final = Primitive("U32")
_I128: Final = Primitive("I128")
_BOOL: Final = Primitive("Bool")


def _product(**fields: AlgebraicType) -> ProductType:
    return ProductType(tuple(Element(name, ty) for name, ty in fields.items()))


def _sum(*variants: tuple[str, AlgebraicType] | str) -> SumType:
    return SumType(
        tuple(
            Variant(one, UNIT) if isinstance(one, str) else Variant(one[0], one[1])
            for one in variants
        )
    )


# References into RAW_TYPES.
_TYPE: Final = RefType(0)
_PRODUCT: Final = RefType(1)
_V10: Final = RefType(2)

_NAMED: Final = _product(name=option(_STRING), algebraic_type=_TYPE)
_TYPESPACE: Final = _product(types=ArrayType(_TYPE))
_COLUMNS: Final = ArrayType(_U16)
_ALGORITHM: Final = _sum(("BTree", _COLUMNS), ("Hash", _COLUMNS), ("Direct", _U16))
_UNIQUE: Final = _sum(("Unique", _product(columns=_COLUMNS)))
_TABLE_TYPE: Final = _sum("System", "User")
_ACCESS: Final = _sum("Public", "Private")
_LIFECYCLE: Final = _sum("Init", "OnConnect", "OnDisconnect")
_VISIBILITY: Final = _sum("Private", "ClientCallable")
_NUMBER: Final = option(_I128)


def _table_parts(name: str) -> dict[str, AlgebraicType]:
    """Return indexes, constraints and sequences; `name` is what a version calls their names."""
    label = {name: option(_STRING)}
    index = _product(**label, accessor_name=option(_STRING), algorithm=_ALGORITHM)
    sequence = _product(
        **label,
        column=_U16,
        start=_NUMBER,
        min_value=_NUMBER,
        max_value=_NUMBER,
        increment=_I128,
    )
    return {
        "indexes": ArrayType(index),
        "constraints": ArrayType(_product(**label, data=_UNIQUE)),
        "sequences": ArrayType(sequence),
    }


_V9: Final = _product(
    typespace=_TYPESPACE,
    tables=ArrayType(
        _product(
            name=_STRING,
            product_type_ref=_U32,
            primary_key=_COLUMNS,
            **_table_parts("name"),
            schedule=option(
                _product(name=option(_STRING), reducer_name=_STRING, scheduled_at_column=_U16)
            ),
            table_type=_TABLE_TYPE,
            table_access=_ACCESS,
        )
    ),
    reducers=ArrayType(_product(name=_STRING, params=_PRODUCT, lifecycle=option(_LIFECYCLE))),
    types=ArrayType(
        _product(
            name=_product(scope=ArrayType(_STRING), name=_STRING), ty=_U32, custom_ordering=_BOOL
        )
    ),
    misc_exports=ArrayType(
        _sum(
            ("ColumnDefaultValue", _product(table=_STRING, col_id=_U16, value=BYTES)),
            ("Procedure", _product(name=_STRING, params=_PRODUCT, return_type=_TYPE)),
            (
                "View",
                _product(
                    name=_STRING,
                    index=_U32,
                    is_public=_BOOL,
                    is_anonymous=_BOOL,
                    params=_PRODUCT,
                    return_type=_TYPE,
                ),
            ),
        )
    ),
    row_level_security=ArrayType(_product(sql=_STRING)),
)

_EXPLICIT_NAME: Final = _product(source_name=_STRING, canonical_name=_STRING)
_METHOD: Final = _sum(
    "Get", "Head", "Post", "Put", "Delete", "Connect", "Options", "Trace", "Patch",
    ("Extension", _STRING),
)  # fmt: skip

_SECTION: Final = _sum(
    ("Typespace", _TYPESPACE),
    (
        "Types",
        ArrayType(
            _product(
                source_name=_product(scope=ArrayType(_STRING), source_name=_STRING),
                ty=_U32,
                custom_ordering=_BOOL,
            )
        ),
    ),
    (
        "Tables",
        ArrayType(
            _product(
                source_name=_STRING,
                product_type_ref=_U32,
                primary_key=_COLUMNS,
                **_table_parts("source_name"),
                table_type=_TABLE_TYPE,
                table_access=_ACCESS,
                default_values=ArrayType(_product(col_id=_U16, value=BYTES)),
                is_event=_BOOL,
            )
        ),
    ),
    (
        "Reducers",
        ArrayType(
            _product(
                source_name=_STRING,
                params=_PRODUCT,
                visibility=_VISIBILITY,
                ok_return_type=_TYPE,
                err_return_type=_TYPE,
            )
        ),
    ),
    (
        "Procedures",
        ArrayType(
            _product(
                source_name=_STRING, params=_PRODUCT, return_type=_TYPE, visibility=_VISIBILITY
            )
        ),
    ),
    (
        "Views",
        ArrayType(
            _product(
                source_name=_STRING,
                index=_U32,
                is_public=_BOOL,
                is_anonymous=_BOOL,
                params=_PRODUCT,
                return_type=_TYPE,
            )
        ),
    ),
    (
        "Schedules",
        ArrayType(
            _product(
                source_name=option(_STRING),
                table_name=_STRING,
                schedule_at_col=_U16,
                function_name=_STRING,
            )
        ),
    ),
    ("LifeCycleReducers", ArrayType(_product(lifecycle_spec=_LIFECYCLE, function_name=_STRING))),
    ("RowLevelSecurity", ArrayType(_product(sql=_STRING))),
    ("CaseConversionPolicy", _sum("None", "SnakeCase")),
    (
        "ExplicitNames",
        _product(
            entries=ArrayType(
                _sum(
                    ("Table", _EXPLICIT_NAME),
                    ("Function", _EXPLICIT_NAME),
                    ("Index", _EXPLICIT_NAME),
                )
            )
        ),
    ),
    ("HttpHandlers", ArrayType(_product(source_name=_STRING))),
    (
        "HttpRoutes",
        ArrayType(
            _product(
                handler_function=_STRING, method=_sum("Any", ("Method", _METHOD)), path=_STRING
            )
        ),
    ),
    ("ViewPrimaryKeys", ArrayType(_product(view_source_name=_STRING, columns=ArrayType(_STRING)))),
    ("Submodules", ArrayType(_product(namespace=_STRING, module=_V10))),
)

_PAYLOADS: Final[dict[str, AlgebraicType]] = {
    "Ref": _U32,
    "Sum": _product(variants=ArrayType(_NAMED)),
    "Product": _PRODUCT,
    "Array": _TYPE,
}

RAW_TYPES: Final = Typespace(
    (
        _sum(*((name, _PAYLOADS.get(name, UNIT)) for name in TYPE_TAGS)),
        _product(elements=ArrayType(_NAMED)),
        _product(sections=ArrayType(_SECTION)),
    )
)
"""``AlgebraicType``, ``ProductType`` and ``RawModuleDefV10``, which refer to each other."""

RAW_MODULE: Final = _sum("V8", ("V9", _V9), ("V10", _V10))
"""``RawModuleDef``. The payload of version 8 is not described here: it is refused."""


def load_raw_module(data: bytes) -> ModuleDef:
    """Resolve what ``__describe_module__`` wrote.

    Raises:
        SchemaError: it is damaged, of version 8, or not a valid module description.
    """
    context = TypeContext(RAW_TYPES)
    if data[:1] == b"\0":
        raise SchemaError("schema: module descriptions of version 8 are not supported")
    codec = context.codec(RAW_MODULE)
    try:
        value = codec.decode_exact(data, what="module description")
    except DecodeError as error:
        raise SchemaError(f"schema: {error.message}") from error
    version, top = Reader(to_json(RAW_MODULE, context, value, is_checked=True)).variant()
    if version == "V9":
        return resolve(read_v9(top))
    raw = read_v10(top)
    canonicalise(raw)
    return resolve(raw)


def canonicalise(raw: RawModule) -> None:
    """Give everything in a version 10 description the name that the host would give it.

    Names that the module states explicitly stay; parameters and special types keep theirs.
    """
    for _, inner in raw.submodules:
        canonicalise(inner)
    if raw.case_policy == "None":
        return
    raw.typespace = Typespace(tuple(_rename(ty) for ty in raw.typespace.types))
    _fill(raw.table_names, (table.name for table in raw.tables))
    functions = [*raw.reducers, *raw.procedures]
    _fill(raw.function_names, (function.name for function in functions))
    _fill(raw.function_names, (view.name for view in raw.views))
    for function in functions:
        function.params = ProductType(
            tuple(Element(one.name, _rename(one.type)) for one in function.params.elements)
        )
        if function.return_type is not None:
            function.return_type = _rename(function.return_type)
    raw.view_keys = {
        view: tuple(snake_case(column) for column in columns)
        for view, columns in raw.view_keys.items()
    }


def _fill(names: dict[str, str], sources: Iterable[str]) -> None:
    for source in sources:
        names.setdefault(source, snake_case(source))


def _rename(ty: AlgebraicType) -> AlgebraicType:
    """Return a type with its fields in snake_case and its variants in camelCase."""
    if special_name(ty) is not None:
        return ty
    match ty:
        case ArrayType(element):
            return ArrayType(_rename(element))
        case ProductType(elements):
            return ProductType(
                tuple(
                    Element(one.name and snake_case(one.name), _rename(one.type))
                    for one in elements
                )
            )
        case SumType(variants):
            keeps = option_payload(ty) is not None or result_payloads(ty) is not None
            return SumType(
                tuple(
                    Variant(
                        one.name if keeps or one.name is None else camel_case(one.name),
                        _rename(one.type),
                    )
                    for one in variants
                )
            )
        case _:
            return ty
