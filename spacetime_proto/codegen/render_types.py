"""Writes the classes of rows, structs, enums and sums."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..sats.algebraic import UNIT
from ..schema.words import type_words
from .escape import docstring, plain
from .source import BINDINGS, Group, SourceFile

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Mapping, Sequence

    from .outline import TableModel, TypeModel


def render_type(
    model: TypeModel, names: Mapping[int, str], header: str, *, is_row: bool = False
) -> str:
    """Return the file of a type that is not written with its table; `is_row`: some table has it."""
    doc = docstring(f"Type ``{model.name}``.")
    if model.kind == "product":
        fields = [field.attribute for field in model.fields]
        old = [_free(name, fields) for name in ("data", "encode")]
        file = SourceFile(doc, [model.name, *fields, *old], f".{model.stem}")
        add_product(file, model, names, f"A ``{model.name}``.")
        if is_row:
            add_row_methods(file, *old)
    elif model.kind == "enum":
        file = _enum_file(model, doc)
    else:
        file = _sum_file(model, names, doc)
    return file.render(header)


def add_product(
    file: SourceFile,
    model: TypeModel,
    names: Mapping[int, str],
    summary: str,
    table: TableModel | None = None,
) -> None:
    """Append the struct class of a product."""
    struct = file.use(BINDINGS, "Struct")
    _add_struct_line(file, model.name, struct)
    details = field_lines(model, names, table)
    paragraphs = (
        ["\n".join(["Fields:" if table is None else "Columns:", *details])] if details else []
    )
    if table is not None:
        paragraphs.extend(_index_lines(table))
    file.add(*docstring(summary, *paragraphs, indent="    "))
    if model.fields:
        file.add("")
    for field in model.fields:
        file.add(f"    {field.attribute}: {file.annotation(field.annotation)}")


def _free(name: str, taken: Container[str]) -> str:
    """Return `name`, with ``_`` appended until it is free."""
    while name in taken:
        name += "_"
    return name


def add_row_methods(file: SourceFile, data: str, encode: str) -> None:
    """Append what rows of the 0.7 SDK have, under these names, to the class of a row."""
    legacy, any_ = file.use("._legacy", "LEGACY"), file.use("typing", "Any")
    file.add("", f"    @{file.use('builtins', 'property')}")
    columns = f"{file.use('builtins', 'dict')}[{file.use('builtins', 'str')}, {any_}]"
    file.signature(data, ["self"], columns, "    ")
    file.add(*docstring("The columns by name.", indent="        "))
    file.add(f"        return {legacy}.data(self)", "")
    file.signature(encode, ["self"], f"{file.use('builtins', 'list')}[{any_}]", "    ")
    file.add(*docstring("Return the row as the 0.7 SDK wrote it in JSON.", indent="        "))
    file.add(f"        return {legacy}.encode(self)")


def _add_struct_line(file: SourceFile, name: str, base: str) -> None:
    bases = Group(f"{name}(", (base, "frozen=True", "gc=False"), ")")
    file.layout("class ", bases, ":")


def field_lines(
    model: TypeModel, names: Mapping[int, str], table: TableModel | None = None
) -> list[str]:
    """Describe fields for a docstring, one line each: type, keys, the name on the wire."""
    lines = []
    for at, field in enumerate(model.fields):
        words = [f"``{plain(type_words(field.type, names))}``"]
        if table is not None:
            words.extend(_column_facts(table, at))
        if field.attribute != field.name:
            words.append(f"{plain(field.name)!r} on the wire")
        lines.append(f"    {plain(field.attribute)}: {', '.join(words)}")
    return lines


def _column_facts(table: TableModel, at: int) -> Iterable[str]:
    definition = table.definition
    if at == definition.primary_key:
        yield "primary key"
    elif at in definition.unique_columns:
        yield "unique"
    elif any(index.columns == (at,) for index in definition.indexes):
        yield "indexed"
    if any(sequence.column == at for sequence in definition.sequences):
        yield "auto-increment"


def _index_lines(table: TableModel) -> list[str]:
    several = [
        f"    {plain(accessor.name)}: "
        + ", ".join(plain(table.row.fields[at].attribute) for at in accessor.columns)
        for accessor in table.accessors
        if len(accessor.columns) > 1
    ]
    return ["\n".join(["Indexes over several columns:", *several])] if several else []


def _enum_file(model: TypeModel, doc: Sequence[str]) -> SourceFile:
    file = SourceFile(doc, [model.name, *(field.attribute for field in model.fields)])
    file.add(f"class {model.name}({file.use(BINDINGS, 'EnumValue')}):")
    file.add(
        *docstring(f"A ``{model.name}``; a member's value is its tag on the wire.", indent="    ")
    )
    file.add("")
    file.add(*(f"    {field.attribute} = {tag}" for tag, field in enumerate(model.fields)))
    return file


def _sum_file(model: TypeModel, names: Mapping[int, str], doc: Sequence[str]) -> SourceFile:
    variants = [f"{model.name}_{field.attribute}" for field in model.fields]
    taken = [model.name, "value", *variants, *(field.attribute for field in model.fields)]
    file = SourceFile(doc, taken, f".{model.stem}")
    base = file.use(BINDINGS, "SumValue")
    _add_struct_line(file, model.name, base)
    lines = [
        f"    {plain(field.attribute)}: ``{plain(type_words(field.type, names))}``"
        for field in model.fields
    ]
    summary = f"A ``{model.name}``: an instance of one of its variants' classes."
    paragraphs = ["\n".join(["Variants:", *lines])] if lines else []
    file.add(*docstring(summary, *paragraphs, indent="    "))
    if variants:
        class_var = file.use("typing", "ClassVar")
        cls = file.use("builtins", "type")
        file.add("")
        for field, variant in zip(model.fields, variants, strict=True):
            file.add(f"    {field.attribute}: {class_var}[{cls}[{variant}]]")
    for tag, (field, variant) in enumerate(zip(model.fields, variants, strict=True)):
        class_var, number = file.use("typing", "ClassVar"), file.use("builtins", "int")
        file.add("", "")
        _add_struct_line(file, variant, model.name)
        text = f"Variant ``{plain(field.attribute)}`` of `{plain(model.name)}`."
        file.add(*docstring(text, indent="    "))
        file.add("")
        if field.type != UNIT:
            file.add(f"    value: {file.annotation(field.annotation)}")
        file.add(f"    __tag__: {class_var}[{number}] = {tag}")
    if variants:
        file.add("", "")
        for field, variant in zip(model.fields, variants, strict=True):
            file.add(f"{model.name}.{field.attribute} = {variant}")
        if len(variants) == 1:
            file.add(f"{model.name}.__variants__ = ({variants[0]},)")
        else:
            file.layout(f"{model.name}.__variants__ = ", Group("(", tuple(variants), ")"))
    return file
