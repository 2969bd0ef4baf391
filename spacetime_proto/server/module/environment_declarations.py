"""From the class of ``@module.environment`` to declarations of environment variables."""

from __future__ import annotations

import types as pytypes
import typing
from typing import TYPE_CHECKING, Any, Literal, Union

from ...errors import LocalProtocolError, SchemaError
from ...schema.model import EnvironmentDef, EnvironmentType
from ...wire.environment_headers import MAX_VALUE, check_key

if TYPE_CHECKING:
    from .annotations import TypeRegistry

#: Limits of a server (docs/protocol.md section 8.8).
_MAX_DECLARATIONS = 256
_MAX_STRINGS = 256
_MAX_SIZE = 2 << 20


def declare(cls: type, registry: TypeRegistry) -> tuple[EnvironmentDef, ...]:
    """Return the variables that the annotations of a class declare, sorted by name.

    Raises:
        SchemaError: an annotation is none of ``str``, ``Literal`` of texts, and these or None; a name
            is not possible; or there is too much of something.
    """
    found = [_one(name, hint) for name, hint in registry.hints(cls).items()]
    if len(found) > _MAX_DECLARATIONS:
        raise _invalid("too many declarations")
    sizes = (len(text.encode()) for one in found for text in (one.name, *one.values))
    if sum(sizes) > _MAX_SIZE:
        raise _invalid("declaration schema exceeds size limit")
    return tuple(sorted(found, key=lambda one: one.name))


def _one(name: str, hint: Any) -> EnvironmentDef:
    try:
        check_key(name)
    except LocalProtocolError as error:
        raise _invalid(str(error)) from None
    optional = False
    if typing.get_origin(hint) in (Union, pytypes.UnionType):
        parts = [part for part in typing.get_args(hint) if part is not type(None)]
        optional = len(parts) < len(typing.get_args(hint))
        hint = parts[0] if len(parts) == 1 else None
    if hint is str:
        return EnvironmentDef(name, "string", optional=optional)
    texts = typing.get_args(hint) if typing.get_origin(hint) is Literal else ()
    if not texts or not all(isinstance(text, str) for text in texts):
        raise SchemaError(
            f"environment variable {name} must be annotated `str` or `Literal[...]` of texts,"
            " or one of these `| None`"
        )
    if len(texts) > _MAX_STRINGS:
        raise _invalid(f'environment key "{name}": string union has too many entries')
    if any(len(text.encode()) > MAX_VALUE for text in texts):
        raise _invalid(f'environment key "{name}": declared literal exceeds value size limit')
    kind: EnvironmentType = "literal" if len(texts) == 1 else "union"
    return EnvironmentDef(name, kind, tuple(sorted(texts)), optional)


def _invalid(problem: str) -> SchemaError:
    return SchemaError(f"invalid environment declaration: {problem}")
