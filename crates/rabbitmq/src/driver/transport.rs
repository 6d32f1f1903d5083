//! The bytes of one connection, over TCP or TLS.

use std::{io, sync::Arc, time::Duration};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, split},
    net::TcpStream,
    time::timeout,
};

use crate::{
    config::Settings,
    connection::{Fault, Line},
    wire::HEARTBEAT,
};

/// Bytes that are read at a time.
const READ_BYTES: usize = 64 * 1_024;

/// How long a connection that is closed may still write and wait for the server's answer.
const CLOSE_WAIT: Duration = Duration::from_secs(5);

/// Until the connection has ended, for whatever reason.
pub async fn run(line: Arc<Line>, settings: Settings) {
    let fault = match timeout(settings.timing.answer_wait, connect(&settings)).await {
        Err(_) => Fault::lost(format!("no connection within {:?}", settings.timing.answer_wait)),
        Ok(Err(error)) => Fault::lost(error.to_string()),
        Ok(Ok(stream)) => {
            line.connected();
            transfer(&line, stream, &settings).await
        }
    };
    line.ended(fault);
}

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

async fn connect(settings: &Settings) -> io::Result<Box<dyn Stream>> {
    let stream = TcpStream::connect((settings.host.as_str(), settings.port)).await?;
    stream.set_nodelay(true)?;
    match &settings.tls {
        None => Ok(Box::new(stream)),
        Some(tls) => Ok(Box::new(tls.connect(&settings.host, stream).await?)),
    }
}

/// Reads and writes at the same time, until one of them ends.
async fn transfer(line: &Line, stream: Box<dyn Stream>, settings: &Settings) -> Fault {
    let (reader, writer) = split(stream);
    tokio::select! {
        fault = read(line, reader, settings) => fault,
        fault = write(line, writer, settings.timing.heartbeat / 2) => fault,
        () = closed(line) => Fault::lost("it is closed"),
    }
}

/// Nothing is read while what was delivered fills its memory: the server waits then. What it does not read it cannot
/// miss, so the silence counts only while it reads.
async fn read(line: &Line, mut stream: impl AsyncRead + Unpin, settings: &Settings) -> Fault {
    let (mut bytes, mut chunk) = (Vec::new(), vec![0; READ_BYTES]);
    let silence = settings.timing.heartbeat * 2;
    loop {
        while !line.has_room(settings.delivered_bytes_max) {
            line.taken.notified().await;
        }
        match timeout(silence, stream.read(&mut chunk)).await {
            Err(_) => return Fault::lost(format!("the server was silent for {silence:?}")),
            Ok(Err(error)) => return Fault::lost(error.to_string()),
            Ok(Ok(0)) => return Fault::lost("the server has closed the connection"),
            Ok(Ok(read)) => bytes.extend(&chunk[..read]),
        }
        match line.take_frames(&bytes) {
            Ok(taken) => drop(bytes.drain(..taken)),
            Err(fault) => {
                // The answer to the server's goodbye is on its way.
                timeout(CLOSE_WAIT, stream.read(&mut chunk)).await.ok();
                return fault;
            }
        }
    }
}

/// Sends a heartbeat when there was nothing else for so long.
async fn write(line: &Line, mut stream: impl AsyncWrite + Unpin, heartbeat: Duration) -> Fault {
    loop {
        let mut bytes = line.take_out();
        if bytes.is_empty() {
            match timeout(heartbeat, line.written.notified()).await {
                Ok(()) => continue,
                Err(_) => bytes.extend(HEARTBEAT),
            }
        }
        if let Err(error) = async { stream.write_all(&bytes).await.and(stream.flush().await) }.await {
            return Fault::lost(error.to_string());
        }
    }
}

/// Ends when the connection is to be closed, and has had its time for it.
async fn closed(line: &Line) {
    line.closing.notified().await;
    timeout(CLOSE_WAIT, std::future::pending::<()>()).await.ok();
}
