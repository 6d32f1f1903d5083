//! `tradewind admin`

use std::io::{self, IsTerminal};

use clap::Subcommand;
use hyper::Method;
use serde_json::{Value, json};
use tokio::runtime::Builder;
use tradewind_engine::{
    Entity, Problem,
    ports::{Direction, List as Rows, Reader},
};
use tradewind_events::{Personal, TextEnum, Value as Column};
use tradewind_identity::{
    commands::{ChangeRole, IssueFirstAdminToken, RedeemFirstAdminToken, Register},
    model::{ADMIN_EXISTS, Actor, Names, PasswordHash, Role, User},
};
use tradewind_sqlite::OpenError;

use super::{
    CliError, ShopArgs,
    desk::{Desk, encoded},
    say,
    screen::{self, DIM},
    shop::{FIRST_ADMIN_TOKEN, PASSWORD, Registered, TOKEN, Trusted, variable},
    store::StoreArgs,
    table::{Cell, Table},
};
use crate::{
    app::AppError,
    backroom::Backroom,
    client::ShopUrl,
    config::Config,
    identity::Passwords,
    secret::{digest_of, drawn_text},
};

/// Rows that are read at a time.
const ROWS: u32 = 1_000;

/// Make an admin, and see who is one.
#[derive(clap::Args)]
#[command(arg_required_else_help = true)]
pub struct Admin {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Create(Create),
    List(List),
}

/// Register somebody as admin
///
/// The password is taken from `TRADEWIND_PASSWORD`, or asked for on the terminal. Where no server runs on the store, the
/// store is opened and the admin is written into it. Where one runs, it is asked over HTTP: for the first admin with the
/// token that its start has printed, in `TRADEWIND_FIRST_ADMIN_TOKEN` or asked for; for a further one with the access token
/// of an admin in `TRADEWIND_TOKEN`.
#[derive(clap::Args)]
struct Create {
    /// The address of the new admin
    #[arg(long)]
    email: String,
    #[command(flatten)]
    store: StoreArgs,
    /// Where the shop listens, if a server runs. Default: as configured
    #[arg(long)]
    url: Option<ShopUrl>,
    #[command(flatten)]
    trusted: Trusted,
}

/// List the admins of a shop, from its store, running or not
#[derive(clap::Args)]
struct List {
    #[command(flatten)]
    store: StoreArgs,
    /// Print one JSON object a line
    #[arg(long)]
    json: bool,
}

impl Admin {
    pub fn run(self) -> Result<(), CliError> {
        match self.command {
            Command::Create(create) => Builder::new_current_thread().enable_all().build()?.block_on(create.run()),
            Command::List(list) => list.run(),
        }
    }
}

impl Create {
    async fn run(self) -> Result<(), CliError> {
        if let Some(url) = self.url.clone() {
            return self.over_http(url).await;
        }
        let config = self.store.configured()?;
        let backroom = match Backroom::open(&config) {
            Err(AppError::Open(OpenError::Locked { .. })) => {
                let url = ShopUrl::new(&config.listen.ip().to_string(), config.listen.port());
                return self.over_http(if config.tls_certificate.is_some() { url.secure() } else { url }).await;
            }
            opened => opened?,
        };
        let made = self.make(&config, &backroom).await;
        backroom.close();
        say(told(made?.user_id().as_str(), &self.email))
    }

    async fn make(&self, config: &Config, backroom: &Backroom) -> Result<User, CliError> {
        let refused = |problem: &dyn std::fmt::Display| CliError::Other(problem.to_string());
        let password = Personal::new(password()?);
        let hash =
            Passwords::new(config).hash(password, "password", None).await.map_err(|failure| refused(&failure))?;
        make(backroom, &self.email, hash).map_err(|problem| refused(&problem))
    }

    async fn over_http(self, url: ShopUrl) -> Result<(), CliError> {
        let user_id = match variable(FIRST_ADMIN_TOKEN) {
            None if variable(TOKEN).is_some() => self.further(url).await?,
            token => self.first(url, token).await?,
        };
        say(told(&user_id, &self.email))
    }

    /// With the token of the start.
    async fn first(&self, url: ShopUrl, token: Option<String>) -> Result<String, CliError> {
        let token = match token {
            Some(token) => token,
            None => secret(
                "The token that the start of the shop has printed: ",
                &format!(
                    "a shop runs on this store. Set {FIRST_ADMIN_TOKEN} to the token that its start has printed, or \
                     {TOKEN} to the access token of an admin"
                ),
            )?,
        };
        let body = json!({ "token": token.trim(), "email": self.email, "password": password()? });
        let admin: Registered =
            self.trusted.client(url)?.write(Method::POST, "/v1/first-admin", &body, &drawn_text()).await?;
        Ok(admin.user_id)
    }

    /// By an admin.
    async fn further(&self, url: ShopUrl) -> Result<String, CliError> {
        let mut desk = Desk::open(ShopArgs::at(&url, &self.trusted)).await?;
        // Signing up does not tell whether an address is taken.
        let known: Vec<Registered> = desk.list("/v1/users", &[("email", &self.email)], 1).await?.typed("/v1/users")?;
        if let Some(known) = known.first() {
            let (email, user_id) = (crate::words::clean(&self.email), &known.user_id);
            return Err(CliError::Other(format!("{email} is registered already, as the user {user_id}")));
        }
        let body = json!({ "email": self.email, "password": password()? });
        let Registered { user_id } = desk.post("/v1/users", &body).await?;
        let _admin: Value =
            desk.put(&format!("/v1/users/{}/role", encoded(&user_id)), &json!({ "role": "admin" })).await?;
        desk.leave().await;
        Ok(user_id)
    }
}

/// Writes the admin into a store that nobody serves: the first one in one step, a further one in two.
fn make(backroom: &Backroom, email: &str, password_hash: PasswordHash) -> Result<User, Problem> {
    let register = Register {
        email: Personal::new(email.to_owned()),
        names: Names::default(),
        password_hash,
        verification: None,
        conceal_taken: false,
    };
    let token_hash = digest_of(&drawn_text());
    match backroom.run(IssueFirstAdminToken { token_hash: token_hash.clone() }) {
        Ok(()) => return backroom.run(RedeemFirstAdminToken { token_hash, register }),
        Err(problem) if problem.code() == ADMIN_EXISTS.code => {}
        Err(problem) => return Err(problem),
    }
    let user = backroom.run(register)?;
    backroom.run(ChangeRole { user_id: user.user_id().clone(), role: Role::Admin, actor: Actor::Shop })
}

fn told(user_id: &str, email: &str) -> String {
    format!("{} is an admin now: user {user_id}.\n", crate::words::clean(email))
}

/// The password of the new admin.
fn password() -> Result<String, CliError> {
    if let Some(password) = variable(PASSWORD) {
        return Ok(password);
    }
    let missing = format!("the admin needs a password: set {PASSWORD}. It has no flag, as others could see it");
    let password = secret("The password of the new admin: ", &missing)?;
    if secret("Once more: ", &missing)? == password {
        Ok(password)
    } else {
        Err(CliError::Other(String::from("the two passwords differ")))
    }
}

/// Asks for a text on the terminal, without showing it.
fn secret(prompt: &str, missing: &str) -> Result<String, CliError> {
    if !io::stdin().is_terminal() {
        return Err(CliError::Other(missing.to_owned()));
    }
    Ok(rpassword::prompt_password(prompt)?)
}

impl List {
    fn run(self) -> Result<(), CliError> {
        let reading = self.store.read()?;
        let admins = admins(&reading.reader)?;
        if self.json {
            return admins.iter().try_for_each(|admin| {
                say(format_args!(
                    "{}\n",
                    json!({
                        "user_id": admin.user_id(), "email": admin.email(), "email_verified": admin.email_verified(),
                        "registered_at": admin.registered_at(),
                    })
                ))
            });
        }
        if admins.is_empty() {
            return say("There is no admin yet: `tradewind admin create` makes one.\n");
        }
        let mut table = Table::new(&["USER", "REGISTERED", "ADDRESS"]);
        for admin in &admins {
            table.row([
                Cell::from(admin.user_id().as_str()),
                Cell::from(admin.registered_at().day()).style(DIM),
                Cell::from(admin.email().map_or("-", |email| email.expose().as_str())),
            ]);
        }
        say(table.shown(screen::width()))
    }
}

/// All admins, by id.
fn admins(reader: &dyn Reader) -> Result<Vec<User>, CliError> {
    let mut admins = Vec::new();
    let mut after = None;
    loop {
        let wanted = Rows { direction: Direction::Ascending, after, ..Rows::of(User::TABLE, ROWS) };
        let wanted = wanted.equal("role", Column::Text(Role::Admin.as_str().into()));
        let found = reader.list(&wanted).map_err(AppError::from)?;
        let users: Result<Vec<User>, _> = found.iter().map(|row| User::from_row(&row.values)).collect();
        let users = users.map_err(|error| CliError::Other(format!("a user cannot be read: {error}")))?;
        let Some(last) = users.last() else { return Ok(admins) };
        after = Some((Column::Null, last.key()));
        admins.extend(users);
    }
}
