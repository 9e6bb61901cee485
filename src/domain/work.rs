//! The work queue of a self-hosted environment: who holds an item, and for how long.
//!
//! An item is offered by a poll, taken by an ack, and held by heartbeats, each of which names the one
//! before it; whoever names another one has lost it. A lease that runs out puts the item back into
//! the queue. A session token goes with each poll, and outlives its hold by a minute, in which a
//! worker saves what it has.

use super::id::{EnvironmentId, SessionId, TokenId, WorkId, WorkspaceId};
use super::text::{self, Metadata, MetadataPatch};
use super::time::Timestamp;
use super::{Error, Result};

/// The lease where none is wished for, and the longest.
pub const TTL_SECONDS: i64 = 300;
pub const SHORTEST_TTL_SECONDS: i64 = 10;
/// How long a token is valid after its item was stopped or lost.
pub const GRACE_SECONDS: u64 = 60;
/// How old an offer has to be before it is made again, in milliseconds.
pub const RECLAIM_MILLIS: i64 = 5000;
/// The longest wait of a poll, in milliseconds.
pub const LONGEST_POLL_MILLIS: i64 = 999;
/// What the first heartbeat names.
pub const NO_HEARTBEAT: &str = "NO_HEARTBEAT";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    Queued,
    Starting,
    Active,
    Stopping,
    Stopped,
}

impl State {
    pub const ALL: [Self; 5] =
        [Self::Queued, Self::Starting, Self::Active, Self::Stopping, Self::Stopped];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Starting => "starting",
            Self::Active => "active",
            Self::Stopping => "stopping",
            Self::Stopped => "stopped",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == text)
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Work {
    pub id: WorkId,
    pub workspace: WorkspaceId,
    pub environment: EnvironmentId,
    pub session: SessionId,
    pub state: State,
    pub metadata: Metadata,
    pub created_at: Timestamp,
    /// When a poll last offered it.
    pub offered_at: Option<Timestamp>,
    pub acknowledged_at: Option<Timestamp>,
    pub started_at: Option<Timestamp>,
    pub latest_heartbeat_at: Option<Timestamp>,
    pub stop_requested_at: Option<Timestamp>,
    pub stopped_at: Option<Timestamp>,
    pub ttl_seconds: i64,
    /// Until when somebody holds it.
    pub leased_until: Option<Timestamp>,
    /// Of its last offer.
    pub token: Option<TokenId>,
}

/// What a heartbeat is answered with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Heartbeat {
    pub last: Option<Timestamp>,
    pub extended: bool,
    pub state: State,
    pub ttl_seconds: i64,
}

/// Why a heartbeat was refused: the lease as it is held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeaseLost {
    pub named: String,
    pub state: State,
    pub ttl_seconds: i64,
    pub last_heartbeat: Option<Timestamp>,
}

impl Work {
    pub fn new(
        id: WorkId,
        workspace: WorkspaceId,
        environment: EnvironmentId,
        session: SessionId,
        created_at: Timestamp,
    ) -> Self {
        Self {
            id,
            workspace,
            environment,
            session,
            state: State::Queued,
            metadata: Metadata::new(),
            created_at,
            offered_at: None,
            acknowledged_at: None,
            started_at: None,
            latest_heartbeat_at: None,
            stop_requested_at: None,
            stopped_at: None,
            ttl_seconds: TTL_SECONDS,
            leased_until: None,
            token: None,
        }
    }

    fn is_held(&self, now: Timestamp) -> bool {
        self.leased_until.is_some_and(|until| now < until)
    }

    /// Whether its session needs no other item.
    pub fn is_open(&self, now: Timestamp) -> bool {
        match self.state {
            State::Queued | State::Starting | State::Active => true,
            State::Stopping => self.is_held(now),
            State::Stopped => false,
        }
    }

    /// Whether a poll may offer it.
    pub fn is_free(&self, now: Timestamp, reclaim_millis: i64) -> bool {
        match self.state {
            State::Queued => {
                self.offered_at.is_none_or(|at| at.micros() + reclaim_millis * 1000 <= now.micros())
            }
            State::Starting | State::Active => !self.is_held(now),
            State::Stopping | State::Stopped => false,
        }
    }

    /// Offers it: as new, whoever held it before.
    pub fn offer(&mut self, token: TokenId, now: Timestamp) {
        self.token = Some(token);
        self.state = State::Queued;
        self.offered_at = Some(now);
        self.acknowledged_at = None;
        self.started_at = None;
        self.latest_heartbeat_at = None;
        self.ttl_seconds = TTL_SECONDS;
        self.lease(now);
    }

    pub fn acknowledge(&mut self, now: Timestamp) -> Result<()> {
        if self.state != State::Queued {
            return Err(Error::OutOfDate(format!(
                "work item {} can't be acknowledged: it is {}",
                self.id,
                self.state.as_str()
            )));
        }
        self.state = State::Starting;
        self.acknowledged_at = Some(now);
        self.lease(now);
        Ok(())
    }

    /// Whether a session token that was made for this item holds it. The first heartbeat decides between
    /// several to whom it was offered.
    pub fn is_held_by(&self, token: &TokenId) -> bool {
        self.token.as_ref() == Some(token)
            || self.state == State::Starting && self.latest_heartbeat_at.is_none()
    }

    /// Whether nobody is left who could confirm that it stops.
    pub fn is_abandoned(&self, now: Timestamp) -> bool {
        self.state == State::Stopping && !self.is_held(now)
    }

    /// Extends the lease of whoever names the heartbeat before this one, or none.
    pub fn heartbeat(
        &mut self,
        expected: Option<&str>,
        wish: Option<i64>,
        token: Option<&TokenId>,
        now: Timestamp,
    ) -> Result<Heartbeat> {
        if matches!(self.state, State::Stopping | State::Stopped) {
            return Ok(self.answer(false));
        }
        let last = self.latest_heartbeat_at;
        let held = last.map_or_else(|| NO_HEARTBEAT.to_owned(), |at| at.to_string());
        let foreign = token.is_some_and(|token| !self.is_held_by(token));
        let expected = expected.unwrap_or(&held);
        if foreign || expected != held {
            return Err(Error::LeaseLost(Box::new(LeaseLost {
                named: expected.to_owned(),
                state: self.state,
                ttl_seconds: self.ttl_seconds,
                last_heartbeat: last,
            })));
        }
        if self.state == State::Queued {
            return Err(Error::OutOfDate(format!(
                "work item {} is queued: acknowledge it before its first heartbeat",
                self.id
            )));
        }
        let at = last.map_or(now, |last| now.max(last.next()));
        self.state = State::Active;
        if let Some(token) = token {
            self.token = Some(token.clone());
        }
        self.started_at.get_or_insert(at);
        self.latest_heartbeat_at = Some(at);
        if let Some(wish) = wish {
            self.ttl_seconds = wish.clamp(SHORTEST_TTL_SECONDS, TTL_SECONDS);
        }
        self.lease(now);
        Ok(self.answer(true))
    }

    fn answer(&self, extended: bool) -> Heartbeat {
        Heartbeat {
            last: self.latest_heartbeat_at,
            extended,
            state: self.state,
            ttl_seconds: self.ttl_seconds,
        }
    }

    fn lease(&mut self, now: Timestamp) {
        self.leased_until = Some(now.plus_seconds(self.ttl_seconds.unsigned_abs()));
    }

    /// Refuses to stop an item for a token that has lost it.
    pub fn check_stop(&self, token: &TokenId) -> Result<()> {
        if self.state == State::Stopped || self.is_held_by(token) {
            return Ok(());
        }
        Err(Error::OutOfDate(format!(
            "work item {} was offered to another worker since: this one has lost it",
            self.id
        )))
    }

    /// Asks whoever holds it to stop; stops it at once where nobody does, or by force.
    pub fn stop(&mut self, force: bool, now: Timestamp) {
        let held = match self.state {
            State::Queued => false,
            State::Starting | State::Active | State::Stopping => self.is_held(now),
            State::Stopped => return,
        };
        self.stop_requested_at.get_or_insert(now);
        if force || !held {
            self.state = State::Stopped;
            self.stopped_at = Some(now);
        } else {
            self.state = State::Stopping;
        }
    }

    pub fn update(&mut self, patch: &MetadataPatch) -> Result<()> {
        self.metadata = text::coded(text::patched(&self.metadata, patch))?;
        Ok(())
    }

    /// Until when the token of its last offer is valid.
    pub fn token_until(&self) -> Option<Timestamp> {
        let end = match (self.stopped_at, self.leased_until) {
            (Some(stopped), Some(until)) => Some(stopped.min(until)),
            (stopped, until) => stopped.or(until),
        };
        end.map(|end| end.plus_seconds(GRACE_SECONDS))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_micros(seconds * 1_000_000)
    }

    fn queued() -> Work {
        let (work, space) = (WorkId::new("1"), WorkspaceId::new("1"));
        Work::new(work, space, EnvironmentId::new("1"), SessionId::new("1"), at(0))
    }

    /// Offered and acknowledged at 10 s, with a first heartbeat at 11 s.
    fn active() -> Work {
        let mut work = queued();
        work.offer(TokenId::new("1"), at(10));
        work.acknowledge(at(10)).unwrap();
        assert!(work.heartbeat(Some(NO_HEARTBEAT), None, None, at(11)).unwrap().extended);
        work
    }

    #[test]
    fn an_offer_is_made_again_when_nobody_takes_it() {
        let mut work = queued();
        assert!(work.is_free(at(0), RECLAIM_MILLIS));

        work.offer(TokenId::new("1"), at(10));

        assert!(!work.is_free(at(14), RECLAIM_MILLIS));
        assert!(work.is_free(at(15), RECLAIM_MILLIS));
        assert!(work.is_free(at(11), 1000));
    }

    #[test]
    fn an_item_is_acknowledged_once() {
        let refused = active().acknowledge(at(12)).unwrap_err().to_string();
        assert!(refused.ends_with("it is active"), "{refused}");
    }

    #[test]
    fn a_heartbeat_names_the_one_before() {
        let mut work = active();
        let first = work.latest_heartbeat_at.unwrap().to_string();

        let second = work.heartbeat(Some(&first), None, None, at(20)).unwrap();

        assert_eq!((second.state, second.ttl_seconds), (State::Active, 300));
        for stale in [first.as_str(), NO_HEARTBEAT, "yesterday"] {
            let Err(Error::LeaseLost(lost)) = work.heartbeat(Some(stale), None, None, at(21))
            else {
                panic!("{stale} was accepted");
            };
            assert_eq!((lost.last_heartbeat, lost.state), (second.last, State::Active));
        }
        assert!(work.heartbeat(None, None, None, at(22)).unwrap().extended);
    }

    #[test]
    fn heartbeats_are_told_apart_even_when_the_clock_stands_still() {
        let mut work = active();
        let first = work.latest_heartbeat_at;
        assert_ne!(work.heartbeat(None, None, None, at(11)).unwrap().last, first);
    }

    #[test]
    fn a_wish_is_honoured_between_10_and_300_seconds() {
        for (wish, ttl) in [(1, 10), (10, 10), (120, 120), (300, 300), (3600, 300), (-5, 10)] {
            assert_eq!(
                active().heartbeat(None, Some(wish), None, at(12)).unwrap().ttl_seconds,
                ttl
            );
        }
    }

    #[test]
    fn a_lost_lease_is_offered_to_another_and_the_first_is_told() {
        let mut work = active();
        let held = work.latest_heartbeat_at.unwrap().to_string();
        assert!(!work.is_free(at(310), RECLAIM_MILLIS));
        assert!(work.is_free(at(311), RECLAIM_MILLIS));

        work.offer(TokenId::new("2"), at(311));
        assert!(matches!(
            work.heartbeat(Some(&held), None, None, at(312)),
            Err(Error::LeaseLost(_))
        ));
        work.acknowledge(at(312)).unwrap();

        assert!(matches!(
            work.heartbeat(Some(&held), None, None, at(313)),
            Err(Error::LeaseLost(_))
        ));
        assert!(work.heartbeat(Some(NO_HEARTBEAT), None, None, at(313)).unwrap().extended);
    }

    #[test]
    fn a_stop_is_asked_of_whoever_holds_the_item() {
        let mut work = active();
        work.stop(false, at(20));
        assert_eq!((work.state, work.stopped_at), (State::Stopping, None));
        let told = work.heartbeat(Some("anything"), None, None, at(21)).unwrap();
        assert_eq!((told.extended, told.state), (false, State::Stopping));

        work.stop(true, at(22));
        assert_eq!((work.state, work.stopped_at), (State::Stopped, Some(at(22))));
        let before = work.clone();
        work.stop(false, at(30));
        assert_eq!(work, before);
    }

    #[test]
    fn what_nobody_holds_stops_at_once() {
        let mut work = queued();
        work.stop(false, at(5));
        assert_eq!(work.state, State::Stopped);

        let mut lost = active();
        lost.stop(false, at(311));
        assert_eq!(lost.state, State::Stopped);
    }

    #[test]
    fn a_session_needs_another_item_once_this_one_is_over() {
        let mut work = active();
        assert!(work.is_open(at(400)));
        work.stop(false, at(20));
        assert!(work.is_open(at(21)));
        assert!(!work.is_open(at(311)));
        work.stop(true, at(22));
        assert!(!work.is_open(at(23)));
    }

    #[test]
    fn a_token_outlives_its_hold_by_a_minute() {
        let mut work = active();
        assert_eq!(work.token_until(), Some(at(11 + 300 + 60)));
        work.stop(true, at(20));
        assert_eq!(work.token_until(), Some(at(20 + 60)));

        let mut late = active();
        late.stop(true, at(5000));
        assert_eq!(late.token_until(), Some(at(11 + 300 + 60)));
    }

    #[test]
    fn the_first_heartbeat_decides_who_holds_an_item() {
        let (early, late) = (TokenId::new("1"), TokenId::new("2"));
        let mut work = queued();
        work.offer(early.clone(), at(10));
        work.offer(late.clone(), at(16));
        assert!(!work.is_held_by(&early));
        assert!(matches!(
            work.heartbeat(Some(NO_HEARTBEAT), None, Some(&early), at(17)),
            Err(Error::LeaseLost(_))
        ));

        work.acknowledge(at(17)).unwrap();
        work.heartbeat(Some(NO_HEARTBEAT), None, Some(&early), at(17)).unwrap();

        assert!(work.is_held_by(&early) && !work.is_held_by(&late));
        assert!(matches!(
            work.heartbeat(None, None, Some(&late), at(18)),
            Err(Error::LeaseLost(_))
        ));
        assert!(matches!(work.check_stop(&late), Err(Error::OutOfDate(_))));
        assert!(work.check_stop(&early).is_ok());
    }
}
