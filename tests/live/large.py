"""What the module's `filler.rs` computes: rows that follow from a seed and an id."""

from __future__ import annotations

__all__ = ["mix", "player"]

_MASK = (1 << 64) - 1


def mix(seed: int, id: int) -> int:
    """SplitMix64: 64 well-mixed bits from a seed and a position."""
    bits = (seed + (id + 1) * 0x9E3779B97F4A7C15) & _MASK
    bits = (bits ^ (bits >> 30)) * 0xBF58476D1CE4E5B9 & _MASK
    bits = (bits ^ (bits >> 27)) * 0x94D049BB133111EB & _MASK
    return bits ^ (bits >> 31)


def player(seed: int, id: int) -> tuple[int, str, float, float, float, int, bool]:
    """Return the columns of the player with that id."""
    bits = mix(seed, id)
    x, y, z = (((bits >> shift) & 0xFFFF) / 16 for shift in (0, 16, 32))
    return id, f"player-{id}", x, y, z, (bits >> 48) & 0xFF, bits >> 63 == 1
