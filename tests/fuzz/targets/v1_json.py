"""Messages of v1.json: the first byte picks the role, the rest is the text."""

from __future__ import annotations

from spacetime_proto.errors import DecodeError, LimitExceeded
from spacetime_proto.messages import v1
from spacetime_proto.messages.json_rows import JsonCodec
from spacetime_proto.testing.comparing import comparable

#: Rows are any text here.
_CODEC = JsonCodec(lambda _, text: text.encode(), lambda _, row: row.decode())


def check(data: bytes) -> None:
    """A message that was read can be written and says the same again."""
    text = data[1:].decode("utf-8", "replace")
    try:
        if data[:1] == b"c":
            sent = v1.CLIENT.from_json(text)
            assert v1.CLIENT.from_json(v1.CLIENT.to_json(sent)) == sent
        else:
            got = v1.SERVER.from_json(text, _CODEC)
            again = v1.SERVER.from_json(v1.SERVER.to_json(got, _CODEC), _CODEC)
            assert comparable(again) == comparable(got)
    except (DecodeError, LimitExceeded):
        return
