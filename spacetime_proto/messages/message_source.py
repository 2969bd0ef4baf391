"""Source code of the functions that read and write messages, written by their fields.

Each message gets one straight function of its own. That is faster than going through a list of
fields for each message: no call and no loop per field, and neighbouring fields of fixed size (a
"run") are read or written by one `struct.Struct`.

`take` and `put` only add to the run; `settle` writes its line. A field must settle before it uses a
value or moves `pos`, or values and bytes come apart. One `struct` call cannot say which field was
cut short, so the error path goes through the run again (`cut_short`).
"""

from __future__ import annotations

from functools import cache
from struct import calcsize, error
from typing import TYPE_CHECKING, Any

from ..sats.algebraic import Typespace
from ..sats.compile import TypeContext
from ..sats.program import GeneratedFunction, Program
from .reading import cut_short, unknown_tag

if TYPE_CHECKING:
    from collections.abc import Callable

    from .fields import WireField
    from .reading import Read


@cache
def context() -> TypeContext:
    """Return the context of the types that messages are in JSON; made on first use."""
    return TypeContext(Typespace())


def _program() -> Program:
    # A new one for each function: two threads may generate functions at the same time.
    return Program(context().shapes, context().layout)


class ReaderSource(GeneratedFunction):
    """The source of a `reading.Read` function."""

    def __init__(self) -> None:
        program = _program()
        super().__init__(program, "read", "data, pos, left, compressed")
        self._run: list[tuple[str, str, str]] = []
        self.constant = program.constant
        self.line("size = len(data)")

    @classmethod
    def of(cls, field: WireField) -> Read:
        """Return the function that reads `field`."""
        to = cls()
        value = field.read(to)
        to.settle()
        to.line(f"return {value}, pos, left")
        read: Read = to.program.finish(to)
        return read

    def take(self, code: str, words: str) -> str:
        """Return the name of a value of fixed size, which is read by the next `settle`.

        Args:
            code: its `struct` format.
            words: its name in errors.
        """
        name = self.variable()
        self._run.append((code, words, name))
        return name

    def settle(self) -> None:
        """Write the lines that read the run."""
        run = self._run
        if not run:
            return
        self._run = []
        layout = "".join(code for code, _, _ in run)
        names = ", ".join(name for _, _, name in run)
        parts = tuple((words, calcsize(code)) for code, words, _ in run)
        self.line("try:")
        if layout == "B":  # indexing is faster than `struct`
            self.line(f"    {names} = data[pos]")
            self.line("except IndexError:")
        else:
            self.line(f"    {names}, = {self.program.struct('unpack_from', layout)}(data, pos)")
            self.line(f"except {self.constant(error)}:")
        self.line(f"    {self.constant(cut_short)}(data, pos, {self.constant(parts)})")
        self.line(f"pos += {calcsize('<' + layout)}")

    def value(self, expression: str) -> str:
        """Write the line that keeps a value; return its name."""
        self.settle()
        name = self.variable()
        self.line(f"{name} = {expression}")
        return name

    def tag(self) -> str:
        """Write the lines that read a tag, the byte before `pos` afterwards; return its name."""
        name = self.take("B", "u8")
        self.settle()
        return name

    def case(self, condition: str, value: str, field: WireField) -> None:
        """Write a condition, and under it how the variable `value` is read as a `field`."""
        self.line(condition)
        self.indent()
        found = field.read(self)
        self.settle()
        self.line(f"{value} = {found}")
        self.dedent()

    def no_case(self, tag: str, name: str) -> None:
        """Write the lines that refuse any other tag of the sum `name`."""
        self.line("else:")
        self.line(f"    {self.constant(unknown_tag)}({tag}, {name!r}, pos - 1)")


class WriterSource(GeneratedFunction):
    """The source of a function ``(out, value)``."""

    def __init__(self) -> None:
        super().__init__(_program(), "write", "out, value")
        self._run: list[tuple[str, str]] = []

    @classmethod
    def of(cls, tag: int, message: WireField) -> Callable[[bytearray, Any], None]:
        """Return the function that writes a message behind its tag."""
        to = cls()
        to.put("B", str(tag))
        message.write(to, "value")
        to.settle()
        write: Callable[[bytearray, Any], None] = to.program.finish(to)
        return write

    def put(self, code: str, expression: str) -> None:
        """Add a value of fixed size, which is written at the next `settle`."""
        self._run.append((code, expression))

    def settle(self) -> None:
        """Write the lines that write the run."""
        run = self._run
        self._run = []
        if len(run) == 1 and run[0][0] == "B":
            self.line(f"out.append({run[0][1]})")
        elif run:
            pack = self.program.struct("pack", "".join(code for code, _ in run))
            self.line(f"out += {pack}({', '.join(value for _, value in run)})")

    def value(self, expression: str) -> str:
        """Write the line that keeps a value; return its name."""
        name = self.variable()
        self.line(f"{name} = {expression}")
        return name

    def case(self, condition: str, tag: int, field: WireField, value: str) -> None:
        """Write a condition, and under it how `value` is written as a `field` behind its tag."""
        self.line(condition)
        self.indent()
        self.put("B", str(tag))
        field.write(self, value)
        self.settle()
        self.dedent()
