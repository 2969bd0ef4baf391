//! What the official crates make of the bytes and texts of this project.
//!
//! One JSON object a line comes in, one a line goes out. A request says what the items are (`of`: a
//! `value` of a type, a `type`, the description of a `module`, or the messages of one protocol and
//! role) and gives some as hex of BSATN, some as SATS-JSON text. The answer has one verdict for each,
//! in order: what was read, written again in every encoding, or the error that reading gave. Of a
//! module it also says what a server publishes.

use bytestring::ByteString;
use serde::de::DeserializeSeed as _;
use serde::{Deserialize as SerdeDeserialize, Serialize as SerdeSerialize};
use spacetimedb_client_api_messages::websocket::{v1, v2};
use spacetimedb_lib::RawModuleDef;
use spacetimedb_lib::db::raw_def::v9::RawModuleDefV9;
use spacetimedb_lib::db::raw_def::v10::RawModuleDefV10;
use spacetimedb_sats::de::{Deserialize, DeserializeSeed};
use spacetimedb_sats::ser::Serialize;
use spacetimedb_sats::serde::SerdeWrapper;
use spacetimedb_sats::{AlgebraicType, AlgebraicValue, Typespace, ValueWithType, WithTypespace, bsatn};
use spacetimedb_schema::def::ModuleDef;
use std::io::{BufRead, Write};

#[derive(SerdeDeserialize)]
struct Request {
    of: String,
    /// Hex of the BSATN of a `Typespace` and of an `AlgebraicType`; for `value` only.
    #[serde(default)]
    typespace: String,
    #[serde(default)]
    r#type: String,
    #[serde(default)]
    bsatn: Vec<String>,
    #[serde(default)]
    json: Vec<String>,
}

#[derive(SerdeSerialize)]
struct Answer {
    bsatn: Vec<Verdict>,
    json: Vec<Verdict>,
}

#[derive(SerdeSerialize)]
#[serde(untagged)]
enum Verdict {
    Read {
        bsatn: String,
        /// SATS-JSON with the names of fields and variants; None where a field has no name.
        objects: Option<String>,
        /// SATS-JSON without them, of values only.
        #[serde(skip_serializing_if = "Option::is_none")]
        positional: Option<String>,
        /// How many bytes were left over.
        left: usize,
        /// Of modules only.
        #[serde(skip_serializing_if = "Option::is_none")]
        published: Option<Published>,
    },
    Refused {
        error: String,
    },
}

/// What `GET …/schema` answers, by version, or why the module is refused.
#[derive(SerdeSerialize)]
#[serde(untagged)]
enum Published {
    Valid { v9: String, v10: String },
    Invalid { invalid: String },
}

type Outcome<T> = Result<T, String>;

fn said<T, E: std::fmt::Display>(result: Result<T, E>) -> Outcome<T> {
    result.map_err(|error| error.to_string())
}

fn verdict(outcome: Outcome<Verdict>) -> Verdict {
    outcome.unwrap_or_else(|error| Verdict::Refused { error })
}

fn from_bsatn<'de, S: DeserializeSeed<'de>>(seed: S, mut data: &'de [u8]) -> Outcome<(S::Output, usize)> {
    let value = said(seed.deserialize(bsatn::Deserializer::new(&mut data)))?;
    Ok((value, data.len()))
}

fn from_json<'de, S: DeserializeSeed<'de>>(seed: S, text: &'de str) -> Outcome<S::Output> {
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let value = said(SerdeWrapper::new(seed).deserialize(&mut deserializer))?;
    said(deserializer.end())?;
    Ok(value)
}

fn to_json(value: &impl Serialize) -> Outcome<String> {
    let mut out = Vec::new();
    let result = value.serialize(spacetimedb_sats::serde::SerdeSerializer::new(&mut serde_json::Serializer::new(&mut out)));
    said(result.map_err(|error| error.0))?;
    said(String::from_utf8(out))
}

/// Reads every item and writes it again.
fn judge<T>(
    request: &Request,
    read_bsatn: impl Fn(&[u8]) -> Outcome<(T, usize)>,
    read_json: impl Fn(&str) -> Outcome<T>,
    write: impl Fn(&T, usize) -> Outcome<Verdict>,
) -> Answer {
    let from_bytes = |item: &String| {
        let data = said(hex::decode(item))?;
        let (value, left) = read_bsatn(&data)?;
        write(&value, left)
    };
    let from_text = |item: &String| write(&read_json(item)?, 0);
    Answer {
        bsatn: request.bsatn.iter().map(|item| verdict(from_bytes(item))).collect(),
        json: request.json.iter().map(|item| verdict(from_text(item))).collect(),
    }
}

/// Judges items of a type that Rust knows: messages, and types themselves.
fn known<T: Serialize + for<'de> Deserialize<'de>>(request: &Request) -> Answer {
    judge(
        request,
        |data| from_bsatn(std::marker::PhantomData::<T>, data),
        |text| from_json(std::marker::PhantomData::<T>, text),
        |value, left| {
            let bsatn = hex::encode(said(bsatn::to_vec(value))?);
            Ok(Verdict::Read { bsatn, objects: Some(to_json(value)?), positional: None, left, published: None })
        },
    )
}

/// Judges values of the type that the request brings along.
fn values(request: &Request) -> Outcome<Answer> {
    let typespace: Typespace = said(bsatn::from_slice(&said(hex::decode(&request.typespace))?))?;
    let ty: AlgebraicType = said(bsatn::from_slice(&said(hex::decode(&request.r#type))?))?;
    let seed = WithTypespace::new(&typespace, &ty);
    Ok(judge(
        request,
        |data| from_bsatn(seed, data),
        |text| from_json(seed, text),
        |value: &AlgebraicValue, left| {
            Ok(Verdict::Read {
                bsatn: hex::encode(said(bsatn::to_vec(value))?),
                objects: to_json(&ValueWithType::new(seed, value)).ok(),
                positional: Some(to_json(value)?),
                left,
                published: None,
            })
        },
    ))
}

fn publish(raw: RawModuleDef) -> Outcome<Published> {
    let valid: Result<ModuleDef, String> = match raw {
        RawModuleDef::V9(raw) => raw.try_into().map_err(|error| format!("{error:#}")),
        RawModuleDef::V10(raw) => raw.try_into().map_err(|error| format!("{error:#}")),
        _ => Err("a version that is out of use".into()),
    };
    Ok(match valid {
        Ok(module) => Published::Valid {
            v9: to_json(&RawModuleDefV9::from(module.clone()))?,
            v10: to_json(&RawModuleDefV10::from(module))?,
        },
        Err(invalid) => Published::Invalid { invalid },
    })
}

/// Judges descriptions of modules, and says what a server makes of each.
fn modules(request: &Request) -> Answer {
    judge(
        request,
        |data| from_bsatn(std::marker::PhantomData::<RawModuleDef>, data),
        |text| from_json(std::marker::PhantomData::<RawModuleDef>, text),
        |raw, left| {
            Ok(Verdict::Read {
                bsatn: hex::encode(said(bsatn::to_vec(raw))?),
                objects: Some(to_json(raw)?),
                positional: None,
                left,
                published: Some(publish(raw.clone())?),
            })
        },
    )
}

fn answer(line: &str) -> Outcome<Answer> {
    let request: Request = said(serde_json::from_str(line))?;
    match request.of.as_str() {
        "value" => values(&request),
        "type" => Ok(known::<AlgebraicType>(&request)),
        "module" => Ok(modules(&request)),
        "v2 client" => Ok(known::<v2::ClientMessage>(&request)),
        "v2 server" => Ok(known::<v2::ServerMessage>(&request)),
        "v1 client" => Ok(known::<v1::ClientMessage<Box<[u8]>>>(&request)),
        "v1 server" => Ok(known::<v1::ServerMessage<v1::BsatnFormat>>(&request)),
        "v1.json client" => Ok(known::<v1::ClientMessage<ByteString>>(&request)),
        "v1.json server" => Ok(known::<v1::ServerMessage<v1::JsonFormat>>(&request)),
        other => Err(format!("nothing is known of {other}")),
    }
}

fn serve() {
    let mut out = std::io::stdout().lock();
    for line in std::io::stdin().lock().lines() {
        let line = line.expect("a line of UTF-8");
        let text = match answer(&line) {
            Ok(answer) => serde_json::to_string(&answer),
            Err(error) => serde_json::to_string(&Verdict::Refused { error }),
        };
        writeln!(out, "{}", text.expect("an answer is JSON")).expect("a reader");
        out.flush().expect("a reader");
    }
}

fn main() {
    // Types and values nest; unoptimised frames are large.
    let thread = std::thread::Builder::new().stack_size(256 << 20).spawn(serve);
    thread.expect("a thread").join().expect("no panic");
}
