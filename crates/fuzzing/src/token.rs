//! Access tokens. Two lines are a header and claims, which are signed with a key that is good; anything else is a token
//! as it was sent. Whom a token is believed to speak for is what its claims say, under our key, here and now.

use std::sync::Arc;

use ring::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair},
};
use serde_json::{Value, json};
use tradewind::{
    config::{Config, Layers},
    identity::{Bearer, InvalidToken, Tokens},
    secret::{decoded, encoded},
};
use tradewind_engine::Moment;
use tradewind_events::Timestamp;

use crate::{Check, line};

const NOW: Moment = Moment::at(Timestamp::from_millis(1_769_860_800_000));
const NOW_SECONDS: i64 = 1_769_860_800;

/// As configured by default, in seconds.
const SKEW_SECONDS: i64 = 30;

struct Gate {
    tokens: Tokens,
    /// The public point of `key-1`.
    point: Arc<[u8]>,
    pair: EcdsaKeyPair,
    chance: SystemRandom,
}

pub fn start() -> Check {
    let gate = Gate::new();
    Box::new(move |input| gate.check(input))
}

impl Gate {
    fn new() -> Self {
        let chance = SystemRandom::new();
        let algorithm = &ECDSA_P256_SHA256_FIXED_SIGNING;
        let document = EcdsaKeyPair::generate_pkcs8(algorithm, &chance).expect("the system gives random bytes");
        let pair = EcdsaKeyPair::from_pkcs8(algorithm, document.as_ref(), &chance).expect("the key was just made");
        let point = pair.public_key().as_ref().into();
        let config = Config::load(&Layers::default()).expect("the defaults are good");
        let tokens = Tokens::new(&config.token_issuer, config.access_token_ttl, config.clock_skew);
        Self { tokens, point, pair, chance }
    }

    /// Whom the token speaks for, where one key is good.
    fn told(&self, token: &str) -> Result<Bearer, InvalidToken> {
        self.tokens.check(token, |kid| (kid.as_str() == "key-1").then(|| Arc::clone(&self.point)), NOW)
    }

    fn check(&self, input: &[u8]) {
        let (header, claims) = line(input);
        if claims.is_empty() {
            let Ok(token) = std::str::from_utf8(input) else { return };
            assert_eq!(self.told(token), Err(InvalidToken::Refused), "{token} was not signed by us");
            return;
        }
        let signed = format!("{}.{}", encoded(header), encoded(claims));
        let signature = self.pair.sign(&self.chance, signed.as_bytes()).expect("the key signs");
        let token = format!("{signed}.{}", encoded(signature.as_ref()));
        let told = self.told(&token);
        assert_eq!(self.told(&token), told, "asked again, it tells something else");
        for other in altered(&token) {
            assert_eq!(self.told(&other), Err(InvalidToken::Refused), "{other} was not signed by us");
        }
        let (header, claims) = (object(header), object(claims));
        match told {
            Ok(bearer) => {
                assert!(header["alg"] == "ES256" && header["typ"] == "at+jwt" && header["kid"] == "key-1", "{header}");
                assert!(claims["iss"] == "tradewind" && claims["aud"] == "tradewind", "{claims}");
                assert!(
                    claims["exp"].as_i64().is_some_and(|exp| exp.saturating_add(SKEW_SECONDS) > NOW_SECONDS),
                    "{claims}"
                );
                assert!(claims["iat"].as_i64().is_some_and(|iat| iat <= NOW_SECONDS + SKEW_SECONDS), "{claims}");
                assert_eq!(claims["sub"], bearer.id.as_str());
                assert_eq!(claims["role"], json!(tradewind_events::TextEnum::as_str(bearer.role)));
            }
            Err(InvalidToken::Expired) => assert!(claims["exp"].as_i64() <= Some(NOW_SECONDS), "{claims}"),
            Err(InvalidToken::Refused) => {}
        }
    }
}

/// Fields that nobody reads may hold anything, also what is no text.
fn object(json: &[u8]) -> Value {
    serde_json::from_str(&String::from_utf8_lossy(json)).unwrap_or_default()
}

/// With another last character of its header, of its claims, of its signature.
fn altered(token: &str) -> impl Iterator<Item = String> {
    let ends = token.match_indices('.').map(|(end, _)| end).chain([token.len()]);
    ends.filter_map(|end| {
        let (part, rest) = token.split_at(end);
        let other = match part.as_bytes().last()? {
            b'.' => return None,
            b'A' => 'B',
            _ => 'A',
        };
        Some(format!("{}{other}{rest}", &part[..end - 1]))
    })
}

pub fn seeds() -> Vec<Vec<u8>> {
    let header = r#"{"alg":"ES256","typ":"at+jwt","kid":"key-1"}"#;
    let claims = |role: &str, exp: i64| {
        json!({
            "iss": "tradewind", "aud": "tradewind", "sub": "user-1", "role": role, "sid": "session-1", "jti": "1",
            "iat": NOW_SECONDS - 60, "exp": exp,
        })
    };
    let sent = [header.as_bytes(), claims("admin", i64::MAX).to_string().as_bytes(), &[1; 64]].map(encoded).join(".");
    assert!(sent.split('.').all(|part| decoded(part).is_some()));
    vec![
        format!("{header}\n{}", claims("customer", NOW_SECONDS + 600)).into_bytes(),
        format!("{header}\n{}", claims("admin", NOW_SECONDS - 600)).into_bytes(),
        format!("{}\n{}", header.replace("ES256", "none"), claims("admin", i64::MAX)).into_bytes(),
        sent.into_bytes(),
    ]
}
