//! The official Rust SDK, measured: peer URL SCENARIO COUNT ROWS [PROTOCOL]
//!
//! Prints one JSON object; the scenarios are those of ../../replay.py. (The SDK speaks version 2 of the
//! protocol only.) Times are of the thread that works messages off, which is the program's own.

mod bindings;
mod usage;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use spacetimedb_sdk::__codegen::__sats::{bsatn, de::Deserialize};
use spacetimedb_sdk::{Compression, DbContext};

use bindings::{Connection, Location, Player, ReducerContext};
use usage::Stopwatch;

const IN_FLIGHT: u64 = 256;

struct Run {
    connection: Connection,
    count: u64,
    rows: u64,
    fields: Vec<(&'static str, f64)>,
}

impl Run {
    fn note(&mut self, name: &'static str, value: f64) {
        self.fields.push((name, value));
    }

    fn timed(&mut self, watch: &Stopwatch) {
        let (ms, cpu_ms) = watch.read();
        self.note("ms", ms);
        self.note("cpu_ms", cpu_ms);
    }

    fn subscribe(&self, sql: &str) -> Arc<AtomicBool> {
        let applied = Arc::new(AtomicBool::new(false));
        let flag = applied.clone();
        self.connection
            .subscription_builder()
            .on_applied(move |_| flag.store(true, Relaxed))
            .on_error(|_, error| panic!("subscribe: {error}"))
            .subscribe(sql);
        applied
    }

    fn until(&self, done: impl Fn() -> bool) {
        while !done() {
            self.connection.advance();
        }
    }

    fn subscribe_and_wait(&self, sql: &str) {
        let applied = self.subscribe(sql);
        self.until(|| applied.load(Relaxed));
    }

    fn first_subscription(&mut self) {
        usage::forget_peak();
        let before = usage::resident();
        let watch = Stopwatch::start();
        self.subscribe_and_wait("SELECT * FROM player");
        self.timed(&watch);
        assert_eq!(self.connection.db.player().count(), self.rows);
        let peak = usage::peak();
        // What messages took is freed by other threads, a little later.
        std::thread::sleep(std::time::Duration::from_millis(50));
        let after = usage::resident();
        let rows = self.rows as f64;
        self.note("bytes_per_row", (after - before) / rows);
        self.note("peak_per_row", (peak - before) / rows);
    }

    /// The same, with a callback per row that reads one column.
    fn listen(&mut self) {
        let seen = Arc::new(AtomicU64::new(0));
        let counter = seen.clone();
        let mut levels = 0u64;
        self.connection.db.player().on_insert(move |_, row| {
            levels += u64::from(row.level);
            counter.fetch_add(1, Relaxed);
            std::hint::black_box(levels);
        });
        let watch = Stopwatch::start();
        self.subscribe_and_wait("SELECT * FROM player");
        let rows = self.rows;
        self.until(|| seen.load(Relaxed) == rows);
        self.timed(&watch);
    }

    /// Row updates begin when the server has had a call.
    fn updates(&mut self) {
        let seen = Arc::new(AtomicU64::new(0));
        let counter = seen.clone();
        self.connection.db.player().on_update(move |_, _, new| {
            std::hint::black_box(new.level);
            counter.fetch_add(1, Relaxed);
        });
        self.subscribe_and_wait("SELECT * FROM player");
        let watch = Stopwatch::start();
        self.connection.db.no_op(|_| ());
        let count = self.count;
        self.until(|| seen.load(Relaxed) == count);
        self.timed(&watch);
    }

    fn calls(&mut self) {
        fn next(context: &ReducerContext, left: &Arc<AtomicU64>, answered: &Arc<AtomicU64>) {
            answered.fetch_add(1, Relaxed);
            if left.load(Relaxed) > 0 {
                left.fetch_sub(1, Relaxed);
                let (left, answered) = (left.clone(), answered.clone());
                context
                    .db
                    .no_op(move |context| next(context, &left, &answered));
            }
        }

        let left = Arc::new(AtomicU64::new(self.count - IN_FLIGHT));
        let answered = Arc::new(AtomicU64::new(0));
        let watch = Stopwatch::start();
        for _ in 0..IN_FLIGHT {
            let (left, answered) = (left.clone(), answered.clone());
            self.connection
                .db
                .no_op(move |context| next(context, &left, &answered));
        }
        let count = self.count;
        self.until(|| answered.load(Relaxed) == count);
        self.timed(&watch);
    }

    /// COUNT different keys, twice: a client may do something for a row when it is first looked at.
    fn find(&mut self) {
        self.subscribe_and_wait("SELECT * FROM player");
        let ids = self.connection.db.player_id();
        let lap = || {
            let watch = Stopwatch::start();
            for number in 0..self.count {
                let id = number * 7919 % self.rows;
                assert_eq!(ids.find(&id).expect("every id is there").id, id);
            }
            watch
        };
        let first = lap().read().0;
        let watch = lap();
        self.timed(&watch);
        self.note("first_ms", first);
    }

    /// There is no index but of unique columns: this is what a program has to write.
    fn filter(&mut self) {
        self.subscribe_and_wait("SELECT * FROM location");
        let mut found = 0;
        let watch = Stopwatch::start();
        for number in 0..self.count {
            let chunk = number % (self.rows / 100).max(1);
            found += self
                .connection
                .db
                .location()
                .iter()
                .filter(|row| row.chunk == chunk)
                .count();
        }
        self.timed(&watch);
        self.note("rows_each", found as f64 / self.count as f64);
    }

    /// COUNT subscriptions, each of which holds the same rows.
    fn sets(&mut self) {
        let watch = Stopwatch::start();
        let all: Vec<_> = (0..self.count)
            .map(|_| self.subscribe("SELECT * FROM player"))
            .collect();
        self.until(|| all.iter().all(|applied| applied.load(Relaxed)));
        self.timed(&watch);
    }
}

/// COUNT rows out of a file, one after the other; no server.
fn decode<Row: for<'a> Deserialize<'a>>(path: &str, count: usize) {
    let data = std::fs::read(path).expect("a file of rows");
    let mut left = &data[..];
    let mut decoded = Vec::with_capacity(count);
    let watch = Stopwatch::start();
    for _ in 0..count {
        decoded.push(bsatn::from_reader::<Row>(&mut left).expect("a row"));
    }
    let (ms, cpu_ms) = watch.read();
    std::hint::black_box(&decoded);
    println!("{{\"ms\": {ms}, \"cpu_ms\": {cpu_ms}}}");
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, url, scenario, count, rows, rest @ ..] = &arguments[..] else {
        panic!("usage: peer URL SCENARIO COUNT ROWS [PROTOCOL]");
    };
    match scenario.as_str() {
        "decode_player" => return decode::<Player>(url, count.parse().expect("a number")),
        "decode_location" => return decode::<Location>(url, count.parse().expect("a number")),
        _ => (),
    }
    let protocol = rest.first().map_or("v2", String::as_str);
    let connected = Arc::new(AtomicBool::new(false));
    let flag = connected.clone();
    let connection = Connection::builder()
        .with_uri(url.as_str())
        .with_database_name(format!("{scenario}-{count}-{rows}-{protocol}"))
        .with_compression(Compression::None)
        .on_connect(move |_, _, _| flag.store(true, Relaxed))
        .on_connect_error(|_, error| panic!("connect: {error}"))
        .build()
        .expect("no connection");
    while !connected.load(Relaxed) {
        connection.advance();
    }
    let at = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .expect("a clock after 1970");
    let number = |text: &String| text.parse().expect("a number");
    let mut run = Run {
        connection,
        count: number(count),
        rows: number(rows),
        fields: Vec::new(),
    };
    run.note("connected_at", at.as_secs_f64());
    match scenario.as_str() {
        "connect" => (),
        "subscribe" => run.first_subscription(),
        "listen" => run.listen(),
        "updates" | "batches" => run.updates(),
        "calls" => run.calls(),
        "find" => run.find(),
        "filter" => run.filter(),
        "sets" => run.sets(),
        _ => panic!("no scenario {scenario:?}"),
    }
    let fields: Vec<String> = run
        .fields
        .iter()
        .map(|(name, value)| format!("\"{name}\": {value}"))
        .collect();
    println!("{{{}}}", fields.join(", "));
    // Tearing the cache down row by row would take longer than some of the measurements.
    std::process::exit(0);
}
