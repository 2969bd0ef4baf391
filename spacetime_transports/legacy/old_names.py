"""Which table or reducer a program for the 0.7 SDK means by a name.

Those programs use class names, ``User`` for the table that servers of today call ``user``, and the
names in the module's source.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from spacetime_proto.errors import LocalProtocolError
from spacetime_proto.schema.case import snake_case

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from spacetime_proto.schema.bound import BoundModule, BoundTable

_TOKEN = re.compile(r"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|[^\W\d]\w*|\s+|.", re.DOTALL)


def find_table(module: BoundModule, name: str) -> str | None:
    """Return the canonical name of the table or view that `name` means; None if there is none.

    A name of its own comes before the name of its rows' class, which views share with the table
    that they show; and a table comes before a view.

    Raises:
        LocalProtocolError: several fit equally well; the text names them.
    """
    if name in module.tables:
        return name
    kinds = [
        [table for table in module.tables.values() if table.definition.is_view is is_view]
        for is_view in (False, True)
    ]
    words = _words(name)

    def has_source_name(table: BoundTable) -> bool:
        return table.definition.accessor == name

    def has_same_words(table: BoundTable) -> bool:
        return words in (_words(table.name), _words(table.definition.accessor))

    def has_row_class(table: BoundTable) -> bool:
        return table.row_class.__name__ == name

    for fits in (has_source_name, has_same_words, has_row_class):
        for tables in kinds:
            found = [table.name for table in tables if fits(table)]
            if found:
                return _only(found, name, "tables")
    return None


def find_reducer(module: BoundModule, name: str) -> str:
    """Return the canonical name of the reducer that `name` means.

    Raises:
        LocalProtocolError: there is none, or several fit equally well.
    """
    if name in module.reducers:
        return name
    words = _words(name)
    named = {canonical: one.definition.accessor for canonical, one in module.reducers.items()}
    for found in (
        [canonical for canonical, accessor in named.items() if accessor == name],
        [one for one, accessor in named.items() if words in (_words(one), _words(accessor))],
    ):
        if found:
            return _only(found, name, "reducers")
    raise LocalProtocolError(f"the bindings have no reducer {name!r}")


def _words(name: str) -> str:
    return snake_case(name.replace(".", "_"))


def _only(found: list[str], name: str, what: str) -> str:
    if len(found) > 1:
        listed = " and ".join(map(repr, sorted(found)))
        raise LocalProtocolError(f"the name {name!r} could mean the {what} {listed}: write which")
    return found[0]


def translate(query: str, find: Callable[[str], str | None]) -> str:
    """Return an old query with its table names as the server knows them.

    A name is replaced after FROM and JOIN, and before the dot of a column; text in quotes is not.

    Args:
        query: SQL text.
        find: returns the canonical name for a name, or None if it is no table's.

    Raises:
        LocalProtocolError: as `find`.
    """
    tokens = _TOKEN.findall(query)
    for at, token in enumerate(tokens):
        if token.startswith("'") or not (token[0] in '"_' or token[0].isalpha()):
            continue
        has_column = _word(tokens[at + 1 :]) == "."
        if has_column or _word(reversed(tokens[:at])) in ("FROM", "JOIN"):
            bare = token[1:-1] if token.startswith('"') else token
            name = find(bare) or bare
            # `user` alone is a function of SQL, so servers do not read `user.name`.
            quote = '"' if bare != token or (has_column and name.upper() == "USER") else ""
            tokens[at] = f"{quote}{name}{quote}"
    return "".join(tokens)


def _word(tokens: Iterable[str]) -> str:
    return next((token.upper() for token in tokens if not token.isspace()), "")
