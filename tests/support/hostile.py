"""Modules with nothing but trouble in them: what code generation has to survive."""

from __future__ import annotations

from hypothesis import strategies as st

from spacetime_proto.sats.algebraic import (
    BYTES,
    CONNECTION_ID,
    IDENTITY,
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
    option,
    result,
    special_name,
)
from spacetime_proto.schema.model import (
    ColumnDef,
    IndexDef,
    ModuleDef,
    ProcedureDef,
    ReducerDef,
    SequenceDef,
    TableDef,
    TypeDef,
)

PAYLOAD = "__import__('builtins').setattr(__import__('builtins'), 'PWNED', 1)"
EVIL_NAMES = [
    "", "_", "__", "___x", "__init__", "__class__", "__slots__", "__struct_fields__", "_x_", "1", "9lives",
    "class", "None", "True", "import", "match", "type", "self", "cls", "mro", "name", "value",
    "int", "str", "bool", "list", "tuple", "object", "classmethod", "property", "builtins",
    "Identity", "Call", "LEGACY", "MODULE", "Context", "Db", "DbBase", "Struct", "Columns", "ClassVar", "Enum",
    "TYPE_CHECKING", "annotations", "tables", "reducers", "procedures", "_schema", "_module",
    "reducer_name", "callback", "iter", "primary_key", "is_table_class", "filter_by_name", "where",
    "register_row_update", "attach", "_tables", "count", "index", "rows", "UserTable", "UserColumns",
    "User", "user", "USER", "user_", "user_reducer", "user_table", "user_type", "con", "NUL", "com1",
    "../../etc/passwd", "/abs", "C:\\x", "a.b", "a..b", ".", "..", "~", "a/b", "a\\b",
    "a\nb", "a\rb", "a\x00b", '"', "'", '"""', "'''", "\\", "#", "{x}", "%s", "a b", "a-b",
    f'"""\n{PAYLOAD}\n"""', f'"); {PAYLOAD} #', f"'); {PAYLOAD} #", f"\\\n{PAYLOAD}", f"x: {PAYLOAD}",
    "é", "e\u0301", "ﬁ", "\uff55ser", "日本", "\U0001d54f", "\u202eevil", "\ufeff", "ß", "İ", "ª", "x" * 300,
    "l", "O", "I",
]  # fmt: skip

names = st.one_of(
    st.sampled_from(EVIL_NAMES),
    st.sampled_from(EVIL_NAMES),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=12),
)

_LEAVES = [
    Primitive("Bool"), Primitive("U8"), Primitive("I64"), Primitive("U256"), Primitive("F32"),
    Primitive("String"), BYTES, UNIT, IDENTITY, CONNECTION_ID, TIMESTAMP, TIME_DURATION, UUID,
    SCHEDULE_AT,
]  # fmt: skip


def hostile_types(count):
    """Types that refer to any of the `count` types of the typespace."""
    references = [RefType(index) for index in range(count)]
    leaves = st.sampled_from([*_LEAVES, *references])
    return st.recursive(
        leaves,
        lambda inner: st.one_of(
            st.builds(ArrayType, inner),
            st.builds(option, inner),
            st.builds(result, inner, inner),
            products(inner, 3),
            sums(inner),
        ),
        max_leaves=4,
    )


def products(inner, size=5):
    return st.lists(st.builds(Element, names, inner), max_size=size).map(
        lambda elements: ProductType(tuple(elements))
    )


def sums(inner):
    return st.lists(st.builds(Variant, names, inner), max_size=4).map(
        lambda variants: SumType(tuple(variants))
    )


@st.composite
def hostile_modules(draw, max_tables=3):
    """Modules whose every name and type is as bad as it can be while the module is consistent."""
    rows = draw(st.integers(1, 3))
    others = draw(st.integers(0, 3))
    count = rows + others
    inner = hostile_types(count)
    space = [draw(products(inner).filter(_is_row)) for _ in range(rows)]
    space += [draw(st.one_of(products(inner), sums(inner), inner)) for _ in range(others)]
    typespace = Typespace(tuple(space))
    for index in range(count):
        try:
            typespace.resolve(RefType(index))
        except ValueError:  # references in a circle are refused when a schema is read
            space[index] = UNIT
            typespace = Typespace(tuple(space))
    tables = []
    for number in range(draw(st.integers(0, max_tables))):
        row = draw(st.integers(0, rows - 1))
        width = len(space[row].elements)
        some = st.integers(0, width - 1) if width else st.nothing()
        key = draw(st.none() | some) if width else None
        unique = set(draw(st.lists(some, max_size=2))) if width else set()
        unique |= {key} if key is not None else set()
        indexes = draw(
            st.lists(
                st.builds(
                    IndexDef,
                    st.none() | names,
                    st.none() | names,
                    st.sampled_from(["btree", "hash", "direct"]),
                    st.lists(some, min_size=1, max_size=3, unique=True).map(tuple),
                ),
                max_size=3,
            )
            if width
            else st.just([])
        )
        tables.append(
            TableDef(
                name=f"{draw(names)}{number or ''}",
                accessor=f"{draw(names)}{number or ''}",
                row_ref=row,
                columns=tuple(
                    ColumnDef(element.name or "", element.type, at)
                    for at, element in enumerate(space[row].elements)
                ),
                primary_key=key,
                unique_columns=tuple(sorted(unique)),
                indexes=tuple(indexes),
                sequences=tuple(
                    SequenceDef(None, at, None, None, None, 1) for at in sorted(unique)
                ),
                is_public=draw(st.booleans()),
                is_event=draw(st.booleans()),
                is_view=draw(st.booleans()),
            )
        )
    tables = list({table.name: table for table in tables}.values())
    tables = list({table.accessor: table for table in tables}.values())
    parameters = products(inner, 3)
    reducers = [
        ReducerDef(f"{draw(names)}{number}", f"{draw(names)}{number}", draw(parameters))
        for number in range(draw(st.integers(0, 2)))
    ]
    procedures = [
        ProcedureDef(
            f"{draw(names)}{number}", f"{draw(names)}{number}", draw(parameters), draw(inner)
        )
        for number in range(draw(st.integers(0, 2)))
    ]
    types = [
        TypeDef(draw(names), ref)
        for ref in draw(st.lists(st.integers(0, count - 1), max_size=count + 1))
    ]
    return ModuleDef(typespace, tuple(types), tuple(tables), tuple(reducers), tuple(procedures))


def _is_row(ty):
    return special_name(ty) is None
