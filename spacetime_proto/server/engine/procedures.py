"""Running procedures: plain ones at once, ``async def`` ones step by step between their waits."""

from __future__ import annotations

import inspect
import traceback
from collections.abc import Callable, Coroutine, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

from ...types import Timestamp
from ...wire.http_exchange import HttpResponse
from ..module.functions import ArgumentError, Function
from ..module.reducer_context import ProcedureContext, ProcedureSleep
from .outcomes import Caller, ProcedureOutcome, sayable
from .procedure_http import Fetch, HttpFailed

if TYPE_CHECKING:
    from .database import Database

__all__ = ["Procedures"]

#: Called once with the result of a procedure.
Done: TypeAlias = Callable[[ProcedureOutcome], None]

_EPOCH = Timestamp(0)


class Procedures:
    """The procedures of one database."""

    def __init__(self, database: Database, functions: Mapping[str, Function]) -> None:
        self._database = database
        self._functions = functions

    def get(self, name: str) -> Function | None:
        """Return the procedure of this canonical name."""
        return self._functions.get(name)

    def call(
        self, caller: Caller, name: str, args: bytes | str, *, now: Timestamp, done: Done
    ) -> None:
        """Run a procedure; `done` gets its result, at once or after its sleeps.

        Args:
            caller: who calls.
            name: canonical name of the procedure.
            args: BSATN, or JSON text.
            now: the time it starts at.
            done: takes the result.
        """
        function = self._functions.get(name)
        if function is None or (function.definition.is_private and not caller.is_owner):
            done(ProcedureOutcome(_EPOCH, None, "No such procedure"))
            return
        try:
            values = function.arguments(args)
        except ArgumentError as error:
            text = f"invalid arguments for procedure {name}: {error}"
            done(ProcedureOutcome(_EPOCH, None, text))
            return
        time = self._database.stamp(now)
        _Run(self._database, function, caller, time, done).start(values)

    def run_scheduled(
        self,
        name: str,
        row: Any,
        caller: Caller,
        now: Timestamp,
        *,
        then: Callable[[], None] = lambda: None,
    ) -> None:
        """Run the procedure that a row has scheduled, then call `then`; a failure is logged."""

        def done(outcome: ProcedureOutcome) -> None:
            if outcome.value is None:
                self._database.log("Error", f"scheduled procedure {name}: {outcome.text}", now)
            then()

        time = self._database.stamp(now)
        _Run(self._database, self._functions[name], caller, time, done).start([row])


class _Run:
    """One running procedure."""

    def __init__(
        self,
        database: Database,
        function: Function,
        caller: Caller,
        now: Timestamp,
        done: Done,
    ) -> None:
        self._database = database
        self._function = function
        self._started = now
        self._done = done
        self._context = ProcedureContext(database, caller, now)

    def start(self, values: list[Any]) -> None:
        try:
            result = self._function.call(self._context, values)
        except Exception as error:
            self._fail(error)
            return
        if inspect.iscoroutine(result):
            self._advance(result, lambda: result.send(None))
        else:
            self._finish(result)

    def _advance(self, coroutine: Coroutine[Any, Any, Any], resume: Callable[[], object]) -> None:
        """Resume the procedure, until it ends or waits again."""
        try:
            step = resume()
        except StopIteration as stop:
            self._finish(stop.value)
            return
        except Exception as error:
            self._fail(error)
            return
        if not self._database.in_transaction:
            if isinstance(step, ProcedureSleep):
                self._database.scheduler.add(
                    step.until, lambda at: self._advance(coroutine, lambda: coroutine.send(at))
                )
                return
            if isinstance(step, Fetch):
                self._database.fetch(step, lambda answer: self._answered(coroutine, answer))
                return
        self._refuse(coroutine, step)

    def _answered(
        self, coroutine: Coroutine[Any, Any, Any], answer: HttpResponse | HttpFailed
    ) -> None:
        if isinstance(answer, HttpFailed):
            self._advance(coroutine, lambda: coroutine.throw(answer))
        else:
            self._advance(coroutine, lambda: coroutine.send(answer))

    def _refuse(self, coroutine: Coroutine[Any, Any, Any], step: object) -> None:
        """Raise an error in the procedure, which must not wait for `step`. It has to end then."""
        try:
            if isinstance(step, ProcedureSleep | Fetch):
                verb = "sleep" if isinstance(step, ProcedureSleep) else "send HTTP requests"
                coroutine.throw(RuntimeError(f"a procedure cannot {verb} inside a transaction"))
            coroutine.throw(
                RuntimeError("a procedure can await nothing but ctx.sleep and ctx.http")
            )
        except StopIteration as stop:
            self._finish(stop.value)
        except Exception as error:
            self._fail(error)
        else:
            coroutine.close()
            self._fail(RuntimeError("the procedure goes on awaiting what it must not"))

    def _finish(self, result: Any) -> None:
        try:
            value = self._function.encode_result(result)
        except Exception as error:
            self._fail(error)
            return
        self._done(ProcedureOutcome(self._started, value))

    def _fail(self, error: Exception) -> None:
        self._database.panic("".join(traceback.format_exception(error)))
        text = f"The module instance encountered a fatal error: {type(error).__name__}: {error}"
        self._done(ProcedureOutcome(self._started, None, sayable(text)))
