//! The text of mappings, fills and conditions, read line by line. What the names mean is decided in [`crate::compile`].
//!
//! ```text
//! line      = wire { "|" wire } ( "=" | "<-" | "->" ) value [ "or" literal ]      # both ways, out only, in only
//! value     = path | literal | name "(" [ argument { "," argument } ] ")"
//! argument  = value | name ":" literal
//! path      = step { "." step } ,  step = ( name | text ) { "[]" }  |  "[]"
//! condition = path ( "=" | "!=" | ">" | "<" ) ( literal | path ) | path ( "present" | "absent" )
//! ```

use serde_json::Value;

mod tokens;

use tokens::{Token, Tokens};

/// Steps of a path; `[]` is every element of a list.
pub type Path = Vec<String>;

/// Which way a line works.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    Both,
    Out,
    In,
}

/// The right side of a line, or an argument of a converter.
#[derive(Debug, Clone, PartialEq)]
pub enum Expression {
    Path(Path),
    Literal(Value),
    Call(String, Vec<Expression>),
    /// `name: literal`, in an enumeration.
    Pair(String, Value),
}

/// One line of a mapping.
#[derive(Debug, Clone, PartialEq)]
pub struct Line {
    /// From 1, in its text.
    pub number: usize,
    /// The first is written; on the way in, the first that is there is read.
    pub wire: Vec<Path>,
    pub direction: Direction,
    pub value: Expression,
    /// What is written where there is no value; on the way in it stands for none.
    pub or: Option<Value>,
}

/// How a condition compares.
#[derive(Debug, Clone, PartialEq)]
pub enum Test {
    Equal(Expression),
    Different(Expression),
    More(Expression),
    Less(Expression),
    Present,
    Absent,
}

/// What must hold of a place.
#[derive(Debug, Clone, PartialEq)]
pub struct Condition {
    pub path: Path,
    pub test: Test,
}

/// What is wrong with a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    /// From 1, in the text.
    pub number: usize,
    pub reason: String,
}

/// The lines of a text; blank ones and what follows a `#` are left out.
pub fn lines(text: &str) -> (Vec<Line>, Vec<Mistake>) {
    let (mut read, mut mistakes) = (Vec::new(), Vec::new());
    for (number, text) in (1..).zip(text.lines()) {
        match tokens::split(text) {
            Ok(tokens) if tokens.is_empty() => {}
            Ok(tokens) => match line(number, Tokens::new(tokens)) {
                Ok(line) => read.push(line),
                Err(reason) => mistakes.push(Mistake { number, reason }),
            },
            Err(reason) => mistakes.push(Mistake { number, reason }),
        }
    }
    (read, mistakes)
}

fn line(number: usize, mut tokens: Tokens) -> Result<Line, String> {
    let mut wire = vec![path(&mut tokens)?];
    while tokens.takes(&Token::Bar) {
        wire.push(path(&mut tokens)?);
    }
    let direction = match tokens.next() {
        Some(Token::Equals) => Direction::Both,
        Some(Token::Out) => Direction::Out,
        Some(Token::In) => Direction::In,
        _ => return Err("after the first path comes `=`, `<-` or `->`".to_owned()),
    };
    let value = expression(&mut tokens, 0)?;
    let or = if tokens.takes(&Token::Name("or".to_owned())) {
        match expression(&mut tokens, 0)? {
            Expression::Literal(value) => Some(value),
            _ => return Err("after `or` comes a literal".to_owned()),
        }
    } else {
        None
    };
    tokens.end()?;
    Ok(Line { number, wire, direction, value, or })
}

/// Reads a condition.
pub fn condition(text: &str) -> Result<Condition, String> {
    let mut tokens = Tokens::new(tokens::split(text)?);
    let path = path(&mut tokens)?;
    let compared = match tokens.next() {
        Some(Token::Equals) => Test::Equal(expression(&mut tokens, 0)?),
        Some(Token::Different) => Test::Different(expression(&mut tokens, 0)?),
        Some(Token::More) => Test::More(expression(&mut tokens, 0)?),
        Some(Token::Less) => Test::Less(expression(&mut tokens, 0)?),
        Some(Token::Name(word)) if word == "present" => Test::Present,
        Some(Token::Name(word)) if word == "absent" => Test::Absent,
        _ => return Err("after the path comes `=`, `!=`, `>`, `<`, `present` or `absent`".to_owned()),
    };
    tokens.end()?;
    Ok(Condition { path, test: compared })
}

/// Reads a path that stands alone.
pub fn single_path(text: &str) -> Result<Path, String> {
    let mut tokens = Tokens::new(tokens::split(text)?);
    let path = path(&mut tokens)?;
    tokens.end()?;
    Ok(path)
}

/// How deep converters may stand in each other.
const CALLS_MAX: usize = 4;

fn expression(tokens: &mut Tokens, depth: usize) -> Result<Expression, String> {
    match tokens.peek() {
        Some(Token::Literal(_)) => {
            let Some(Token::Literal(value)) = tokens.next() else { return Err("no value".to_owned()) };
            Ok(Expression::Literal(value))
        }
        Some(Token::Name(name)) if tokens.second() == Some(&Token::Open) => {
            let name = name.clone();
            if depth >= CALLS_MAX {
                return Err(format!("converters stand in each other more than {CALLS_MAX} deep"));
            }
            tokens.next();
            tokens.next();
            let arguments = arguments(tokens, depth + 1)?;
            Ok(Expression::Call(name, arguments))
        }
        Some(Token::Name(name)) if tokens.second() == Some(&Token::Colon) => {
            let name = name.clone();
            tokens.next();
            tokens.next();
            match expression(tokens, depth)? {
                Expression::Literal(value) => Ok(Expression::Pair(name, value)),
                _ => Err("after `:` comes a literal".to_owned()),
            }
        }
        Some(Token::Name(_) | Token::Each) => Ok(Expression::Path(path(tokens)?)),
        _ => Err("a path, a literal or a converter is missing".to_owned()),
    }
}

fn arguments(tokens: &mut Tokens, depth: usize) -> Result<Vec<Expression>, String> {
    let mut arguments = Vec::new();
    if tokens.takes(&Token::Close) {
        return Ok(arguments);
    }
    loop {
        arguments.push(expression(tokens, depth)?);
        if tokens.takes(&Token::Close) {
            return Ok(arguments);
        }
        if !tokens.takes(&Token::Comma) {
            return Err("between two arguments comes a comma, after the last one `)`".to_owned());
        }
    }
}

fn path(tokens: &mut Tokens) -> Result<Path, String> {
    let mut steps = Vec::new();
    loop {
        match tokens.next() {
            Some(Token::Name(name) | Token::Literal(Value::String(name))) => steps.push(name),
            Some(Token::Each) if steps.is_empty() => steps.push("[]".to_owned()),
            _ => return Err("a path is names with dots between them".to_owned()),
        }
        while tokens.takes(&Token::Each) {
            steps.push("[]".to_owned());
        }
        if !tokens.takes(&Token::Dot) {
            return Ok(steps);
        }
    }
}

/// A path as it is written.
pub fn shown(path: &[String]) -> String {
    path.join(".").replace(".[]", "[]")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn one(text: &str) -> Line {
        let (mut lines, mistakes) = lines(text);
        assert_eq!((lines.len(), &mistakes[..]), (1, &[][..]), "{text}");
        lines.remove(0)
    }

    fn path(text: &str) -> Path {
        single_path(text).unwrap()
    }

    #[test]
    fn a_line_says_what_is_where_in_both() {
        let line = one("orderId = order.order_id");
        assert_eq!(line.wire, [vec!["orderId"]]);
        assert_eq!(line.direction, Direction::Both);
        assert_eq!(line.value, Expression::Path(path("order.order_id")));
        assert_eq!(one("a <- 1").value, Expression::Literal(json!(1)));
        assert_eq!(one("a|b -> c").wire, [path("a"), path("b")]);
        assert_eq!(one("a = b or \"\"  # why").or, Some(json!("")));
        assert_eq!(one("items[].sku = lines[].sku").wire, [vec!["items", "[]", "sku"]]);
        assert_eq!(one("\"x.y\" = a").wire, [vec!["x.y"]]);
    }

    #[test]
    fn a_converter_has_arguments() {
        let line = one("t = enum(kind, confirmed: \"YES\", rejected: \"NO\")");
        let Expression::Call(name, arguments) = line.value else { panic!("no call") };
        assert_eq!((name.as_str(), arguments.len()), ("enum", 3));
        assert_eq!(arguments[1], Expression::Pair("confirmed".to_owned(), json!("YES")));
        let line = one("m = map(lines[], item(product_id, sku), sum(quantity))");
        assert!(matches!(line.value, Expression::Call(name, arguments) if name == "map" && arguments.len() == 3));
    }

    #[test]
    fn a_mistake_has_its_line_and_says_what_is_expected() {
        let (read, mistakes) = lines("a = b\n\n# only a remark\nb ? c\nc = \nd = e f\ne = f(g\n\"f = g");
        assert_eq!(read.len(), 1);
        let numbers: Vec<_> = mistakes.iter().map(|mistake| mistake.number).collect();
        assert_eq!(numbers, [4, 5, 6, 7, 8]);
        assert!(mistakes[1].reason.contains("is missing"), "{}", mistakes[1].reason);
        let deep = format!("a = {}b{}", "f(".repeat(9), ")".repeat(9));
        assert!(lines(&deep).1[0].reason.contains("deep"));
    }

    #[test]
    fn a_condition_compares_a_place() {
        assert_eq!(condition("delta > 0").unwrap().test, Test::More(Expression::Literal(json!(0))));
        assert_eq!(condition("cause != \"reserved\"").unwrap().path, ["cause"]);
        assert_eq!(condition("order.total_minor present").unwrap().test, Test::Present);
        assert!(condition("delta").is_err());
        assert!(condition("delta > 0 1").is_err());
    }
}
