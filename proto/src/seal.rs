//! Tags over values in Redis: HMAC-SHA-256 under a key of the cluster, over the key's name and the value. Whoever can
//! write to Redis cannot make a value that counts, nor move one to another name.
//!
//! A sealed value is a mark, the tag, and the value. Without a key, values are as they are.

use std::fmt;

use aws_lc_rs::{constant_time::verify_slices_are_equal, hmac};

/// Starts a sealed value. No codec byte and no field of a message begins so.
const MARK: &[u8] = b"\xf5seal\x01";
const TAG: usize = 32;
/// Shortest key, in bytes.
pub const SHORTEST_KEY: usize = 32;
/// Longest key, in bytes: a file that is larger is not one.
pub const LONGEST_KEY: usize = 4096;
/// The current key and the one before it, and a few more for those who are slow.
const MOST_KEYS: usize = 4;

/// Why a value does not count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Broken {
    /// There is a key, and the value has no tag.
    #[error("it has no tag, though a cluster key is set")]
    Untagged,
    /// The tag is of another key, of another name, or of another value.
    #[error("its tag is wrong")]
    WrongTag,
    /// There is no key to check the tag with.
    #[error("it has a tag, and this process has no cluster key")]
    NoKey,
}

/// The keys of a cluster: the first one seals, all of them open. Clones share them.
#[derive(Clone, Default)]
pub struct ClusterKeys(Vec<hmac::Key>);

impl fmt::Debug for ClusterKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} keys", self.0.len())
    }
}

impl ClusterKeys {
    /// Keys as they stand in their files: any bytes, without white space around them.
    ///
    /// # Errors
    /// When one is too short or too long, or there are too many.
    pub fn new(texts: &[Vec<u8>]) -> Result<Self, String> {
        if texts.len() > MOST_KEYS {
            return Err(format!("{} cluster keys are more than {MOST_KEYS}", texts.len()));
        }
        let key = |text: &Vec<u8>| {
            let text = text.trim_ascii();
            if !(SHORTEST_KEY..=LONGEST_KEY).contains(&text.len()) {
                return Err(format!(
                    "a cluster key has {SHORTEST_KEY} to {LONGEST_KEY} bytes, not {}",
                    text.len()
                ));
            }
            Ok(hmac::Key::new(hmac::HMAC_SHA256, text))
        };
        Ok(Self(texts.iter().map(key).collect::<Result<_, _>>()?))
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The value as it is stored under a name.
    #[must_use]
    pub fn seal(&self, name: &str, value: &[u8]) -> Vec<u8> {
        match self.0.first() {
            None => value.to_vec(),
            Some(key) => [MARK, tag(key, name, value).as_ref(), value].concat(),
        }
    }

    /// Where the value begins in what was stored under a name.
    ///
    /// # Errors
    /// When it was not stored by a holder of one of the keys.
    pub fn open(&self, name: &str, stored: &[u8]) -> Result<usize, Broken> {
        let Some(rest) = stored.strip_prefix(MARK) else {
            return if self.is_empty() { Ok(0) } else { Err(Broken::Untagged) };
        };
        if self.is_empty() {
            return Err(Broken::NoKey);
        }
        let (found, value) = rest.split_at_checked(TAG).ok_or(Broken::WrongTag)?;
        let fits = |key| verify_slices_are_equal(tag(key, name, value).as_ref(), found).is_ok();
        if self.0.iter().any(fits) { Ok(MARK.len() + TAG) } else { Err(Broken::WrongTag) }
    }
}

fn tag(key: &hmac::Key, name: &str, value: &[u8]) -> hmac::Tag {
    let mut context = hmac::Context::with_key(key);
    // The length keeps a name's end apart from a value's start.
    context.update(&u64::try_from(name.len()).unwrap_or(u64::MAX).to_be_bytes());
    context.update(name.as_bytes());
    context.update(value);
    context.sign()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(letters: &[u8]) -> ClusterKeys {
        let texts: Vec<Vec<u8>> = letters.iter().map(|letter| [&[*letter; 32][..], b"\n"].concat()).collect();
        ClusterKeys::new(&texts).expect("keys")
    }

    #[test]
    fn only_a_holder_of_the_key_makes_a_value_that_counts() {
        let ours = keys(b"a");
        let sealed = ours.seal("name", b"value");
        let start = ours.open("name", &sealed).expect("ours");
        assert_eq!(sealed.get(start..), Some(&b"value"[..]));
        assert_eq!(ours.open("nam", &sealed), Err(Broken::WrongTag), "a value moved to another name");
        assert_eq!(keys(b"b").open("name", &sealed), Err(Broken::WrongTag));
        assert_eq!(ours.open("name", b"value"), Err(Broken::Untagged));
        assert_eq!(ours.open("name", b""), Err(Broken::Untagged));
        for index in 0..sealed.len() {
            let mut wrong = sealed.clone();
            wrong[index] ^= 1;
            assert!(ours.open("name", &wrong).is_err(), "byte {index} changed");
            assert!(ours.open("name", &sealed[..index]).is_err(), "cut at {index}");
        }
        assert_ne!(ours.seal("ab", b"c"), ours.seal("a", b"bc"));
    }

    #[test]
    fn a_second_key_opens_what_the_first_no_longer_seals() {
        let (old, both, new) = (keys(b"a"), keys(b"ba"), keys(b"b"));
        assert!(both.open("n", &old.seal("n", b"v")).is_ok());
        assert!(new.open("n", &both.seal("n", b"v")).is_ok());
        assert!(old.open("n", &both.seal("n", b"v")).is_err());
    }

    #[test]
    fn without_a_key_values_are_as_they_are() {
        let none = ClusterKeys::default();
        assert_eq!(none.seal("n", b"v"), b"v");
        assert_eq!(none.open("n", b"v"), Ok(0));
        assert_eq!(none.open("n", &keys(b"a").seal("n", b"v")), Err(Broken::NoKey));
        assert!(ClusterKeys::new(&[vec![b'a'; 31]]).is_err());
        assert!(ClusterKeys::new(&[[&[b'a'; 31][..], b" \n"].concat()]).is_err());
        assert!(ClusterKeys::new(&vec![vec![b'a'; 32]; 5]).is_err());
        assert!(!format!("{:?}", keys(b"a")).contains("97"));
    }
}
