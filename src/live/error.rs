//! Errors of live watching.

use std::error;
use std::fmt;

/// What failed, the cause, and a hint.
///
/// [`Display`](fmt::Display) names what failed; the cause is its [`source`](error::Error::source). [`LiveError::sentence`]
/// joins both with the hint, for people.
#[derive(Debug)]
pub struct LiveError {
    what: String,
    hint: Option<String>,
    source: Option<Box<dyn error::Error + Send + Sync>>,
}

impl LiveError {
    /// An error that has no cause but itself.
    pub(crate) fn new(what: impl Into<String>) -> Self {
        Self { what: what.into(), hint: None, source: None }
    }

    /// An error with its cause.
    pub(crate) fn with(
        what: impl Into<String>,
        source: impl Into<Box<dyn error::Error + Send + Sync>>,
    ) -> Self {
        Self { source: Some(source.into()), ..Self::new(what) }
    }

    /// Adds what helps: a command, or an option.
    #[must_use]
    pub(crate) fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }

    /// One sentence: what failed, why, and what helps.
    #[must_use]
    pub fn sentence(&self) -> String {
        let mut sentence = self.what.clone();
        let mut cause = error::Error::source(self);
        while let Some(error) = cause {
            sentence.push_str(&format!(": {error}"));
            cause = error.source();
        }
        if let Some(hint) = &self.hint {
            sentence.push_str(&format!(": {hint}"));
        }
        sentence
    }
}

impl fmt::Display for LiveError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

impl error::Error for LiveError {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        self.source.as_deref().map(|source| source as &(dyn error::Error + 'static))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io;

    #[test]
    fn a_sentence_names_cause_and_help() {
        let cause = io::Error::new(io::ErrorKind::AddrInUse, "address in use");
        let error = LiveError::with("--metrics 127.0.0.1:9141", cause).hint("'ss -ltnp' lists who listens");
        assert_eq!(error.to_string(), "--metrics 127.0.0.1:9141");
        assert_eq!(
            error.sentence(),
            "--metrics 127.0.0.1:9141: address in use: 'ss -ltnp' lists who listens"
        );
        assert!(error::Error::source(&error).is_some());
    }
}
