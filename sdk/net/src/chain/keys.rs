//! Keys: encrypted keystore files (Web3 Secret Storage, version 3) and, for devnets, raw hex keys.

use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use aes::cipher::{KeyIvInit as _, StreamCipher as _};
use alloy::primitives::{Address, hex, keccak256};
use alloy::signers::local::PrivateKeySigner;
use eth_keystore::{
    CipherparamsJson, CryptoJson, EthKeystore, KdfType, KdfparamsType, KeystoreError,
};
use rand::RngCore as _;

/// log2 of scrypt's cost for new files: n = 262,144 takes about 256 MiB and a second.
const SCRYPT_LOG_N: u8 = 18;
/// log2 of the largest cost that is accepted from a file.
const SCRYPT_MAX_LOG_N: u32 = 20;
/// A keystore is below 1 kB; what is larger is none.
const MAX_FILE: u64 = 64 * 1024;

/// An unusable key or keystore.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// The file could not be read or written.
    #[error("keystore {path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// A file is there already; a key is never overwritten.
    #[error(
        "keystore {path} exists already; it is not overwritten, because a lost key is lost money. Choose another file"
    )]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// Others than the owner can read the file.
    #[error(
        "keystore {path} can be read by others (mode {mode:o}); run `chmod 600 {path}` and try again"
    )]
    TooOpen {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The file is no keystore that this program opens.
    #[error("keystore {path} is not usable: {reason}")]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// The password does not open the file.
    #[error("wrong password for keystore {path}")]
    WrongPassword {
        /// The file.
        path: PathBuf,
    },
    /// The raw key is no key. It is not repeated here.
    #[error("the private key is not 64 hex digits of a valid key")]
    BadKey,
}

impl KeyError {
    /// Stable code of this error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Io { .. } => "key-io",
            Self::Exists { .. } => "key-exists",
            Self::TooOpen { .. } => "key-too-open",
            Self::Malformed { .. } => "key-malformed",
            Self::WrongPassword { .. } => "key-wrong-password",
            Self::BadKey => "key-bad-key",
        }
    }
}

/// Parses a raw private key of 64 hex digits, with or without `0x`. For devnets: a key in an
/// environment or a configuration is not a secret.
///
/// # Errors
/// [`KeyError::BadKey`], which does not repeat the key.
pub fn parse_key(text: &str) -> Result<PrivateKeySigner, KeyError> {
    let bytes: [u8; 32] = hex::decode_to_array(text.trim()).map_err(|_| KeyError::BadKey)?;
    PrivateKeySigner::from_slice(&bytes).map_err(|_| KeyError::BadKey)
}

/// Makes a new random key and writes it to a new keystore file. Takes about a second.
///
/// # Errors
/// See [`save`].
pub fn create(path: &Path, password: &str) -> Result<PrivateKeySigner, KeyError> {
    let signer = PrivateKeySigner::random();
    save(path, &signer, password)?;
    Ok(signer)
}

/// Writes a key to a new keystore file: scrypt with n = 262,144, mode 0600, whole or not at all.
///
/// # Errors
/// [`KeyError::Exists`], [`KeyError::Io`].
pub fn save(path: &Path, signer: &PrivateKeySigner, password: &str) -> Result<(), KeyError> {
    let io = |source| KeyError::Io {
        path: path.to_owned(),
        source,
    };
    if path.exists() {
        return Err(KeyError::Exists {
            path: path.to_owned(),
        });
    }
    let parent = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty());
    let directory = parent.unwrap_or(Path::new("."));
    std::fs::create_dir_all(directory).map_err(io)?;
    let json = encrypt(signer, password).map_err(|reason| KeyError::Malformed {
        path: path.to_owned(),
        reason,
    })?;
    // tempfile creates with mode 0600.
    let mut file = tempfile::NamedTempFile::new_in(directory).map_err(io)?;
    file.write_all(json.as_bytes()).map_err(io)?;
    file.as_file().sync_all().map_err(io)?;
    file.persist_noclobber(path)
        .map_err(|error| match error.error.kind() {
            std::io::ErrorKind::AlreadyExists => KeyError::Exists {
                path: path.to_owned(),
            },
            _ => io(error.error),
        })?;
    std::fs::File::open(directory)
        .and_then(|directory| directory.sync_all())
        .map_err(io)
}

/// Opens a keystore file. Takes about a second.
///
/// # Errors
/// [`KeyError::TooOpen`] when others can read it, [`KeyError::WrongPassword`],
/// [`KeyError::Malformed`], [`KeyError::Io`].
pub fn load(path: &Path, password: &str) -> Result<PrivateKeySigner, KeyError> {
    let malformed = |reason: String| KeyError::Malformed {
        path: path.to_owned(),
        reason,
    };
    read(path)?;
    let bytes = eth_keystore::decrypt_key(path, password).map_err(|error| match error {
        KeystoreError::MacMismatch => KeyError::WrongPassword {
            path: path.to_owned(),
        },
        other => malformed(other.to_string()),
    })?;
    PrivateKeySigner::from_slice(&bytes)
        .map_err(|_| malformed("what it holds is no private key".to_owned()))
}

/// The address that a keystore file claims to hold, without opening it; none if it does not say.
///
/// # Errors
/// As [`load`], but for the password.
pub fn address(path: &Path) -> Result<Option<Address>, KeyError> {
    #[derive(serde::Deserialize)]
    struct Named {
        address: Option<String>,
    }
    let contents = read(path)?;
    let named: Named = serde_json::from_str(&contents).map_err(|error| KeyError::Malformed {
        path: path.to_owned(),
        reason: error.to_string(),
    })?;
    Ok(named.address.and_then(|text| text.parse().ok()))
}

/// Reads a keystore and checks everything that the decrypting crate trusts (it would panic on short
/// keys and take any amount of memory).
fn read(path: &Path) -> Result<String, KeyError> {
    let io = |source| KeyError::Io {
        path: path.to_owned(),
        source,
    };
    let malformed = |reason: &str| KeyError::Malformed {
        path: path.to_owned(),
        reason: reason.to_owned(),
    };
    let metadata = std::fs::metadata(path).map_err(io)?;
    let mode = metadata.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(KeyError::TooOpen {
            path: path.to_owned(),
            mode,
        });
    }
    if !metadata.is_file() || metadata.len() > MAX_FILE {
        return Err(malformed(
            "it is no regular file, or far too large for a key",
        ));
    }
    let contents = std::fs::read_to_string(path).map_err(io)?;
    let keystore: EthKeystore = serde_json::from_str(&contents)
        .map_err(|error| malformed(&format!("it is no keystore: {error}")))?;
    if keystore.version != 3 {
        return Err(malformed("only version 3 is known"));
    }
    let crypto = &keystore.crypto;
    if crypto.cipher != "aes-128-ctr" || crypto.cipherparams.iv.len() != 16 {
        return Err(malformed("only aes-128-ctr with 16 bytes of iv is known"));
    }
    if crypto.ciphertext.len() != 32 || crypto.mac.len() != 32 {
        return Err(malformed("ciphertext and mac must be 32 bytes"));
    }
    let affordable = match &crypto.kdfparams {
        KdfparamsType::Pbkdf2 { dklen, c, prf, .. } => {
            *dklen == 32 && *c <= 10_000_000 && prf == "hmac-sha256"
        }
        KdfparamsType::Scrypt { dklen, n, p, r, .. } => {
            *dklen == 32
                && n.is_power_of_two()
                && n.ilog2() <= SCRYPT_MAX_LOG_N
                && (1..=8).contains(r)
                && (1..=16).contains(p)
        }
    };
    if !affordable {
        return Err(malformed("its key derivation is unknown or too expensive"));
    }
    Ok(contents)
}

/// Encrypts as the Web3 Secret Storage definition says.
fn encrypt(signer: &PrivateKeySigner, password: &str) -> Result<String, String> {
    let mut salt = vec![0u8; 32];
    let mut iv = vec![0u8; 16];
    rand::rng().fill_bytes(&mut salt);
    rand::rng().fill_bytes(&mut iv);
    let mut key = [0u8; 32];
    let params = scrypt::Params::new(SCRYPT_LOG_N, 8, 1).map_err(|error| error.to_string())?;
    scrypt::scrypt(password.as_bytes(), &salt, &params, &mut key)
        .map_err(|error| error.to_string())?;
    let (cipher_key, mac_key) = key.split_at(16);

    let mut ciphertext = signer.to_bytes().to_vec();
    ctr::Ctr128BE::<aes::Aes128>::new_from_slices(cipher_key, &iv)
        .map_err(|error| error.to_string())?
        .apply_keystream(&mut ciphertext);
    let mac = keccak256([mac_key, &ciphertext].concat()).to_vec();
    let keystore = EthKeystore {
        id: uuid::Uuid::new_v4(),
        version: 3,
        crypto: CryptoJson {
            cipher: "aes-128-ctr".to_owned(),
            cipherparams: CipherparamsJson { iv },
            ciphertext,
            kdf: KdfType::Scrypt,
            kdfparams: KdfparamsType::Scrypt {
                dklen: 32,
                n: 1 << SCRYPT_LOG_N,
                p: 1,
                r: 8,
                salt,
            },
            mac,
        },
    };
    // geth and cast show a keystore's address without opening it.
    let mut json = serde_json::to_value(&keystore).map_err(|error| error.to_string())?;
    if let Some(object) = json.as_object_mut() {
        object.insert("address".to_owned(), hex::encode(signer.address()).into());
    }
    Ok(json.to_string())
}
