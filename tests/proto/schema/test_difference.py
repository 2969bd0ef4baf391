"""Why a database no longer fits the bindings, in words."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest

from spacetime_proto.sats.algebraic import (
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
from spacetime_proto.schema.difference import differences
from spacetime_proto.schema.load import load_schema
from spacetime_proto.schema.model import (
    ColumnDef,
    ModuleDef,
    ProcedureDef,
    ReducerDef,
    TableDef,
    TypeDef,
)

GOLDEN = Path(__file__).parents[2] / "golden" / "v2.14" / "schema"
U8, STRING = Primitive("U8"), Primitive("String")


def product(**fields):
    return ProductType(tuple(Element(name, ty) for name, ty in fields.items()))


def table(columns, **facts):
    made = tuple(ColumnDef(name, ty, at) for at, (name, ty) in enumerate(columns.items()))
    return TableDef("user", "user", 0, made, **facts)


COLUMNS = {"id": U8, "name": STRING, "info": RefType(1)}
INFO = product(age=U8, friends=ArrayType(RefType(1)), kind=RefType(2))
KIND = SumType((Variant("a", U8), Variant("b", STRING)))


def module(
    columns=None,
    info=INFO,
    kind=KIND,
    params=None,
    returns=U8,
    reducer=True,
    private=False,
    tables=True,
    shift=0,
    **facts,
):
    facts = {"primary_key": 0, "unique_columns": (0,)} | facts
    return ModuleDef(
        Typespace((product(**(columns or COLUMNS)), info, kind)),
        (TypeDef("Info", 1), TypeDef("Kind", 2), TypeDef("User", 0)),
        (table(columns or COLUMNS, **facts),) if tables else (),
        (ReducerDef("set_name", "set_name", params or product(name=STRING), is_private=private),)
        if reducer
        else (),
        (ProcedureDef("look", "look", product(), returns),),
    )


OURS = module()


def test_the_same_module_fits():
    assert differences(OURS, module()) == []


def test_what_the_database_has_beyond_disturbs_nobody():
    theirs = module()
    more = msgspec.structs.replace(
        theirs,
        tables=(*theirs.tables, msgspec.structs.replace(theirs.tables[0], name="other")),
        reducers=(*theirs.reducers, ReducerDef("more", "more", product())),
    )
    assert differences(OURS, more) == []


def test_another_numbering_of_types_is_no_difference():
    theirs = ModuleDef(
        Typespace((KIND2 := KIND, product(**COLUMNS | {"info": RefType(2)}), INFO2)),
        (),
        (table(COLUMNS | {"info": RefType(2)}, primary_key=0, unique_columns=(0,)),),
        OURS.reducers,
        OURS.procedures,
    )
    assert KIND2 == KIND
    assert differences(OURS, theirs) == []


INFO2 = product(age=U8, friends=ArrayType(RefType(2)), kind=RefType(0))


@pytest.mark.parametrize(
    ("theirs", "sentences"),
    [
        (module(tables=False), ["table 'user' is gone"]),
        (
            module({"id": U8, "info": RefType(1)}),
            ["table 'user' has lost column 'name'"],
        ),
        (
            module(COLUMNS | {"age": option(U8)}),
            ["table 'user' has a new column 'age' of type Option<U8>"],
        ),
        (
            module(COLUMNS | {"name": option(STRING)}),
            ["table 'user': column 'name' was String, is now Option<String>"],
        ),
        (
            module({"name": STRING, "id": U8, "info": RefType(1)}),
            ["table 'user' has its columns in another order"],
        ),
        (
            module(primary_key=None),
            ["table 'user' has another primary key: 'id', now none"],
        ),
        (
            module(unique_columns=(), primary_key=0),
            ["table 'user': column 'id' is no longer unique"],
        ),
        (module(is_event=True), ["table 'user' has become an event table"]),
        (
            module(info=product(age=STRING, friends=ArrayType(RefType(1)), kind=RefType(2))),
            ["table 'user': column 'info' is still of type Info, but that type has changed"],
        ),
        (
            module(info=product(years=U8, friends=ArrayType(RefType(1)), kind=RefType(2))),
            ["table 'user': column 'info' is still of type Info, but that type has changed"],
        ),
        (
            module(kind=SumType((Variant("a", U8), Variant("c", STRING)))),
            ["table 'user': column 'info' is still of type Info, but that type has changed"],
        ),
        (
            module(kind=product(a=U8)),
            ["table 'user': column 'info' is still of type Info, but that type has changed"],
        ),
        (module(reducer=False), ["reducer 'set_name' is gone"]),
        (module(private=True), ["reducer 'set_name' can no longer be called by clients"]),
        (
            module(params=product(name=STRING, force=U8)),
            ["reducer 'set_name' has a new parameter 'force' of type U8"],
        ),
        (module(returns=STRING), ["what procedure 'look' returns was U8, is now String"]),
    ],
)
def test_differences(theirs, sentences):
    assert differences(OURS, theirs) == sentences


def test_an_event_table_that_became_an_ordinary_one():
    assert differences(module(is_event=True), OURS) == ["table 'user' is no longer an event table"]


def test_a_procedure_that_is_gone():
    theirs = msgspec.structs.replace(OURS, procedures=())
    assert differences(OURS, theirs) == ["procedure 'look' is gone"]


def test_recursive_types_are_compared_to_the_end():
    theirs = module(info=product(age=U8, friends=ArrayType(option(RefType(1))), kind=RefType(2)))
    assert len(differences(OURS, theirs)) == 1


def renamed_parameters(answer):
    """A 2.14 answer as servers gave it before: names of parameters as in the source."""
    text = json.dumps(answer)
    for new, old in (("new_name", "newName"), ("http_code_2", "HTTPCode2"), ("max_age", "maxAge")):
        text = text.replace(f'"{new}"', f'"{old}"')
    return json.loads(text)


def without_namespaces(answer):
    """The same without entries for namespaces."""
    for one in answer["sections"]:
        for entries in [one["ExplicitNames"]["entries"]] if "ExplicitNames" in one else []:
            entries[:] = [entry for entry in entries if "Namespace" not in entry]
    return answer


def answer(name, version=10):
    return json.loads((GOLDEN / f"{name}.v{version}.json").read_text())


@pytest.mark.parametrize("name", ["plain", "viewargs", "combined"])
def test_names_of_parameters_are_labels(name):
    """Those of a server before 2.14 are the same, and so are those of version 9."""
    now = load_schema(answer(name))
    before = load_schema(renamed_parameters(answer(name)))
    assert differences(before, now) == differences(now, before) == []
    ninth = load_schema(answer(name, 9))
    keys = [text for text in differences(ninth, now) if "another primary key" not in text]
    assert keys == []


def test_an_upgrade_to_2_11_renames_what_is_in_submodules():
    """Which is a difference that matters: the old name is of no use any more."""
    ours = load_schema(without_namespaces(answer("submodule")))
    assert [table.name for table in ours.tables] == ["myAuth.sessions", "plain_table"]
    for name, namespace in (("submodule", "my_auth"), ("namespace", "authz")):
        assert differences(ours, load_schema(answer(name))) == [
            f"table 'myAuth.sessions' is now called '{namespace}.sessions'",
            f"reducer 'myAuth.clean_expired' is now called '{namespace}.clean_expired'",
        ]
    assert differences(ours, ours) == []


def test_parameters_of_views():
    """They are arguments of a query, so they matter."""
    ours = load_schema(answer("viewargs"))
    theirs = msgspec.structs.replace(
        ours,
        tables=tuple(
            msgspec.structs.replace(table, params=product(min_level=U8)) for table in ours.tables
        ),
    )
    assert differences(ours, theirs) == [
        "table 'mine' has a new parameter 'min_level' of type U8",
        "table 'players_by': parameter 'min_level' was U32, is now U8",
        "table 'players_by' has lost parameter 'team_name'",
    ]
