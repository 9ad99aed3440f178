//! A model's own tokenizer, from its `tokenizer.json`. Knows that file and text; must not know what becomes of tokens.
//! Behind the feature `tokenizer`, which is not built unless asked for, because it doubles the crates that are compiled;
//! a build without it says so. The work is done by the `tokenizers` crate, which the models' publishers use themselves.

use std::path::Path;

/// A tokenizer cannot be had, or cannot read a text.
#[derive(Debug, thiserror::Error)]
pub enum TokenizerError {
    /// This build has none.
    #[error(
        "this build of regionsim reads no tokenizer files: build it with `--features tokenizer`, or leave \
         `--tokenizer` out and count tokens by bytes"
    )]
    NotBuilt,
    /// The file is not one.
    #[error(
        "tokenizer file {path}: {why}; give the model's tokenizer.json, as its publisher ships it beside the weights"
    )]
    Unreadable {
        /// The file.
        path: String,
        /// What the reader says.
        why: String,
    },
    /// A text was refused.
    #[error("the tokenizer cannot read this prompt: {0}")]
    Refused(String),
}

/// A tokenizer.
#[derive(Clone, Debug)]
pub struct Tokenizer {
    #[cfg(feature = "tokenizer")]
    inner: std::sync::Arc<tokenizers::Tokenizer>,
    #[cfg(not(feature = "tokenizer"))]
    none: std::convert::Infallible,
}

#[cfg(feature = "tokenizer")]
impl Tokenizer {
    /// Reads a `tokenizer.json`.
    ///
    /// # Errors
    /// When it cannot be read or is not one, or when this build reads none.
    pub fn read(path: &Path) -> Result<Tokenizer, TokenizerError> {
        let inner = tokenizers::Tokenizer::from_file(path).map_err(|error| TokenizerError::Unreadable {
            path: path.display().to_string(),
            why: error.to_string(),
        })?;
        Ok(Tokenizer { inner: std::sync::Arc::new(inner) })
    }
    /// The ids of a text's tokens, without the marks that a model's template would add.
    ///
    /// # Errors
    /// When the tokenizer has no token for something in it.
    pub fn ids(&self, text: &str) -> Result<Vec<u32>, TokenizerError> {
        let encoding = self.inner.encode(text, false);
        let encoding = encoding.map_err(|error| TokenizerError::Refused(error.to_string()))?;
        Ok(encoding.get_ids().to_vec())
    }
}

#[cfg(not(feature = "tokenizer"))]
impl Tokenizer {
    /// Reads a `tokenizer.json`.
    ///
    /// # Errors
    /// When it cannot be read or is not one, or when this build reads none.
    pub fn read(_: &Path) -> Result<Tokenizer, TokenizerError> {
        Err(TokenizerError::NotBuilt)
    }
    /// The ids of a text's tokens, without the marks that a model's template would add.
    ///
    /// # Errors
    /// When the tokenizer has no token for something in it.
    pub fn ids(&self, _: &str) -> Result<Vec<u32>, TokenizerError> {
        match self.none {}
    }
}

#[cfg(all(test, not(feature = "tokenizer")))]
mod tests {
    use super::*;

    #[test]
    fn a_build_without_the_feature_says_how_to_have_it() {
        let message = Tokenizer::read(Path::new("tokenizer.json")).unwrap_err().to_string();
        assert!(message.contains("--features tokenizer") && message.contains("bytes"), "{message}");
    }
}

#[cfg(all(test, feature = "tokenizer"))]
mod tests {
    use super::*;

    /// Pairs of bytes: `a` and `b` are one token together.
    const PAIRS: &str =
        r#"{"version":"1.0","model":{"type":"BPE","vocab":{"a":0,"b":1,"ab":2},"merges":["a b"]}}"#;

    fn read(json: &str) -> Result<Tokenizer, TokenizerError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tokenizer.json");
        std::fs::write(&path, json).unwrap();
        Tokenizer::read(&path)
    }

    #[test]
    fn pairs_by_hand() {
        let tokenizer = read(PAIRS).unwrap();
        assert_eq!(tokenizer.ids("ababa").unwrap(), [2, 2, 0]);
        assert_eq!(tokenizer.ids("bba").unwrap(), [1, 1, 0]);
        assert_eq!(tokenizer.ids("").unwrap(), [0u32; 0]);
    }

    #[test]
    fn another_file_is_refused_with_its_name() {
        let message = read("{\"weights\":[]}").unwrap_err().to_string();
        assert!(message.contains("tokenizer.json") && message.contains("publisher"), "{message}");
    }
}
