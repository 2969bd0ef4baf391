"""Structs as arguments of reducers and in rows."""

import asyncio
import json

import module_bindings
from module_bindings import insert_one_byte_struct_reducer, insert_vec_byte_struct_reducer
from module_bindings.byte_struct import ByteStruct
from module_bindings.one_byte_struct import OneByteStruct
from module_bindings.vec_byte_struct import VecByteStruct

from spacetime_transports import SpacetimeDBAsyncClient


def main(host, database, show=print):
    client = SpacetimeDBAsyncClient(module_bindings)

    def on_one(row_op, before, after, reducer_event):
        if row_op == "insert" and reducer_event is not None:
            show(f"one {after.data['value'].b} {json.dumps(after.encode())}")

    def on_vec(row_op, before, after, reducer_event):
        if row_op == "insert" and reducer_event is not None:
            show(f"vec {json.dumps(after.encode())}")

    def then(reducer_event):
        show(f"{reducer_event.reducer_name} {reducer_event.status}")
        client.force_close()

    def on_subscription_applied():
        insert_one_byte_struct_reducer.insert_one_byte_struct(ByteStruct(1))
        insert_one_byte_struct_reducer.insert_one_byte_struct({"b": 2})
        insert_one_byte_struct_reducer.insert_one_byte_struct([3])
        insert_vec_byte_struct_reducer.insert_vec_byte_struct([{"b": 4}, {"b": 5}], then=then)

    OneByteStruct.register_row_update(on_one)
    VecByteStruct.register_row_update(on_vec)
    client.register_on_subscription_applied(on_subscription_applied)
    queries = ["SELECT * FROM OneByteStruct", "SELECT * FROM VecByteStruct"]
    asyncio.run(client.run(None, host, database, False, None, queries))
