"""Conditions as data: flat, without negation, within the server's limits."""

from __future__ import annotations

import pytest

from spacetime_proto.errors import QueryError
from spacetime_proto.query.conditions import (
    MAX_COMPARISONS,
    MAX_NESTING,
    AllOf,
    AnyOf,
    ColumnRef,
    Comparison,
    Constant,
    Relation,
    RelationColumn,
    all_of,
    any_of,
    check_for_server,
    check_size,
    column_refs,
    condition_sql,
    negated,
    quote,
    relation_of,
)
from spacetime_proto.sats.algebraic import (
    TIME_DURATION,
    ArrayType,
    Primitive,
    ProductType,
    RefType,
    SumType,
    Typespace,
    Variant,
    option,
)
from spacetime_proto.schema.model import ColumnDef, IndexDef, TableDef

U8 = Primitive("U8")
RELATION = Relation(
    "t",
    (
        RelationColumn("a", "a", U8, "U8"),
        RelationColumn("b", "b", U8, "U8"),
        RelationColumn("o", "o", option(U8), None),
        RelationColumn("s", "s", ArrayType(Primitive("String")), None),
        RelationColumn("d", "d", TIME_DURATION, None),
    ),
)
A, B, OPT, ARR, DUR = (ColumnRef(RELATION, index) for index in range(5))
A1 = Comparison("=", A, 1)
B2 = Comparison("<", B, 2)
AB = Comparison(">=", A, B)
TRUE, FALSE = Constant(True), Constant(False)


def test_and_is_flat_and_folds_constants():
    assert all_of([]) == TRUE
    assert all_of([A1]) == A1
    assert all_of([A1, TRUE]) == A1
    assert all_of([A1, FALSE, B2]) == FALSE
    assert all_of([AllOf((A1, B2)), AB]) == AllOf((A1, B2, AB))
    assert all_of([AnyOf((A1, B2)), AB]) == AllOf((AnyOf((A1, B2)), AB))


def test_or_is_flat_and_folds_constants():
    assert any_of([]) == FALSE
    assert any_of([B2]) == B2
    assert any_of([B2, FALSE]) == B2
    assert any_of([A1, TRUE, B2]) == TRUE
    assert any_of([AnyOf((A1, B2)), AB]) == AnyOf((A1, B2, AB))
    assert any_of([AllOf((A1, B2)), AB]) == AnyOf((AllOf((A1, B2)), AB))


def test_negation_is_pushed_down_to_the_comparisons():
    condition = AllOf((A1, AnyOf((B2, AB))))
    assert negated(condition) == AnyOf(
        (Comparison("<>", A, 1), AllOf((Comparison(">=", B, 2), Comparison("<", A, B))))
    )
    assert negated(negated(condition)) == condition
    assert negated(TRUE) == FALSE


def test_columns_of_a_condition_from_left_to_right():
    assert list(column_refs(AllOf((AB, AnyOf((B2, A1)))))) == [A, B, B, A]
    assert list(column_refs(TRUE)) == []
    assert str(A) == "t.a"


def test_sql_has_parentheses_only_where_they_mean_something():
    def sql(condition):
        return condition_sql(condition, str)

    assert sql(A1) == "t.a = 1"
    assert sql(AB) == "t.a >= t.b"
    assert sql(AllOf((A1, AnyOf((B2, AB))))) == "t.a = 1 AND (t.b < 2 OR t.a >= t.b)"
    assert sql(TRUE) == "TRUE"
    assert sql(FALSE) == "FALSE"
    assert sql(Comparison("=", OPT, None)) == "t.o = None"


def test_quote_doubles_quotes():
    assert quote('a"b') == '"a""b"'


def test_too_many_comparisons_are_refused():
    check_size(AnyOf((A1,) * MAX_COMPARISONS))
    with pytest.raises(QueryError, match="at most 1,500 comparisons"):
        check_size(AnyOf((A1,) * (MAX_COMPARISONS + 1)))


def test_too_deep_a_nesting_is_refused_without_recursion():
    condition = A1
    for level in range(MAX_NESTING - 1):
        condition = (AllOf, AnyOf)[level % 2]((condition, B2))
    check_size(condition)
    for level in range(5_000):
        condition = (AllOf, AnyOf)[level % 2]((condition, B2))
    with pytest.raises(QueryError, match="levels of AND inside OR"):
        check_size(condition)


@pytest.mark.parametrize(
    ("ref", "words"),
    [
        (OPT, "enum or option column 't.o'"),
        (ARR, "array or struct column"),
        (DUR, "TimeDuration column"),
    ],
)
def test_what_the_server_cannot_compare_is_refused(ref, words):
    check_for_server(A1)
    with pytest.raises(QueryError, match=words):
        check_for_server(AllOf((A1, Comparison("=", ref, 0))))


def test_relation_of_a_table_knows_its_columns_and_its_indexes():
    table = TableDef(
        name="thing",
        accessor="thing",
        row_ref=0,
        columns=(
            ColumnDef("id", Primitive("U32"), 0),
            ColumnDef("kind", RefType(1), 1),
            ColumnDef("x", Primitive("F32"), 2),
            ColumnDef("tag", Primitive("String"), 3),
        ),
        primary_key=0,
        unique_columns=(0, 3),
        indexes=(
            IndexDef("i", None, "btree", (2,)),
            IndexDef("j", None, "btree", (1, 2)),
        ),
        is_event=True,
    )
    kind = SumType((Variant("a", ProductType()), Variant("b", ProductType())))
    typespace = Typespace((ProductType(), kind))
    relation = relation_of(table, typespace, ["id_", "kind", "x", "tag"])
    assert [column.attribute for column in relation.columns] == ["id_", "kind", "x", "tag"]
    assert [column.kind for column in relation.columns] == ["U32", None, "F32", "String"]
    assert relation.columns[1].type == kind
    assert relation.indexed == {0, 2, 3}
    assert relation.is_event
    assert relation.typespace is typespace


def test_relation_of_a_view_with_a_key():
    view = TableDef(
        name="v",
        accessor="v",
        row_ref=0,
        columns=(ColumnDef("id", U8, 0),),
        primary_key=0,
        is_view=True,
    )
    relation = relation_of(view, Typespace((ProductType(),)))
    assert relation.indexed == {0}
    assert relation.is_view
    assert relation.columns[0].attribute == "id"


def test_relation_without_key():
    table = TableDef(name="v", accessor="v", row_ref=0, columns=(ColumnDef("id", U8, 0),))
    assert relation_of(table, Typespace((ProductType(),))).indexed == frozenset()
