//! Reads a file as tokens, and knows of each in what it stands.

/// The code of a file as tokens, its comments by line.
pub(crate) struct Source {
    pub(crate) tokens: Vec<Token>,
    /// From 1; what comments and code each line has.
    lines: Vec<Line>,
}

#[derive(Default)]
struct Line {
    comment: String,
    last_of_code: Option<String>,
    is_test: bool,
}

pub(crate) struct Token {
    /// A word, or one character; of a literal its first quote.
    pub(crate) text: String,
    pub(crate) line: usize,
    pub(crate) place: Place,
    /// The modules of this file around the token.
    pub(crate) modules: Vec<String>,
}

#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Item,
    Signature,
    Body,
    Macro,
}

impl Source {
    pub(crate) fn read(text: &str) -> Self {
        let (tokens, mut lines) = Lexer::new(text).read();
        let tokens = find_places(tokens, &mut lines);
        for token in &tokens {
            lines[token.line].last_of_code = Some(token.text.clone());
        }
        Self { tokens, lines }
    }

    /// The text of a token, empty beyond the end.
    pub(crate) fn text(&self, at: usize) -> &str {
        self.tokens.get(at).map_or("", |token| &token.text)
    }

    fn is_path_separator(&self, at: usize) -> bool {
        self.text(at) == ":" && self.text(at + 1) == ":"
    }

    /// Whether a path begins here, rather than going on or being a receiver.
    pub(crate) fn is_path_start(&self, at: usize) -> bool {
        let goes_on = at >= 2 && self.is_path_separator(at - 2);
        !goes_on && self.is_path_separator(at + 1)
    }

    /// Collects where the path leads that has led to `path` before `at`, through all its groups.
    pub(crate) fn paths_after(
        &self,
        at: usize,
        path: Vec<String>,
        ends: &mut Vec<(usize, Vec<String>)>,
    ) {
        if !self.is_path_separator(at) {
            if !path.is_empty() {
                ends.push((self.tokens[at - 1].line, path));
            }
            return;
        }
        let mut at = at + 2;
        if self.text(at) != "{" {
            return self.paths_after(at + 1, joined(path, self.text(at)), ends);
        }
        let close = self.closing(at);
        while at < close {
            at += 1; // `{` or `,`
            if at < close {
                self.paths_after(at + 1, joined(path.clone(), self.text(at)), ends);
            }
            while at < close && self.text(at) != "," {
                at = if self.text(at) == "{" {
                    self.closing(at) + 1
                } else {
                    at + 1
                };
            }
        }
    }

    /// The bracket that closes the one at `open`.
    pub(crate) fn closing(&self, open: usize) -> usize {
        let mut depth = 0_usize;
        for at in open..self.tokens.len() {
            match self.text(at) {
                "(" | "[" | "{" => depth += 1,
                ")" | "]" | "}" => depth -= 1,
                _ => {}
            }
            if depth == 0 {
                return at;
            }
        }
        panic!("line {}: never closed", self.tokens[open].line)
    }

    /// Whether what follows the attribute around `at` is a module, used or declared.
    pub(crate) fn is_on_module(&self, at: usize) -> bool {
        let mut at = at + 1;
        while at < self.tokens.len() && self.text(at) == "]" {
            at += 1;
        }
        if self.text(at) == "pub" {
            at += 1;
            if self.text(at) == "(" {
                at = self.closing(at) + 1;
            }
        }
        self.text(at) == "mod"
    }

    /// Whether the statement of this line has a comment with `word` before it.
    pub(crate) fn is_explained(&self, line: usize, word: &str) -> bool {
        for at in (1..=line).rev() {
            let Line {
                comment,
                last_of_code,
                ..
            } = &self.lines[at];
            if comment.contains(word) {
                return true;
            }
            let ends_before = match last_of_code.as_deref() {
                Some(";" | "{" | "}" | ",") => at < line,
                Some(_) => false,
                None => comment.is_empty(),
            };
            if ends_before {
                return false;
            }
        }
        false
    }

    pub(crate) fn lines_of_code(&self) -> usize {
        let has_code = |line: &&Line| line.last_of_code.is_some() && !line.is_test;
        self.lines.iter().filter(has_code).count()
    }
}

fn joined(mut path: Vec<String>, part: &str) -> Vec<String> {
    match part {
        "self" | "*" => {}
        "super" => drop(path.pop()),
        part => path.push(part.to_owned()),
    }
    path
}

/// Finds what stands in a function, its signature or a macro, and in which modules.
fn find_places(mut tokens: Vec<Token>, lines: &mut [Line]) -> Vec<Token> {
    struct Open {
        place: Place,
        module: Option<String>,
        is_test: bool,
    }
    let mut open: Vec<Open> = Vec::new();
    // What the next brace opens, if it is not a block like the one around it.
    let mut next: Option<(Place, Option<String>)> = None;
    let mut parentheses = 0_usize;
    let mut is_test = false;
    for at in 0..tokens.len() {
        let word = |offset: usize| tokens.get(at + offset).map_or("", |token| &*token.text);
        let is_name = |text: &str| text.starts_with(|c: char| c.is_alphabetic() || c == '_');
        let outer = open.last().map_or(Place::Item, |open| open.place);
        match word(0) {
            "(" | "[" => parentheses += 1,
            ")" | "]" => parentheses -= 1,
            "fn" if is_name(word(1)) && outer != Place::Macro => next = Some((Place::Body, None)),
            "mod" if outer == Place::Item && is_name(word(1)) => {
                next = Some((Place::Item, Some(word(1).to_owned())));
            }
            "macro_rules" => next = Some((Place::Macro, None)),
            "cfg" if outer == Place::Item => {
                let rest = tokens[at..].iter().take_while(|token| token.text != "]");
                is_test |= rest.into_iter().any(|token| token.text == "test");
            }
            ";" if parentheses == 0 => {
                next = None;
                is_test &= outer != Place::Item;
            }
            "{" => {
                let (place, module) = next.take().unwrap_or((outer, None));
                let is_test =
                    std::mem::take(&mut is_test) || open.last().is_some_and(|open| open.is_test);
                open.push(Open {
                    place,
                    module,
                    is_test,
                });
            }
            "}" => drop(open.pop()),
            _ => {}
        }
        let is_signature = matches!(next, Some((Place::Body, _)));
        let place = open.last().map_or(Place::Item, |open| open.place);
        let modules = open.iter().filter_map(|open| open.module.clone()).collect();
        let token = &mut tokens[at];
        token.place = if is_signature {
            Place::Signature
        } else {
            place
        };
        token.modules = modules;
        lines[token.line].is_test |= open.last().is_some_and(|open| open.is_test);
    }
    tokens
}

/// Separates code from comments, and words from each other.
struct Lexer {
    text: Vec<char>,
    at: usize,
    line: usize,
    tokens: Vec<Token>,
    lines: Vec<Line>,
}

impl Lexer {
    fn new(text: &str) -> Self {
        let mut lines = Vec::new();
        lines.resize_with(text.lines().count() + 2, Line::default);
        Self {
            text: text.chars().collect(),
            at: 0,
            line: 1,
            tokens: Vec::new(),
            lines,
        }
    }

    fn read(mut self) -> (Vec<Token>, Vec<Line>) {
        while let Some(c) = self.look(0) {
            match (c, self.look(1)) {
                ('/', Some('/')) => self.comment(|lexer| lexer.look(0) == Some('\n')),
                ('/', Some('*')) => self.block_comment(),
                ('"', _) => self.literal(1, |lexer| lexer.ends_string()),
                ('r', Some('"' | '#')) if self.raw_hashes().is_some() => self.raw_string(),
                ('\'', Some('\\')) => self.literal(3, |lexer| lexer.look(0) == Some('\'')),
                ('\'', Some(_)) if self.look(2) == Some('\'') => self.literal(2, |_| true),
                _ if c.is_alphanumeric() || c == '_' => self.word(),
                _ if c.is_whitespace() => self.step(),
                _ => {
                    self.push(c.to_string());
                    self.step();
                }
            }
        }
        (self.tokens, self.lines)
    }

    fn look(&self, ahead: usize) -> Option<char> {
        self.text.get(self.at + ahead).copied()
    }

    fn step(&mut self) {
        if self.look(0) == Some('\n') {
            self.line += 1;
        }
        self.at += 1;
    }

    fn push(&mut self, text: String) {
        self.tokens.push(Token {
            text,
            line: self.line,
            place: Place::Item,
            modules: Vec::new(),
        });
    }

    fn word(&mut self) {
        let start = self.at;
        let goes_on = |c: char| c.is_alphanumeric() || c == '_';
        while self.look(0).is_some_and(goes_on) {
            self.step();
        }
        self.push(self.text[start..self.at].iter().collect());
    }

    fn comment(&mut self, ends: impl Fn(&Self) -> bool) {
        while let Some(c) = self.look(0).filter(|_| !ends(self)) {
            if c != '\n' {
                self.lines[self.line].comment.push(c);
            }
            self.step();
        }
    }

    fn block_comment(&mut self) {
        self.comment(|lexer| (lexer.look(0), lexer.look(1)) == (Some('*'), Some('/')));
        self.at += 2;
    }

    /// Skips `opening` characters, then all up to the one where `ends`, and that one.
    fn literal(&mut self, opening: usize, ends: impl Fn(&Self) -> bool) {
        self.push("\"".to_owned());
        (0..opening).for_each(|_| self.step());
        while self.look(0).is_some() && !ends(self) {
            self.step();
        }
        self.step();
    }

    fn ends_string(&self) -> bool {
        let before = self.text[..self.at].iter().rev();
        let backslashes = before.take_while(|c| **c == '\\').count();
        self.look(0) == Some('"') && backslashes % 2 == 0
    }

    /// How many `#` a raw string has that begins here, if one does.
    fn raw_hashes(&self) -> Option<usize> {
        let hashes = self.text[self.at + 1..].iter();
        let hashes = hashes.take_while(|c| **c == '#').count();
        (self.look(1 + hashes) == Some('"')).then_some(hashes)
    }

    fn raw_string(&mut self) {
        let hashes = self.raw_hashes().unwrap_or(0);
        let closes = move |lexer: &Self| {
            lexer.look(0) == Some('"') && (1..=hashes).all(|n| lexer.look(n) == Some('#'))
        };
        self.literal(2 + hashes, closes);
        self.at += hashes;
    }
}
