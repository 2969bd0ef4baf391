//! A WebSocket connection.
//!
//! Four tasks: one reads the socket into a queue, one hands what is queued to the database, one
//! turns what the database says into bytes, and one writes those, in small frames so that pings and
//! closes come through in between.

use crate::encoding::{Payload, encode, frames};
use bytes::Bytes;
use bytestring::ByteString;
use futures::stream::{SplitSink, SplitStream};
use futures::{SinkExt, StreamExt};
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use spacetimedb::client::{
    ClientConnection, ClientConnectionReceiver, DataMessage, MessageExecutionError,
    MessageHandleError, SessionReservation, WsVersion,
};
use spacetimedb_client_api_messages::websocket::common::SESSION_BUSY_CLOSE_CODE;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{Notify, mpsc};
use tokio::time::Instant;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::frame::{CloseFrame, Frame};
use tokio_tungstenite::tungstenite::{Message, Utf8Bytes};

pub type Socket = WebSocketStream<TokioIo<Upgraded>>;

#[derive(Clone, Copy)]
pub struct Limits {
    /// Between pings.
    ping: Duration,
    /// How long a client may say nothing at all.
    idle: Duration,
    /// How long we wait for the answer to our close frame.
    goodbye: Duration,
    /// How many messages of a client may wait for the database.
    backlog: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            ping: Duration::from_secs(15),
            idle: Duration::from_secs(30),
            goodbye: Duration::from_millis(250),
            backlog: 16384,
        }
    }
}

const FRAMES_AT_ONCE: usize = 8;

/// Tells a client that another connection still has its session. That one has been stopped; when it
/// is gone, the client gets through.
pub async fn refuse_busy(limits: Limits, mut socket: Socket) {
    let code = CloseCode::from(SESSION_BUSY_CLOSE_CODE);
    let reason = Utf8Bytes::from_static("session is in use by another connection");
    let _ = socket.send(Message::Close(Some(CloseFrame { code, reason }))).await;
    let answered = async { while let Some(Ok(_)) = socket.next().await {} };
    let _ = tokio::time::timeout(limits.goodbye, answered).await;
}

/// What the tasks of a connection know of each other.
struct Link {
    heard: Mutex<Instant>,
    ponged: AtomicBool,
    /// The client sent a close frame.
    left: AtomicBool,
    /// We sent one.
    leaving: AtomicBool,
    /// The socket will not be read any more.
    silent: Notify,
}

enum Control {
    Ping,
    Close(CloseCode, String),
}

/// Tells the database that the client is gone, also if the connection's task is aborted; frees the
/// session after that.
struct Farewell(Option<(ClientConnection, Option<SessionReservation>)>);

impl Farewell {
    async fn say(mut self) {
        if let Some((client, session)) = self.0.take() {
            client.disconnect().await;
            drop(session);
        }
    }
}

impl Drop for Farewell {
    fn drop(&mut self) {
        if let Some((client, session)) = self.0.take() {
            tokio::spawn(async move {
                client.disconnect().await;
                drop(session);
            });
        }
    }
}

/// Aborts a task when the connection ends.
struct Task(tokio::task::JoinHandle<()>);

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

pub async fn serve(
    limits: Limits,
    client: ClientConnection,
    mailbox: ClientConnectionReceiver,
    socket: Socket,
    session: Option<SessionReservation>,
) {
    if let Some(session) = &session {
        session.establish(&client.sender());
    }
    let farewell = Farewell(Some((client.clone(), session)));
    let state = Arc::new(Link {
        heard: Mutex::new(Instant::now()),
        ponged: AtomicBool::new(true),
        left: AtomicBool::new(false),
        leaving: AtomicBool::new(false),
        silent: Notify::new(),
    });
    let (sink, stream) = socket.split();
    let (control, orders) = mpsc::unbounded_channel();
    let (queue, queued) = mpsc::channel(limits.backlog);
    let (faults, faulty) = mpsc::unbounded_channel();
    let (payloads, outgoing) = mpsc::channel(16);
    let pool = client.module().subscriptions().bsatn_rlb_pool.clone();
    let _reader = Task(tokio::spawn(read(limits, state.clone(), stream, queue, control.clone())));
    let _encoder = Task(tokio::spawn(encode(client.config, pool, mailbox, faulty, payloads)));
    let mut handler =
        Task(tokio::spawn(handle(state.clone(), client.clone(), queued, control.clone(), faults)));
    let mut writer = Task(tokio::spawn(write(state.clone(), sink, orders, outgoing)));
    let mut pings = tokio::time::interval(limits.ping);
    let mut watched = client.clone();
    let exit = watched.watch_module_host();
    tokio::pin!(exit);
    let mut exited = false;
    loop {
        let deadline = *state.heard.lock().unwrap() + limits.idle;
        tokio::select! {
            _ = &mut handler.0 => break,
            _ = &mut writer.0 => break,
            _ = tokio::time::sleep_until(deadline) => {
                if Instant::now() >= *state.heard.lock().unwrap() + limits.idle {
                    log::debug!("{} is silent", client.id);
                    break;
                }
            }
            _ = &mut exit, if !exited => {
                exited = true;
                let _ = control.send(Control::Close(CloseCode::Away, "module exited".into()));
            }
            _ = pings.tick() => {
                // A ping that is not answered waits behind other data: more of them would not help.
                if state.ponged.swap(false, Relaxed) {
                    let _ = control.send(Control::Ping);
                }
            }
        }
    }
    farewell.say().await;
}

async fn read(
    limits: Limits,
    state: Arc<Link>,
    mut stream: SplitStream<Socket>,
    queue: mpsc::Sender<DataMessage>,
    control: mpsc::UnboundedSender<Control>,
) {
    loop {
        // As in the original, a client that says nothing at all after our close frame is only given
        // up as an idle one.
        let patience = if state.leaving.load(Relaxed) { limits.goodbye } else { limits.idle * 2 };
        let Ok(Some(item)) = tokio::time::timeout(patience, stream.next()).await else {
            break;
        };
        let message = match item {
            Ok(message) => message,
            Err(error) => {
                log::debug!("receiving: {error}");
                break;
            }
        };
        *state.heard.lock().unwrap() = Instant::now();
        let data = match message {
            Message::Text(text) => {
                DataMessage::Text(ByteString::try_from(Bytes::from(text)).expect("text is UTF-8"))
            }
            Message::Binary(bytes) => DataMessage::Binary(bytes),
            Message::Pong(_) => {
                state.ponged.store(true, Relaxed);
                continue;
            }
            Message::Close(_) => {
                state.left.store(true, Relaxed);
                continue; // reading on sends the answer
            }
            _ => continue,
        };
        if state.leaving.load(Relaxed) {
            continue;
        }
        match queue.try_send(data) {
            Ok(()) => {}
            Err(TrySendError::Full(_)) => {
                state.leaving.store(true, Relaxed);
                let _ = control.send(Control::Close(CloseCode::Again, "too many requests".into()));
            }
            Err(TrySendError::Closed(_)) => break,
        }
    }
    state.silent.notify_one();
}

async fn handle(
    state: Arc<Link>,
    client: ClientConnection,
    mut queued: mpsc::Receiver<DataMessage>,
    control: mpsc::UnboundedSender<Control>,
    faults: mpsc::UnboundedSender<MessageExecutionError>,
) {
    while let Some(data) = queued.recv().await {
        if state.leaving.load(Relaxed) {
            continue;
        }
        match client.handle_message(data, std::time::Instant::now()).await {
            Ok(()) => {}
            Err(MessageHandleError::Execution(error)) if client.config.version == WsVersion::V1 => {
                _ = faults.send(error)
            }
            Err(error) => {
                state.leaving.store(true, Relaxed);
                let _ = control.send(Control::Close(CloseCode::Error, format!("{error:#}")));
            }
        }
    }
}

async fn write(
    state: Arc<Link>,
    mut sink: SplitSink<Socket, Message>,
    mut orders: mpsc::UnboundedReceiver<Control>,
    mut payloads: mpsc::Receiver<Payload>,
) {
    let mut waiting: VecDeque<Frame> = VecDeque::new();
    loop {
        let left = state.left.load(Relaxed);
        let done = tokio::select! {
            biased;
            order = orders.recv() => match order {
                None => return,
                Some(_) if left => Ok(()),
                Some(Control::Ping) => sink.feed(Message::Ping(Bytes::new())).await,
                Some(Control::Close(code, reason)) => {
                    state.leaving.store(true, Relaxed);
                    say_goodbye(&mut sink, waiting, code, reason).await;
                    return state.silent.notified().await;
                }
            },
            _ = std::future::ready(()), if !waiting.is_empty() => {
                let mut done = Ok(());
                for frame in waiting.drain(..waiting.len().min(FRAMES_AT_ONCE)) {
                    // After a close frame nothing may follow; what the client still asked for is
                    // done all the same.
                    if done.is_ok() && !left {
                        done = sink.feed(Message::Frame(frame)).await;
                    }
                }
                done
            }
            Some(payload) = payloads.recv() => {
                waiting = frames(payload);
                continue;
            }
        };
        if let Err(error) = async {
            done?;
            if left { Ok(()) } else { sink.flush().await }
        }
        .await
        {
            if !state.left.load(Relaxed) {
                log::debug!("sending: {error}");
                return;
            }
        }
    }
}

/// Ends the message that is under way, then sends the close frame.
async fn say_goodbye(
    sink: &mut SplitSink<Socket, Message>,
    waiting: VecDeque<Frame>,
    code: CloseCode,
    reason: String,
) {
    for frame in waiting {
        if sink.feed(Message::Frame(frame)).await.is_err() {
            return;
        }
    }
    let _ =
        sink.send(Message::Close(Some(CloseFrame { code, reason: Utf8Bytes::from(reason) }))).await;
}
