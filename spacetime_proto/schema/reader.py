"""Reads the JSON of schemas, keeping the path to each value for error messages.

Schemas come from servers of other versions, so unknown keys are ignored. A missing key without a
default, and everything else that is not as expected, is a `SchemaError` that names the path. What
a reader leaves out because only a newer server knows it is collected, for one `NewerSchemaWarning`.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

from ..errors import SchemaError
from ..limits import DEFAULT_LIMITS
from ..sats.algebraic import (
    PRIMITIVE_SIZES,
    UNIT,
    AlgebraicType,
    ArrayType,
    Element,
    Primitive,
    ProductType,
    RefType,
    SumType,
    Variant,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

_MAX_DEPTH = DEFAULT_LIMITS.nesting_depth


class NewerSchemaWarning(UserWarning):
    """A module description says things that this version of the library does not know."""


class Reader:
    """A JSON value and its path.

    Attributes:
        value: the value, as `json.loads` makes it.
        path: where it is, such as ``tables[3].name``.
    """

    __slots__ = ("_left_out", "path", "value")

    def __init__(self, value: Any, path: str = "", left_out: list[str] | None = None) -> None:
        self.value = value
        self.path = path
        self._left_out: list[str] = [] if left_out is None else left_out

    def fail(self, expected: str) -> SchemaError:
        """Return the error that says that `expected` should be here."""
        found = type(self.value).__name__ if self.value is not None else "null"
        return SchemaError(f"schema: {expected} expected at {self.path or 'the top'}, not {found}")

    def leave_out(self, what: str) -> None:
        """Note that `what`, which is here, is not understood and left out."""
        self._left_out.append(f"{what} at {self.path}" if self.path else what)

    def warn(self) -> None:
        """Warn of everything that was left out, here and in all readers made from this one."""
        warn_of(self._left_out)

    def _at(self, value: Any, path: str) -> Reader:
        return Reader(value, path, self._left_out)

    # --- objects

    def has(self, key: str) -> bool:
        """Say whether this is an object with that key."""
        return isinstance(self.value, dict) and key in self.value

    def __getitem__(self, key: str) -> Reader:
        if not isinstance(self.value, dict):
            raise self.fail("an object")
        if key not in self.value:
            where = f" at {self.path}" if self.path else ""
            raise SchemaError(f"schema: no {key!r}{where}")
        return self._at(self.value[key], f"{self.path}.{key}".lstrip("."))

    def get(self, key: str, default: Any) -> Reader:
        """Same as ``[key]``, with a value for when the key is missing."""
        if self.has(key):
            return self[key]
        return self._at(default, f"{self.path}.{key}".lstrip("."))

    def variant(self) -> tuple[str, Reader]:
        """Return the name and payload of a sum: an object with one key."""
        if not isinstance(self.value, dict) or len(self.value) != 1:
            raise self.fail("an object with one key")
        (name,) = self.value
        return name, self[name]

    def option(self) -> Reader | None:
        """Return the payload of an option, None if there is none."""
        if self.value is None:
            return None
        name, payload = self.variant()
        if name == "some":
            return payload
        if name == "none":
            return None
        raise self.fail("some or none")

    # --- everything else

    def items(self) -> Iterator[Reader]:
        """Yield the elements of an array."""
        if not isinstance(self.value, list):
            raise self.fail("an array")
        for number, item in enumerate(self.value):
            yield self._at(item, f"{self.path}[{number}]")

    def text(self) -> str:
        """Return a string."""
        if not isinstance(self.value, str):
            raise self.fail("a string")
        return self.value

    def number(self) -> int:
        """Return an integer."""
        if not isinstance(self.value, int) or isinstance(self.value, bool):
            raise self.fail("an integer")
        return self.value

    def flag(self) -> bool:
        """Return a boolean."""
        if not isinstance(self.value, bool):
            raise self.fail("a boolean")
        return self.value

    def optional_text(self) -> str | None:
        """Return the string in an option."""
        payload = self.option()
        return None if payload is None else payload.text()

    def optional_number(self) -> int | None:
        """Return the integer in an option."""
        payload = self.option()
        return None if payload is None else payload.number()

    def numbers(self) -> tuple[int, ...]:
        """Return an array of integers."""
        return tuple(item.number() for item in self.items())

    def hex(self) -> bytes:
        """Return bytes, written as hexadecimal digits or as an array of numbers."""
        try:
            if isinstance(self.value, list):
                return bytes(self.numbers())
            return bytes.fromhex(self.text())
        except ValueError as error:
            raise self.fail("hexadecimal digits") from error

    # --- types

    def type(self, depth: int = 0) -> AlgebraicType:
        """Return an ``AlgebraicType`` (docs/protocol.md section 2, end)."""
        if depth > _MAX_DEPTH:
            # The whole path would be as long as the type is deep.
            raise SchemaError(f"schema: types nest too deep at {self.path[:80]}")
        name, payload = self.variant()
        match name:
            case "Ref":
                return RefType(payload.number())
            case "Array":
                return ArrayType(payload.type(depth + 1))
            case "Product":
                return payload.product(depth + 1)
            case "Sum":
                return SumType(
                    tuple(
                        Variant(
                            item["name"].optional_text(), item["algebraic_type"].type(depth + 1)
                        )
                        for item in payload["variants"].items()
                    )
                )
            case _:
                if name != "String" and name not in PRIMITIVE_SIZES:
                    raise SchemaError(
                        f"schema: unknown type {name!r} at {self.path};"
                        " a newer version of spacetimedb-client may know it"
                    )
                return Primitive(name)

    def product(self, depth: int = 0) -> ProductType:
        """Return a ``ProductType``: an object with ``elements``."""
        elements = tuple(
            Element(item["name"].optional_text(), item["algebraic_type"].type(depth + 1))
            for item in self["elements"].items()
        )
        return ProductType(elements) if elements else UNIT


def warn_of(left_out: list[str]) -> None:
    """Warn once that a description has things that are left out, if there are any."""
    if left_out:
        shown = ", ".join(left_out[:5])
        more = f" and {len(left_out) - 5} more" if len(left_out) > 5 else ""
        warnings.warn(
            f"schema: left out, because a newer SpacetimeDB wrote it: {shown}{more};"
            " a newer version of spacetimedb-client may know it",
            NewerSchemaWarning,
            stacklevel=2,
        )


def type_to_json(ty: AlgebraicType) -> dict[str, Any]:
    """Return the JSON form of a type, as `Reader.type` reads it."""
    match ty:
        case Primitive(name):
            return {name: []}
        case RefType(index):
            return {"Ref": index}
        case ArrayType(element):
            return {"Array": type_to_json(element)}
        case ProductType(elements):
            return {"Product": {"elements": [_named(item) for item in elements]}}
        case _:
            return {"Sum": {"variants": [_named(item) for item in ty.variants]}}


def _named(item: Element | Variant) -> dict[str, Any]:
    name: dict[str, Any] = {"none": []} if item.name is None else {"some": item.name}
    return {"name": name, "algebraic_type": type_to_json(item.type)}
