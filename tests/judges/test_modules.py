"""Descriptions of modules against the crate spacetimedb-schema: what a server publishes of each.

The judge reads a description, validates it and gives every name its canonical form, as a server does
when a module is published. We do the same with the bytes; both have to be the same module.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, seed, settings
from hypothesis import strategies as st

from spacetime_proto.sats.compile import TypeContext
from spacetime_proto.sats.sats_json import dumps, from_json, loads, to_json
from spacetime_proto.schema.load import load_schema
from spacetime_proto.schema.raw_bsatn import load_raw_module
from spacetime_proto.schema.raw_types import RAW_MODULE, RAW_TYPES

from .cases import JUDGED, LONG, SEED, Count

if TYPE_CHECKING:
    from collections.abc import Callable

    from .conftest import Judge

pytestmark = LONG

GOLDEN = Path(__file__).parent.parent / "golden" / "v2.14" / "schema"
RAW = TypeContext(RAW_TYPES)

NAMES = st.from_regex(r"[A-Za-z][A-Za-z0-9]{0,3}(_?[A-Za-z0-9]{1,4}){0,3}", fullmatch=True)
PRIMITIVES = st.sampled_from(("Bool", "U8", "U32", "U64", "I128", "U256", "String"))


def different(least: int, most: int) -> st.SearchStrategy[list[str]]:
    """Names that no conversion makes equal."""
    return st.lists(
        NAMES, min_size=least, max_size=most, unique_by=lambda name: name.replace("_", "").lower()
    )


def product(elements: list[tuple[str, Any]]) -> dict[str, Any]:
    return {"elements": [{"name": {"some": name}, "algebraic_type": ty} for name, ty in elements]}


@st.composite
def products(draw: Callable[..., Any], *, least: int = 0) -> dict[str, Any]:
    """A product of primitives, options and arrays."""
    elements = []
    for name in draw(different(least, 4)):
        ty: dict[str, Any] = {draw(PRIMITIVES): []}
        if draw(st.integers(0, 3)) == 0:
            ty = {"Array": ty}
        elements.append((name, ty))
    return product(elements)


def table(name: str, ref: int, is_private: bool) -> dict[str, Any]:
    access: dict[str, Any] = {"Private": []} if is_private else {"Public": []}
    return {
        "source_name": name,
        "product_type_ref": ref,
        "primary_key": [],
        "indexes": [],
        "constraints": [],
        "sequences": [],
        "table_type": {"User": []},
        "table_access": access,
        "default_values": [],
        "is_event": False,
    }


@st.composite
def descriptions(draw: Callable[..., Any], *, depth: int = 1) -> dict[str, Any]:
    """A description as a module writes it: a version 10 definition with names of every spelling."""
    rows = draw(st.lists(products(least=1), min_size=1, max_size=3))
    names = draw(different(len(rows) + 4, len(rows) + 4))
    tables, (reducer, procedure, view, namespace) = names[: len(rows)], names[len(rows) :]
    types = draw(different(len(rows), len(rows)))
    unit, text = {"Product": {"elements": []}}, {"String": []}
    sections: list[dict[str, Any]] = [
        {"Typespace": {"types": [{"Product": row} for row in rows]}},
        {
            "Types": [
                {
                    "source_name": {"scope": [], "source_name": name},
                    "ty": ref,
                    "custom_ordering": True,
                }
                for ref, name in enumerate(types)
            ]
        },
        {"Tables": [table(name, ref, draw(st.booleans())) for ref, name in enumerate(tables)]},
        {
            "Reducers": [
                {
                    "source_name": reducer,
                    "params": draw(products()),
                    "visibility": {"ClientCallable": []},
                    "ok_return_type": unit,
                    "err_return_type": text,
                }
            ]
        },
        {
            "Procedures": [
                {
                    "source_name": procedure,
                    "params": draw(products()),
                    "return_type": {"Array": {draw(PRIMITIVES): []}},
                    "visibility": {"ClientCallable": []},
                }
            ]
        },
        {
            "Views": [
                {
                    "source_name": view,
                    "index": 0,
                    "is_public": True,
                    "is_anonymous": draw(st.booleans()),
                    "params": draw(products()),
                    "return_type": {"Array": {"Ref": 0}},
                }
            ]
        },
    ]
    explicit = []
    for kind, name in (("Table", tables[0]), ("Function", reducer), ("Function", view)):
        if draw(st.integers(0, 3)) == 0:
            explicit.append({kind: {"source_name": name, "canonical_name": f"{name}Named"}})
    if depth:
        inner = draw(descriptions(depth=depth - 1))["V10"]
        sections.append({"Submodules": [{"namespace": namespace, "module": inner}]})
        if draw(st.booleans()):
            entry = {"source_name": namespace, "canonical_name": f"{namespace}Named"}
            explicit.append({"Namespace": entry})
        sections.append(
            {
                "Environment": [
                    {"name": "MODE", "ty": {"Union": ["prod", "dev", "prod"]}, "optional": True},
                    {"name": "KEY", "ty": {"String": []}, "optional": False},
                ]
            }
        )
    sections.append({draw(st.sampled_from(("None", "SnakeCase"))): []})
    sections[-1] = {"CaseConversionPolicy": sections[-1]}
    if explicit:
        sections.append({"ExplicitNames": {"entries": explicit}})
    return {"V10": {"sections": sections}}


def test_what_is_published(rust: Judge) -> None:
    count = Count()

    @seed(SEED)
    @settings(parent=JUDGED, max_examples=160)
    @given(st.lists(descriptions(), min_size=1, max_size=4))
    def run(drawn: list[dict[str, Any]]) -> None:
        for given_, verdict in zip(
            drawn, rust(of="module", json=list(map(dumps, drawn)))["json"], strict=True
        ):
            data = bytes.fromhex(verdict["bsatn"])
            assert RAW.codec(RAW_MODULE).encode(from_json(RAW_MODULE, RAW, given_)) == data
            read = RAW.codec(RAW_MODULE).decode_exact(data)
            assert to_json(RAW_MODULE, RAW, read) == loads(verdict["objects"])
            if "invalid" in verdict["published"]:
                continue  # A drawn name may be none, or be used twice after all.
            count.values += 1
            assert load_raw_module(data) == load_schema(verdict["published"]["v10"])

    run()
    assert count.values >= 200


@pytest.mark.parametrize(
    "name", sorted(path.name.partition(".")[0] for path in GOLDEN.glob("*.describe.bin"))
)
def test_golden_modules(rust: Judge, name: str) -> None:
    """The judge publishes what is recorded of a server."""
    data = (GOLDEN / f"{name}.describe.bin").read_bytes()
    (verdict,) = rust(of="module", bsatn=[data.hex()])["bsatn"]
    assert (verdict["bsatn"], verdict["left"]) == (data.hex(), 0)
    for version in ("v9", "v10"):
        recorded = loads((GOLDEN / f"{name}.{version}.json").read_text())
        assert loads(verdict["published"][version]) == recorded
