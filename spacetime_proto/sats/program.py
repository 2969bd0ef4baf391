"""Generated functions: their source, their constants, and how they are compiled.

Codecs are generated as Python source because that is many times faster than interpreting a type
for each value: the type is walked once, when the source is written, and what runs is straight-line
code with constants and classes in its globals.

Every identifier in generated source is synthetic (``v7``, ``k3``): names from a schema are untrusted
and reach functions only as values in their namespace. The source is registered with `linecache`, so
that tracebacks and profilers show it.
"""

from __future__ import annotations

import linecache
from hashlib import blake2b
from struct import Struct
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Callable

    from .algebraic import AlgebraicType
    from .layout import Layout
    from .shapes import Shapes, SumShape

__all__ = [
    "MAX_INLINE_LEVEL",
    "MAX_INLINE_WEIGHT",
    "GeneratedFunction",
    "Kind",
    "Program",
    "is_apart",
    "is_dispatched",
    "state_of",
]

MAX_INLINE_LEVEL = 6
"""Deeper nesting goes into functions of its own: Python allows 20 nested loops."""
MAX_INLINE_WEIGHT = 64
"""Types behind a reference that need more lines than this go into functions of their own."""

_MAX_CHAIN = 8
"""Sums with more variants are dispatched through a table instead of an if-chain."""

StructMethod = Literal["unpack", "unpack_from", "iter_unpack", "pack"]

Kind = Literal["decode", "encode", "skip"]
"""The purpose of a queued function, which decides its signature:

``decode(data, pos, depth) -> (value, pos)``, ``encode(value, out, depth)``,
``skip(data, pos, depth) -> pos``; `state_of` says when there is a further parameter.
"""


def state_of(program: Program, ty: AlgebraicType) -> str:
    """Return the last parameters of a queued function for `ty`.

    `depth` counts the recursive references entered so far. `empty`, the *budget*, is a list of one
    number: how many more elements without bytes the arrays of the value may have. Only functions of
    types that can have such arrays take it.
    """
    return "depth, empty" if program.layout.counts_empty(ty) else "depth"


def is_apart(program: Program, ty: AlgebraicType, level: int) -> bool:
    """Say whether `ty`, at this level of inlining, gets a function of its own."""
    if level > MAX_INLINE_LEVEL:
        return True
    _, index = program.shapes.resolve(ty)
    if index is None:
        return False
    layout = program.layout
    return layout.is_recursive(index) or layout.size(ty).weight > MAX_INLINE_WEIGHT


def is_dispatched(program: Program, shape: SumShape) -> bool:
    """Say whether the variants of a sum are found through a table instead of an if-chain.

    All functions of a table are called with the same arguments, so none may need a budget
    (`state_of`).
    """
    counts_empty = program.layout.counts_empty
    return len(shape.variants) > _MAX_CHAIN and not any(
        counts_empty(variant.payload) for variant in shape.variants
    )


class GeneratedFunction:
    """The source of one function while it is written.

    Attributes:
        name: what it will be called in the program's namespace.
        lines: finished lines, indented.
    """

    def __init__(self, program: Program, name: str, parameters: str) -> None:
        self.program = program
        self.name = name
        self.lines = [f"def {name}({parameters}):"]
        self._indent = 1
        self._variables = 0

    def line(self, text: str) -> None:
        """Append a line at the present indentation."""
        self.lines.append(f"{'    ' * self._indent}{text}")

    def first(self, text: str) -> None:
        """Insert a line at the start of the body."""
        self.lines.insert(1, f"    {text}")

    def fail(self, condition: str, text: str) -> None:
        """Write ``if condition: raise ValueError(text)``; `text` must come from this package."""
        self.line(f"if {condition}:")
        self.line(f"    raise ValueError({text!r})")

    def limit(self, condition: str, error: Callable[[], Exception]) -> None:
        """Write ``if condition: raise error()``."""
        self.line(f"if {condition}:")
        self.line(f"    raise {self.program.constant(error)}()")

    def enter(self, ty: AlgebraicType) -> None:
        """Write the depth test of a function for `ty`, if its type is recursive."""
        _, index = self.program.shapes.resolve(ty)
        layout = self.program.layout
        if index is not None and layout.is_recursive(index):
            self.limit(f"depth >= {layout.max_depth}", layout.too_deep)
            self.line("depth += 1")

    def begin(self, *types: AlgebraicType) -> None:
        """Write the set-up before values of `types` are read or written: their common budget."""
        layout = self.program.layout
        if any(layout.counts_empty(ty) for ty in types):
            self.line(f"empty = [{layout.max_empty}]")

    def count_empty(self, count: str) -> None:
        """Write the test of an array that announces `count` elements without bytes."""
        self.line(f"empty[0] -= {count}")
        self.limit("empty[0] < 0", self.program.layout.too_empty)

    def state(self, ty: AlgebraicType) -> str:
        """Return the last arguments in the call of the function for `ty`; see `state_of`."""
        return state_of(self.program, ty)

    def indent(self) -> None:
        """Indent the lines that follow by one more level."""
        self._indent += 1

    def dedent(self) -> None:
        """Undo one `indent`."""
        self._indent -= 1

    def variable(self) -> str:
        """Return a new local name."""
        self._variables += 1
        return f"v{self._variables}"


class Program:
    """All functions generated for one module; they share a namespace and call each other.

    Functions for types that are used by others are put on a queue rather than written on the spot,
    so that neither recursion in a schema nor its size nests the writer.
    """

    def __init__(self, shapes: Shapes, layout: Layout) -> None:
        self.shapes = shapes
        self.layout = layout
        self.namespace: dict[str, Any] = {}
        self._constants: dict[object, str] = {}
        self._functions: dict[tuple[Kind, AlgebraicType], str] = {}
        self._todo: list[Callable[[], GeneratedFunction]] = []
        self._tables: list[tuple[list[Any], list[str | None]]] = []
        self._names = 0

    def name(self, prefix: str) -> str:
        """Return a new global name."""
        self._names += 1
        return f"{prefix}{self._names}"

    def constant(self, value: object) -> str:
        """Return the global name that holds exactly this object."""
        key = ("object", id(value))
        found = self._constants.get(key)
        if found is None:
            found = self._constants[key] = self.name("k")
            # The namespace also keeps the object alive, so no other object can get its id.
            self.namespace[found] = value
        return found

    def struct(self, method: StructMethod, layout: str) -> str:
        """Return the name of ``Struct("<LAYOUT").METHOD``, bound once: calls need no lookup."""
        key = (method, layout)
        found = self._constants.get(key)
        if found is None:
            found = self._constants[key] = self.name("s")
            self.namespace[found] = getattr(Struct(f"<{layout}"), method)
        return found

    def call(self, kind: Kind, ty: AlgebraicType, write: Callable[[str], GeneratedFunction]) -> str:
        """Return the name of the function of `kind` for `ty`, queueing it if it is new.

        Args:
            kind: what the function does.
            ty: the type that it is for.
            write: given the name, writes the function; called by `finish`.
        """
        key = (kind, ty)
        name = self._functions.get(key)
        if name is None:
            fresh = name = self._functions[key] = self.name(kind[0])
            self._todo.append(lambda: write(fresh))
        return name

    def table(self, names: list[str | None]) -> str:
        """Return the name of a list of functions, given their names; None where there is none."""
        functions: list[Any] = []
        self._tables.append((functions, names))
        return self.constant(functions)

    def finish(self, function: GeneratedFunction) -> Callable[..., Any]:
        """Compile `function` and all that it calls; return it."""
        self._compile(function)
        while self._todo:
            self._compile(self._todo.pop()())
        for functions, names in self._tables:
            functions += [name and self.namespace[name] for name in names]
        self._tables.clear()
        made: Callable[..., Any] = self.namespace[function.name]
        return made

    def _compile(self, function: GeneratedFunction) -> None:
        source = "\n".join(function.lines) + "\n"
        digest = blake2b(source.encode(), digest_size=8).hexdigest()
        filename = f"<spacetimedb codec {digest}>"
        linecache.cache[filename] = (len(source), None, source.splitlines(True), filename)
        # Safe to run: made of synthetic names, numbers and text of this package only.
        exec(compile(source, filename, "exec"), self.namespace)
