"""Selecting rows of the cache: like a scan, like the server, and through indexes."""

from __future__ import annotations

import datetime
import math
import operator
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spacetime_proto.bindings import dynamic_module
from spacetime_proto.cache import Cache, TableChange
from spacetime_proto.errors import QueryError
from spacetime_proto.query.builder import SENDER, Columns
from spacetime_proto.query.local import Selection, matching_rows, plan_rows
from spacetime_proto.sats.algebraic import (
    BYTES,
    CONNECTION_ID,
    IDENTITY,
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
)
from spacetime_proto.sats.rows import RowList
from spacetime_proto.schema.model import ColumnDef, IndexDef, ModuleDef, TableDef, TypeDef
from spacetime_proto.server.sql.analyze import resolve
from spacetime_proto.server.sql.parse import parse
from spacetime_proto.server.sql.plan import check_subscription, select_statement, snapshot
from spacetime_proto.types import ConnectionId, Identity, Timestamp, Uuid

ME = Identity.from_int(7)

THING = {
    "id": Primitive("U32"),
    "n": Primitive("I16"),
    "m": Primitive("I16"),
    "f": Primitive("F64"),
    "g": Primitive("F32"),
    "s": Primitive("String"),
    "b": Primitive("Bool"),
    "data": BYTES,
    "who": IDENTITY,
    "conn": CONNECTION_ID,
    "at": TIMESTAMP,
    "uuid": UUID,
    "big": Primitive("U256"),
    "color": RefType(2),
    "maybe": option(Primitive("U8")),
    "tags": ArrayType(Primitive("String")),
}
PART = {"thing": Primitive("U32"), "size": Primitive("I16"), "who": IDENTITY}
COLOR = SumType((Variant("red", UNIT), Variant("green", UNIT)))


def _table(name, ref, columns, **facts):
    made = tuple(ColumnDef(column, ty, at) for at, (column, ty) in enumerate(columns.items()))
    return TableDef(name=name, accessor=name, row_ref=ref, columns=made, **facts)


def _product(columns):
    return ProductType(tuple(Element(name, ty) for name, ty in columns.items()))


MODULE = dynamic_module(
    ModuleDef(
        typespace=Typespace((_product(THING), _product(PART), COLOR)),
        types=(TypeDef("Color", 2), TypeDef("Part", 1), TypeDef("Thing", 0)),
        tables=(
            _table(
                "part",
                1,
                PART,
                indexes=(IndexDef(None, None, "btree", (0,)), IndexDef(None, None, "btree", (2,))),
            ),
            _table(
                "thing",
                0,
                THING,
                primary_key=0,
                unique_columns=(0,),
                indexes=(
                    IndexDef(None, None, "btree", (0,)),
                    IndexDef(None, None, "btree", (1,)),
                    IndexDef(None, None, "btree", (1, 2)),
                    IndexDef(None, None, "btree", (3,)),
                    IndexDef(None, None, "hash", (5,)),
                    IndexDef(None, None, "btree", (8,)),
                ),
            ),
        ),
    )
)
TABLES = MODULE.tables
THING_CLASS, PART_CLASS = (
    MODULE.bound.tables["thing"].row_class,
    MODULE.bound.tables["part"].row_class,
)
RED, GREEN = MODULE.types.Color


class Owner:
    identity = ME

    def check_callback(self, callback):
        pass


def database(things=(), parts=()):
    """A client's `db` with these rows in the cache."""
    db = MODULE.create_db(Owner())
    cache = Cache(MODULE.bound)
    changes = [
        TableChange(1, name, RowList.from_rows([codec.encode(row) for row in rows]), None, None)
        for name, rows in (("part", parts), ("thing", things))
        for codec in (MODULE.bound.tables[name].codec,)
        if rows
    ]
    cache.apply(cache.plan(changes))
    db.attach(cache)
    return db


# --- like a scan, and like the server -----------------------------------------------------------

# Few values each, so that rows often match.
VALUES = {
    "id": st.integers(0, 5),
    "n": st.integers(-2, 2),
    "m": st.integers(-2, 2),
    "f": st.sampled_from([-1.5, -0.0, 0.0, 0.1, 2.5]),
    "g": st.sampled_from([0.0, 0.1, 2.5]),
    "s": st.sampled_from(["", "a", "it's", "é"]),
    "b": st.booleans(),
    "data": st.sampled_from([b"", b"\x00", b"\x01\xff"]),
    "who": st.sampled_from([ME, Identity.from_int(8)]),
    "conn": st.sampled_from([ConnectionId.from_int(1), ConnectionId.from_int(2)]),
    "at": st.sampled_from([Timestamp(-1), Timestamp(0), Timestamp(1_700_000_000_123_456)]),
    "uuid": st.sampled_from([Uuid.from_int(1), Uuid.from_int(2**127)]),
    "big": st.sampled_from([0, 2**200]),
}
OPERATORS = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


@st.composite
def things(draw):
    ids = draw(st.lists(st.integers(0, 5), unique=True, max_size=6))
    rows = []
    for number in ids:
        values = {name: draw(strategy) for name, strategy in VALUES.items()}
        values |= {"id": number, "f": draw(st.one_of(VALUES["f"], st.just(math.nan)))}
        values["g"] = struct.unpack("<f", struct.pack("<f", values["g"]))[0]
        color = draw(st.sampled_from([RED, GREEN]))
        rows.append(THING_CLASS(**values, color=color, maybe=None, tags=[]))
    return rows


PARTS = st.lists(
    st.builds(PART_CLASS, thing=VALUES["id"], size=VALUES["n"], who=VALUES["who"]), max_size=6
)


@st.composite
def leaves(draw):
    """One comparison as (function from columns to a predicate, function from a row to bool)."""
    kind = draw(st.sampled_from(["literal", "literal", "literal", "column", "bare", "in", "range"]))
    if kind == "bare":
        return (lambda t: t.b), (lambda row: row.b)
    if kind == "column":
        word = draw(st.sampled_from(list(OPERATORS)))
        compare = OPERATORS[word]
        return (lambda t: compare(t.n, t.m)), (lambda row: compare(row.n, row.m))
    if kind == "range":
        low, high = draw(VALUES["n"]), draw(VALUES["n"])
        return (lambda t: t.n.between(low, high)), (lambda row: low <= row.n <= high)
    name = draw(st.sampled_from(list(VALUES)))
    if kind == "in":
        values = draw(st.lists(VALUES[name], max_size=3))
        return (
            lambda t: getattr(t, name).in_(values),
            lambda row: any(_compare(name, operator.eq, row, value) for value in values),
        )
    word, value = draw(st.sampled_from(list(OPERATORS))), draw(VALUES[name])
    compare = OPERATORS[word]
    return (
        lambda t: compare(getattr(t, name), value),
        lambda row: _compare(name, compare, row, value),
    )


def _compare(name, compare, row, value):
    """Compare in SATS order: NaN after everything; F32 literals rounded first."""
    found = getattr(row, name)
    if name == "g" and value == 0.1:
        value = 0.10000000149011612
    if isinstance(found, float):
        return compare((math.isnan(found), 0.0 if math.isnan(found) else found), (False, value))
    return compare(found, value)


def _both(left, right):
    return (lambda t: left[0](t) & right[0](t)), (lambda row: left[1](row) and right[1](row))


def _either(left, right):
    return (lambda t: left[0](t) | right[0](t)), (lambda row: left[1](row) or right[1](row))


def _not(inner):
    return (lambda t: ~inner[0](t)), (lambda row: not inner[1](row))


CONDITIONS = st.recursive(
    leaves(),
    lambda inner: st.one_of(
        st.builds(_both, inner, inner), st.builds(_either, inner, inner), st.builds(_not, inner)
    ),
    max_leaves=6,
)


class Source:
    def __init__(self, name):
        self.definition = MODULE.bound.tables[name].definition
        self.attributes = MODULE.bound.tables[name].column_names


class Catalog:
    typespace = MODULE.definition.typespace

    def source(self, name):
        return Source(name) if name in MODULE.bound.tables else None

    def is_indexed(self, source, column):
        return any(index.columns == (column,) for index in source.definition.indexes)


class Store:
    def __init__(self, view):
        self.rows = {view.table.codec.encode(row): row for row in view.rows()}
        self._attributes = view.table.column_names

    def lookup(self, column, value):
        attribute = self._attributes[column]
        return {d: row for d, row in self.rows.items() if getattr(row, attribute) == value}


def server_rows(sql, db):
    """Run a subscription query through the embedded server's SQL."""
    catalog = Catalog()
    query = resolve(select_statement(parse(sql)), catalog, ME)
    check_subscription(query, [Source(name) for name in query.sources], catalog)
    return snapshot(query, [Store(db[name]) for name in query.sources])


def encoded(rows, table):
    codec = MODULE.bound.tables[table].codec
    return sorted(codec.encode(row) for row in rows)


@settings(max_examples=300, deadline=None)
@given(things(), CONDITIONS)
def test_a_condition_selects_the_same_by_scan_by_index_and_on_the_server(rows, condition):
    build, test = condition
    db = database(rows)
    expected = encoded([row for row in rows if test(row)], "thing")
    assert encoded(db.thing.where(build).rows(), "thing") == expected
    assert sorted(server_rows(TABLES.thing.where(build).sql, db)) == expected


@settings(max_examples=100, deadline=None)
@given(things(), PARTS, CONDITIONS, st.booleans(), st.booleans())
def test_a_semijoin_selects_the_same_on_the_client_and_on_the_server(
    rows, parts, condition, filtered, keep_right
):
    build, test = condition
    parts = list({encoded([part], "part")[0]: part for part in parts}.values())
    db = database(rows, parts)
    small = TABLES.part.where(lambda p: p.size <= 0) if filtered else TABLES.part
    chosen = [part for part in parts if part.size <= 0 or not filtered]
    if keep_right:
        query = small.right_semijoin(TABLES.thing, lambda p, t: p.thing == t.id).where(build)
        ids = {part.thing for part in chosen}
        expected = encoded([row for row in rows if row.id in ids and test(row)], "thing")
        table = "thing"
    else:
        query = small.left_semijoin(TABLES.thing.where(build), lambda p, t: t.id == p.thing)
        ids = {row.id for row in rows if test(row)}
        expected = encoded([part for part in chosen if part.thing in ids], "part")
        table = "part"
    assert encoded(plan_rows(query.plan, db.__getitem__), table) == expected
    assert encoded(query.local(db).rows(), table) == expected
    # The server gives a row once per partner, the cache has it once.
    assert sorted(set(server_rows(query.sql, db))) == expected


# --- what only the client can do ----------------------------------------------------------------


def thing(number, **values):
    given_ = {
        "n": 0, "m": 0, "f": 0.0, "g": 0.0, "s": "", "b": False, "data": b"", "who": ME,
        "conn": ConnectionId.from_int(1), "at": Timestamp(0), "uuid": Uuid.from_int(1), "big": 0,
        "color": RED, "maybe": None, "tags": [],
    }  # fmt: skip
    return THING_CLASS(id=number, **(given_ | values))


def test_columns_that_sql_cannot_compare_are_compared_here():
    db = database([thing(1, color=GREEN), thing(2, maybe=3), thing(3)])

    def ids(build):
        return sorted(row.id for row in db.thing.where(build))

    assert ids(lambda t: t.color == GREEN) == [1]
    assert ids(lambda t: t.color != GREEN) == [2, 3]
    assert ids(lambda t: t.maybe == None) == [1, 3]  # noqa: E711
    assert ids(lambda t: t.maybe.in_([3, 4])) == [2]
    assert ids(lambda t: (t.maybe == None) & ~(t.color == RED)) == [1]  # noqa: E711
    assert ids(lambda t: t.tags == []) == [1, 2, 3]
    with pytest.raises(QueryError, match=r"column 'tags' takes values of its type, not 0 \(int\)"):
        ids(lambda t: t.tags == 0)


def test_sender_is_the_identity_of_the_client():
    db = database([thing(1), thing(2, who=Identity.from_int(9))])
    assert [row.id for row in db.thing.where(lambda t: t.who == SENDER)] == [1]
    selected = TABLES.thing.where(lambda t: t.who != SENDER).local(db, sender=ME)
    assert [row.id for row in selected] == [2]
    with pytest.raises(QueryError, match="a client that has connected"):
        TABLES.thing.where(lambda t: t.who == SENDER).local(db).rows()
    with pytest.raises(QueryError, match="Identity columns only"):
        db.thing.where(lambda t: t.data == SENDER).rows()


def test_floats_are_ordered_totally():
    db = database([thing(1, f=math.nan), thing(2, f=1.0)])
    assert db.thing.where(lambda t: t.f == t.f).count() == 2
    assert [row.id for row in db.thing.where(lambda t: t.f > 1e300)] == [1]
    assert [row.id for row in db.thing.where(lambda t: ~(t.f > 1e300))] == [2]


def test_a_datetime_is_a_timestamp():
    db = database([thing(1), thing(2, at=Timestamp(5))])
    epoch = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
    assert [row.id for row in db.thing.where(lambda t: t.at > epoch)] == [2]


def test_nothing_is_found_before_anything_was_attached():
    db = MODULE.create_db(Owner())
    assert db.thing.where(lambda t: t.b).rows() == []
    joined = TABLES.part.left_semijoin(TABLES.thing, lambda p, t: p.thing == t.id)
    assert plan_rows(joined.plan, db.__getitem__) == []
    half = database(parts=[PART_CLASS(1, 1, ME)])
    views = {"part": half.part, "thing": db.thing}
    assert plan_rows(joined.plan, views.__getitem__) == []


def test_constant_conditions():
    db = database([thing(1)])
    assert db.thing.where(lambda t: t.n.in_([])).rows() == []
    assert len(db.thing.where(lambda t: ~t.n.in_([]))) == 1


# --- the selection ------------------------------------------------------------------------------


def test_a_selection_is_looked_up_anew_each_time():
    db = database([thing(1), thing(2, b=True)])
    selection = db.thing.where(lambda t: t.b)
    assert isinstance(selection, Selection)
    assert selection.count() == len(selection) == 1
    assert selection.first() == thing(2, b=True)
    assert list(selection) == [thing(2, b=True)]
    assert selection.view is db.thing
    assert repr(selection) == "<Selection of thing: 1 rows>"
    db.attach(Cache(MODULE.bound))
    assert selection.rows() == []
    assert selection.first() is None
    assert selection


def test_frames_of_a_selection_are_made_from_the_bytes_of_the_table():
    rows = [thing(1, b=True), thing(2), thing(3, b=True)]
    db = database(rows)
    table, data = db.thing.where(lambda t: t.b)._frame_source()
    assert table.definition.name == "thing"
    held = {id(row_bytes) for row_bytes in db.thing.store.rows}
    assert {id(row_bytes) for row_bytes in data} < held
    assert sorted(table.codec.decode_exact(row_bytes).id for row_bytes in data) == [1, 3]
    through_index = db.thing.where(lambda t: t.id == 2)
    assert [table.codec.decode_exact(one) for one in through_index._frame_source()[1]] == [rows[1]]
    assert MODULE.create_db(Owner()).thing.where(lambda t: t.b)._frame_source()[1] == []


def test_what_a_notebook_shows_of_a_selection():
    db = database([thing(1, b=True), thing(2), thing(3, b=True)])
    table, shown, total = db.thing.where(lambda t: t.b)._shown_rows(1)
    assert (table.definition.name, len(shown), total) == ("thing", 1, 2)


def test_where_needs_a_condition_on_its_own_columns():
    db = database([thing(1)])
    other = Columns(MODULE.relation("part"))
    with pytest.raises(QueryError, match="is not a column of 'thing'"):
        db.thing.where(lambda t: other.size == 1)
    with pytest.raises(QueryError, match="returned bool"):
        db.thing.where(lambda t: True)


# --- indexes ------------------------------------------------------------------------------------


class CountingView:
    """A view that counts how often all rows are asked for, and remembers which indexes were used."""

    def __init__(self, view):
        self._view = view
        self.scans = 0
        self.used = []

    @property
    def store(self):
        return self

    @property
    def table(self):
        return self._view.table

    def rows(self):
        self.scans += 1
        return self._view.rows()

    def index(self, columns):
        self.used.append(columns)
        return self._view.store.index(columns)


@pytest.mark.parametrize(
    ("build", "used"),
    [
        (lambda t: t.id == 3, [(0,)]),
        (lambda t: (t.n == 1) & (t.id == 3), [(0,)]),
        (lambda t: t.n == 1, [(1,)]),
        (lambda t: (t.n == 1) & (t.m == 1), [(1, 2)]),
        (lambda t: (t.n == 1) & (t.m > 0), [(1, 2)]),
        (lambda t: (t.n > 0) & t.b, [(1,)]),
        (lambda t: t.n.between(0, 2), [(1,)]),
        (lambda t: (t.f < 1.0) & (t.n > 0) & (t.n < 2), [(1,)]),
        (lambda t: t.f >= 0.5, [(3,)]),
        (lambda t: t.s == "x", [(5,)]),
        (lambda t: (t.id == 1) | (t.s == "x"), [(0,), (5,)]),
        (lambda t: t.id.in_([1, 2]), [(0,), (0,)]),
        (lambda t: t.b & t.id.in_([1, 2]), [(0,), (0,)]),
        (lambda t: t.b & (t.id.in_([1, 2]) | t.b), None),
        (lambda t: t.b, None),
        (lambda t: t.n != 1, None),
        (lambda t: t.n == t.m, None),
        (lambda t: (t.id == 1) | t.b, None),
    ],
)
def test_indexes_are_used_where_they_help(build, used):
    rows = [thing(number, n=number % 3, m=1, b=number == 4, f=number / 4) for number in range(6)]
    db = database(rows)
    view = CountingView(db.thing)
    condition = build(Columns(MODULE.relation("thing"))).condition
    found = matching_rows(view, condition)
    assert view.scans == (used is None)
    if used is not None:
        assert view.used == used
    assert sorted(row.id for row in found) == sorted(row.id for row in db.thing.where(build))


def test_a_row_that_two_alternatives_find_comes_once():
    db = database([thing(1, s="x")])
    assert db.thing.where(lambda t: (t.id == 1) | (t.s == "x") | (t.id == 1)).count() == 1


def test_a_row_that_an_index_finds_but_its_alternative_refuses_comes_once():
    db = database([thing(1, n=1, f=math.nan, s="x"), thing(2, n=1, f=1.0, s="x")])
    for build in (
        lambda t: ((t.n == 1) & t.b) | ((t.n == 1) & (t.s == "x")),
        lambda t: ((t.f >= 1.0) & t.b) | (t.f > 0.5),
        lambda t: ((t.n == 1) & ~(t.f > 1.0) & t.b) | ((t.f > 0.0) & (t.n > 0)),
        lambda t: (t.s == "x") & (((t.n == 1) & t.b) | (t.n > 0)),
        lambda t: (t.m == 0) & (((t.n == 1) & t.b) | ((t.n == 1) & ~t.b)),
    ):
        assert sorted(row.id for row in db.thing.where(build)) == [1, 2]


# --- floats that order oddly in Python ----------------------------------------------------------

# In SATS order; zeros are equal and so have one place.
ODD_FLOATS = [
    (-math.inf, 0),
    (-1.5, 1),
    (-0.0, 2),
    (0.0, 2),
    (2.5, 3),
    (math.inf, 4),
    (math.nan, 5),
]
ODD_PLACES = {number: place for number, (_, place) in enumerate(ODD_FLOATS)}
ODD_LITERALS = [(-1.5, 1), (-0.0, 2), (0.0, 2), (2.5, 3)]


def odd_rows():
    """The floats in `f`, which has an index, and in `g`, which has none; `id` says which."""
    return [thing(number, f=value, g=value) for number, (value, _) in enumerate(ODD_FLOATS)]


def check_odd(db, build, holds):
    """Compare the cache and the embedded server's SQL with what should hold for the places."""
    expected = sorted(number for number, place in ODD_PLACES.items() if holds(place))
    assert sorted(row.id for row in db.thing.where(build)) == expected
    decode = MODULE.bound.tables["thing"].codec.decode_exact
    sql = TABLES.thing.where(build).sql
    assert sorted(decode(row).id for row in server_rows(sql, db)) == expected


@pytest.mark.parametrize("column", ["f", "g"])
@pytest.mark.parametrize("word", list(OPERATORS))
def test_odd_floats_compare_with_numbers_in_sats_order(column, word):
    db, compare = database(odd_rows()), OPERATORS[word]
    for literal, place in ODD_LITERALS:

        def build(t, literal=literal):
            return compare(getattr(t, column), literal)

        def holds(at, place=place):
            return compare(at, place)

        check_odd(db, build, holds)
        check_odd(db, lambda t, build=build: ~build(t), lambda at, holds=holds: not holds(at))
        # Beside a column with another index, and as an alternative that is refused.
        check_odd(db, lambda t, build=build: build(t) & (t.n == 0), holds)
        check_odd(db, lambda t, build=build: (build(t) & t.b) | build(t), holds)


@pytest.mark.parametrize("column", ["f", "g"])
def test_odd_floats_in_ranges_and_lists(column):
    db = database(odd_rows())
    for low, first in ODD_LITERALS:
        for high, last in ODD_LITERALS:

            def build(t, low=low, high=high):
                return getattr(t, column).between(low, high)

            def holds(at, first=first, last=last):
                return first <= at <= last

            check_odd(db, build, holds)
            check_odd(db, lambda t, build=build: ~build(t), lambda at, holds=holds: not holds(at))
    check_odd(db, lambda t: getattr(t, column).in_([0.0, 2.5]), lambda at: at in (2, 3))
    check_odd(db, lambda t: ~getattr(t, column).in_([0.0, 2.5]), lambda at: at not in (2, 3))


@pytest.mark.parametrize("column", ["f", "g"])
@pytest.mark.parametrize("word", list(OPERATORS))
def test_odd_floats_compare_with_themselves_in_sats_order(column, word):
    db, compare = database(odd_rows()), OPERATORS[word]
    answer = compare(0, 0)
    check_odd(db, lambda t: compare(getattr(t, column), getattr(t, column)), lambda _: answer)
    check_odd(db, lambda t: ~compare(getattr(t, column), getattr(t, column)), lambda _: not answer)


@pytest.mark.parametrize("literal", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("word", list(OPERATORS))
def test_floats_that_sql_cannot_write_are_refused_on_the_client_too(literal, word):
    db, compare = database(odd_rows()), OPERATORS[word]
    for column in ("f", "g"):
        with pytest.raises(QueryError, match="a finite float"):
            db.thing.where(lambda t, column=column: compare(getattr(t, column), literal))


def test_odd_floats_are_found_in_an_index():
    index = database(odd_rows()).thing.store.index((3,))
    for value, place in ODD_FLOATS:
        expected = [number for number, at in ODD_PLACES.items() if at == place]
        assert [row.id for row in index.equal((value,))] == expected
    above = index.between((), (2.5, False), None)
    assert [row.id for row in above] == [5, 6]
    assert [row.id for row in index.between((), (math.nan, True), None)] == [6]
    assert [row.id for row in index.between((), None, (math.nan, False))] == [0, 1, 2, 3, 4, 5]


@pytest.mark.parametrize(
    ("build", "words"),
    [
        (lambda t: t.color == "GREEN", r"where\(\) of table 'thing': column 'color' takes a "),
        (lambda t: t.color == 7, r"not 7 \(int\)"),
        (lambda t: t.maybe == "3", r"int expected, not str"),
        (lambda t: t.maybe.in_([3, 1.5]), r"int expected, not float"),
        (lambda t: (t.id > 1) & ~(t.tags == [1.5]), r"column 'tags'"),
    ],
)
@pytest.mark.parametrize("rows", [[], [1]])
def test_values_that_a_column_cannot_hold_are_named(build, words, rows):
    db = database([thing(number) for number in rows])
    with pytest.raises(QueryError, match=words):
        db.thing.where(build).rows()
    with pytest.raises(QueryError, match=words):
        MODULE.create_db(Owner()).thing.where(build).rows()
