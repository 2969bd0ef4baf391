"""BLAKE3 of up to 1024 bytes, which is enough for identities.

An identity is derived from a token's issuer and subject, at most 257 bytes (docs/protocol.md section
1.3). Up to one chunk of 1024 bytes the hash is a chain of compressions without a tree.
"""

from __future__ import annotations

import struct
from typing import Final

#: Longest input, in bytes.
MAX_INPUT: Final = 1024

_IV: Final = (
    0x6A09E667, 0xBB67AE85, 0x3C6EF372, 0xA54FF53A, 0x510E527F, 0x9B05688C, 0x1F83D9AB, 0x5BE0CD19,
)  # fmt: skip
_PERMUTATION: Final = (2, 6, 3, 10, 7, 0, 4, 13, 1, 11, 12, 5, 9, 14, 15, 8)
#: Which words of the state each of the eight mixing steps of a round works on.
_LANES: Final = (
    (0, 4, 8, 12), (1, 5, 9, 13), (2, 6, 10, 14), (3, 7, 11, 15),
    (0, 5, 10, 15), (1, 6, 11, 12), (2, 7, 8, 13), (3, 4, 9, 14),
)  # fmt: skip
_CHUNK_START: Final = 1
_CHUNK_END: Final = 2
_ROOT: Final = 8
_MASK: Final = 0xFFFFFFFF


def blake3(data: bytes) -> bytes:
    """Return the 32-byte BLAKE3 hash.

    Raises:
        ValueError: `data` is longer than `MAX_INPUT`.
    """
    if len(data) > MAX_INPUT:
        raise ValueError(f"this BLAKE3 hashes at most {MAX_INPUT} bytes, not {len(data)}")
    blocks = [data[at : at + 64] for at in range(0, len(data), 64)] or [b""]
    value: tuple[int, ...] = _IV
    for number, block in enumerate(blocks):
        flags = _CHUNK_START if number == 0 else 0
        if number == len(blocks) - 1:
            flags |= _CHUNK_END | _ROOT
        value = _compress(value, block, flags)
    return struct.pack("<8I", *value)


def _compress(chaining: tuple[int, ...], block: bytes, flags: int) -> tuple[int, ...]:
    words = list(struct.unpack("<16I", block.ljust(64, b"\0")))
    state = [*chaining, *_IV[:4], 0, 0, len(block), flags]
    for _ in range(7):
        for step, (a, b, c, d) in enumerate(_LANES):
            _mix(state, a, b, c, d, words[2 * step], words[2 * step + 1])
        words = [words[at] for at in _PERMUTATION]
    return tuple(state[at] ^ state[at + 8] for at in range(8))


def _mix(state: list[int], a: int, b: int, c: int, d: int, x: int, y: int) -> None:
    for word, turn_d, turn_b in ((x, 16, 12), (y, 8, 7)):
        state[a] = (state[a] + state[b] + word) & _MASK
        state[d] = _turn(state[d] ^ state[a], turn_d)
        state[c] = (state[c] + state[d]) & _MASK
        state[b] = _turn(state[b] ^ state[c], turn_b)


def _turn(word: int, count: int) -> int:
    return (word >> count | word << (32 - count)) & _MASK
