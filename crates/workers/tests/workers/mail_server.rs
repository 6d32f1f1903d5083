//! A real mail server, none of our code: aiosmtpd. Whoever runs the tests says in `TRADEWIND_SMTP_SERVER` how it is
//! started (`/path/to/venv/bin/python -m aiosmtpd`); without it these tests say so and do nothing, except in CI, where
//! they fail.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread::JoinHandle,
};

/// Tries to find a free port; somebody else may take it first.
const PORTS_TRIED_MAX: usize = 10;

pub struct MailServer {
    child: Child,
    pub port: u16,
    maildir: PathBuf,
    errors: Option<JoinHandle<()>>,
}

/// How the mail server is started; `None` when nobody has said so.
#[expect(clippy::disallowed_methods, reason = "a test is told by the environment, there is no configuration")]
pub fn command_line() -> Option<Vec<String>> {
    let Ok(line) = std::env::var("TRADEWIND_SMTP_SERVER") else {
        assert!(
            std::env::var("CI").is_err(),
            "TRADEWIND_SMTP_SERVER is not set: the tests with a mail server must run"
        );
        // Not by a macro: the test runner would keep it to itself.
        drop(writeln!(std::io::stderr(), "TRADEWIND_SMTP_SERVER is not set: a test with a mail server does nothing"));
        return None;
    };
    Some(line.split_whitespace().map(str::to_owned).collect())
}

/// A folder for the files of a test, which is empty.
pub fn fresh_folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("mail").join(name);
    drop(std::fs::remove_dir_all(&folder));
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

impl MailServer {
    /// Starts one with an empty mailbox; `None` when nobody has said how.
    pub fn start(name: &str, options: &[&str]) -> Option<Self> {
        Self::start_with(&fresh_folder(name).join("mailbox"), options)
    }

    /// Starts one with the mailbox of one that came before, at another port.
    pub fn start_with(maildir: &Path, options: &[&str]) -> Option<Self> {
        let command_line = command_line()?;
        let mut tries = (0..PORTS_TRIED_MAX).map(|_| Self::start_at(&command_line, free_port(), maildir, options));
        Some(tries.find_map(|server| server).expect("a port is free"))
    }

    /// `None` when the port is taken.
    fn start_at(command_line: &[String], port: u16, maildir: &Path, options: &[&str]) -> Option<Self> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/workers/smtp");
        let mut child = Command::new(&command_line[0])
            .args(&command_line[1..])
            .args(["--nosetuid", "--debug", "--listen", &format!("127.0.0.1:{port}"), "--class", "strict.Strict"])
            .args(options)
            .arg(maildir)
            .env("PYTHONPATH", folder)
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{command_line:?} cannot be started: {error}"));
        let mut errors = BufReader::new(child.stderr.take().unwrap());
        let mut said = String::new();
        while !said.contains("Server is listening") {
            if errors.read_line(&mut said).unwrap() == 0 {
                child.wait().unwrap();
                assert!(
                    said.to_lowercase().contains("address already in use"),
                    "the mail server did not start: {said}"
                );
                return None;
            }
        }
        // It may say more than a pipe holds.
        let errors = std::thread::spawn(move || drop(errors.read_to_string(&mut said)));
        Some(Self { child, port, maildir: maildir.to_owned(), errors: Some(errors) })
    }

    pub fn maildir(&self) -> &Path {
        &self.maildir
    }

    /// What it has taken: every mail as text, in no order.
    pub fn mails(&self) -> Vec<String> {
        mails(&self.maildir)
    }

    /// Ends it at once, as a crash does.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        if let Some(errors) = self.errors.take() {
            errors.join().unwrap();
        }
    }
}

impl Drop for MailServer {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

pub fn mails(maildir: &Path) -> Vec<String> {
    let files = std::fs::read_dir(maildir.join("new")).unwrap();
    files.map(|file| std::fs::read_to_string(file.unwrap().path()).unwrap().replace("\r\n", "\n")).collect()
}

/// The value of a header.
pub fn header<'a>(mail: &'a str, name: &str) -> &'a str {
    let head = mail.split("\n\n").next().unwrap();
    let line = head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
    line.unwrap_or_else(|| panic!("no {name} in {head}"))
}

/// When the line to a mail server is cut, and the server dies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    /// It has taken the mail, but its answer is lost.
    AfterTheAnswer,
    /// The last line of the mail has not reached it.
    BeforeTheEnd,
}

/// Stands before a mail server for one conversation: kills the server at the moment `cut`, then hangs up. Gives the
/// port that clients are to use; the server dies in the thread.
pub fn cut_off(mut server: MailServer, cut: Cut) -> (u16, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let thread = std::thread::spawn(move || {
        let (client, _) = listener.accept().unwrap();
        let inner = TcpStream::connect(("127.0.0.1", server.port)).unwrap();
        let (mut from_client, mut from_server) = (BufReader::new(&client), BufReader::new(&inner));
        (&client).write_all(response(&mut from_server).as_bytes()).unwrap();
        loop {
            let mut command = String::new();
            from_client.read_line(&mut command).unwrap();
            (&inner).write_all(command.as_bytes()).unwrap();
            (&client).write_all(response(&mut from_server).as_bytes()).unwrap();
            if command.trim_end() == "DATA" {
                break;
            }
        }
        loop {
            let mut line = String::new();
            from_client.read_line(&mut line).unwrap();
            let last = line == ".\r\n";
            if last && cut == Cut::BeforeTheEnd {
                break;
            }
            (&inner).write_all(line.as_bytes()).unwrap();
            if last {
                assert!(response(&mut from_server).starts_with("250"), "it has taken the mail");
                break;
            }
        }
        server.kill();
    });
    (port, thread)
}

/// One response, whose last line has a blank after the code.
fn response(from_server: &mut impl BufRead) -> String {
    let mut said = String::new();
    loop {
        let start = said.len();
        assert!(from_server.read_line(&mut said).unwrap() > 0, "the mail server has hung up");
        if said.as_bytes().get(start + 3) != Some(&b'-') {
            return said;
        }
    }
}
