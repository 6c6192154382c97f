//! The digest of a session: one running SHA-256 over the bits of everything that moves.

use sha2::{Digest as _, Sha256};

/// A running digest.
#[derive(Clone, Default)]
pub struct Digest(Sha256);

impl Digest {
    pub fn bytes(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    pub fn floats(&mut self, floats: &[f32]) {
        for float in floats {
            self.0.update(float.to_bits().to_le_bytes());
        }
    }

    /// The digest up to here; more may follow.
    pub fn now(&self) -> [u8; 32] {
        self.0.clone().finalize().into()
    }

    /// Its first eight bytes, as a tick records them.
    pub fn short(&self) -> [u8; 8] {
        let whole = self.now();
        std::array::from_fn(|i| whole[i])
    }
}
