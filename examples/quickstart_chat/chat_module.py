"""The server side of the quickstart: the chat module, ready to be served.

    spacetime-py serve examples/quickstart_chat/chat_module.py --database chat

The module itself is `spacetime_transports.chat_module`, which is also what ``spacetime-py demo``
runs; open that file to read it or to copy it as the start of a module of your own.
"""

from __future__ import annotations

from spacetime_transports.server.chat_module import Message, User, module

__all__ = ["Message", "User", "module"]
