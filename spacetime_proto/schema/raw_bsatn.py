"""Reads what a compiled module says of itself: ``RawModuleDef`` (docs/protocol.md section 9).

The description is BSATN. It is decoded by the ordinary codec with the types below, turned into the
same JSON that a server answers, and read by the same reader. Its names are not canonical yet;
`canonicalise` does what the host does at publish time (section 8.5).
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
    map_parts,
    option,
    option_payload,
    result_payloads,
    special_name,
)
from ..sats.compile import TypeContext
from ..sats.sats_json import to_json
from .assemble import resolve
from .case import camel_case, snake_case
from .reader import Reader
from .v9 import read_v9
from .v10 import read_v10

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .model import ModuleDef
    from .raw import RawModule

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


# References into RAW_TYPES.
_TYPE: Final = RefType(0)
_PRODUCT: Final = RefType(1)
_V10: Final = RefType(2)

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
_METHODS: Final = ("Get", "Head", "Post", "Put", "Delete", "Connect", "Options", "Trace", "Patch")
_METHOD: Final = _sum(**dict.fromkeys(_METHODS, UNIT), Extension=_STRING)

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
    ExplicitNames=_product(
        entries=ArrayType(_sum(**dict.fromkeys(("Table", "Function", "Index"), _EXPLICIT_NAME)))
    ),
    HttpHandlers=_list(source_name=_STRING),
    HttpRoutes=_list(handler_function=_STRING, method=_sum(Any=UNIT, Method=_METHOD), path=_STRING),
    ViewPrimaryKeys=_list(view_source_name=_STRING, columns=ArrayType(_STRING)),
    Submodules=_list(namespace=_STRING, module=_V10),
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

RAW_TYPES: Final = Typespace(
    (
        _sum(**{name: _PAYLOADS.get(name, UNIT) for name in _TYPE_TAGS}),
        _product(elements=_PARTS),
        _product(sections=ArrayType(_SECTION)),
    )
)
"""``AlgebraicType``, ``ProductType`` and ``RawModuleDefV10``, which refer to each other."""

RAW_MODULE: Final = _sum(V8=UNIT, V9=_V9, V10=_V10)
"""``RawModuleDef``. The payload of version 8 is not described here: it is refused."""


def load_raw_module(data: bytes) -> ModuleDef:
    """Return the module that ``__describe_module__`` described.

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
    keeps = option_payload(ty) is not None or result_payloads(ty) is not None
    ty = map_parts(ty, _rename)
    match ty:
        case ProductType(elements):
            named = (Element(one.name and snake_case(one.name), one.type) for one in elements)
            return ProductType(tuple(named))
        case SumType(variants) if not keeps:
            return SumType(
                tuple(Variant(one.name and camel_case(one.name), one.type) for one in variants)
            )
        case _:
            return ty
