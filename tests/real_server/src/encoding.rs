//! From messages of the database to the frames of a WebSocket.

use bytes::Bytes;
use spacetimedb::client::messages::{
    SerializeBuffer, SwitchedServerMessage, ToProtocol, serialize, serialize_v3,
};
use spacetimedb::client::{
    ClientConfig, ClientConnectionReceiver, DataMessage, MessageExecutionError, OutboundMessage,
    WsVersion,
};
use spacetimedb::subscription::row_list_builder_pool::BsatnRowListBuilderPool;
use spacetimedb::util::spawn_rayon;
use spacetimedb_client_api_messages::websocket::v2;
use spacetimedb_lib::bsatn;
use std::collections::VecDeque;
use tokio::sync::mpsc;
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};

/// Bytes of a frame.
const FRAME: usize = 4096;
/// Up to how many bytes several messages are joined.
const V3_PAYLOAD: usize = 512 * 1024;

/// What one message becomes: text or binary, and its bytes.
pub type Payload = (Data, Bytes);

/// Sends on what the database says, until it says no more or nobody takes it.
pub async fn encode(
    config: ClientConfig,
    pool: BsatnRowListBuilderPool,
    mut mailbox: ClientConnectionReceiver,
    mut faults: mpsc::UnboundedReceiver<MessageExecutionError>,
    out: mpsc::Sender<Payload>,
) {
    let mut batch = Vec::new();
    loop {
        tokio::select! {
            biased;
            Some(fault) = faults.recv() => {
                if out.send(encode_v1(config, &pool, fault).await).await.is_err() {
                    return;
                }
            }
            n = mailbox.recv_many(&mut batch, ClientConnectionReceiver::DEFAULT_RECV_MANY_LIMIT) => {
                if n == 0 || encode_batch(config, &pool, &mut batch, &out).await.is_err() {
                    return;
                }
            }
        }
    }
}

async fn encode_batch(
    config: ClientConfig,
    pool: &BsatnRowListBuilderPool,
    batch: &mut Vec<OutboundMessage>,
    out: &mpsc::Sender<Payload>,
) -> Result<(), mpsc::error::SendError<Payload>> {
    let mut together = Vec::new();
    let mut size = 0;
    for message in batch.drain(..) {
        match message {
            OutboundMessage::V1(message) => {
                out.send(encode_v1(config, pool, message).await).await?
            }
            OutboundMessage::V2(message) => {
                let length = bsatn::to_len(&message).expect("it can be encoded");
                let full = config.version == WsVersion::V2 || size + length > V3_PAYLOAD;
                if full && !together.is_empty() {
                    out.send(encode_v3(config, pool, std::mem::take(&mut together), size).await)
                        .await?;
                    size = 0;
                }
                together.push(message);
                size += length;
            }
        }
    }
    if !together.is_empty() {
        out.send(encode_v3(config, pool, together, size).await).await?;
    }
    Ok(())
}

async fn encode_v1<M>(config: ClientConfig, pool: &BsatnRowListBuilderPool, message: M) -> Payload
where
    M: ToProtocol<Encoded = SwitchedServerMessage> + Send + 'static,
{
    let pool = pool.clone();
    let (_, data) =
        spawn_rayon(move || serialize(&pool, SerializeBuffer::new(config), message, config)).await;
    match data {
        DataMessage::Text(text) => (Data::Text, text.into_bytes()),
        DataMessage::Binary(bytes) => (Data::Binary, bytes),
    }
}

/// One message for v2, or as many as there are for v3: the bytes are those of one after the other.
async fn encode_v3(
    config: ClientConfig,
    pool: &BsatnRowListBuilderPool,
    messages: Vec<v2::ServerMessage>,
    size: usize,
) -> Payload {
    let pool = pool.clone();
    let work =
        move || serialize_v3(&pool, SerializeBuffer::new(config), messages, config.compression).1;
    (Data::Binary, if size < V3_PAYLOAD { work() } else { spawn_rayon(work).await })
}

/// Cuts a message into frames, so that a ping need not wait for the end of a large one.
pub fn frames((kind, data): Payload) -> VecDeque<Frame> {
    let (length, mut frames) = (data.len(), VecDeque::with_capacity(data.len() / FRAME + 1));
    for start in (0..length).step_by(FRAME) {
        let end = (start + FRAME).min(length);
        let kind = if start == 0 { kind } else { Data::Continue };
        frames.push_back(Frame::message(data.slice(start..end), OpCode::Data(kind), end == length));
    }
    frames
}
