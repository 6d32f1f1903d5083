//! Reads a peers file. Every error names the file and, where there is one, the line.

use std::{
    collections::BTreeMap,
    fs::File,
    io::Read,
    path::{Path, PathBuf},
};

use serde::Deserialize;
use toml::Spanned;

use super::{PEER_NAME_CHARS_MAX, PEERS_BYTES_MAX, Peer, PeersError};
use crate::{
    client::{ClientError, ShopUrl, Trust},
    services,
};

/// The file as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    #[serde(default)]
    peer: Vec<Spanned<Entry>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    name: Spanned<String>,
    url: Spanned<String>,
    trusted: Option<Spanned<PathBuf>>,
    services: Vec<Spanned<String>>,
}

/// A file that is being read.
struct Reading<'a> {
    path: &'a Path,
    text: &'a str,
    /// What is trusted with each file of certificates: reading the system's takes a while.
    trusts: BTreeMap<Option<PathBuf>, Trust>,
}

/// The peers of a file, checked.
pub(super) fn peers(path: &Path) -> Result<Vec<Peer>, PeersError> {
    let text = text(path)?;
    let mut reading = Reading { path, text: &text, trusts: BTreeMap::new() };
    let document: Document = toml::from_str(&text).map_err(|error| {
        let start = error.span().map_or(0, |span| span.start);
        reading.wrong(start, error.message().to_owned())
    })?;
    let mut peers: Vec<Peer> = Vec::new();
    for entry in document.peer {
        let start = entry.span().start;
        let peer = reading.peer(start, entry.get_ref(), &peers)?;
        peers.push(peer);
    }
    let unserved = services::NAMES.into_iter().filter(|service| !peers.iter().any(|peer| peer.serves(service)));
    let unserved: Vec<&'static str> = unserved.collect();
    if unserved.is_empty() { Ok(peers) } else { Err(PeersError::Unserved { path: shown(path), services: unserved }) }
}

fn text(path: &Path) -> Result<String, PeersError> {
    let failed = |error| PeersError::Read { path: shown(path), error };
    let mut bytes = Vec::new();
    // One more than allowed: then it is too large, however large it is.
    let most = u64::try_from(PEERS_BYTES_MAX + 1).unwrap_or(u64::MAX);
    File::open(path).map_err(failed)?.take(most).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() > PEERS_BYTES_MAX {
        return Err(PeersError::TooLarge { path: shown(path) });
    }
    String::from_utf8(bytes).map_err(|_| PeersError::NotUtf8 { path: shown(path) })
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}

impl Reading<'_> {
    fn line(&self, start: usize) -> usize {
        self.text.bytes().take(start).filter(|byte| *byte == b'\n').count() + 1
    }

    fn wrong(&self, start: usize, reason: String) -> PeersError {
        PeersError::Entry { path: shown(self.path), line: self.line(start), reason }
    }

    /// The peer of an entry, beside those that were read before it.
    fn peer(&mut self, start: usize, entry: &Entry, before: &[Peer]) -> Result<Peer, PeersError> {
        let name = self.name(&entry.name, before)?;
        let url = self.url(&entry.url, before)?;
        let mut served: Vec<&'static str> = Vec::new();
        for service in &entry.services {
            let known = self.service(service, before)?;
            if served.contains(&known) {
                return Err(self.wrong(service.span().start, format!("`{known}` is listed twice")));
            }
            served.push(known);
        }
        if served.is_empty() {
            return Err(self.wrong(start, format!("the peer `{name}` has no service")));
        }
        served.sort_by_key(|service| services::NAMES.iter().position(|name| name == service));
        let trust = self.trust(&url, entry.trusted.as_ref())?;
        Ok(Peer { name: name.into(), url, trust, services: served })
    }

    fn name<'a>(&self, name: &'a Spanned<String>, before: &[Peer]) -> Result<&'a str, PeersError> {
        let (start, name) = (name.span().start, name.get_ref().as_str());
        let usable = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        if !name.starts_with(|first: char| first.is_ascii_lowercase())
            || name.len() > PEER_NAME_CHARS_MAX
            || !name.bytes().all(usable)
        {
            let reason = format!(
                "the name {name:?} must have 1 to {PEER_NAME_CHARS_MAX} lower-case letters, digits and hyphens, and \
                 start with a letter"
            );
            return Err(self.wrong(start, reason));
        }
        if before.iter().any(|peer| &*peer.name == name) {
            return Err(self.wrong(start, format!("there are two peers with the name `{name}`")));
        }
        Ok(name)
    }

    fn url(&self, url: &Spanned<String>, before: &[Peer]) -> Result<ShopUrl, PeersError> {
        let parsed: ShopUrl =
            url.get_ref().parse().map_err(|error: ClientError| self.wrong(url.span().start, error.to_string()))?;
        let text = parsed.to_string();
        match before.iter().find(|peer| peer.url.to_string().eq_ignore_ascii_case(&text)) {
            Some(other) => Err(self.wrong(url.span().start, format!("the peer `{}` has the same URL", other.name))),
            None => Ok(parsed),
        }
    }

    fn service(&self, service: &Spanned<String>, before: &[Peer]) -> Result<&'static str, PeersError> {
        let (start, name) = (service.span().start, service.get_ref());
        let Some(known) = services::NAMES.into_iter().find(|known| known == name) else {
            let reason = format!("there is no service {name:?}; the services are {}", services::NAMES.join(", "));
            return Err(self.wrong(start, reason));
        };
        match before.iter().find(|peer| peer.serves(known)) {
            Some(other) => Err(self.wrong(start, format!("`{known}` already belongs to the peer `{}`", other.name))),
            None => Ok(known),
        }
    }

    fn trust(&mut self, url: &ShopUrl, file: Option<&Spanned<PathBuf>>) -> Result<Option<Trust>, PeersError> {
        if !url.is_secure() {
            return match file {
                Some(file) => {
                    let reason = String::from("`trusted` is for a peer whose URL begins with https://");
                    Err(self.wrong(file.span().start, reason))
                }
                None => Ok(None),
            };
        }
        let directory = self.path.parent().unwrap_or(Path::new(""));
        let path = file.map(|file| directory.join(file.get_ref()));
        if let Some(trust) = self.trusts.get(&path) {
            return Ok(Some(trust.clone()));
        }
        let start = file.map_or(0, |file| file.span().start);
        let trust = Trust::new(path.as_deref()).map_err(|error| self.wrong(start, error.to_string()))?;
        self.trusts.insert(path, trust.clone());
        Ok(Some(trust))
    }
}
