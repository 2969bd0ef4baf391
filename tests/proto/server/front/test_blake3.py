"""`blake3`: the official test vectors up to one chunk."""

from __future__ import annotations

import pytest

from spacetime_proto.server.front.blake3 import blake3

# From the test vectors of the BLAKE3 reference implementation: the input repeats 0, 1 ... 250.
VECTORS = {
    0: "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262",
    1: "2d3adedff11b61f14c886e35afa036736dcd87a74d27b5c1510225d0f592e213",
    63: "e9bc37a594daad83be9470df7f7b3798297c3d834ce80ba85d6e207627b7db7b",
    64: "4eed7141ea4a5cd4b788606bd23f46e212af9cacebacdc7d1f4c6dc7f2511b98",
    65: "de1e5fa0be70df6d2be8fffd0e99ceaa8eb6e8c93a63f2d8d1c30ecb6b263dee",
    1023: "10108970eeda3eb932baac1428c7a2163b0e924c9a9e25b35bba72b28f70bd11",
    1024: "42214739f095a406f3fc83deb889744ac00df831c10daa55189b5d121c855af7",
}


@pytest.mark.parametrize("size", VECTORS)
def test_vectors(size: int) -> None:
    assert blake3(bytes(i % 251 for i in range(size))).hex() == VECTORS[size]


def test_more_than_a_chunk_is_refused() -> None:
    with pytest.raises(ValueError, match="at most 1024 bytes, not 1025"):
        blake3(bytes(1025))
