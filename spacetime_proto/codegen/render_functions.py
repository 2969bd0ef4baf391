"""Writes `reducers`, `procedures` and, for each reducer, its file in the layout of the 0.7 SDK."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..schema.words import type_words
from .escape import docstring, literal, plain
from .source import BINDINGS, Group, SourceFile, levels, segments

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .outline import FunctionModel


def render_functions(
    functions: Sequence[FunctionModel], kind: str, names: Mapping[int, str], header: str
) -> str:
    """Return ``reducers.py`` or ``procedures.py``.

    Args:
        functions: what goes into it.
        kind: ``"reducer"`` or ``"procedure"``.
        names: class names by typespace index.
        header: first line of the file.
    """
    taken = segments(function.attribute for function in functions)
    taken.extend(parameter.attribute for function in functions for parameter in function.parameters)
    doc = docstring(f"The {kind}s of this database: each function makes a value for `call`.")
    file = SourceFile(doc, taken)
    _add_level(file, [(one.attribute, one) for one in functions], kind, names, "")
    return file.render(header)


def _add_level(
    file: SourceFile,
    functions: Sequence[tuple[str, FunctionModel]],
    kind: str,
    names: Mapping[int, str],
    path: str,
) -> None:
    """Add functions, and for each submodule a class that holds its own."""
    indent = "    " * path.count(".")
    gap = [""] if path else ["", ""]
    own, below = levels(functions)
    for number, (name, function) in enumerate(own):
        if number or path:
            file.add(*gap)
        if path:
            file.add(f"{indent}@{file.use('builtins', 'staticmethod')}")
        _add_function(file, name, function, kind, names, indent)
    for number, (name, inner) in enumerate(below.items()):
        if number or own or path:
            file.add(*gap)
        file.add(f"{indent}class {name}:")
        about = f"The {kind}s of submodule ``{plain(path + name)}``."
        file.add(*docstring(about, indent=f"{indent}    "))
        _add_level(file, inner, kind, names, f"{path}{name}.")


def _add_function(
    file: SourceFile,
    name: str,
    function: FunctionModel,
    kind: str,
    names: Mapping[int, str],
    indent: str,
) -> None:
    call = file.use(BINDINGS, "Call")
    returns = f"{call}[{file.annotation(function.returns)}]"
    file.signature(name, _parameters(file, function), returns, indent)
    summary = f"Call {kind} ``{plain(function.definition.name)}``."
    file.add(*_doc(summary, function, names, indent=f"{indent}    "))
    arguments = [parameter.attribute for parameter in function.parameters]
    # A tuple of one needs its comma, which the layout adds only where it breaks the line.
    values = [f"({arguments[0]},)"] if len(arguments) == 1 else [Group("(", tuple(arguments), ")")]
    start = [literal(kind), literal(function.definition.name)]
    items = (*start, *values) if arguments else tuple(start)
    file.layout("return ", Group(f"{call}(", items, ")"), indent=f"{indent}    ")


def render_legacy_reducer(function: FunctionModel, names: Mapping[int, str], header: str) -> str:
    """Return the file of one reducer: ``send_message_reducer.py``."""
    name = function.name
    parameters = [parameter.attribute for parameter in function.parameters]
    own = {name, f"register_on_{name}", f"unregister_on_{name}"}
    constant = "reducer_name"
    while constant in own:
        constant += "_"
    then = "then"
    while then in parameters:
        then += "_"
    taken = [*own, constant, "callback", then, *parameters]
    file = SourceFile(
        docstring(f"Reducer ``{plain(name)}``, as programs for the 0.7 SDK use it."), taken
    )
    legacy, reducers = file.use("._legacy", "LEGACY"), file.use(".", "reducers")
    file.add(f"{constant} = {literal(function.definition.name)}", "", "")
    outcome = f"{then}: {file.use(BINDINGS, 'Then')} | None = None"
    file.signature(name, [*_parameters(file, function), "*", outcome], "None")
    file.add(
        *_doc(
            "Let the current legacy client call the reducer.",
            function,
            names,
            f"    {then}: ``{then}(reducer_event)`` is called with the outcome",
        )
    )
    called = Group(
        f"{legacy}.call_then(", (then, f"{reducers}.{function.attribute}", *parameters), ")"
    )
    file.layout("", called, indent="    ")
    arguments = [file.annotation(parameter.annotation) for parameter in function.parameters]
    start = f"callback: {file.use(BINDINGS, 'ReducerFunction')}["
    callback = Group(start, tuple(arguments or ["()"]), "]")
    for verb, text in (
        (
            "register",
            f"Call `callback` after each call of ``{plain(name)}`` that this client sees.",
        ),
        (
            "unregister",
            f"Take back `register_on_{plain(name)}`; raises ValueError if there was none.",
        ),
    ):
        file.add("", "")
        file.signature(f"{verb}_on_{name}", [callback], "None")
        details = []
        if verb == "register":
            details.append(
                "It gets `(caller_identity, caller_connection_id, status, message, ...)` and the\n"
                "arguments; or, if it takes one parameter less, the same without the connection id."
            )
        file.add(*docstring(text, *details, indent="    "))
        items = (constant, str(len(parameters)), "callback")
        file.layout("", Group(f"{legacy}.{verb}_reducer(", items, ")"), indent="    ")
    return file.render(header)


def _parameters(file: SourceFile, function: FunctionModel) -> list[str]:
    return [
        f"{parameter.attribute}: {file.annotation(parameter.annotation)}"
        for parameter in function.parameters
    ]


def _doc(
    summary: str,
    function: FunctionModel,
    names: Mapping[int, str],
    *more: str,
    indent: str = "    ",
) -> list[str]:
    lines = []
    for parameter in function.parameters:
        words = f"``{plain(type_words(parameter.type, names))}``"
        if parameter.attribute != parameter.name:
            words += f", {plain(parameter.name)!r} in the module"
        lines.append(f"    {plain(parameter.attribute)}: {words}")
    lines.extend(more)
    return docstring(summary, *(["\n".join(["Args:", *lines])] if lines else []), indent=indent)
