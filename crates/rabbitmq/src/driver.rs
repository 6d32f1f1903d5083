//! The one thread of an adapter: it moves the bytes of all its connections. It ends when nothing refers to it any more
//! and the last connection is closed; nobody waits for that.

mod transport;

use std::{future::Future, io, pin::Pin, sync::Arc, thread};

use tokio::{runtime, sync::mpsc, task::JoinSet};

use crate::{
    config::Settings,
    connection::{Fault, Line},
};

/// Connections that wait to be started. A caller waits for each of its own.
const STARTS_MAX: usize = 16;

type Task = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Starts connections on the thread.
pub struct Driver {
    starts: mpsc::Sender<Task>,
}

impl Driver {
    pub fn start() -> io::Result<Self> {
        let runtime = runtime::Builder::new_current_thread().enable_io().enable_time().build()?;
        let (starts, mut started) = mpsc::channel::<Task>(STARTS_MAX);
        thread::Builder::new().name("rabbitmq".to_owned()).spawn(move || {
            runtime.block_on(async {
                let mut tasks = JoinSet::new();
                loop {
                    tokio::select! {
                        Some(task) = started.recv() => drop(tasks.spawn(task)),
                        Some(_) = tasks.join_next() => {}
                        else => break,
                    }
                }
            });
            // A name that is being looked up is no reason to stay.
            runtime.shutdown_background();
        })?;
        Ok(Self { starts })
    }

    /// Connects in the background: [`Line::connected`] or [`Line::ended`] is called.
    pub fn connect(&self, line: Arc<Line>, settings: &Settings) -> Result<(), Fault> {
        let connection = transport::run(line, settings.clone());
        self.starts.try_send(Box::pin(connection)).map_err(|_| Fault::lost("too many connections are being opened"))
    }
}
