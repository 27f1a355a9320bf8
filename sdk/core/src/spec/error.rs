//! What can be wrong with a spec.

use super::limits;

/// A spec that is refused. Nothing has been posted or paid.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SpecError {
    /// More than [`limits::MAX_SPEC_BYTES`].
    #[error(
        "a job spec has at most {} bytes, this one has {length}",
        limits::MAX_SPEC_BYTES
    )]
    TooLong {
        /// Bytes it has.
        length: usize,
    },
    /// Not the JSON of a spec: a syntax error, an unknown, repeated or missing field, a wrong type.
    #[error("job spec, field `{field}`: {problem}")]
    Form {
        /// Path of the field, `.` for the document.
        field: String,
        /// What the parser says.
        problem: String,
    },
    /// A version this crate does not know.
    #[error(
        "job spec, field `version`: {version} is not known here, only {}",
        super::VERSION
    )]
    Version {
        /// The version it names.
        version: u32,
    },
    /// A number out of its bounds.
    #[error("job spec, field `{field}`: {value} is not between {min} and {max}")]
    Range {
        /// Path of the field.
        field: &'static str,
        /// The number.
        value: u64,
        /// The least that is accepted.
        min: u64,
        /// The most that is accepted.
        max: u64,
    },
    /// Too many of something, or too many bytes.
    #[error("job spec, field `{field}`: {count} {unit}, at most {max} are accepted")]
    TooMany {
        /// Path of the field.
        field: String,
        /// How many there are.
        count: usize,
        /// Of what.
        unit: &'static str,
        /// The most that is accepted.
        max: usize,
    },
    /// A value that breaks a rule of its field.
    #[error("job spec, field `{field}`: {problem}")]
    Value {
        /// Path of the field.
        field: String,
        /// The rule.
        problem: &'static str,
    },
}

impl SpecError {
    /// Stable code of the error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::TooLong { .. } => "spec-too-long",
            Self::Form { .. } => "spec-form",
            Self::Version { .. } => "spec-version",
            Self::Range { .. } => "spec-range",
            Self::TooMany { .. } => "spec-too-many",
            Self::Value { .. } => "spec-value",
        }
    }

    /// Path of the field that is refused, `.` for the whole document.
    pub fn field(&self) -> &str {
        match self {
            Self::TooLong { .. } => ".",
            Self::Version { .. } => "version",
            Self::Range { field, .. } => field,
            Self::Form { field, .. } | Self::TooMany { field, .. } | Self::Value { field, .. } => {
                field
            }
        }
    }
}
