"""Hypothesis strategies that cut bytes into pieces and damage them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hypothesis import strategies as st

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["byte_cuts", "damaged", "pieces"]


def byte_cuts(max_cuts: int = 40) -> st.SearchStrategy[list[int]]:
    """Return sizes of pieces, small ones often; `Link` takes them as ``cuts``."""
    sizes = st.sampled_from((1, 2, 3)) | st.integers(1, 300)
    return st.lists(sizes, max_size=max_cuts)


@st.composite
def pieces(draw: Callable[..., Any], data: bytes) -> list[bytes]:
    """Draw a way in which `data` may arrive: the pieces joined are `data`, none is empty."""
    rest = data
    found = []
    for size in draw(byte_cuts()):
        if not rest:
            break
        found.append(rest[:size])
        rest = rest[size:]
    return [*found, rest] if rest else found


@st.composite
def damaged(draw: Callable[..., Any], data: bytes) -> bytes:
    """Draw a damaged form of `data`: cut short, longer, bits flipped, a part replaced.

    The result may be `data` itself where there is nothing to damage.
    """
    kind = draw(st.sampled_from(("cut", "longer", "flip", "length", "replace")))
    if kind == "longer":
        more: bytes = draw(st.binary(min_size=1, max_size=8))
        return data + more
    if not data:
        return data
    at: int = draw(st.integers(0, len(data) - 1))
    if kind == "cut":
        return data[:at]
    if kind == "flip":
        bit: int = draw(st.integers(0, 7))
        return data[:at] + bytes((data[at] ^ 1 << bit,)) + data[at + 1 :]
    if kind == "length":
        # Lengths and counts are 32-bit little-endian; lie about one.
        lie: int = draw(st.sampled_from((0, 1, 0x7FFF_FFFF, 0xFFFF_FFFF)))
        return data[:at] + lie.to_bytes(4, "little") + data[at + 4 :]
    end: int = draw(st.integers(at, len(data)))
    instead: bytes = draw(st.binary(max_size=12))
    return data[:at] + instead + data[end:]
