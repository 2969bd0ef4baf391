"""The environment variables of a database: checked, stored in ``st_env``, and read by the module.

A module declares which it reads; whoever publishes supplies the values (docs/protocol.md section 8.8).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

import msgspec

from ...errors import LocalProtocolError
from ...wire.environment_headers import Removals, check_key, check_value
from ..module.blueprint import TableBlueprint, table_blueprint
from ..module.columns import column
from ..module.declarations import TableDecl

if TYPE_CHECKING:
    from ...schema.model import EnvironmentDef
    from ..module.annotations import TypeRegistry
    from .store import TableStore

__all__ = ["TABLE_ID", "Environment", "EnvironmentRefused", "environment_table"]

#: The id of the system table (docs/protocol.md section 10.4).
TABLE_ID: Final = 21
_MAX_STORED: Final = 256


class EnvironmentRefused(LocalProtocolError):
    """Values that do not fit what the module declares; nothing was changed. The text shows none.

    Attributes:
        missing: the variables that the module requires and that would have no value.
    """

    def __init__(self, key: str, problem: str, missing: Sequence[str] = ()) -> None:
        super().__init__(f'environment key "{key}": {problem}')
        self.missing = tuple(missing)


@dataclasses.dataclass(frozen=True, kw_only=True)
class StEnv:
    """A row of the system table."""

    key: str = column(primary_key=True)
    value: str


def environment_table(registry: TypeRegistry) -> TableBlueprint:
    """Return the private system table ``st_env``; its row type is entered into the registry."""
    plan = table_blueprint(
        TableDecl(
            row_class=StEnv,
            name="st_env",
            accessor="st_env",
            is_public=False,
            is_event=False,
            scheduled=None,
            indexes=(),
        ),
        registry,
    )
    definition = msgspec.structs.replace(plan.definition, is_system=True)
    return TableBlueprint(definition, plan.row_class, plan.attributes)


class Environment:
    """The variables of one database.

    Attributes:
        declarations: those of the module, sorted by name.
        store: the rows of ``st_env``.
    """

    def __init__(self, declarations: Sequence[EnvironmentDef], store: TableStore) -> None:
        self.declarations = tuple(declarations)
        self._declared = {declaration.name: declaration for declaration in declarations}
        self.store = store

    def get(self, key: str) -> str | None:
        """Return the value of a variable for the module; None if it is optional and has none.

        Raises:
            KeyError: the module does not declare it; stored or not, it cannot be read then.
        """
        if key not in self._declared:
            raise KeyError(f"environment key is not declared: {key}")
        return next((row.value for row in self.store.lookup(0, key).values()), None)

    @property
    def stored_keys(self) -> list[str]:
        """The names of the variables that have a value, sorted."""
        return sorted(row.key for row in self.store.rows.values())

    def change(self, values: Mapping[str, str], remove: Removals = ()) -> None:
        """Set and remove variables in the running transaction, if all is well afterwards.

        Args:
            values: what to set.
            remove: names of variables to remove, or ``"all"``: those that are not in `values`.

        Raises:
            LocalProtocolError: a name or value is not possible; EnvironmentRefused: the values do not
                fit what is declared.
        """
        result = self._checked(values, remove)
        for data, row in list(self.store.rows.items()):
            if result.get(row.key) != row.value:
                self.store.delete(data)
        for key, value in result.items():
            self.store.insert(StEnv(key=key, value=value))

    def _checked(self, values: Mapping[str, str], remove: Removals) -> dict[str, str]:
        """Return all variables as they will be."""
        removed = self.stored_keys if remove == "all" else remove
        for key in (*values, *removed):
            check_key(key)
        for key, value in values.items():
            check_value(key, value)
        if remove != "all":
            for key in sorted(values.keys() & set(removed)):
                raise EnvironmentRefused(key, "conflicting environment update operations")
        result = {row.key: row.value for row in self.store.rows.values()}
        for key in removed:
            result.pop(key, None)
        result.update(values)
        if len(result) > _MAX_STORED:
            raise LocalProtocolError(
                f"too many stored values: {len(result)}, at most {_MAX_STORED}"
            )
        missing = []
        for name, declaration in self._declared.items():
            if name not in result:
                if not declaration.optional:
                    missing.append(name)
            elif declaration.values and result[name] not in declaration.values:
                raise EnvironmentRefused(
                    name, "value does not satisfy its declared string constraint"
                )
        if missing:
            raise EnvironmentRefused(missing[0], "required value is missing", missing)
        return result
