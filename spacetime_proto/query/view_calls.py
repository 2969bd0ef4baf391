"""Queries for views with parameters: ``tables.players_at_level(5, "x")`` (docs/protocol.md section 10.7)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from ..errors import QueryError
from ..schema.words import type_words
from .builder import Query, QueryPlan, stands_alone
from .literals import SENDER, literal_sql, normalise

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ..client.db import Db
    from ..types import Identity
    from .conditions import Relation
    from .local import Selection

Row_co = TypeVar("Row_co", covariant=True)

_CHANGES = {"where": "filtered", "left_semijoin": "joined", "right_semijoin": "joined"}


class ViewCall(Query[Row_co]):
    """The rows that a view with parameters has for these arguments.

    The server takes no condition and no join on it.
    """

    def local(self, db: Db, *, sender: Identity | None = None) -> Selection[Row_co]:
        """Refused: rows do not tell which call they belong to; read ``db.NAME``, which has all.

        Raises:
            QueryError: always.
        """
        raise QueryError(
            f"the cache has the rows of every call of view {self.table!r} together:"
            f" read client.db.{self.table}"
        )

    if not TYPE_CHECKING:  # pragma: no branch

        def __getattr__(self, name: str) -> Any:
            done = _CHANGES.get(name)
            if done is None:
                raise AttributeError(f"a call of a view has no attribute {name!r}")
            raise QueryError(stands_alone(self.plan, done))


def view_call(relation: Relation, arguments: Iterable[object]) -> ViewCall[Any]:
    """Return the query for the rows that a view has for these arguments.

    Raises:
        TypeError: wrong number of arguments.
        QueryError: the parameter cannot hold an argument, or SQL cannot pass its type.
    """
    given = tuple(arguments)
    parameters = relation.parameters
    if len(given) != len(parameters):
        names = ", ".join(parameter.name for parameter in parameters)
        raise TypeError(
            f"view {relation.name!r} takes {len(parameters)} arguments ({names}), not {len(given)}"
        )
    literals = []
    for parameter, value in zip(parameters, given, strict=True):
        if parameter.kind is None:
            words = type_words(parameter.type, {})
            raise QueryError(
                f"parameter {parameter.name!r} of view {relation.name!r} has type {words},"
                " which cannot be passed in SQL"
            )
        if value is SENDER:
            raise QueryError(parameter.refusal("a value that SQL can pass", "SENDER"))
        literals.append(literal_sql(parameter.kind, normalise(parameter, value)))
    plan = QueryPlan(relation, arguments=tuple(literals))
    call: ViewCall[Any] = ViewCall(lambda: plan)
    call.sql  # noqa: B018  # raises QueryError here, in the call that made the mistake
    return call
