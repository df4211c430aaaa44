//! Encrypted values: `ENC[AES256_GCM,data:…,iv:…,tag:…,type:…]`.
//!
//! AES-256-GCM with a nonce of 32 random bytes, standard base64, one line. sops reads laxly (text
//! after `]`, bytes that move between data and tag); here only the written form is read.

use std::sync::OnceLock;

use aes_gcm::aead::consts::U32;
use aes_gcm::aead::{AeadInOut, KeyInit};
use aes_gcm::aes::Aes256;
use aes_gcm::{AesGcm, Nonce, Tag};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

type Gcm = AesGcm<Aes256, U32>;

/// The 32 bytes that encrypt every value of one file. Never printed, never cloned by accident.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct DataKey {
    bytes: [u8; 32],
    /// The key as AES wants it, once a value asks; it wipes itself.
    #[zeroize(skip)]
    expanded: OnceLock<Box<Gcm>>,
}

impl DataKey {
    pub const LEN: usize = 32;

    #[must_use]
    pub fn new(bytes: [u8; 32]) -> Self {
        Self {
            bytes,
            expanded: OnceLock::new(),
        }
    }

    /// A fresh key from the given source of randomness.
    pub fn generate(random: Random<'_>) -> Self {
        let mut bytes = [0; 32];
        random(&mut bytes);
        Self::new(bytes)
    }

    #[must_use]
    pub fn bytes(&self) -> &[u8; 32] {
        &self.bytes
    }

    fn gcm(&self) -> &Gcm {
        self.expanded
            .get_or_init(|| Box::new(Gcm::new((&self.bytes).into())))
    }

    /// A hash that tells whether two files have one key, and nothing else of it.
    #[must_use]
    pub fn digest(&self) -> [u8; 32] {
        let mut hash = Sha256::new();
        hash.update(b"stax data key\0");
        hash.update(self.bytes);
        hash.finalize().into()
    }
}

impl PartialEq for DataKey {
    fn eq(&self, other: &Self) -> bool {
        let difference = self
            .bytes
            .iter()
            .zip(&other.bytes)
            .fold(0, |sum, (a, b)| sum | (a ^ b));
        difference == 0
    }
}

/// Fills a buffer with random bytes. Randomness is an argument, so that tests repeat.
pub type Random<'a> = &'a mut dyn FnMut(&mut [u8]);

/// The `type:` of a token. `bytes` is never written by sops and crashes it when read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TokenType {
    Str,
    Int,
    Float,
    Bool,
    Time,
    Comment,
}

impl TokenType {
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Str => "str",
            Self::Int => "int",
            Self::Float => "float",
            Self::Bool => "bool",
            Self::Time => "time",
            Self::Comment => "comment",
        }
    }

    fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "str" => Self::Str,
            "int" => Self::Int,
            "float" => Self::Float,
            "bool" => Self::Bool,
            "time" => Self::Time,
            "comment" => Self::Comment,
            _ => return None,
        })
    }
}

/// A parsed `ENC[…]`: exactly the written form, iv of 32 bytes, tag of 16.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Token {
    pub data: Vec<u8>,
    pub iv: [u8; 32],
    pub tag: [u8; 16],
    pub kind: TokenType,
}

/// Why a text is not a token. It never holds the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    #[error("is not encrypted")]
    Clear,
    #[error("is not a well-formed ENC[AES256_GCM,…] token")]
    Malformed,
    #[error("has a token with an iv that is not 32 bytes or a tag that is not 16")]
    Length,
    #[error("has a token of an unknown type")]
    Type,
}

/// The value or its additional data does not authenticate under this data key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("does not decrypt with the data key of this file")]
pub struct OpenError;

const PREFIX: &str = "ENC[AES256_GCM,data:";
/// 32 bytes in base64.
const IV_LEN: usize = 44;
/// 16 bytes in base64.
const TAG_LEN: usize = 24;

impl Token {
    /// Reads the one written form.
    ///
    /// # Errors
    /// [`TokenError`] says what is wrong; `Clear` when the text does not even start like a token.
    pub fn parse(text: &str) -> Result<Self, TokenError> {
        Self::written(text).map_or_else(|| Self::judge(text), Ok)
    }

    /// The written form by the lengths that iv and tag have; anything else is left to
    /// [`Self::judge`]. No field can hold the name of the next: none of its signs is one of base64.
    fn written(text: &str) -> Option<Self> {
        let (fields, kind) = text
            .strip_prefix(PREFIX)?
            .strip_suffix(']')?
            .rsplit_once(",type:")?;
        let (fields, tag) = cut(fields, TAG_LEN)?;
        let (fields, iv) = cut(fields.strip_suffix(",tag:")?, IV_LEN)?;
        let mut token = Self {
            data: STANDARD.decode(fields.strip_suffix(",iv:")?).ok()?,
            iv: [0; 32],
            tag: [0; 16],
            kind: TokenType::parse(kind)?,
        };
        let is_whole = STANDARD.decode_slice(iv, &mut token.iv) == Ok(32)
            && STANDARD.decode_slice(tag, &mut token.tag) == Ok(16);
        is_whole.then_some(token)
    }

    /// The same at leisure, with what is wrong.
    fn judge(text: &str) -> Result<Self, TokenError> {
        let Some(rest) = text.strip_prefix(PREFIX) else {
            return Err(if text.starts_with("ENC[") {
                TokenError::Malformed
            } else {
                TokenError::Clear
            });
        };
        let rest = rest.strip_suffix(']').ok_or(TokenError::Malformed)?;
        let (data, rest) = rest.split_once(",iv:").ok_or(TokenError::Malformed)?;
        let (iv, rest) = rest.split_once(",tag:").ok_or(TokenError::Malformed)?;
        let (tag, kind) = rest.split_once(",type:").ok_or(TokenError::Malformed)?;
        let decode = |text: &str| STANDARD.decode(text).map_err(|_| TokenError::Malformed);
        Ok(Self {
            data: decode(data)?,
            iv: decode(iv)?.try_into().map_err(|_| TokenError::Length)?,
            tag: decode(tag)?.try_into().map_err(|_| TokenError::Length)?,
            kind: TokenType::parse(kind).ok_or(TokenError::Type)?,
        })
    }

    /// As it is written.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::with_capacity(PREFIX.len() + self.data.len() * 4 / 3 + 112);
        text.push_str(PREFIX);
        STANDARD.encode_string(&self.data, &mut text);
        text.push_str(",iv:");
        STANDARD.encode_string(self.iv, &mut text);
        text.push_str(",tag:");
        STANDARD.encode_string(self.tag, &mut text);
        text.push_str(",type:");
        text.push_str(self.kind.name());
        text.push(']');
        text
    }

    /// Encrypts under a fresh iv. `aad` is the path rule of the format, or `lastmodified` for the
    /// MAC.
    #[must_use]
    pub fn seal(
        key: &DataKey,
        kind: TokenType,
        plain: &[u8],
        aad: &str,
        random: Random<'_>,
    ) -> Self {
        let mut iv = [0; 32];
        random(&mut iv);
        let mut data = plain.to_vec();
        let tag = key
            .gcm()
            .encrypt_inout_detached(&Nonce::from(iv), aad.as_bytes(), data.as_mut_slice().into())
            .expect("a value is far below the 64 GiB limit of GCM");
        Self {
            data,
            iv,
            tag: tag.into(),
            kind,
        }
    }

    /// Decrypts and authenticates.
    ///
    /// # Errors
    /// [`OpenError`] when key, aad, iv, data and tag do not belong together.
    pub fn open(&self, key: &DataKey, aad: &str) -> Result<Zeroizing<Vec<u8>>, OpenError> {
        let mut plain = Zeroizing::new(self.data.clone());
        key.gcm()
            .decrypt_inout_detached(
                &Nonce::from(self.iv),
                aad.as_bytes(),
                plain.as_mut_slice().into(),
                &Tag::from(self.tag),
            )
            .map_err(|_| OpenError)?;
        Ok(plain)
    }
}

impl std::fmt::Display for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.text())
    }
}

/// The last bytes of a text, and what is before them.
fn cut(text: &str, length: usize) -> Option<(&str, &str)> {
    text.split_at_checked(text.len().checked_sub(length)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_prints_as_it_was_read_and_opens_under_its_own_aad_only() {
        let mut counter = 0_u8;
        let mut random = |buffer: &mut [u8]| {
            counter += 1;
            buffer.fill(counter);
        };
        let key = DataKey::generate(&mut random);
        let token = Token::seal(&key, TokenType::Str, b"hunter2", "A:", &mut random);
        let again = Token::parse(&token.to_string()).unwrap();
        assert_eq!(again, token);
        assert_eq!(again.open(&key, "A:").unwrap().as_slice(), b"hunter2");
        assert!(again.open(&key, "B:").is_err());
        assert!(again.open(&DataKey::new([9; 32]), "A:").is_err());
    }

    #[test]
    fn only_the_written_form_is_a_token() {
        let mut random = |buffer: &mut [u8]| buffer.fill(7);
        let key = DataKey::new([1; 32]);
        let good = Token::seal(&key, TokenType::Int, b"5432", "A:", &mut random).to_string();
        for (text, error) in [
            ("plain".to_owned(), TokenError::Clear),
            (format!("{good} "), TokenError::Malformed),
            (format!("{good}x]"), TokenError::Type),
            (good.replace("type:int", "type:bytes"), TokenError::Type),
            (good.replace(",iv:B", ",iv:"), TokenError::Malformed),
            ("ENC[".to_owned(), TokenError::Malformed),
        ] {
            assert_eq!(Token::parse(&text), Err(error), "{text}");
        }
    }
}
