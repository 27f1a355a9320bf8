//! Errors as people and programs see them: what happened, what it means for the money, what next.

use std::fmt;

use miette::Diagnostic;
use serde_json::json;

/// Exit codes of the command; `piecework --help` lists them.
pub(crate) mod exit {
    pub(crate) const ERROR: u8 = 1;
    pub(crate) const FAILED_TASKS: u8 = 3;
    pub(crate) const INTERRUPTED: u8 = 130;
}

/// Why a command did not do what it was asked to.
#[derive(Debug)]
pub(crate) struct Failure {
    code: String,
    what: String,
    money: Option<String>,
    next: Option<String>,
    exit: u8,
}

impl Failure {
    /// An error with a stable code.
    pub(crate) fn new(code: impl Into<String>, what: impl fmt::Display) -> Self {
        Self {
            code: code.into(),
            what: what.to_string(),
            money: None,
            next: None,
            exit: exit::ERROR,
        }
    }

    /// Something that should never happen.
    pub(crate) fn internal(what: impl fmt::Display) -> Self {
        Self::new(
            "cli-internal",
            format!("this is a bug in piecework: {what}"),
        )
    }

    /// What happened to the money.
    pub(crate) fn money(mut self, text: impl Into<String>) -> Self {
        self.money = Some(text.into());
        self
    }

    /// What to do now.
    pub(crate) fn next(mut self, text: impl Into<String>) -> Self {
        self.next = Some(text.into());
        self
    }

    pub(crate) fn exit(mut self, code: u8) -> Self {
        self.exit = code;
        self
    }

    pub(crate) fn exit_code(&self) -> u8 {
        self.exit
    }

    /// Writes the error to stderr.
    pub(crate) fn show(self, as_json: bool) {
        if as_json {
            let error = json!({ "code": self.code, "message": self.what, "money": self.money, "next": self.next });
            eprintln!("{}", json!({ "error": error }));
        } else {
            eprintln!("{:?}", miette::Report::new(self));
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

impl std::error::Error for Failure {}

impl Diagnostic for Failure {
    fn code<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        Some(Box::new(&self.code))
    }

    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        let lines: Vec<&str> = [&self.money, &self.next]
            .into_iter()
            .flatten()
            .map(String::as_str)
            .collect();
        (!lines.is_empty()).then(|| Box::new(lines.join("\n")) as Box<dyn fmt::Display>)
    }
}
