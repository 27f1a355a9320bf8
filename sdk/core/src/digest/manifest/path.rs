//! Paths of entries: relative, bounded, and the same on every machine.

use std::fmt;

use super::{MAX_DEPTH, MAX_PATH_BYTES, ManifestError};

/// A path that an entry may have: relative, at most [`MAX_PATH_BYTES`] bytes and [`MAX_DEPTH`]
/// components, none of them empty, `.` or `..`, and no control character anywhere.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EntryPath(String);

impl EntryPath {
    /// Takes `path` if an entry may have it.
    ///
    /// # Errors
    /// [`ManifestError::Path`] with the reason.
    pub fn new(path: impl Into<String>) -> Result<Self, ManifestError> {
        let path = path.into();
        match fault_of(&path) {
            None => Ok(Self(path)),
            Some(fault) => Err(ManifestError::Path {
                path: shortened(&path),
                fault,
            }),
        }
    }

    /// Takes the bytes of a path, as an archive or a file system gives them.
    ///
    /// # Errors
    /// [`ManifestError::Path`] with the reason.
    pub fn from_bytes(path: &[u8]) -> Result<Self, ManifestError> {
        match std::str::from_utf8(path) {
            Ok(path) => Self::new(path),
            Err(_) => Err(ManifestError::Path {
                path: shortened(&String::from_utf8_lossy(path)),
                fault: PathFault::NotUtf8,
            }),
        }
    }

    /// The path as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The path of the directory that holds it, unless that is the root of the tree.
    pub fn parent(&self) -> Option<&str> {
        self.0.rsplit_once('/').map(|(parent, _)| parent)
    }

    /// Its components, outermost first.
    pub fn components(&self) -> impl Iterator<Item = &str> {
        self.0.split('/')
    }
}

impl fmt::Display for EntryPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl AsRef<str> for EntryPath {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

/// Why a path is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PathFault {
    /// It has no characters.
    #[error("it is empty")]
    Empty,
    /// It begins with `/`.
    #[error("it is absolute")]
    Absolute,
    /// A component is empty, `.` or `..`.
    #[error("a component is empty, `.` or `..`")]
    Component,
    /// A control character stands in it.
    #[error("it has a control character")]
    Control,
    /// It is not UTF-8.
    #[error("it is not UTF-8")]
    NotUtf8,
    /// More than [`MAX_PATH_BYTES`] bytes.
    #[error("it has more than {MAX_PATH_BYTES} bytes")]
    TooLong,
    /// More than [`MAX_DEPTH`] components.
    #[error("it is more than {MAX_DEPTH} levels deep")]
    TooDeep,
}

fn fault_of(path: &str) -> Option<PathFault> {
    if path.is_empty() {
        Some(PathFault::Empty)
    } else if path.starts_with('/') {
        Some(PathFault::Absolute)
    } else if path.len() > MAX_PATH_BYTES {
        Some(PathFault::TooLong)
    } else if path.chars().any(char::is_control) {
        Some(PathFault::Control)
    } else if path.split('/').any(|part| matches!(part, "" | "." | "..")) {
        Some(PathFault::Component)
    } else if path.split('/').count() > MAX_DEPTH {
        Some(PathFault::TooDeep)
    } else {
        None
    }
}

/// Strangers choose paths: an error shows no more than a line of one.
fn shortened(path: &str) -> String {
    let mut short: String = path.chars().take(80).collect();
    if short.len() < path.len() {
        short.push('…');
    }
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepted() {
        for path in ["a", "a/b", "…/ä b", ".hidden", "a..b", "..."] {
            assert!(EntryPath::new(path).is_ok(), "{path}");
        }
        assert!(EntryPath::new("x".repeat(512)).is_ok());
        assert!(EntryPath::new(["d"; 32].join("/")).is_ok());
    }

    #[test]
    fn refused() {
        let long = "x".repeat(513);
        let deep = ["d"; 33].join("/");
        let cases: [(&[u8], PathFault); 14] = [
            (b"", PathFault::Empty),
            (b"/", PathFault::Absolute),
            (b"/etc", PathFault::Absolute),
            (b"a//b", PathFault::Component),
            (b"a/", PathFault::Component),
            (b".", PathFault::Component),
            (b"a/./b", PathFault::Component),
            (b"../a", PathFault::Component),
            (b"a\nb", PathFault::Control),
            (b"a\0", PathFault::Control),
            ("a\u{85}".as_bytes(), PathFault::Control),
            (b"a\xff", PathFault::NotUtf8),
            (long.as_bytes(), PathFault::TooLong),
            (deep.as_bytes(), PathFault::TooDeep),
        ];
        for (path, expected) in cases {
            let error = EntryPath::from_bytes(path);
            assert!(
                matches!(&error, Err(ManifestError::Path { fault, .. }) if *fault == expected),
                "{path:?}: {error:?}"
            );
        }
    }
}
