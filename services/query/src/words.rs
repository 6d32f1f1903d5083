//! Words for search: how a text is folded and taken apart, of products as of what a person types, so that every store
//! finds the same.
//!
//! Folding drops case, accents and forms, and spells letters that are no accented ones with those that people type instead
//! (`ß` as `ss`, `ø` as `o`). Scripts that are written without blanks between words (Chinese, Japanese, Korean, Thai and
//! their neighbours) become pairs of neighbouring letters: wherever a word stands in a text, its pairs follow each other.

use tradewind_engine::ports::Phrase;
use unicode_normalization::{UnicodeNormalization, char::is_combining_mark};

/// Phrases of a search beyond this many are not looked at.
pub const SEARCH_PHRASES_MAX: usize = 16;

/// Words of one phrase beyond this many are not looked at.
pub const PHRASE_WORDS_MAX: usize = 64;

/// The words of some texts, with one blank between.
pub fn of<'a>(texts: impl IntoIterator<Item = &'a str>) -> String {
    let mut words = String::new();
    let mut push = |word: &[char]| {
        if !words.is_empty() {
            words.push(' ');
        }
        words.extend(word);
    };
    for text in texts {
        for run in runs(&fold(text)) {
            if run.is_spaced {
                push(&run.letters);
            } else {
                run.letters.windows(2).for_each(&mut push);
                // The last one alone, so that every letter begins a word.
                push(&run.letters[run.letters.len() - 1..]);
            }
        }
    }
    words
}

/// What a person looks for: all of it must be there, of the last word the beginning is enough.
pub fn phrases(typed: &str) -> Vec<Phrase> {
    let mut phrases: Vec<Phrase> = Vec::new();
    let folded = fold(typed);
    for chunk in folded.split(|letter: char| letter.is_whitespace() || letter.is_control()) {
        let mut follows = false;
        for run in runs(chunk) {
            match phrases.last_mut().filter(|_| follows && run.is_spaced) {
                // What is written as one (`red-hot`) stands as one.
                Some(phrase) => {
                    phrase.words.push(' ');
                    phrase.words.extend(&run.letters);
                }
                None => phrases.push(run.phrase()),
            }
            follows = run.is_spaced;
        }
    }
    phrases.truncate(SEARCH_PHRASES_MAX);
    for phrase in &mut phrases {
        if let Some((end, _)) = phrase.words.match_indices(' ').nth(PHRASE_WORDS_MAX - 1) {
            phrase.words.truncate(end);
        }
    }
    if let Some(last) = phrases.last_mut() {
        last.is_prefix = true;
    }
    phrases
}

/// Letters of one kind that stand together.
struct Run {
    is_spaced: bool,
    /// Never empty.
    letters: Vec<char>,
}

impl Run {
    fn phrase(&self) -> Phrase {
        let pair = |pair: &[char]| pair.iter().collect::<String>();
        match &*self.letters {
            letters if self.is_spaced => Phrase { words: pair(letters), is_prefix: false },
            // It is the beginning of a pair, or stands last.
            [letter] => Phrase { words: letter.to_string(), is_prefix: true },
            letters => Phrase { words: letters.windows(2).map(pair).collect::<Vec<_>>().join(" "), is_prefix: false },
        }
    }
}

fn runs(folded: &str) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    let mut goes_on = false;
    for letter in folded.chars() {
        let is_mark = is_combining_mark(letter);
        if !letter.is_alphanumeric() && !is_mark {
            goes_on = false;
            continue;
        }
        let is_spaced = !is_unspaced(letter);
        match runs.last_mut().filter(|run| goes_on && (is_mark || run.is_spaced == is_spaced)) {
            Some(run) => run.letters.push(letter),
            None => runs.push(Run { is_spaced, letters: vec![letter] }),
        }
        goes_on = true;
    }
    runs
}

/// The text without case, accents and forms of letters. Folded again it is the same.
fn fold(text: &str) -> String {
    let small = text.nfkd().flat_map(char::to_lowercase).nfkd().filter(|letter| !is_dropped(*letter));
    let mut spelt = String::with_capacity(text.len());
    for letter in small {
        match instead(letter) {
            Some(others) => spelt.push_str(others),
            None => spelt.push(letter),
        }
    }
    // Syllables of Korean, and Japanese letters with marks that make others of them, are whole again.
    spelt.nfc().map(hiragana).collect()
}

/// Katakana as hiragana: the same word is written in both.
fn hiragana(letter: char) -> char {
    const STEP: u32 = 0x60;
    let other = matches!(letter, '\u{30a1}'..='\u{30f6}' | '\u{30fd}'..='\u{30fe}');
    other.then(|| char::from_u32(u32::from(letter) - STEP)).flatten().unwrap_or(letter)
}

/// Letters that no decomposition takes apart, as they are spelt where they are not on the keyboard.
fn instead(letter: char) -> Option<&'static str> {
    Some(match letter {
        'ß' => "ss",
        'æ' => "ae",
        'œ' => "oe",
        'ø' => "o",
        'þ' => "th",
        'ð' | 'đ' | 'ɖ' => "d",
        'ł' => "l",
        'ħ' => "h",
        'ŧ' => "t",
        'ŋ' => "n",
        'ı' => "i",
        'ƶ' => "z",
        'ƒ' => "f",
        'ĸ' => "k",
        'ς' => "σ",
        // Arabic, Persian and Urdu keyboards have other letters for the same ones.
        'ی' | 'ى' => "ي",
        'ک' => "ك",
        'ة' | 'ہ' => "ه",
        _ => return None,
    })
}

/// Accents, vowel points of Hebrew and Arabic, and letters that are not to be seen.
fn is_dropped(letter: char) -> bool {
    matches!(letter,
        '\u{300}'..='\u{36f}' | '\u{483}'..='\u{487}' | '\u{591}'..='\u{5bd}' | '\u{5bf}'..='\u{5c7}'
        | '\u{610}'..='\u{61a}' | '\u{640}' | '\u{64b}'..='\u{65f}' | '\u{670}'
        | '\u{1ab0}'..='\u{1aff}' | '\u{1dc0}'..='\u{1dff}' | '\u{20d0}'..='\u{20ff}' | '\u{fe00}'..='\u{fe0f}'
        | '\u{fe20}'..='\u{fe2f}' | '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2060}' | '\u{feff}')
}

/// Letters of scripts without blanks between words.
fn is_unspaced(letter: char) -> bool {
    matches!(letter,
        // Thai, Lao, Tibetan, Burmese, Khmer, with the scripts of their neighbours: Tai Le, New Tai Lue, Tai Tham, Tai Viet,
        // Yi, Balinese, Javanese.
        '\u{e00}'..='\u{eff}' | '\u{f00}'..='\u{fff}' | '\u{1000}'..='\u{109f}' | '\u{1780}'..='\u{17ff}'
        | '\u{1950}'..='\u{19ff}' | '\u{1a20}'..='\u{1aaf}' | '\u{1b00}'..='\u{1b7f}' | '\u{a000}'..='\u{a4cf}'
        | '\u{a980}'..='\u{a9ff}' | '\u{aa60}'..='\u{aadf}'
        // Korean: blanks stand between its phrases, not its words.
        | '\u{1100}'..='\u{11ff}' | '\u{3130}'..='\u{318f}' | '\u{a960}'..='\u{a97f}' | '\u{ac00}'..='\u{d7ff}'
        // Japanese and Chinese, with their marks for repetition.
        | '\u{2e80}'..='\u{2fdf}' | '\u{3005}'..='\u{3007}' | '\u{3021}'..='\u{312f}' | '\u{3190}'..='\u{31ff}'
        | '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}' | '\u{f900}'..='\u{faff}' | '\u{1b000}'..='\u{1b16f}'
        | '\u{20000}'..='\u{3ffff}')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// As every store does it.
    fn finds(text: &str, typed: &str) -> bool {
        let (words, phrases) = (format!(" {} ", of([text])), phrases(typed));
        let end = |phrase: &Phrase| if phrase.is_prefix { "" } else { " " };
        !phrases.is_empty() && phrases.iter().all(|phrase| words.contains(&format!(" {}{}", phrase.words, end(phrase))))
    }

    #[test]
    fn a_word_is_found_in_a_text_without_blanks() {
        for (text, words) in [
            ("有機緑茶ティーバッグ", vec!["有機", "緑茶", "有機緑茶", "茶", "ティー", "グ", "緑茶ティーバッグ"]),
            ("高山烏龍茶葉禮盒", vec!["烏龍茶", "禮盒", "盒", "烏龍 禮盒", "茶 高山"]),
            ("ชาเขียวญี่ปุ่น", vec!["เขียว", "ชา", "ญี่ปุ่น"]),
            ("ᥖᥭᥰᥘᥫ ꦗꦮꦤ", vec!["ᥭᥰ", "ꦮꦤ"]),
            ("유기농녹차 티백", vec!["녹차", "티백", "유기농 티백", "차"]),
            ("iPhone手機殼 15", vec!["iphone", "手機", "手機殼", "iphone手機", "手機 15", "IPHO"]),
            ("ｶﾞﾗｽのｺｯﾌﾟ", vec!["ガラス", "コップ"]),
        ] {
            for word in words {
                assert!(finds(text, word), "{text}: {word}");
            }
        }
        for (text, words) in
            [("有機緑茶", vec!["機茶", "茶緑", "有緑"]), ("유기농녹차", vec!["노"]), ("緑茶 紅茶", vec!["茶紅"])]
        {
            for word in words {
                assert!(!finds(text, word), "{text}: {word}");
            }
        }
    }

    #[test]
    fn letters_fold_to_those_that_people_type() {
        for (text, words) in [
            ("Straßenschuh", vec!["straßen", "strassen", "STRASSENSCHUH", "STRAẞEN"]),
            ("Smørrebrød", vec!["smorrebrod", "smørrebrød", "SMØR"]),
            ("Łódź", vec!["lodz", "łódź"]),
            ("Đặc sản", vec!["dac san", "đặc"]),
            ("Æbleskiver, œuf", vec!["aebleskiver", "oeuf", "æble"]),
            ("Þórr Ísland", vec!["thorr", "island"]),
            ("İstanbul ışık", vec!["istanbul", "isik", "ISIK"]),
            ("Café cre\u{300}me", vec!["cafe creme", "CAFE\u{301}", "crème"]),
            ("ΌΣΟΣ όσος", vec!["οσος", "ΟΣΟΣ"]),
            ("Ёлка", vec!["елка", "ёлка"]),
            ("چای سبز کهنه", vec!["چاي", "كهنه", "چای سبز"]),
            ("قهوة", vec!["قهوه"]),
            ("抹茶ケーキ", vec!["けーき", "ｹｰｷ", "抹茶け"]),
            ("ﬁne ２０２６ ㎏", vec!["fine", "2026", "kg"]),
            ("red-hot O'Brien's", vec!["red-hot", "hot", "o'brien", "red-ho"]),
            ("शिक्षा", vec!["शिक्षा", "शिक"]),
        ] {
            for word in words {
                assert!(finds(text, word), "{text}: {word}");
            }
        }
        assert!(!finds("red shoe", "sho red"), "only the last word may be unfinished");
        assert!(!finds("red-cold hot", "red-hot"));
    }

    #[test]
    fn a_search_is_bounded() {
        assert_eq!(phrases(&"red ".repeat(10_000)).len(), SEARCH_PHRASES_MAX);
        let words = |text: &str| phrases(text)[0].words.split(' ').count();
        assert_eq!(words(&"茶".repeat(10_000)), PHRASE_WORDS_MAX);
        assert_eq!(words(&"a-".repeat(10_000)), PHRASE_WORDS_MAX);
        for nothing in ["", " ", "\"", "*", "--", "()", "\0", "😀", "^", ":"] {
            assert_eq!(phrases(nothing), [], "{nothing:?}");
        }
    }

    proptest! {
        #[test]
        fn whatever_is_typed_is_found_where_it_stands(before in ".{0,8}", text in "\\PC{1,12}", after in ".{0,8}") {
            let whole = format!("{before} {text} {after}");
            let typed = phrases(&text);
            prop_assume!(!typed.is_empty());
            prop_assert!(finds(&whole, &text), "{:?} in {:?}", typed, of([&*whole]));
            for word in of([&*whole]).split(' ') {
                prop_assert!(!word.contains(|letter: char| letter.is_ascii() && !letter.is_ascii_alphanumeric()));
                prop_assert!(!word.contains(|letter: char| letter.is_ascii_uppercase()));
            }
        }

        #[test]
        fn folding_is_done_once(text in any::<String>()) {
            let folded = fold(&text);
            prop_assert_eq!(fold(&folded), folded);
        }
    }
}
