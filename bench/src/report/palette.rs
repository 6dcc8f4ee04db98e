//! One colour for each engine, the same everywhere.
//!
//! All of middle lightness, so that they can be told from a white and from a black page. Ours are warm, bare system calls
//! grey, the rest has what is left.

const COLOURS: &[(&str, &str)] = &[
    ("wakeful", "#e8590c"),
    ("wakeful-short", "#f78f4f"),
    ("wakeful-spin", "#e0a100"),
    ("wakeful-poll", "#a96b3c"),
    ("wakeful-poll-spin", "#7d6a2e"),
    ("mio", "#228be6"),
    ("polling", "#74b816"),
    ("tokio", "#2f9e44"),
    ("tokio-on-wakeful", "#c24170"),
    ("monoio", "#ae3ec9"),
    ("compio", "#e64980"),
    ("glommio", "#845ef7"),
    ("libuv", "#0ca678"),
    ("libevent", "#10a5b8"),
    ("libev", "#5c7cfa"),
    ("epoll", "#808890"),
    ("io-uring", "#a09682"),
    ("btree", "#9c864e"),
    ("wheel", "#d06fc8"),
];

/// Of an engine that is not in the list: better grey than somebody else's.
const OTHER: &str = "#909090";

pub fn colour(engine: &str) -> &'static str {
    let found = COLOURS.iter().find(|(name, _)| *name == engine);
    found.map_or(OTHER, |&(_, colour)| colour)
}

/// Where an engine stands among others.
pub fn place(engine: &str) -> usize {
    let found = COLOURS.iter().position(|(name, _)| *name == engine);
    found.unwrap_or(COLOURS.len())
}
