"""The official ``sdk-test`` module: a table for every kind of column, option, result and key.

Left out are the reducers ``delete_all_*``, which no client test calls.
"""

from __future__ import annotations

from dataclasses import fields
from typing import Any, get_type_hints

from spacetime_proto import ConnectionId, Err, Identity, Ok, ScheduleAt, TimeDuration, Timestamp
from spacetime_proto.server import (
    F32,
    F64,
    I8,
    I16,
    I32,
    I64,
    I128,
    I256,
    U8,
    U16,
    U32,
    U64,
    U128,
    U256,
    Context,
    Index,
    Module,
    column,
)
from tests.conformance.modules.building import add_reducer, row_class
from tests.conformance.modules.sdk_test_types import (
    COLUMNS,
    KEYABLE,
    ByteStruct,
    Column,
    EnumWithPayload,
    EveryPrimitiveStruct,
    EveryVecStruct,
    SimpleEnum,
    UnitStruct,
)

__all__ = ["make_module"]

_BY_NAME = {kind.canonical: kind for kind in COLUMNS}
_U32 = _BY_NAME["u_32"]
#: (name on the wire, name in the source, class, column, annotation)
_OPTIONS = (
    ("i_32", "i32", "I32", "n", I32 | None),
    ("string", "string", "String", "s", str | None),
    ("identity", "identity", "Identity", "i", Identity | None),
    ("uuid", "uuid", "Uuid", "u", _BY_NAME["uuid"].annotation | None),
    ("simple_enum", "simple_enum", "SimpleEnum", "e", SimpleEnum | None),
    (
        "every_primitive_struct",
        "every_primitive_struct",
        "EveryPrimitiveStruct",
        "s",
        EveryPrimitiveStruct | None,
    ),
    ("vec_option_i_32", "vec_option_i32", "VecOptionI32", "v", list[I32 | None] | None),
)
_RESULTS = (
    ("i_32_string", "i32_string", "I32String", Ok[I32] | Err[str]),
    ("string_i_32", "string_i32", "StringI32", Ok[str] | Err[I32]),
    ("identity_string", "identity_string", "IdentityString", Ok[Identity] | Err[str]),
    ("simple_enum_i_32", "simple_enum_i32", "SimpleEnumI32", Ok[SimpleEnum] | Err[I32]),
    (
        "every_primitive_struct_string",
        "every_primitive_struct_string",
        "EveryPrimitiveStructString",
        Ok[EveryPrimitiveStruct] | Err[str],
    ),
    ("vec_i_32_string", "vec_i32_string", "VecI32String", Ok[list[I32]] | Err[str]),
)


def make_module() -> Module:
    """Return a new module with tables of its own."""
    module = Module()
    rows: dict[str, Any] = {}

    def value_table(
        prefix: str, canonical: str, accessor: str, name: str, letter: str, annotation: Any
    ) -> None:
        """A public table of one column, and a reducer that inserts its argument."""
        cls = row_class(__name__, prefix.capitalize() + name, {letter: annotation})
        table = f"{prefix}_{canonical}"
        rows[table] = module.table(name=table, accessor=f"{prefix}_{accessor}", public=True)(cls)

        def insert(ctx: Context, value: Any) -> None:
            ctx.db[f"{prefix}_{accessor}"].insert(rows[table](**{letter: value}))

        add_reducer(
            module, f"insert_{table}", f"insert_{prefix}_{accessor}", {letter: annotation}, insert
        )

    for kind in COLUMNS:
        value_table(
            "one", kind.canonical, kind.accessor, kind.type_name, kind.letter, kind.annotation
        )
        value_table(
            "vec",
            kind.canonical,
            kind.accessor,
            kind.type_name,
            kind.letter,
            list[kind.annotation],  # type: ignore[name-defined]
        )
    for option in _OPTIONS:
        value_table("option", *option)
    for canonical, accessor, name, annotation in _RESULTS:
        value_table("result", canonical, accessor, name, "r", annotation)

    for kind in KEYABLE:
        _key_table(module, rows, "unique", kind, kind.letter)
        _key_table(module, rows, "pk", kind, kind.letter)
    two = Column("u_32_two", "u32_two", "U32Two", "n", _U32.annotation)
    _key_table(module, rows, "pk", two, "n")
    _key_table(module, rows, "pk", _BY_NAME["simple_enum"], "a", deletes=False)
    _add_caller_reducers(module, rows)
    _add_joined_tables(module, rows)
    _add_other_tables(module, rows)
    return module


def _key_table(
    module: Module,
    rows: dict[str, Any],
    prefix: str,
    kind: Column,
    letter: str,
    *,
    deletes: bool = True,
) -> None:
    """A table ``{key, data}`` and reducers to insert, update and delete by the key."""
    table, accessor = f"{prefix}_{kind.canonical}", f"{prefix}_{kind.accessor}"
    cls = row_class(
        __name__,
        prefix.capitalize() + kind.type_name,
        {letter: kind.annotation, "data": I32},
        {letter: column(primary_key=prefix == "pk", unique=True)},
    )
    rows[table] = module.table(name=table, accessor=accessor, public=True)(cls)
    both = {letter: kind.annotation, "data": I32}

    def insert(ctx: Context, key: Any, data: int) -> None:
        ctx.db[accessor].insert(rows[table](**{letter: key, "data": data}))

    def update(ctx: Context, key: Any, data: int) -> None:
        ctx.db[accessor][letter].delete(key)
        insert(ctx, key, data)

    def delete(ctx: Context, key: Any) -> None:
        ctx.db[accessor][letter].delete(key)

    add_reducer(module, f"insert_{table}", f"insert_{accessor}", both, insert)
    add_reducer(module, f"update_{table}", f"update_{accessor}", both, update)
    if deletes:
        key_only = {letter: kind.annotation}
        add_reducer(module, f"delete_{table}", f"delete_{accessor}", key_only, delete)


def _add_caller_reducers(module: Module, rows: dict[str, Any]) -> None:
    """Reducers that insert what the server knows of the call."""

    def caller(ctx: Context, kind: str) -> Identity | ConnectionId | None:
        return ctx.sender if kind == "identity" else ctx.connection_id

    def add(kind: str, letter: str) -> None:
        def one(ctx: Context) -> None:
            ctx.db[f"one_{kind}"].insert(rows[f"one_{kind}"](**{letter: caller(ctx, kind)}))

        def vec(ctx: Context) -> None:
            ctx.db[f"vec_{kind}"].insert(rows[f"vec_{kind}"](**{letter: [caller(ctx, kind)]}))

        def keyed(prefix: str) -> Any:
            def insert(ctx: Context, data: int) -> None:
                table = f"{prefix}_{kind}"
                ctx.db[table].insert(rows[table](**{letter: caller(ctx, kind), "data": data}))

            return insert

        for name, params, body in (
            ("one", {}, one),
            ("vec", {}, vec),
            ("unique", {"data": I32}, keyed("unique")),
            ("pk", {"data": I32}, keyed("pk")),
        ):
            text = f"insert_caller_{name}_{kind}"
            add_reducer(module, text, text, params, body)

    add("identity", "i")
    add("connection_id", "a")

    @module.reducer
    def insert_call_timestamp(ctx: Context) -> None:
        ctx.db.one_timestamp.insert(rows["one_timestamp"](t=ctx.timestamp))

    @module.reducer(name="insert_call_uuid_v_4")
    def insert_call_uuid_v4(ctx: Context) -> None:
        ctx.db.one_uuid.insert(rows["one_uuid"](u=ctx.new_uuid_v4()))

    @module.reducer(name="insert_call_uuid_v_7")
    def insert_call_uuid_v7(ctx: Context) -> None:
        ctx.db.one_uuid.insert(rows["one_uuid"](u=ctx.new_uuid_v7()))

    @module.reducer
    def sorted_uuids_insert(ctx: Context) -> None:
        for _ in range(1000):
            ctx.db.pk_uuid.insert(rows["pk_uuid"](u=ctx.new_uuid_v7(), data=0))

    @module.reducer
    def no_op_succeeds(ctx: Context) -> None:
        pass


def _add_joined_tables(module: Module, rows: dict[str, Any]) -> None:
    """What the tests of joins and of overlapping queries need."""
    PkU32, PkU32Two, UniqueU32 = rows["pk_u_32"], rows["pk_u_32_two"], rows["unique_u_32"]

    @module.table(name="btree_u_32", accessor="btree_u32", public=True)
    class BTreeU32:
        n: U32 = column(index="btree")
        data: I32

    @module.reducer(name="insert_into_btree_u_32")
    def insert_into_btree_u32(ctx: Context, rows: list[BTreeU32]) -> None:
        for row in rows:
            ctx.db.btree_u32.insert(row)

    @module.reducer(name="delete_from_btree_u_32")
    def delete_from_btree_u32(ctx: Context, rows: list[BTreeU32]) -> None:
        for row in rows:
            ctx.db.btree_u32.delete(row)

    @module.reducer(name="insert_into_pk_btree_u_32")
    def insert_into_pk_btree_u32(
        ctx: Context,
        pk_u32: list[PkU32],
        bt_u32: list[BTreeU32],  # type: ignore[valid-type]
    ) -> None:
        for row in pk_u32:
            ctx.db.pk_u32.insert(row)
        for row in bt_u32:
            ctx.db.btree_u32.insert(row)

    @module.reducer(name="insert_unique_u_32_update_pk_u_32")
    def insert_unique_u32_update_pk_u32(ctx: Context, n: U32, d_unique: I32, d_pk: I32) -> None:
        ctx.db.unique_u32.insert(UniqueU32(n=n, data=d_unique))
        ctx.db.pk_u32.n.update(PkU32(n=n, data=d_pk))

    @module.reducer(name="delete_pk_u_32_insert_pk_u_32_two")
    def delete_pk_u32_insert_pk_u32_two(ctx: Context, n: U32, data: I32) -> None:
        ctx.db.pk_u32_two.insert(PkU32Two(n=n, data=data))
        ctx.db.pk_u32.delete(PkU32(n=n, data=data))

    @module.table(public=True)
    class IndexedSimpleEnum:
        n: SimpleEnum = column(index="btree")

    @module.reducer
    def insert_into_indexed_simple_enum(ctx: Context, n: SimpleEnum) -> None:
        ctx.db.indexed_simple_enum.insert(IndexedSimpleEnum(n=n))

    @module.reducer
    def update_indexed_simple_enum(ctx: Context, a: SimpleEnum, b: SimpleEnum) -> None:
        if ctx.db.indexed_simple_enum.n.filter(a):
            ctx.db.indexed_simple_enum.n.delete(a)
            ctx.db.indexed_simple_enum.insert(IndexedSimpleEnum(n=b))


def _add_other_tables(module: Module, rows: dict[str, Any]) -> None:
    OneU8, VecU8 = rows["one_u_8"], rows["vec_u_8"]

    @module.table(public=True)
    class Users:
        identity: Identity = column(primary_key=True)
        name: str

    module.row_level_security("SELECT * FROM users WHERE identity = :sender")
    module.row_level_security("SELECT * FROM one_u_8")

    @module.reducer
    def insert_user(ctx: Context, name: str, identity: Identity) -> None:
        ctx.db.users.insert(Users(identity=identity, name=name))

    @module.table
    class IndexedTable:
        player_id: U32 = column(index="btree")

    @module.table(
        name="indexed_table_2",
        indexes=[Index("player_id", "player_snazz", name="player_id_snazz_index")],
    )
    class IndexedTable2:
        player_id: U32
        player_snazz: F32

    @module.table(public=True)
    class TableHoldsTable:
        a: OneU8  # type: ignore[valid-type]
        b: VecU8  # type: ignore[valid-type]

    @module.reducer
    def insert_table_holds_table(ctx: Context, a: OneU8, b: VecU8) -> None:  # type: ignore[valid-type]
        ctx.db.table_holds_table.insert(TableHoldsTable(a=a, b=b))

    @module.table(public=True)
    class ScheduledTable:
        scheduled_id: U64 = column(primary_key=True, auto_increment=True)
        scheduled_at: ScheduleAt
        text: str

    @module.schedules(ScheduledTable)
    def send_scheduled_message(ctx: Context, arg: ScheduledTable) -> None:
        pass

    @module.table(public=True)
    class LargeTable:
        a: U8
        b: U16
        c: U32
        d: U64
        e: U128
        f: U256
        g: I8
        h: I16
        i: I32
        j: I64
        k: I128
        l: I256  # noqa: E741
        m: bool
        n: F32
        o: F64
        p: str
        q: SimpleEnum
        r: EnumWithPayload
        s: UnitStruct
        t: ByteStruct
        u: EveryPrimitiveStruct
        v: EveryVecStruct

    def insert_large_table(ctx: Context, *values: Any) -> None:
        ctx.db.large_table.insert(large(values))

    def delete_large_table(ctx: Context, *values: Any) -> None:
        ctx.db.large_table.delete(large(values))

    def large(values: tuple[Any, ...]) -> Any:
        names = [field.name for field in fields(LargeTable)]  # type: ignore[arg-type]
        return LargeTable(**dict(zip(names, values, strict=True)))

    params = get_type_hints(LargeTable, include_extras=True)
    for body in (insert_large_table, delete_large_table):
        add_reducer(module, body.__name__, body.__name__, params, body)

    @module.reducer
    def insert_primitives_as_strings(ctx: Context, s: EveryPrimitiveStruct) -> None:
        texts = [display(getattr(s, field.name)) for field in fields(s)]
        ctx.db.vec_string.insert(rows["vec_string"](s=texts))


def display(value: Any) -> str:
    """Return what Rust's ``Display`` prints, written independently of the client's ``__str__``."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() else repr(value)
    if isinstance(value, Timestamp):
        return _rfc3339(value.micros_since_unix_epoch)
    if isinstance(value, TimeDuration):
        sign = "-" if value.micros < 0 else "+"
        return f"{sign}{abs(value.micros) // 10**6}.{abs(value.micros) % 10**6:06}"
    if isinstance(value, Identity | ConnectionId):
        return f"{int(value):0{2 * value.SIZE}x}"
    return str(value)


def _rfc3339(micros: int) -> str:
    """As chrono writes it: no fraction, milliseconds or microseconds, whichever is exact."""
    import datetime

    text = datetime.datetime.fromtimestamp(micros // 10**6, datetime.UTC).strftime(
        "%Y-%m-%dT%H:%M:%S"
    )
    fraction = micros % 10**6
    if fraction % 1000:
        text += f".{fraction:06}"
    elif fraction:
        text += f".{fraction // 1000:03}"
    return text + "+00:00"
