"""`SourceFile`: a Python file while it is generated, with its names, imports and lines.

The names that a schema gives to things (classes, fields, parameters) are public and stay as they
are; an import of the same name is renamed: ``from .user import User as User_``. Even built-in types
are imported under another name where a field or function shadows them. So no name of a schema can
change what another line of the file means.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias, TypeVar

from .escape import WIDTH

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

Item = TypeVar("Item")

#: The one module of this project that generated code imports.
BINDINGS: Final = "spacetime_proto.bindings"


class Symbol(NamedTuple):
    """A name defined elsewhere; `module` is ``builtins``, absolute, or relative (``.user``)."""

    module: str
    name: str


Annotation: TypeAlias = "tuple[str | Symbol, ...]"
"""Pieces of a type annotation."""


def natural_key(text: str) -> tuple[tuple[int, int | str], ...]:
    """Sort key that puts ``item9`` before ``item10``, as import sorters do."""
    return tuple(
        (0, int(part)) if part.isascii() and part.isdigit() else (1, part)
        for part in re.split(r"([0-9]+)", text)
        if part
    )


def _member_key(name: str) -> tuple[int, tuple[tuple[int, int | str], ...]]:
    # isort's order-by-type: constants, classes, the rest. Linters measure names in bytes.
    if len(name.encode()) > 1 and name.isupper():
        return 0, natural_key(name)
    return (1 if name[:1].isupper() else 2), natural_key(name)


class Group(NamedTuple):
    """Code in brackets, which may be broken into a line for each item."""

    start: str
    """The code before the items, with the opening bracket."""
    items: tuple[Node, ...]
    end: str

    def __str__(self) -> str:
        return f"{self.start}{', '.join(map(str, self.items))}{self.end}"


Node: TypeAlias = str | Group


def _layout(before: str, node: Node, after: str, indent: str) -> list[str]:
    line = f"{indent}{before}{node}{after}"
    if len(line) <= WIDTH or isinstance(node, str) or not node.items:
        return [line]
    # A comma after the only item of a subscript would make it a tuple.
    comma = "" if node.end == "]" and len(node.items) == 1 else ","
    lines = [f"{indent}{before}{node.start}"]
    for item in node.items:
        lines.extend(_layout("", item, comma, f"{indent}    "))
    return [*lines, f"{indent}{node.end}{after}"]


class SourceFile:
    """Collects the body of a file and writes it with the imports that the body needs.

    Args:
        doc: docstring lines of the module.
        taken: every name that the file defines, in whatever scope.
        home: the module that the file is; its own names need no import.
    """

    def __init__(self, doc: Sequence[str], taken: Iterable[str], home: str = "") -> None:
        self._doc = doc
        self._taken = set(taken)
        self._home = home
        self._aliases: dict[Symbol, str] = {}
        self._runtime: set[Symbol] = set()
        self.lines: list[str] = []

    def use(self, module: str, name: str, *, runtime: bool = True) -> str:
        """Return what to call a symbol in this file, and import it.

        Args:
            module: where it is defined.
            name: its name there.
            runtime: whether it is needed when the file runs, not only by type checkers.
        """
        if module == self._home:
            return name
        symbol = Symbol(module, name)
        alias = self._aliases.get(symbol)
        if alias is None:
            alias = name
            while alias in self._taken:
                alias += "_"
            self._taken.add(alias)
            self._aliases[symbol] = alias
        if runtime:
            self._runtime.add(symbol)
        return alias

    def annotation(self, annotation: Annotation) -> str:
        """Write a type annotation. Annotations are never evaluated when the file runs."""
        return "".join(
            part
            if isinstance(part, str)
            else self.use(part.module, part.name, runtime=not part.module.startswith("."))
            for part in annotation
        )

    def add(self, *lines: str) -> None:
        """Append lines to the body."""
        self.lines.extend(lines)

    def signature(
        self, name: str, parameters: Sequence[Node], returns: str, indent: str = ""
    ) -> None:
        """Append the ``def`` line of a function, broken where it is too long."""
        self.layout(f"def {name}", Group("(", tuple(parameters), ")"), f" -> {returns}:", indent)

    def layout(self, before: str, node: Node, after: str = "", indent: str = "") -> None:
        """Append code that is broken at its brackets where it is too long for a line."""
        self.add(*_layout(before, node, after, indent))

    def render(self, header: str) -> str:
        """Return the file's text."""
        typing_only = [symbol for symbol in self._aliases if symbol not in self._runtime]
        needed = [
            symbol
            for symbol in typing_only
            if symbol.module != "builtins" or self._is_renamed(symbol)
        ]
        guard = f"if {self.use('typing', 'TYPE_CHECKING')}:" if needed else ""
        blocks = [[header, *self._doc], ["from __future__ import annotations"]]
        runtime = [
            symbol
            for symbol in self._aliases
            if symbol in self._runtime and (symbol.module != "builtins" or self._is_renamed(symbol))
        ]
        blocks.extend(self._imports(runtime))
        if needed:
            blocks.append([guard])
            groups = self._imports(needed, indent="    ")
            for number, group in enumerate(groups):
                blocks[-1].extend([*([""] if number else []), *group])
        if not self._taken.isdisjoint(("I", "O", "l")):
            blocks[0].insert(1, "# ruff: noqa: E741, E742, E743, RUF100")
        text = "\n\n".join("\n".join(block) for block in blocks)
        body = "\n".join(self.lines).strip("\n")
        if not body:
            return f"{text}\n"
        gap = "\n\n\n" if body.startswith(("class ", "def ", "@")) else "\n\n"
        return f"{text}{gap}{body}\n"

    def _is_renamed(self, symbol: Symbol) -> bool:
        return self._aliases[symbol] != symbol.name

    def _imports(self, symbols: Sequence[Symbol], indent: str = "") -> list[list[str]]:
        by_module: dict[str, list[Symbol]] = {}
        for symbol in symbols:
            by_module.setdefault(symbol.module, []).append(symbol)
        groups: list[list[str]] = []
        for group in (0, 1, 2):
            lines: list[str] = []
            modules = [module for module in by_module if _group(module) == group]
            for module in sorted(modules, key=_module_key):
                lines.extend(self._import_lines(module, by_module[module], indent))
            if lines:
                groups.append(lines)
        return groups

    def _import_lines(self, module: str, symbols: list[Symbol], indent: str) -> list[str]:
        # Import sorters write a renamed member on a line of its own, the others on one line, and
        # sort the lines by their first member.
        start = f"{indent}from {module} import "
        names = sorted(
            (symbol.name for symbol in symbols if not self._is_renamed(symbol)), key=_member_key
        )
        blocks = [
            (symbol.name, [f"{start}{symbol.name} as {self._aliases[symbol]}"])
            for symbol in symbols
            if self._is_renamed(symbol)
        ]
        if names:
            line = start + ", ".join(names)
            if len(line) > WIDTH:
                members = [f"{indent}    {name}," for name in names]
                blocks.append((names[0], [f"{start}(", *members, f"{indent})"]))
            else:
                blocks.append((names[0], [line]))
        blocks.sort(key=lambda block: _member_key(block[0]))
        return [line for _, lines in blocks for line in lines]


def levels(
    items: Iterable[tuple[str, Item]],
) -> tuple[list[tuple[str, Item]], dict[str, list[tuple[str, Item]]]]:
    """Split things with dotted names into those of this level and, by first segment, the others."""
    own: list[tuple[str, Item]] = []
    below: dict[str, list[tuple[str, Item]]] = {}
    for name, item in items:
        first, dot, rest = name.partition(".")
        if dot:
            below.setdefault(first, []).append((rest, item))
        else:
            own.append((name, item))
    return own, below


def segments(names: Iterable[str]) -> list[str]:
    """Return all parts of dotted names."""
    return [segment for name in names for segment in name.split(".")]


def _group(module: str) -> int:
    if module.startswith("."):
        return 2
    return 1 if module == BINDINGS else 0


def _module_key(module: str) -> tuple[int, tuple[tuple[int, int | str], ...]]:
    # `from . import x` comes before `from .x import y`.
    return len(module) - len(module.lstrip(".")), natural_key(module.lower())


def all_names(names: Iterable[str]) -> list[str]:
    """Return names in the order in which linters want ``__all__``."""
    return sorted(set(names), key=_member_key)
