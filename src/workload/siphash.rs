//! SipHash-2-4 (Aumasson and Bernstein, "SipHash: a fast short-input PRF", 2012): a keyed hash of 64 bits. Knows
//! bytes and a key; must not know what is hashed. Whoever does not know the key cannot tell a text from its hash by
//! trying texts.

/// A key of 128 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SipKey(pub u64, pub u64);

fn round(v: &mut [u64; 4]) {
    v[0] = v[0].wrapping_add(v[1]);
    v[2] = v[2].wrapping_add(v[3]);
    v[1] = v[1].rotate_left(13) ^ v[0];
    v[3] = v[3].rotate_left(16) ^ v[2];
    v[0] = v[0].rotate_left(32);
    v[2] = v[2].wrapping_add(v[1]);
    v[0] = v[0].wrapping_add(v[3]);
    v[1] = v[1].rotate_left(17) ^ v[2];
    v[3] = v[3].rotate_left(21) ^ v[0];
    v[2] = v[2].rotate_left(32);
}

impl SipKey {
    /// The key that a secret text stands for: its hash under two fixed keys.
    pub(super) fn of(secret: &str) -> SipKey {
        let half = |number: u64| SipKey(0x7265_6769_6f6e_7369, number).hash(0, secret.as_bytes());
        SipKey(half(1), half(2))
    }
    /// The hash of a number followed by bytes.
    pub(super) fn hash(self, head: u64, bytes: &[u8]) -> u64 {
        self.words(Some(head), bytes)
    }
    fn words(self, head: Option<u64>, bytes: &[u8]) -> u64 {
        let mut v = [
            self.0 ^ 0x736f_6d65_7073_6575,
            self.1 ^ 0x646f_7261_6e64_6f6d,
            self.0 ^ 0x6c79_6765_6e65_7261,
            self.1 ^ 0x7465_6462_7974_6573,
        ];
        let mut take = |word: u64| {
            v[3] ^= word;
            round(&mut v);
            round(&mut v);
            v[0] ^= word;
        };
        head.into_iter().for_each(&mut take);
        let length = bytes.len() + if head.is_some() { 8 } else { 0 };
        let mut chunks = bytes.chunks_exact(8);
        for chunk in &mut chunks {
            take(u64::from_le_bytes(chunk.try_into().unwrap_or_default()));
        }
        let mut last = [0u8; 8];
        last[..chunks.remainder().len()].copy_from_slice(chunks.remainder());
        take(u64::from_le_bytes(last) | (length as u64) << 56);
        v[2] ^= 0xff;
        (0..4).for_each(|_| round(&mut v));
        v[0] ^ v[1] ^ v[2] ^ v[3]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_published_vectors_come_out() {
        // The paper's appendix: key 00 01 … 0f, message 00 01 … 0e.
        let key = SipKey(0x0706_0504_0302_0100, 0x0f0e_0d0c_0b0a_0908);
        let message: Vec<u8> = (0..15).collect();
        assert_eq!(key.words(None, &message), 0xa129_ca61_49be_45e5);
        // The reference implementation's first vector: nothing at all.
        assert_eq!(key.words(None, &[]), 0x726f_db47_dd0e_0e31);
        let head = u64::from_le_bytes([0, 1, 2, 3, 4, 5, 6, 7]);
        assert_eq!(key.hash(head, &message[8..]), 0xa129_ca61_49be_45e5, "a number is its bytes");
    }
}
