// The official TypeScript SDK, measured: node --expose-gc peer.mjs URL SCENARIO COUNT ROWS PROTOCOL
// Prints one JSON object. Scenarios are those of ../../replay.py; bindings are written out by hand
// for the two tables and the one reducer that the replay server has.
import { readFileSync, writeFileSync } from 'node:fs';
import { performance } from 'node:perf_hooks';
import {
  BinaryReader, DbConnectionBuilder, DbConnectionImpl, ProductType, convertToAccessorMap,
  makeQueryBuilder, procedures, reducerSchema, reducers, schema, t, table,
} from 'spacetimedb';

const [url, scenario, countText, rowsText, protocol] = process.argv.slice(2);
const count = Number(countText), rows = Number(rowsText);

const playerRow = t.row({
  id: t.u64().primaryKey(), name: t.string(), x: t.f32(), y: t.f32(), z: t.f32(), level: t.u32(),
  online: t.bool(),
});
const locationRow = t.row({
  id: t.u64().primaryKey(), chunk: t.u64(), x: t.i32(), z: t.i32(), dimension: t.u32(),
});
const key = name => ({
  indexes: [{ accessor: 'id', name: `${name}_id_idx_btree`, algorithm: 'btree', columns: ['id'] }],
  constraints: [{ name: `${name}_id_key`, constraint: 'unique', columns: ['id'] }],
});
const location = key('location');
location.indexes.push({
  accessor: 'chunk', name: 'location_chunk_idx_btree', algorithm: 'btree', columns: ['chunk'],
});
const tablesSchema = schema({
  player: table({ name: 'player', ...key('player') }, playerRow),
  location: table({ name: 'location', ...location }, locationRow),
});
const reducersSchema = reducers(reducerSchema('no_op', {}));
const REMOTE_MODULE = {
  versionInfo: { cliVersion: '2.8.3' },
  tables: tablesSchema.schemaType.tables,
  reducers: reducersSchema.reducersType.reducers,
  ...procedures(),
};
makeQueryBuilder(tablesSchema.schemaType);
convertToAccessorMap(reducersSchema.reducersType.reducers);

class DbConnection extends DbConnectionImpl {
  static builder = () =>
    new DbConnectionBuilder(REMOTE_MODULE, config => new DbConnection(config));
}

const result = {};
const cpu = () => { const u = process.cpuUsage(); return (u.user + u.system) / 1000; };
const finish = connection => {
  console.log(JSON.stringify(result));
  connection.disconnect();
  setTimeout(() => process.exit(0), 20);
};
const fail = what => error => { console.error(what, error); process.exit(1); };

let from = 0, fromCpu = 0;
const start = () => { from = performance.now(); fromCpu = cpu(); };
const stop = () => { result.ms = performance.now() - from; result.cpu_ms = cpu() - fromCpu; };

// Bytes. The heap is what the program holds on to; resident memory keeps what V8 does not give back.
const held = () => {
  globalThis.gc();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
};
const resident = field =>
  1024 * Number(readFileSync('/proc/self/status', 'utf8').match(`${field}:\\s+(\\d+)`)[1]);

const subscribe = (connection, sql, applied) =>
  connection.subscriptionBuilder().onApplied(applied)
    .onError((_, error) => fail('subscribe')(error)).subscribe([sql]);

const scenarios = {
  connect: finish,

  subscribe(connection) {
    const before = held(), residentBefore = resident('VmRSS');
    writeFileSync('/proc/self/clear_refs', '5');  // the peak counts from here
    start();
    subscribe(connection, 'SELECT * FROM player', () => {
      stop();
      if (Number(connection.db.player.count()) !== rows) fail('subscribe')('rows are missing');
      result.peak_per_row = (resident('VmHWM') - residentBefore) / rows;
      setTimeout(() => {  // once the message itself is let go
        result.bytes_per_row = (held() - before) / rows;
        finish(connection);
      }, 10);
    });
  },

  // The same, with a callback per row that reads one column.
  listen(connection) {
    let levels = 0, seen = 0;
    connection.db.player.onInsert((_, row) => {
      levels += row.level;
      if (++seen === rows) {
        stop();
        finish(connection);
      }
    });
    start();
    subscribe(connection, 'SELECT * FROM player', () => {});
  },

  // COUNT row updates, alone or in transactions of 100, begin when the server has had a call.
  updates(connection) {
    let seen = 0, levels = 0;
    connection.db.player.onUpdate((_, before, after) => {
      levels += after.level;
      if (++seen === count) {
        stop();
        finish(connection);
      }
    });
    subscribe(connection, 'SELECT * FROM player', () => {
      start();
      connection.reducers.noOp({});
    });
  },

  async calls(connection) {
    let sent = 0;
    const lane = async () => {
      while (sent < count) {
        sent += 1;
        await connection.reducers.noOp({});
      }
    };
    start();
    await Promise.all(Array.from({ length: 256 }, lane));
    stop();
    finish(connection);
  },

  // COUNT different keys, twice: a client may do something for a row when it is first looked at.
  find(connection) {
    const lap = () => {
      start();
      for (let i = 0; i < count; i += 1) {
        const id = BigInt((i * 7919) % rows);
        if (connection.db.player.id.find(id)?.id !== id) fail('find')(id);
      }
      stop();
    };
    subscribe(connection, 'SELECT * FROM player', () => {
      lap();
      result.first_ms = result.ms;
      lap();
      finish(connection);
    });
  },

  filter(connection) {
    const chunks = Math.max(1, Math.floor(rows / 100));
    subscribe(connection, 'SELECT * FROM location', () => {
      let found = 0;
      start();
      for (let i = 0; i < count; i += 1) {
        found += [...connection.db.location.chunk.filter(BigInt(i % chunks))].length;
      }
      stop();
      result.rows_each = found / count;
      finish(connection);
    });
  },

  // COUNT subscriptions, each of which holds the same rows.
  sets(connection) {
    let applied = 0;
    start();
    for (let i = 0; i < count; i += 1) {
      subscribe(connection, 'SELECT * FROM player', () => {
        if (++applied === count) {
          stop();
          finish(connection);
        }
      });
    }
  },
};
scenarios.batches = scenarios.updates;

// COUNT rows out of the file URL, one after the other; no server.
const decode = () => {
  const rowType = tablesSchema.schemaType.tables[scenario.split('_')[1]].rowType;
  const deserialize = ProductType.makeDeserializer(rowType);
  const reader = new BinaryReader(new Uint8Array(readFileSync(url)));
  const decoded = [];
  start();
  for (let i = 0; i < count; i += 1) decoded.push(deserialize(reader));
  stop();
  if (decoded.at(-1).id !== BigInt(count - 1)) fail('decode')(decoded.at(-1));
  console.log(JSON.stringify(result));
};

if (scenario.startsWith('decode_')) decode();
else DbConnection.builder()
  .withUri(url).withDatabaseName(`${scenario}-${count}-${rows}-${protocol}`)
  .withCompression('none')
  .onConnect(connection => {
    result.connected_at = Date.now() / 1000;
    scenarios[scenario](connection);
  })
  .onConnectError((_, error) => fail('connect')(error))
  .build();
