#!/usr/bin/env python3
"""Publishes the live module over HTTP and checks, without any client of ours, that server and module work.

usage: publish.py [--name NAME] [--token TOKEN] [--check] URL WASM

Prints one JSON object: url, database (its name), identity (the database's), token (the owner's). Only the standard library.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any


class Http:
    def __init__(self, url: str, token: str | None) -> None:
        self.url = url.rstrip("/")
        self.token = token

    def send(
        self, method: str, path: str, body: bytes | None = None, content_type: str | None = None
    ) -> tuple[int, str]:
        request = urllib.request.Request(self.url + path, data=body, method=method)
        if self.token is not None:
            request.add_header("Authorization", f"Bearer {self.token}")
        # urllib would otherwise call a body a form.
        request.add_header("Content-Type", content_type or "application/octet-stream")
        try:
            with urllib.request.urlopen(request, timeout=120) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def want(self, method: str, path: str, body: bytes | None = None) -> str:
        status, text = self.send(method, path, body)
        if status != 200:
            raise SystemExit(f"{method} {path} answered {status}: {text}")
        return text

    def call(self, database: str, reducer: str, *arguments: Any) -> tuple[int, str]:
        body = json.dumps(arguments).encode()
        return self.send(
            "POST", f"/v1/database/{database}/call/{reducer}", body, "application/json"
        )

    def rows(self, database: str, query: str) -> list[Any]:
        (answer,) = json.loads(self.want("POST", f"/v1/database/{database}/sql", query.encode()))
        rows: list[Any] = answer["rows"]
        return rows


def publish(url: str, wasm: Path, name: str, token: str | None) -> dict[str, str]:
    http = Http(url, token)
    if token is None:
        http.token = json.loads(http.want("POST", "/v1/identity"))["token"]
    answer = json.loads(
        http.want("PUT", f"/v1/database/{urllib.parse.quote(name)}", wasm.read_bytes())
    )
    return {
        "url": http.url,
        "database": name,
        "identity": answer["Success"]["database_identity"],
        "token": http.token or "",
    }


def snake(name: str) -> str:
    """What a 2.x server makes of a name: words split at case and at every border of letters and digits."""
    return "_".join(re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+", name)).lower()


def camel(name: str) -> str:
    first, *rest = snake(name).split("_")
    return first + "".join(word.capitalize() for word in rest)


def unstable_names(schema: dict[str, Any]) -> list[str]:
    """The names that a 2.x server would rewrite: the module should have none."""
    found = [t["name"] for t in schema["tables"]] + [r["name"] for r in schema["reducers"]]
    wrong = [name for name in found if snake(name) != name]

    def walk(kind: dict[str, Any]) -> None:
        ((tag, body),) = kind.items()
        if tag == "Array":
            walk(body)
        parts = body["elements"] if tag == "Product" else body["variants"] if tag == "Sum" else []
        names = [part["name"].get("some") for part in parts]
        if names not in (["some", "none"], ["Interval", "Time"]) and not any(
            (n or "").startswith("__") for n in names
        ):
            convert = snake if tag == "Product" else camel
            wrong.extend(n for n in names if n is not None and convert(n) != n)
        for part in parts:
            walk(part["algebraic_type"])

    for kind in schema["typespace"]["types"]:
        walk(kind)
    return wrong


def check(http: Http, database: str) -> None:
    def expect(what: str, found: object, wanted: object) -> None:
        if found != wanted:
            raise SystemExit(f"{what}: found {found!r}, wanted {wanted!r}")
        print(f"  ok: {what}", file=sys.stderr)

    schema = json.loads(http.want("GET", f"/v1/database/{database}/schema?version=9"))
    print(f"  {len(schema['tables'])} tables, {len(schema['reducers'])} reducers", file=sys.stderr)
    expect("names that a 2.x server would change", unstable_names(schema), [])
    expect("clear_all", http.call(database, "clear_all")[0], 200)
    expect("insert_one_u_8", http.call(database, "insert_one_u_8", 7), (200, ""))
    expect("its row by SQL", http.rows(database, "SELECT * FROM one_u_8"), [[7]])
    expect(
        "send_message refuses",
        http.call(database, "send_message", ""),
        (530, "Messages must not be empty"),
    )
    expect("fail_after_insert", http.call(database, "fail_after_insert", "no"), (530, "no"))
    expect("panic_after_insert", http.call(database, "panic_after_insert", "no")[0], 530)
    expect("nothing left of them", http.rows(database, "SELECT * FROM attempt"), [])
    expect("fill_players", http.call(database, "fill_players", 1000, 1)[0], 200)
    expect("their number by SQL", http.rows(database, "SELECT COUNT(*) AS n FROM player"), [[1000]])
    expect("start_timer_once", http.call(database, "start_timer_once", "smoke", 1)[0], 200)
    deadline = time.monotonic() + 10
    while not (ticks := http.rows(database, "SELECT * FROM tick")) and time.monotonic() < deadline:
        time.sleep(0.05)
    expect("the schedule fired", [row[1] for row in ticks], ["smoke"])
    expect("clear_all again", http.call(database, "clear_all")[0], 200)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("url")
    parser.add_argument("wasm", type=Path)
    parser.add_argument("--name", default=f"live-{time.time_ns()}")
    parser.add_argument("--token", help="the owner's token; by default a new identity's")
    parser.add_argument(
        "--check", action="store_true", help="call a few reducers and look at their effects"
    )
    arguments = parser.parse_args()
    began = time.monotonic()
    published = publish(arguments.url, arguments.wasm, arguments.name, arguments.token)
    print(f"[{time.monotonic() - began:6.1f}s] publish", file=sys.stderr)
    if arguments.check:
        began = time.monotonic()
        check(Http(published["url"], published["token"]), published["database"])
        print(f"[{time.monotonic() - began:6.1f}s] check", file=sys.stderr)
    print(json.dumps(published))


if __name__ == "__main__":
    main()
