//! JSON that is kept as it was given, and not interpreted: tools, models, bodies of events.

/// The text of one JSON value. Whoever makes one has parsed it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Json(String);

impl Json {
    pub fn parsed(text: String) -> Self {
        Self(text)
    }

    /// An object without members.
    pub fn empty() -> Self {
        Self("{}".into())
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}
