//! Contents that were loaded, by their hash, up to a bound in bytes. A hash names one content for
//! ever, so nothing here is ever out of date; what was not used for the longest time goes first.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use crate::domain::content::Sha256;

pub type Bytes = Arc<[u8]>;

pub struct Cache {
    contents: HashMap<Sha256, (Bytes, u64)>,
    /// By the turn of the last use.
    order: BTreeMap<u64, Sha256>,
    turn: u64,
    bytes: usize,
    limit: usize,
}

impl Cache {
    pub fn new(limit: usize) -> Self {
        Self { contents: HashMap::new(), order: BTreeMap::new(), turn: 0, bytes: 0, limit }
    }

    /// The bound in bytes.
    pub fn limit(&self) -> usize {
        self.limit
    }

    pub fn holds(&self, hash: &Sha256) -> bool {
        self.contents.contains_key(hash)
    }

    pub fn get(&mut self, hash: &Sha256) -> Option<Bytes> {
        let (content, used) = self.contents.get_mut(hash)?;
        self.order.remove(used);
        self.turn += 1;
        *used = self.turn;
        self.order.insert(self.turn, *hash);
        Some(Arc::clone(content))
    }

    pub fn insert(&mut self, hash: Sha256, content: Bytes) {
        if content.len() > self.limit || self.get(&hash).is_some() {
            return;
        }
        self.turn += 1;
        self.bytes += content.len();
        self.order.insert(self.turn, hash);
        self.contents.insert(hash, (content, self.turn));
        while self.bytes > self.limit
            && let Some((_, oldest)) = self.order.pop_first()
        {
            if let Some((content, _)) = self.contents.remove(&oldest) {
                self.bytes -= content.len();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_used_last_stays_within_the_bound() {
        let mut cache = Cache::new(10);
        let hashes = ["a", "b", "c"].map(|text| Sha256::of(text.as_bytes()));
        let content = || Bytes::from(vec![0; 4]);
        cache.insert(hashes[0], content());
        cache.insert(hashes[1], content());
        cache.get(&hashes[0]);

        cache.insert(hashes[2], content());
        cache.insert(Sha256::of(b"big"), Bytes::from(vec![0; 11]));

        assert_eq!(hashes.map(|hash| cache.holds(&hash)), [true, false, true]);
        assert_eq!(cache.bytes, 8);
    }
}
