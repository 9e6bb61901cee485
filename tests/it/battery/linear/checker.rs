//! Whether there is an order of a history's calls that the rules allow, in which no call comes
//! before one that was answered before it was asked: the search of Wing and Gong, with Lowe's memory
//! of what was tried already.

use std::collections::HashSet;

use super::history::{Call, State};

/// The most calls that a history may have: they are numbered by the bits of a word.
pub const MOST: usize = 64;

/// An order, as the calls' numbers; `None` where there is none.
pub fn order(history: &[Call]) -> Option<Vec<usize>> {
    assert!(history.len() <= MOST);
    let mut search = Search { history, tried: HashSet::new(), order: Vec::new() };
    search.from(0, &State::default()).then_some(search.order)
}

struct Search<'a> {
    history: &'a [Call],
    /// Which calls were done, and what the store held then.
    tried: HashSet<(u64, State)>,
    order: Vec<usize>,
}

impl Search<'_> {
    fn from(&mut self, done: u64, state: &State) -> bool {
        if self.order.len() == self.history.len() {
            return true;
        }
        if !self.tried.insert((done, state.clone())) {
            return false;
        }
        let open = || (0..self.history.len()).filter(|call| done & (1 << call) == 0);
        let first_answer = open().map(|call| self.history[call].to).min();
        let may_be_next: Vec<_> =
            open().filter(|call| Some(self.history[*call].from) <= first_answer).collect();
        for call in may_be_next {
            let Call { asked, told, .. } = &self.history[call];
            let Some(next) = state.after(asked, told) else { continue };
            self.order.push(call);
            if self.from(done | 1 << call, &next) {
                return true;
            }
            self.order.pop();
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::super::history::{Asked, Change, Told};
    use super::*;

    fn call((from, to): (u64, u64), asked: Asked, told: Told) -> Call {
        Call { asked, told, from, to }
    }

    fn create(when: (u64, u64), content: &str) -> Call {
        let asked = Asked::Create { path: "/a", content: content.into() };
        call(when, asked, Told::Created("m".into()))
    }

    fn update(when: (u64, u64), content: &str, guard: &str, told: Told) -> Call {
        let change = Change { path: None, content: Some(content.into()) };
        let asked = Asked::Update { memory: "m".into(), change, guard: Some(guard.into()) };
        call(when, asked, told)
    }

    fn read(when: (u64, u64), content: &str) -> Call {
        let told = Told::Shown { path: "/a".into(), content: content.into() };
        call(when, Asked::Read { memory: "m".into() }, told)
    }

    fn delete(when: (u64, u64)) -> Call {
        call(when, Asked::Delete { memory: "m".into(), guard: None }, Told::Deleted)
    }

    #[rstest]
    #[case::one_after_the_other(vec![create((0, 1), "1"), read((2, 3), "1")], true)]
    #[case::a_read_beside_a_write_may_see_either(
        vec![create((0, 1), "1"), update((2, 5), "2", "1", Told::Updated), read((3, 4), "1")], true
    )]
    #[case::a_read_after_a_write_sees_it(
        vec![create((0, 1), "1"), update((2, 3), "2", "1", Told::Updated), read((4, 5), "1")], false
    )]
    #[case::what_was_read_once_is_not_unread(
        vec![
            create((0, 1), "1"),
            update((2, 9), "2", "1", Told::Updated),
            read((3, 4), "2"),
            read((5, 6), "1"),
        ],
        false
    )]
    #[case::of_two_guarded_by_the_same_one_succeeds(
        vec![
            create((0, 1), "1"),
            update((2, 5), "2", "1", Told::Updated),
            update((3, 4), "3", "1", Told::Updated),
        ],
        false
    )]
    #[case::the_other_fails(
        vec![
            create((0, 1), "1"),
            update((2, 5), "2", "1", Told::Updated),
            update((3, 4), "3", "1", Told::PreconditionFailed),
        ],
        true
    )]
    #[case::nothing_is_deleted_twice(
        vec![create((0, 1), "1"), delete((2, 5)), delete((3, 4))], false
    )]
    #[case::a_path_is_taken_once(vec![create((0, 3), "1"), create((1, 2), "2")], false)]
    fn a_history_is_judged(#[case] history: Vec<Call>, #[case] allowed: bool) {
        assert_eq!(order(&history).is_some(), allowed);
    }

    /// Tries every order there is.
    fn by_force(left: &[Call], state: &State) -> bool {
        left.is_empty()
            || (0..left.len()).any(|at| {
                let call = &left[at];
                let may = left.iter().all(|other| other.to >= call.from);
                let mut rest = left.to_vec();
                rest.remove(at);
                may && state
                    .after(&call.asked, &call.told)
                    .is_some_and(|next| by_force(&rest, &next))
            })
    }

    fn any_call() -> impl Strategy<Value = Call> {
        let content = || prop::sample::select(vec!["1", "2"]);
        let when = (0_u64..12, 1_u64..6);
        (0..5, content(), content(), prop::bool::ANY, when).prop_map(
            |(kind, content, guard, succeeds, (from, length))| {
                let when = (from, from + length);
                let failed = Told::PreconditionFailed;
                match kind {
                    0 => create(when, content),
                    1 => {
                        update(when, content, guard, if succeeds { Told::Updated } else { failed })
                    }
                    2 => delete(when),
                    _ => read(when, content),
                }
            },
        )
    }

    proptest! {
        #[test]
        fn it_finds_an_order_where_there_is_one(
            history in prop::collection::vec(any_call(), 1..6)
        ) {
            let found = order(&history);
            prop_assert_eq!(found.is_some(), by_force(&history, &State::default()));
        }
    }
}
