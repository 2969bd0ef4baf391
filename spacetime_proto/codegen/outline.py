"""The names of all files and classes of a package, decided before anything is written."""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING, Final, Literal

import msgspec

from ..sats.algebraic import (
    ArrayType,
    Primitive,
    ProductType,
    SumType,
    option_payload,
    special_name,
)
from ..sats.pytypes import field_names, variant_names
from ..schema.attributes import function_attributes, table_accessors, table_attributes
from ..schema.case import parameter_names, pascal_case, python_name, python_names
from .source import Symbol
from .type_hints import Annotator
from .visible import class_kind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..sats.algebraic import AlgebraicType, Element, Variant
    from ..schema.attributes import Accessor
    from ..schema.model import ModuleDef, ProcedureDef, ReducerDef, TableDef
    from .source import Annotation

__all__ = ["ColumnModel", "FunctionModel", "PackageModel", "TableModel", "TypeModel", "build_model"]

#: File names that every package has, without ``.py``.
FIXED_STEMS: Final = (
    "__init__",
    "_db",
    "_legacy",
    "_module",
    "_schema",
    "procedures",
    "reducers",
    "tables",
)
# Windows opens devices under these names, whatever the ending.
_DEVICES: Final = frozenset(
    ("aux", "con", "nul", "prn", *(f"{port}{n}" for port in ("com", "lpt") for n in range(10)))
)
_MAX_STEM: Final = 100
_WORD_BOUNDARY: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


class ColumnModel(msgspec.Struct, frozen=True):
    """A column or field."""

    name: str
    """Canonical name."""
    attribute: str
    type: AlgebraicType
    annotation: Annotation


class TypeModel(msgspec.Struct, frozen=True):
    """A class of values: a row, struct, enum or sum."""

    name: str
    ref: int
    kind: str
    stem: str
    """Its file, without ``.py``."""
    type: ProductType | SumType
    fields: tuple[ColumnModel, ...] = ()
    """The fields of a product; for sums the variants, by Python name."""


class TableModel(msgspec.Struct, frozen=True):
    """A table, its row class and the classes that go with it."""

    definition: TableDef
    attribute: str
    """Its name on ``client.db`` and in ``tables``, with dots in submodules."""
    stem: str
    prefix: str
    """The table in PascalCase: the name of its 0.7 class; the other classes have a suffix."""
    row: TypeModel
    has_own_row: bool
    """Whether the row class is defined in this table's file and is the 0.7 class too."""
    accessors: tuple[Accessor, ...]

    @property
    def kind(self) -> Literal["event", "keyed", "plain"]:
        """Which handle class it gets."""
        if self.definition.is_event:
            return "event"
        return "plain" if self.definition.primary_key is None else "keyed"

    def legacy_filters(self) -> list[int]:
        """Return the columns that have a ``filter_by_`` function: all but structs and sums."""
        return [at for at, column in enumerate(self.row.fields) if _has_legacy_filter(column.type)]


class FunctionModel(msgspec.Struct, frozen=True):
    """A reducer or procedure."""

    definition: ReducerDef | ProcedureDef
    attribute: str
    """Its name in ``reducers`` or ``procedures``, with dots in submodules."""
    name: str
    """The same without dots."""
    stem: str
    """The 0.7 file of a reducer, without ``.py``; empty for procedures."""
    parameters: tuple[ColumnModel, ...]
    returns: Annotation


class PackageModel(msgspec.Struct, frozen=True):
    """A package of bindings."""

    module: ModuleDef
    annotator: Annotator
    types: tuple[TypeModel, ...]
    tables: tuple[TableModel, ...]
    reducers: tuple[FunctionModel, ...]
    procedures: tuple[FunctionModel, ...]
    class_names: dict[int, str]


def build_model(module: ModuleDef) -> PackageModel:
    """Choose the names and files.

    Args:
        module: what `visible_part` returned.
    """
    names = {type_def.ref: type_def.name for type_def in module.types}
    stems = _Stems(FIXED_STEMS)
    prefixes, table_stems, row_tables = _table_files(module, names, stems)
    homes: dict[int, Symbol] = {}
    for type_def in module.types:
        if type_def.ref in row_tables:
            stem = table_stems[row_tables[type_def.ref]]
        else:
            stem = stems.claim(file_stem(type_def.name), "_type")
        homes[type_def.ref] = Symbol(f".{stem}", type_def.name)
    annotator = Annotator(module.typespace, homes)
    types = {
        type_def.ref: _type_model(module, type_def.ref, homes[type_def.ref], annotator)
        for type_def in module.types
    }
    attributes = table_attributes(module.tables)
    tables = tuple(
        TableModel(
            definition=table,
            attribute=attributes[table.name],
            stem=table_stems[table.name],
            prefix=prefixes[table.name],
            row=types[table.row_ref],
            has_own_row=row_tables.get(table.row_ref) == table.name,
            accessors=()
            if table.is_event
            else table_accessors(table, [field.attribute for field in types[table.row_ref].fields]),
        )
        for table in module.tables
    )
    return PackageModel(
        module=module,
        annotator=annotator,
        types=tuple(types.values()),
        tables=tables,
        reducers=_functions(module.reducers, annotator, stems),
        procedures=_functions(module.procedures, annotator, None),
        class_names=names,
    )


def _table_files(
    module: ModuleDef, names: dict[int, str], stems: _Stems
) -> tuple[dict[str, str], dict[str, str], dict[int, str]]:
    """Return class prefix and file by table, and by row type the table that has it in its file."""
    prefixes: dict[str, str] = {}
    files: dict[str, str] = {}
    rows: dict[int, str] = {}
    # A table keeps its own name before a view that returns its rows under the same one.
    for table in sorted(module.tables, key=lambda table: table.is_view):
        words = "".join(pascal_case(part) for part in table.accessor.split("."))
        prefix = prefixes[table.name] = python_name(words)
        files[table.name] = stems.claim(file_stem(table.accessor), "_table")
        if names[table.row_ref].rstrip("_") == prefix.rstrip("_"):
            rows.setdefault(table.row_ref, table.name)
    return prefixes, files, rows


def _type_model(module: ModuleDef, ref: int, home: Symbol, annotator: Annotator) -> TypeModel:
    ty = module.typespace.types[ref]
    kind = class_kind(ty) or ""
    parts: Sequence[Element | Variant]
    if isinstance(ty, ProductType):
        parts, attributes = ty.elements, field_names(ty)
    else:
        ty = ty if isinstance(ty, SumType) else SumType()
        parts, attributes = ty.variants, variant_names(ty)
    fields = _columns(parts, attributes, annotator)
    return TypeModel(home.name, ref, kind, home.module[1:], ty, fields)


def _columns(
    parts: Sequence[Element | Variant], attributes: Sequence[str], annotator: Annotator
) -> tuple[ColumnModel, ...]:
    return tuple(
        ColumnModel(
            attribute if part.name is None else part.name,
            attribute,
            part.type,
            annotator.of(part.type),
        )
        for part, attribute in zip(parts, attributes, strict=True)
    )


def _functions(
    definitions: Sequence[ReducerDef | ProcedureDef], annotator: Annotator, stems: _Stems | None
) -> tuple[FunctionModel, ...]:
    functions = []
    paths = function_attributes(definition.accessor for definition in definitions)
    names = python_names(path.replace(".", "_") for path in paths)
    for definition, path, name in zip(definitions, paths, names, strict=True):
        elements = definition.params.elements
        attributes = parameter_names(definition.params)
        returned = getattr(definition, "return_type", None) or getattr(definition, "ok_type", None)
        assert returned is not None  # each of the two kinds has one of them
        functions.append(
            FunctionModel(
                definition=definition,
                attribute=path,
                name=name,
                stem=stems.claim(f"{file_stem(definition.accessor)}_reducer") if stems else "",
                parameters=_columns(elements, attributes, annotator),
                returns=annotator.returned(returned),
            )
        )
    return tuple(functions)


def _has_legacy_filter(ty: AlgebraicType) -> bool:
    if special_name(ty) is not None or option_payload(ty) is not None:
        return True
    return isinstance(ty, (Primitive, ArrayType))


# --- files --------------------------------------------------------------------------------------


def file_stem(name: str) -> str:
    """Return a name for a file: ASCII, lower case, an identifier, of bounded length.

    ``PlayerInfo`` becomes ``player_info``. A name that loses characters gets a short hash of the
    whole name appended, which keeps it distinct.
    """
    snake = _WORD_BOUNDARY.sub("_", name.replace(".", "_")).lower()
    stem = re.sub(r"[^a-z0-9_]", "_", snake)
    if stem != snake or len(stem) > _MAX_STEM:
        digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:8]
        stem = f"{stem[:_MAX_STEM].strip('_')}_{digest}"
    stem = python_name(stem)
    return f"{stem}_" if stem in _DEVICES else stem


class _Stems:
    """The files of a package; their names are lower case, for file systems that ignore case."""

    def __init__(self, fixed: Sequence[str]) -> None:
        self._taken = set(fixed)

    def claim(self, stem: str, suffix: str = "") -> str:
        """Reserve a file name; append `suffix`, then ``_`` until it is free."""
        if stem in self._taken:
            stem += suffix
        while stem in self._taken:
            stem += "_"
        self._taken.add(stem)
        return stem
