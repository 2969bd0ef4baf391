"""The literals of a view call -> arguments; the parameter's type decides (docs/protocol.md section 10.7)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from ...errors import QueryError
from ...sats.algebraic import Primitive
from .constants import is_comparable, literal_value, type_text

if TYPE_CHECKING:
    from ...sats.algebraic import AlgebraicType, Typespace
    from ...schema.model import TableDef
    from .ast import SqlConstant, SqlRelation

_STRING: Final = Primitive("String")


def view_arguments(
    relation: SqlRelation, definition: TableDef, typespace: Typespace
) -> tuple[Any, ...]:
    """Return the arguments that a query gives to its table or view.

    Raises:
        QueryError: they do not fit; the texts are the server's.
    """
    name, given = definition.name, relation.arguments
    parameters = definition.params.elements
    if given and not definition.is_view:
        raise QueryError(f"`{name}` is a table, not a view; it does not take arguments")
    if len(given) != len(parameters):
        raise QueryError(
            f"View `{name}` takes {len(parameters)} argument(s), but {len(given)} were given"
        )
    values = []
    for parameter, literal in zip(parameters, given, strict=True):
        ty = typespace.resolve(parameter.type)
        if not is_comparable(ty):
            raise QueryError(
                f"Parameter `{parameter.name}` of view `{name}` has type {type_text(ty)},"
                " which cannot be passed from SQL"
            )
        values.append(_value(literal, ty))
    return tuple(values)


def _value(literal: SqlConstant, ty: AlgebraicType) -> Any:
    if ty == _STRING and literal.kind in ("number", "hex"):
        return literal.text
    return literal_value(literal, ty)
