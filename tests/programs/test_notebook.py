"""A real Jupyter kernel: cells that await in its running event loop, and cells that block."""

from __future__ import annotations

import time
import warnings
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.patience import PATIENCE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from spacetime_transports.server import ThreadServer


class Notebook:
    """Runs cells and returns what they show."""

    def __init__(self, manager: Any, kernel: Any) -> None:
        self.manager = manager
        self._kernel = kernel

    def run(self, cell: str, *, while_it_runs: Callable[[], None] | None = None) -> str:
        """Run a cell; return what it printed and the text of its value or error."""
        message = self._kernel.execute(cell)
        shown: list[str] = []
        while True:
            answer = self._kernel.get_iopub_msg(timeout=PATIENCE)
            if answer["parent_header"].get("msg_id") != message:
                continue
            kind, content = answer["msg_type"], answer["content"]
            if kind == "stream":
                shown.append(content["text"])
                if while_it_runs is not None and "waiting" in content["text"]:
                    while_it_runs()
            elif kind == "execute_result":
                shown.append("".join(f"{text}\n" for text in content["data"].values()))
            elif kind == "error":
                shown.append(f"{content['ename']}: {content['evalue']}")
            elif kind == "status" and content["execution_state"] == "idle":
                return "".join(shown)

    def until(self, expression: str, wanted: str) -> None:
        """Run a cell until it shows this: what happens between cells takes its time."""
        end = time.monotonic() + PATIENCE
        while (shown := self.run(expression).strip()) != wanted:
            assert time.monotonic() < end, shown
            time.sleep(0.02)


@pytest.fixture
def notebook(server: ThreadServer) -> Iterator[Notebook]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # how Jupyter is written is not what is tested
        from jupyter_client.manager import KernelManager

        manager = KernelManager()
        manager.start_kernel()
        kernel = manager.client()
        kernel.start_channels()
        try:
            kernel.wait_for_ready(timeout=PATIENCE)
            notebook = Notebook(manager, kernel)
            assert notebook.run(f"URL = {server.url!r}") == ""
            yield notebook
        finally:
            kernel.stop_channels()
            manager.shutdown_kernel(now=True)


def test_cells_that_await(notebook: Notebook) -> None:
    run = notebook.run
    opened = """
        from spacetime_transports import connect
        seen = []
        client = await connect(URL, "world")
        client.db.item.on_insert(lambda ctx, row: seen.append(row.name))
        await client.subscribe("SELECT * FROM item")
        client.state
    """
    assert "connected" in run(opened)
    assert run("await client.call(client.module.reducers.add_items(count=2))") == ""
    assert run("seen").strip() == "['item 0', 'item 1']"
    # Callbacks run between cells, while nothing is awaited.
    run("""
        import threading
        from spacetime_transports import blocking
        def add():
            with blocking.connect(URL, "world") as other:
                other.call(other.module.reducers.add_item(name="from elsewhere", amount=1))
        thread = threading.Thread(target=add)
        thread.start()
    """)
    notebook.until("seen[-1]", "'from elsewhere'")
    assert "<table" in run('await client.query("SELECT * FROM item")')
    assert "closed" in run("await client.close()\nclient.state")


def test_cells_that_block(notebook: Notebook) -> None:
    run = notebook.run
    assert "connected" in run("""
        from spacetime_transports import blocking
        client = blocking.connect(URL, "world")
        client.subscribe("SELECT * FROM item")
        client.state
    """)
    assert run("client.call(client.module.reducers.add_items(count=2))") == ""
    assert run("client.db.item.count()").strip() == "2"
    assert "closed" in run("client.close()\nclient.state")


@pytest.mark.parametrize(
    ("opened", "waits"),
    [
        (
            "from spacetime_transports import connect\nclient = await connect(URL, 'world')",
            "await client.call(client.module.procedures.wait(micros=10**9))",
        ),
        (
            "from spacetime_transports import blocking\nclient = blocking.connect(URL, 'world')",
            "client.call(client.module.procedures.wait(micros=10**9))",
        ),
    ],
    ids=["asyncio", "blocking"],
)
def test_the_stop_button(notebook: Notebook, opened: str, waits: str) -> None:
    run = notebook.run
    assert run(opened) == ""
    interrupt = notebook.manager.interrupt_kernel
    shown = run(f"print('waiting')\n{waits}", while_it_runs=interrupt)
    assert "KeyboardInterrupt" in shown or "CancelledError" in shown
    assert "connected" in run("client.state")
    answer = "client.call(client.module.procedures.add(lhs=1, rhs=2))"
    assert run(f"await {answer}" if "await" in waits else answer).strip() == "3"
    run("await client.close()" if "await" in waits else "client.close()")
