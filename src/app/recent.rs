//! Credentials that were looked up a moment ago.
//!
//! They are remembered for half a second, so that one revoked by another process stops working within
//! a second. What is remembered is not remembered anew, so that it ages.

use std::collections::HashMap;
use std::sync::{PoisonError, RwLock};

use crate::domain::key::KeyHash;
use crate::domain::time::Timestamp;

const REMEMBERED_MICROS: i64 = 500_000;
/// More than that many within half a second are looked up each time.
const REMEMBERED: usize = 10_000;

pub struct Recent<T>(RwLock<HashMap<KeyHash, (T, Timestamp)>>);

impl<T> Default for Recent<T> {
    fn default() -> Self {
        Self(RwLock::default())
    }
}

impl<T: Clone> Recent<T> {
    pub fn forget(&self) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).clear();
    }

    pub fn recall(&self, hash: &KeyHash, now: Timestamp) -> Option<T> {
        let recent = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let (found, since) = recent.get(hash)?;
        let age = now.micros() - since.micros();
        (0..REMEMBERED_MICROS).contains(&age).then(|| found.clone())
    }

    pub fn remember(&self, hash: KeyHash, found: &T, now: Timestamp) {
        let mut recent = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if recent.len() >= REMEMBERED {
            recent.clear();
        }
        recent.insert(hash, (found.clone(), now));
    }
}
