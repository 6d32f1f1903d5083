//! The words of a line.

use serde_json::Value;

#[derive(Debug, Clone, PartialEq)]
pub enum Token {
    Name(String),
    /// A text, a number, `true`, `false`, `null`, `[]` or `{}` on the right side.
    Literal(Value),
    /// `[]`
    Each,
    Dot,
    Bar,
    Comma,
    Colon,
    Open,
    Close,
    Equals,
    Different,
    More,
    Less,
    Out,
    In,
}

/// The words of one line, read one after another.
pub struct Tokens {
    tokens: Vec<Token>,
    at: usize,
}

impl Tokens {
    pub fn new(tokens: Vec<Token>) -> Self {
        Self { tokens, at: 0 }
    }

    pub fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at)
    }

    pub fn second(&self) -> Option<&Token> {
        self.tokens.get(self.at + 1)
    }

    pub fn next(&mut self) -> Option<Token> {
        let token = self.peek().cloned();
        self.at += usize::from(token.is_some());
        token
    }

    pub fn takes(&mut self, token: &Token) -> bool {
        let is_next = self.peek() == Some(token);
        self.at += usize::from(is_next);
        is_next
    }

    pub fn end(&self) -> Result<(), String> {
        if self.at == self.tokens.len() { Ok(()) } else { Err("something follows the end of the line".to_owned()) }
    }
}

/// Signs of two characters come before those of one.
const SIGNS: [(&str, Token); 13] = [
    ("<-", Token::Out),
    ("->", Token::In),
    ("!=", Token::Different),
    ("[]", Token::Each),
    (".", Token::Dot),
    ("|", Token::Bar),
    (",", Token::Comma),
    (":", Token::Colon),
    ("(", Token::Open),
    (")", Token::Close),
    ("=", Token::Equals),
    (">", Token::More),
    ("<", Token::Less),
];

pub fn split(line: &str) -> Result<Vec<Token>, String> {
    let mut tokens = Vec::new();
    let mut rest = line.trim_start();
    while !rest.is_empty() && !rest.starts_with('#') {
        let (token, after) = token(rest)?;
        tokens.push(token);
        rest = after.trim_start();
    }
    Ok(tokens)
}

fn token(rest: &str) -> Result<(Token, &str), String> {
    if rest.starts_with('"') {
        let end = end_of_text(rest).ok_or("a text has no end")?;
        let value: Value = serde_json::from_str(&rest[..end]).map_err(|_| "a text is written as in JSON")?;
        return Ok((Token::Literal(value), &rest[end..]));
    }
    if let Some(after) = rest.strip_prefix("[ ]") {
        return Ok((Token::Literal(Value::Array(Vec::new())), after));
    }
    if let Some(after) = rest.strip_prefix("{}") {
        return Ok((Token::Literal(Value::Object(serde_json::Map::new())), after));
    }
    if let Some((sign, token)) = SIGNS.iter().find(|(sign, _)| rest.starts_with(sign)) {
        return Ok((token.clone(), &rest[sign.len()..]));
    }
    let of_word = |c: char| c.is_ascii_alphanumeric() || "_-$@+".contains(c);
    let mut end = rest.find(|c: char| !of_word(c)).unwrap_or(rest.len());
    let is_number = rest.starts_with(|c: char| c.is_ascii_digit() || c == '-');
    if is_number && rest[end..].starts_with('.') {
        end = rest[end + 1..].find(|c: char| !c.is_ascii_digit()).map_or(rest.len(), |more| end + 1 + more);
    }
    let word = &rest[..end];
    let after = &rest[end..];
    match word {
        "" => Err(format!("{:?} has no meaning", rest.chars().next().unwrap_or_default())),
        "true" => Ok((Token::Literal(Value::Bool(true)), after)),
        "false" => Ok((Token::Literal(Value::Bool(false)), after)),
        "null" => Ok((Token::Literal(Value::Null), after)),
        number if is_number => {
            let value: Value = serde_json::from_str(number).map_err(|_| format!("{number} is no number"))?;
            Ok((Token::Literal(value), after))
        }
        name => Ok((Token::Name(name.to_owned()), after)),
    }
}

/// Behind the closing quote.
fn end_of_text(rest: &str) -> Option<usize> {
    let mut escaped = false;
    for (at, byte) in rest.bytes().enumerate().skip(1) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return Some(at + 1),
            _ => {}
        }
    }
    None
}
