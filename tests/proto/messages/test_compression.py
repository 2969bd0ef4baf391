from __future__ import annotations

import gzip
import importlib.util
import subprocess
import sys
import zlib

import brotli
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spacetime_proto.errors import DecodeError, LimitExceeded, LocalProtocolError
from spacetime_proto.limits import Limits
from spacetime_proto.messages import compression
from spacetime_proto.messages.compression import BROTLI, GZIP, deflate, inflate
from spacetime_proto.testing import strategies as sts

BOTH = pytest.mark.parametrize("algorithm", [BROTLI, GZIP])
MIB = 1 << 20


@given(st.binary(max_size=4000), st.sampled_from([BROTLI, GZIP]))
def test_inflate_undoes_deflate(data: bytes, algorithm: int) -> None:
    assert inflate(deflate(data, algorithm), algorithm) == data


@BOTH
@pytest.mark.parametrize("size", [MIB - 1, MIB, MIB + 1, 5 * MIB])
def test_results_larger_than_a_step(algorithm: int, size: int) -> None:
    data = (bytes(range(251)) * (size // 251 + 1))[:size]
    assert inflate(deflate(data, algorithm), algorithm) == data


def test_input_larger_than_a_step() -> None:
    # Incompressible, so that the compressed form is as long.
    data = b"".join(hash_bytes(number) for number in range(20_000))
    packed = deflate(data, GZIP)
    assert len(packed) > 300_000
    assert inflate(packed, GZIP) == data


def hash_bytes(number: int) -> bytes:
    return pow(3, number + 1000, (1 << 255) - 19).to_bytes(32, "little")


@BOTH
@pytest.mark.parametrize("size", [0, 1, 5000, 3 * MIB])
def test_one_whole_stream_and_nothing_else(algorithm: int, size: int) -> None:
    packed = deflate(b"spam" * (size // 4), algorithm)
    for damaged in (packed[:-1], packed[: len(packed) // 2], b"", packed + b"!", packed + packed):
        with pytest.raises(DecodeError):
            inflate(damaged, algorithm)


def test_bytes_after_a_gzip_stream_that_fills_an_input_step(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    packed = deflate(b"spam" * 100, GZIP)
    monkeypatch.setattr(compression, "_INPUT_STEP", len(packed))
    assert inflate(packed, GZIP) == b"spam" * 100
    with pytest.raises(DecodeError, match="bytes after the end"):
        inflate(packed + b"x", GZIP)


def test_other_encoders_are_read() -> None:
    assert inflate(gzip.compress(b"abc" * 1000), GZIP) == b"abc" * 1000
    assert inflate(brotli.compress(b"abc" * 1000), BROTLI) == b"abc" * 1000


def test_a_gzip_checksum_is_checked() -> None:
    packed = bytearray(deflate(b"abc", GZIP))
    packed[-5] ^= 1
    with pytest.raises(DecodeError, match="damaged"):
        inflate(bytes(packed), GZIP)


def test_a_bare_zlib_stream_is_no_gzip() -> None:
    with pytest.raises(DecodeError, match="damaged"):
        inflate(zlib.compress(b"abc"), GZIP)


@given(st.data(), st.sampled_from([BROTLI, GZIP]))
def test_damage_is_a_decode_error_or_goes_unnoticed_within_bounds(
    data: st.DataObject, algorithm: int
) -> None:
    original = data.draw(st.binary(max_size=200))
    packed = data.draw(sts.damaged(deflate(original, algorithm)))
    limits = Limits(decompression_floor=1000, decompression_ratio=1)
    try:
        found = inflate(packed, algorithm, limits)
    except (DecodeError, LimitExceeded):
        return
    assert len(found) <= max(1000, len(packed))


@BOTH
def test_the_ratio_is_bounded_above_the_floor(algorithm: int) -> None:
    packed = deflate(bytes(10_000), algorithm)
    limits = Limits(decompression_floor=9_999, decompression_ratio=2)
    with pytest.raises(LimitExceeded) as caught:
        inflate(packed, algorithm, limits)
    assert (caught.value.limit, caught.value.maximum) == ("decompression_ratio", 2)
    assert inflate(packed, algorithm, Limits(decompression_floor=10_000)) == bytes(10_000)


@BOTH
def test_the_size_is_bounded(algorithm: int) -> None:
    packed = deflate(bytes(10_000), algorithm)
    with pytest.raises(LimitExceeded) as caught:
        inflate(packed, algorithm, Limits(decompressed_size=5_000))
    assert (caught.value.limit, caught.value.maximum) == ("decompressed_size", 5_000)


_BOMB = """
import resource, sys
import spacetime_proto.messages.compression as c
from spacetime_proto.errors import LimitExceeded
body = bytes.fromhex(sys.stdin.read())
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    c.inflate(body, c.BROTLI)
except LimitExceeded as error:
    sys.stdout.write(error.limit + " ")
after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
sys.stdout.write(str((after - before) // 1024))
"""


@pytest.mark.parametrize(("size", "limit"), [(300 * MIB, ["decompression_ratio"]), (64 * MIB, [])])
def test_a_kilobyte_never_takes_a_hundred_mebibytes(size: int, limit: list[str]) -> None:
    packer = brotli.Compressor(quality=5)
    body = b"".join(packer.process(bytes(MIB)) for _ in range(size // MIB)) + packer.finish()
    assert len(body) < 1024
    # In a process of its own: the peak of this one has been anywhere.
    done = subprocess.run(
        [sys.executable, "-c", _BOMB], input=body.hex(), capture_output=True, text=True, check=True
    )
    *found, mebibytes = done.stdout.split()
    assert found == limit
    assert int(mebibytes) < 100


class TestWithoutBrotli:
    @pytest.fixture(autouse=True, params=[None, object()], ids=["absent", "old"])
    def no_brotli(self, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(compression, "_brotli", request.param)

    def test_it_says_so(self) -> None:
        assert not compression.brotli_is_available()

    def test_a_payload_says_what_to_install(self) -> None:
        with pytest.raises(DecodeError, match=r"brotli>=1\.2 is not installed"):
            inflate(b"x", BROTLI)

    def test_compressing_says_what_to_install(self) -> None:
        with pytest.raises(LocalProtocolError, match=r"brotli>=1\.2"):
            deflate(b"x", BROTLI)

    def test_gzip_still_works(self) -> None:
        assert inflate(deflate(b"x", GZIP), GZIP) == b"x"


def test_the_module_can_be_imported_without_brotli(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "brotli", None)  # this is how an import is made to fail
    spec = importlib.util.spec_from_file_location(
        "spacetime_proto.messages.without_brotli", compression.__file__
    )
    assert spec is not None
    assert spec.loader is not None
    again = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(again)
    assert not again.brotli_is_available()
    assert again.inflate(deflate(b"x", GZIP), GZIP) == b"x"
    with pytest.raises(DecodeError, match="not installed"):
        again.inflate(b"x", BROTLI)


def test_brotli_is_available() -> None:
    assert compression.brotli_is_available()
