"""The types of ``RawModuleDef``, which modules describe themselves with (docs/protocol.md section 9)."""

from __future__ import annotations

from typing import Final

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
)
from .v10 import HTTP_VERBS

_STRING: Final = Primitive("String")
_U16: Final = Primitive("U16")
_U32: Final = Primitive("U32")
_I128: Final = Primitive("I128")
_BOOL: Final = Primitive("Bool")


def _product(**fields: AlgebraicType) -> ProductType:
    return ProductType(tuple(Element(name, ty) for name, ty in fields.items()))


def _list(**fields: AlgebraicType) -> ArrayType:
    return ArrayType(_product(**fields))


def _sum(**variants: AlgebraicType) -> SumType:
    return SumType(tuple(Variant(name, ty) for name, ty in variants.items()))


def _enum(*names: str) -> SumType:
    return _sum(**dict.fromkeys(names, UNIT))


# References into the typespace of the description.
_TYPE: Final = RefType(0)
_PRODUCT: Final = RefType(1)
_V10: Final = RefType(2)
SECTION: Final = RefType(3)
_HASH: Final = RefType(4)

_TYPESPACE: Final = _product(types=ArrayType(_TYPE))
_PARTS: Final = _list(name=option(_STRING), algebraic_type=_TYPE)
_COLUMNS: Final = ArrayType(_U16)
_ALGORITHM: Final = _sum(BTree=_COLUMNS, Hash=_COLUMNS, Direct=_U16)
_UNIQUE: Final = _sum(Unique=_product(columns=_COLUMNS))
_TABLE_TYPE: Final = _enum("System", "User")
_ACCESS: Final = _enum("Public", "Private")
_LIFECYCLE: Final = _enum("Init", "OnConnect", "OnDisconnect")
_VISIBILITY: Final = _enum("Private", "ClientCallable")
_NUMBER: Final = option(_I128)


def _table(name: str) -> dict[str, AlgebraicType]:
    """Return the first fields of a table; `name` is the key of names in this version."""
    label = {name: option(_STRING)}
    return {
        name: _STRING,
        "product_type_ref": _U32,
        "primary_key": _COLUMNS,
        "indexes": _list(**label, accessor_name=option(_STRING), algorithm=_ALGORITHM),
        "constraints": _list(**label, data=_UNIQUE),
        "sequences": _list(
            **label,
            column=_U16,
            start=_NUMBER,
            min_value=_NUMBER,
            max_value=_NUMBER,
            increment=_I128,
        ),
    }


def _view(name: str) -> ProductType:
    return _product(
        **{name: _STRING},
        index=_U32,
        is_public=_BOOL,
        is_anonymous=_BOOL,
        params=_PRODUCT,
        return_type=_TYPE,
    )


def _types(name: str) -> ArrayType:
    segments: dict[str, AlgebraicType] = {"scope": ArrayType(_STRING), name: _STRING}
    full = _product(**segments)
    return _list(**{name: full}, ty=_U32, custom_ordering=_BOOL)


_V9: Final = _product(
    typespace=_TYPESPACE,
    tables=_list(
        **_table("name"),
        schedule=option(
            _product(name=option(_STRING), reducer_name=_STRING, scheduled_at_column=_U16)
        ),
        table_type=_TABLE_TYPE,
        table_access=_ACCESS,
    ),
    reducers=_list(name=_STRING, params=_PRODUCT, lifecycle=option(_LIFECYCLE)),
    types=_types("name"),
    misc_exports=ArrayType(
        _sum(
            ColumnDefaultValue=_product(table=_STRING, col_id=_U16, value=BYTES),
            Procedure=_product(name=_STRING, params=_PRODUCT, return_type=_TYPE),
            View=_view("name"),
        )
    ),
    row_level_security=_list(sql=_STRING),
)

_EXPLICIT_NAME: Final = _product(source_name=_STRING, canonical_name=_STRING)
_NAME_KINDS: Final = ("Table", "Function", "Index", "Namespace")
_METHOD: Final = _sum(**dict.fromkeys(HTTP_VERBS, UNIT), Extension=_STRING)

_SECTION: Final = _sum(
    Typespace=_TYPESPACE,
    Types=_types("source_name"),
    Tables=_list(
        **_table("source_name"),
        table_type=_TABLE_TYPE,
        table_access=_ACCESS,
        default_values=_list(col_id=_U16, value=BYTES),
        is_event=_BOOL,
    ),
    Reducers=_list(
        source_name=_STRING,
        params=_PRODUCT,
        visibility=_VISIBILITY,
        ok_return_type=_TYPE,
        err_return_type=_TYPE,
    ),
    Procedures=_list(
        source_name=_STRING, params=_PRODUCT, return_type=_TYPE, visibility=_VISIBILITY
    ),
    Views=ArrayType(_view("source_name")),
    Schedules=_list(
        source_name=option(_STRING), table_name=_STRING, schedule_at_col=_U16, function_name=_STRING
    ),
    LifeCycleReducers=_list(lifecycle_spec=_LIFECYCLE, function_name=_STRING),
    RowLevelSecurity=_list(sql=_STRING),
    CaseConversionPolicy=_enum("None", "SnakeCase"),
    ExplicitNames=_product(entries=ArrayType(_sum(**dict.fromkeys(_NAME_KINDS, _EXPLICIT_NAME)))),
    HttpHandlers=_list(source_name=_STRING),
    HttpRoutes=_list(handler_function=_STRING, method=_sum(Any=UNIT, Method=_METHOD), path=_STRING),
    ViewPrimaryKeys=_list(view_source_name=_STRING, columns=ArrayType(_STRING)),
    Submodules=_list(namespace=_STRING, module=_V10),
    Environment=_list(
        name=_STRING,
        ty=_sum(String=UNIT, StringLiteral=_STRING, Union=ArrayType(_STRING)),
        optional=_BOOL,
    ),
    Outboxes=_list(
        table_name=_STRING,
        remote_reducer=_STRING,
        target_column=_U16,
        arg_columns=_COLUMNS,
        on_result_reducer=option(_STRING),
        signature_hash=_HASH,
    ),
)

_TYPE_TAGS: Final = (
    "Ref", "Sum", "Product", "Array", "String", "Bool", "I8", "U8", "I16", "U16", "I32", "U32",
    "I64", "U64", "I128", "U128", "I256", "U256", "F32", "F64",
)  # fmt: skip
"""The variants of ``AlgebraicType`` by tag (docs/protocol.md section 1.2)."""
_PAYLOADS: Final[dict[str, AlgebraicType]] = {
    "Ref": _U32,
    "Sum": _product(variants=_PARTS),
    "Product": _PRODUCT,
    "Array": _TYPE,
}


def raw_types(signature_hash: AlgebraicType) -> Typespace:
    """Return the types that refer to each other.

    Args:
        signature_hash: how the hash of an outbox is written, which changed without a new tag.
    """
    return Typespace(
        (
            _sum(**{name: _PAYLOADS.get(name, UNIT) for name in _TYPE_TAGS}),
            _product(elements=_PARTS),
            _product(sections=ArrayType(SECTION)),
            _SECTION,
            signature_hash,
        )
    )


RAW_TYPES: Final = raw_types(Primitive("U256"))
"""The types as SpacetimeDB 2.14 has them."""
RAW_TYPES_2_12: Final = raw_types(_STRING)
"""The types as 2.12 and 2.13 had them."""

RAW_MODULE: Final = _sum(V8=UNIT, V9=_V9, V10=_V10)
"""``RawModuleDef``. The payload of version 8 is not described here: it is refused."""
