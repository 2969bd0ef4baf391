"""Reducers and procedures, ready to be called: arguments in, result out, in bytes or JSON."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from ...errors import DecodeError, LimitExceeded
from ...sats import sats_json
from ...sats.algebraic import UNIT, AlgebraicType
from ...sats.compile import TypeContext
from ...schema.model import Lifecycle, ProcedureDef, ReducerDef
from .blueprint import FunctionPlan
from .convert import Convert, Converters


class ArgumentError(Exception):
    """Arguments that do not fit the parameters.

    The server sends v2 clients the cause, v1 and HTTP clients the whole chain of causes. For JSON
    its first part is always ``.``, so here the last one is used instead.

    Attributes:
        chain: the text with all causes.
    """

    def __init__(self, function: str, problem: str, *, is_json: bool = False) -> None:
        super().__init__(problem)
        top = "." if is_json else problem
        root = f".: {problem}" if is_json else problem
        self.chain = f"{top}: invalid arguments for function {function}: {top}: {root}"


class Function:
    """One reducer or procedure.

    Attributes:
        definition: its name, parameters and result.
        index: its place among the reducers sorted by name, which v1 reports.
        source_params: the parameters' names in the module's source.
    """

    def __init__(
        self, plan: FunctionPlan, index: int, context: TypeContext, converters: Converters
    ) -> None:
        self.definition: ReducerDef | ProcedureDef = plan.definition
        self.index = index
        self.name = plan.definition.name
        self._call = plan.call
        self._context = context
        self._params = plan.definition.params
        self.source_params = plan.source_params
        self._from_wire = [converters.of(hint).from_wire for hint in plan.annotations]
        self._to_wire = [converters.of(hint).to_wire for hint in plan.annotations]
        self._result = converters.of(plan.returns).to_wire

    @property
    def kind(self) -> str:
        """``"reducer"`` or ``"procedure"``."""
        return "reducer" if isinstance(self.definition, ReducerDef) else "procedure"

    @property
    def lifecycle(self) -> Lifecycle | None:
        """When the server itself calls it, if it does."""
        definition = self.definition
        return definition.lifecycle if isinstance(definition, ReducerDef) else None

    def call(self, context: Any, args: Sequence[Any]) -> Any:
        """Run the module's function and return its result, a coroutine for ``async def``."""
        return self._call(context, *args)

    # --- arguments ----------------------------------------------------------------------------

    def arguments(self, args: bytes | str) -> list[Any]:
        """Return the arguments in BSATN, or in JSON text; errors as `decode` and `decode_json`."""
        return self.decode(args) if isinstance(args, bytes) else self.decode_json(args)

    def decode(self, data: bytes) -> list[Any]:
        """Return the arguments encoded in BSATN; bytes after them are ignored, as by the server.

        Raises:
            ArgumentError: they do not decode.
        """
        try:
            values, _ = self._context.codec(self._params).decode_first(data)
            return self._arguments(values)
        except Exception as error:  # classes of the module may refuse what decodes
            raise ArgumentError(self.name, getattr(error, "detail", str(error))) from error

    def decode_json(self, text: str) -> list[Any]:
        """Return the arguments written as a JSON array, or an object by parameter name.

        A name may be that of the source or the canonical one (docs/protocol.md section 8.3).

        Raises:
            ArgumentError: they do not decode.
        """
        try:
            args = sats_json.loads(text)
            if isinstance(args, list) and len(args) != len(self._params.elements):
                raise DecodeError(
                    f"invalid length {len(args)}, expected {self.kind} args for {self.name} with"
                    f" {len(self._params.elements)} elements at line 1 column {len(text)}"
                )
            if isinstance(args, dict):
                args = self._in_order(args)
            elif not isinstance(args, list):
                raise DecodeError("arguments are an array, or an object by parameter name")
            return self._arguments(sats_json.from_json(self._params, self._context, args))
        except (DecodeError, LimitExceeded) as error:
            raise ArgumentError(self.name, str(error), is_json=True) from error

    def _in_order(self, named: dict[str, Any]) -> list[Any]:
        """Return named arguments in the order of the parameters.

        Raises:
            DecodeError: one is unknown, missing or there in both spellings; the texts are the server's.
        """
        canonical = [element.name or "" for element in self._params.elements]
        # Where one parameter's source name is another's canonical name, it means the former.
        places = {name: at for at, name in enumerate(canonical)}
        places |= {name: at for at, name in enumerate(self.source_params)}
        found: dict[int, Any] = {}
        for name, value in named.items():
            at = places.get(name)
            if at is None:
                pairs = zip(self.source_params, canonical, strict=True)
                spellings = [dict.fromkeys(pair) for pair in pairs]
                expected = "".join(", " + "".join(f"`{n}`" for n in pair) for pair in spellings)
                raise DecodeError(f"unknown {self.kind} argument `{name}`, expected {expected}")
            if at in found:
                raise DecodeError(f"duplicate {self.kind} argument `{self.source_params[at]}`")
            found[at] = value
        missing = [name for at, name in enumerate(self.source_params) if at not in found]
        if missing:
            raise DecodeError(f"missing {self.kind} argument `{missing[0]}`")
        return [found[at] for at in range(len(found))]

    def encode(self, args: Sequence[Any]) -> bytes:
        """Return module values as BSATN arguments."""
        return self._context.codec(self._params).encode(tuple(_converted(args, self._to_wire)))

    def args_json(self, data: bytes) -> str:
        """Return BSATN arguments as the JSON array that v1.json reports."""
        value, _ = self._context.codec(self._params).decode(data, 0)
        return sats_json.dumps(
            sats_json.to_json(self._params, self._context, value, style="positional")
        )

    # --- results ------------------------------------------------------------------------------

    def encode_result(self, value: Any) -> bytes:
        """Return a procedure's result as BSATN.

        Raises:
            EncodeError: it does not fit the declared type.
        """
        wire = value if self._result is None else self._result(value)
        if wire is None and self._return_type == UNIT:
            wire = ()
        return self._context.codec(self._return_type).encode(wire, what=f"result of {self.name}")

    def result_json(self, data: bytes) -> str:
        """Return an encoded result as positional JSON."""
        value = self._context.codec(self._return_type).decode_exact(data)
        return sats_json.dumps(
            sats_json.to_json(self._return_type, self._context, value, style="positional")
        )

    @property
    def _return_type(self) -> AlgebraicType:
        definition = self.definition
        return definition.return_type if isinstance(definition, ProcedureDef) else UNIT

    def _arguments(self, values: Any) -> list[Any]:
        fields = () if values == () else msgspec.structs.astuple(values)
        return _converted(fields, self._from_wire)


def _converted(values: Sequence[Any], converts: Sequence[Convert | None]) -> list[Any]:
    return [
        value if convert is None else convert(value)
        for value, convert in zip(values, converts, strict=True)
    ]
