"""The module description in version 9, which older tools ask for (docs/protocol.md section 8.2)."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any


def v9_json(v10_text: str, source_params: Mapping[str, Sequence[str]] | None = None) -> str:
    """Return a module in version 9 JSON, made from its version 10 JSON.

    What version 9 cannot say is lost: visibility, event tables, accessor names, view keys, environment.

    Args:
        v10_text: the module; names of parameters are canonical in it.
        source_params: names of parameters in the module's source, which version 9 has, by the source
            name of the function; as they are if it is not in it.
    """
    sections: dict[str, Any] = {}
    for section in json.loads(v10_text)["sections"]:
        sections.update(section)
    schedules = {item["table_name"]: item for item in sections.get("Schedules", ())}
    lifecycles = {
        item["function_name"]: item["lifecycle_spec"]
        for item in sections.get("LifeCycleReducers", ())
    }
    for kind in ("Reducers", "Procedures", "Views"):
        for function in sections.get(kind, ()):
            names = (source_params or {}).get(function["source_name"], ())
            for name, element in zip(names, function["params"]["elements"], strict=False):
                element["name"] = {"some": name}
    canonical = _canonical_names(sections)
    defaults = [
        {"ColumnDefaultValue": {"table": canonical["Table"][table["source_name"]], **default}}
        for table in sections.get("Tables", ())
        for default in table["default_values"]
    ]
    functions = canonical["Function"]
    return json.dumps(
        {
            "typespace": sections["Typespace"],
            "tables": [
                _table(table, canonical["Table"], schedules) for table in sections.get("Tables", ())
            ],
            "reducers": [
                {
                    "name": functions.get(item["source_name"], item["source_name"]),
                    "params": item["params"],
                    "lifecycle": _option(
                        lifecycles.get(functions.get(item["source_name"], item["source_name"]))
                    ),
                }
                for item in sections.get("Reducers", ())
            ],
            "types": [
                {
                    "name": {
                        "scope": item["source_name"]["scope"],
                        "name": item["source_name"]["source_name"],
                    },
                    "ty": item["ty"],
                    "custom_ordering": item["custom_ordering"],
                }
                for item in sections.get("Types", ())
            ],
            "misc_exports": [
                *defaults,
                *({"Procedure": _named(item, functions, ("params", "return_type"))}
                  for item in sections.get("Procedures", ())),
                *({"View": _named(item, functions, _VIEW_FIELDS)}
                  for item in sections.get("Views", ())),
            ],
            "row_level_security": sections.get("RowLevelSecurity", []),
        }
    )  # fmt: skip


_VIEW_FIELDS = ("index", "is_public", "is_anonymous", "params", "return_type")


def _canonical_names(sections: dict[str, Any]) -> dict[str, dict[str, str]]:
    names: dict[str, dict[str, str]] = {"Table": {}, "Function": {}, "Index": {}}
    for entry in sections.get("ExplicitNames", {"entries": []})["entries"]:
        for kind, item in entry.items():
            names[kind][item["source_name"]] = item["canonical_name"]
    for table in sections.get("Tables", ()):
        names["Table"].setdefault(table["source_name"], table["source_name"])
    return names


def _table(
    table: dict[str, Any], names: dict[str, str], schedules: dict[str, Any]
) -> dict[str, Any]:
    name = names[table["source_name"]]
    schedule = schedules.get(name)
    return {
        "name": name,
        "product_type_ref": table["product_type_ref"],
        "primary_key": table["primary_key"],
        "indexes": [_renamed(item) for item in table["indexes"]],
        "constraints": [_renamed(item) for item in table["constraints"]],
        "sequences": [_renamed(item) for item in table["sequences"]],
        "schedule": _option(
            None
            if schedule is None
            else {
                "name": schedule["source_name"],
                "reducer_name": schedule["function_name"],
                "scheduled_at_column": schedule["schedule_at_col"],
            }
        ),
        "table_type": table["table_type"],
        "table_access": table["table_access"],
    }


def _renamed(item: dict[str, Any]) -> dict[str, Any]:
    return {("name" if key == "source_name" else key): value for key, value in item.items()}


def _named(item: dict[str, Any], names: dict[str, str], fields: tuple[str, ...]) -> dict[str, Any]:
    source = item["source_name"]
    return {"name": names.get(source, source), **{field: item[field] for field in fields}}


def _option(value: Any) -> dict[str, Any]:
    return {"none": []} if value is None else {"some": value}
