//! What events do to a session.

use super::*;
use crate::domain::environment::{Environment, Place};
use crate::domain::event::{Effect, Sender};
use crate::domain::id::{TokenId, WorkId};

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_micros(seconds * 1_000_000)
}

fn session() -> Session {
    let json = |text: &str| Json::parsed(text.into());
    Session {
        id: SessionId::new("1"),
        workspace: WorkspaceId::new("1"),
        environment: EnvironmentId::new("1"),
        agent: AgentId::new("1"),
        agent_version: 1,
        config: Config {
            name: "researcher".into(),
            description: None,
            system: None,
            model: json("{}"),
            tools: json("[]"),
            mcp_servers: json("[]"),
            skills: json("[]"),
            multiagent: None,
            execution_identity: json("{}"),
        },
        title: None,
        metadata: Metadata::new(),
        budget: None,
        stores: Vec::new(),
        outcomes: Vec::new(),
        usage: None,
        status: Status::Idle,
        unanswered: Vec::new(),
        active_micros: 0,
        running_since: None,
        created_at: at(0),
        updated_at: at(0),
        ended_at: None,
        archived_at: None,
        ledger: Ledger { seq: 0, at: at(0) },
    }
}

fn environment(place: Place) -> Environment {
    Environment {
        id: EnvironmentId::new("1"),
        workspace: WorkspaceId::new("1"),
        name: "e".into(),
        description: None,
        place,
        metadata: Metadata::new(),
        created_at: at(0),
        updated_at: at(0),
        archived_at: None,
    }
}

fn event(kind: &str, effect: Effect) -> NewEvent {
    NewEvent { kind: kind.into(), body: Json::empty(), effect }
}

fn message() -> NewEvent {
    event("user.message", Effect::Message)
}

fn status(status: Status, unanswered: &[&str]) -> NewEvent {
    let unanswered = unanswered.iter().map(|id| (*id).to_owned()).collect();
    event("session.status", Effect::Status { status, unanswered })
}

fn result(to: &str) -> NewEvent {
    let kinds = &["agent.tool_use"];
    event("user.tool_result", Effect::Answer { to: to.into(), kinds })
}

/// Sends events at `seconds` to a session that has made two tool uses, `a` and `b`.
fn send(session: &mut Session, seconds: i64, events: Vec<NewEvent>) -> Result<Received> {
    let environment = environment(Place::SelfHosted);
    let known = [("a", "agent.tool_use"), ("b", "agent.tool_use"), ("m", "user.message")];
    let referred = known.map(|(id, kind)| (id.to_owned(), kind.to_owned())).into();
    let around =
        Surroundings { environment: &environment, referred, answered: [].into(), now: at(seconds) };
    let ids = (0..events.len())
        .map(|at| (EventId::new(&format!("{at}")), EventId::new(&format!("{at}_follows"))));
    let ids = ids.collect();
    session.receive(events, Sender::Harness, &around, ids)
}

fn kinds(received: &Received) -> Vec<&str> {
    received.all.iter().map(|event| event.kind.as_str()).collect()
}

#[test]
fn a_message_begins_a_turn_and_the_server_says_so() {
    let mut session = session();

    let received = send(&mut session, 1, vec![message(), message()]).unwrap();

    assert_eq!(kinds(&received), ["user.message", STATUS_RUNNING, "user.message"]);
    assert_eq!((received.sent.len(), received.calls), (2, true));
    assert_eq!(session.status, Status::Running);
    let next = send(&mut session, 2, vec![message()]).unwrap();
    assert_eq!((kinds(&next), next.calls), (vec!["user.message"], true));
}

#[test]
fn events_are_numbered_without_gaps_and_their_times_increase() {
    let mut session = session();
    let mut all = send(&mut session, 5, vec![message(), message()]).unwrap().all;
    all.extend(send(&mut session, 1, vec![message()]).unwrap().all);

    assert!(all.iter().map(|event| event.seq).eq(1..=4));
    assert!(all.is_sorted_by(|one, two| one.at < two.at));
}

#[test]
fn a_session_goes_on_when_all_that_it_waits_for_is_answered() {
    let mut session = session();
    send(&mut session, 1, vec![message(), status(Status::Idle, &["a", "b"])]).unwrap();

    let first = send(&mut session, 2, vec![result("a")]).unwrap();
    assert_eq!(kinds(&first), ["user.tool_result", STATUS_IDLE]);
    assert_eq!(
        first.all[1].body.as_str(),
        r#"{"stop_reason":{"type":"requires_action","event_ids":["b"]}}"#
    );
    assert_eq!(kinds(&send(&mut session, 3, vec![result("a")]).unwrap()), ["user.tool_result"]);

    let last = send(&mut session, 4, vec![result("b")]).unwrap();
    assert_eq!(kinds(&last), ["user.tool_result", STATUS_RUNNING]);
    assert!(last.calls);
}

#[test]
fn a_result_may_come_while_the_session_runs() {
    let mut session = session();
    send(&mut session, 1, vec![message()]).unwrap();

    let received = send(&mut session, 2, vec![result("a")]).unwrap();

    assert_eq!(kinds(&received), ["user.tool_result"]);
}

#[test]
fn an_answer_names_an_event_of_its_kind() {
    for unknown in ["c", "m"] {
        let refused = send(&mut session(), 1, vec![result(unknown)]).unwrap_err().to_string();
        assert!(refused.starts_with(&format!("events.0: {unknown} is no ")), "{refused}");
    }
    assert!(send(&mut session(), 1, vec![status(Status::Idle, &["c"])]).is_err());
}

#[test]
fn a_refused_event_leaves_nothing_behind() {
    let mut changed = session();

    send(&mut changed, 1, vec![message(), result("unknown")]).unwrap_err();

    assert_eq!(changed, session());
}

#[test]
fn a_tool_result_is_for_a_self_hosted_environment() {
    let json = |text: &str| Json::parsed(text.into());
    let cloud = environment(Place::Cloud { networking: json("{}"), packages: json("{}") });
    let referred = [("a".to_owned(), "agent.tool_use".to_owned())].into();
    let around = Surroundings { environment: &cloud, referred, answered: [].into(), now: at(1) };
    let ids = vec![(EventId::new("1"), EventId::new("2"))];

    assert!(session().receive(vec![result("a")], Sender::Client, &around, ids).is_err());
}

#[test]
fn a_terminated_session_takes_no_events_and_an_archived_one_neither() {
    let mut session = session();
    send(&mut session, 1, vec![status(Status::Terminated, &[])]).unwrap();
    assert!(session.is_over());
    assert!(send(&mut session, 2, vec![message()]).is_err());

    assert!(session.archive(EventId::new("9"), at(3)).unwrap().unwrap().is_empty());
    assert!(session.archive(EventId::new("9"), at(4)).unwrap().is_none());
    assert!(send(&mut session, 5, vec![message()]).is_err());
}

#[test]
fn archiving_terminates_what_rests_and_refuses_what_runs() {
    let mut resting = session();
    let told = resting.archive(EventId::new("9"), at(3)).unwrap().unwrap();
    assert_eq!(told[0].kind, STATUS_TERMINATED);
    assert_eq!((resting.status, resting.archived_at), (Status::Terminated, Some(at(3))));

    let mut running = session();
    send(&mut running, 1, vec![message()]).unwrap();
    assert!(running.archive(EventId::new("9"), at(3)).is_err());
    assert!(running.check_at_rest("deleted").is_err());
}

#[test]
fn the_time_of_running_adds_up() {
    let mut session = session();
    send(&mut session, 10, vec![message()]).unwrap();
    assert_eq!(session.active_micros(at(12)), 2_000_000);
    send(&mut session, 15, vec![status(Status::Idle, &[])]).unwrap();
    send(&mut session, 20, vec![message()]).unwrap();
    send(&mut session, 21, vec![status(Status::Terminated, &[])]).unwrap();

    assert_eq!(session.active_micros(at(99)), 6_000_000);
    assert_eq!(session.duration_micros(at(99)), 21_000_000);
}

#[test]
fn an_outcome_is_followed_by_its_evaluations() {
    let mut session = session();
    let defined = event("user.define_outcome", Effect::Outcome { description: "d".into() });
    send(&mut session, 1, vec![defined]).unwrap();
    let outcome = session.outcomes[0].id.clone();
    let evaluated = |result: &str, explanation: Option<&str>| {
        let evaluation = Evaluation {
            outcome: outcome.clone(),
            iteration: 2,
            result: result.into(),
            explanation: explanation.map(str::to_owned),
        };
        event("span.outcome_evaluation", Effect::Evaluation(evaluation))
    };

    send(&mut session, 2, vec![evaluated("evaluating", None)]).unwrap();
    assert_eq!((session.outcomes[0].iteration, session.outcomes[0].completed_at), (2, None));
    send(&mut session, 3, vec![evaluated("satisfied", Some("all there"))]).unwrap();

    assert_eq!(session.outcomes[0].completed_at, Some(at(3)));
    assert_eq!(session.outcomes[0].explanation.as_deref(), Some("all there"));
    assert!(outcome.starts_with("outc_"));
}

#[test]
fn a_system_message_ends_its_request_behind_what_it_accompanies() {
    let system = || event("system.message", Effect::System);
    let sent = |events| {
        let environment = environment(Place::SelfHosted);
        let around = Surroundings {
            environment: &environment,
            referred: [].into(),
            answered: [].into(),
            now: at(1),
        };
        let ids = vec![(EventId::new("1"), EventId::new("2")); 3];
        session().receive(events, Sender::Client, &around, ids).is_ok()
    };

    assert!(sent(vec![message(), system()]));
    assert!(!sent(vec![system()]));
    assert!(!sent(vec![message(), system(), message()]));
    assert!(!sent(vec![message(), system(), system()]));
}

#[test]
fn an_agent_is_changed_only_while_its_session_rests() {
    let patch = |tools: &str| SessionPatch {
        tools: Some(Json::parsed(tools.into())),
        mcp_servers: None,
        title: None,
        metadata: None,
        budget: None,
    };
    let changes = session().updated(patch("[1]")).unwrap();
    assert!(changes.agent && !changes.title && changes.any());
    assert!(!session().updated(patch("[]")).unwrap().any());

    let mut running = session();
    send(&mut running, 1, vec![message()]).unwrap();
    assert!(running.updated(patch("[1]")).is_err());
}

/// An item that was made at one time, and taken at another.
fn work(made: i64, taken: Option<i64>) -> Work {
    let (id, space) = (WorkId::new("1"), WorkspaceId::new("1"));
    let mut work = Work::new(id, space, EnvironmentId::new("1"), SessionId::new("1"), at(made));
    if let Some(taken) = taken {
        work.offer(TokenId::new("1"), at(taken));
        work.acknowledge(at(taken)).unwrap();
    }
    work
}

#[test]
fn a_turn_that_has_lost_its_worker_is_tried_once_more() {
    let mut session = session();
    send(&mut session, 5, vec![message()]).unwrap();

    assert_eq!(session.left_by(&work(4, Some(4)), at(9)), Some(at(9)));
    assert_eq!(session.left_by(&work(5, Some(6)), at(5)), Some(at(5).next()));
    assert_eq!(session.left_by(&work(6, Some(6)), at(9)), None);
    assert_eq!(session.left_by(&work(4, None), at(9)), None);
    send(&mut session, 7, vec![status(Status::Idle, &[])]).unwrap();
    assert_eq!(session.left_by(&work(4, Some(4)), at(9)), None);
}

#[test]
fn what_was_answered_before_it_was_asked_for_is_not_waited_for() {
    let waits = |answered: &[&str]| {
        let mut session = session();
        send(&mut session, 1, vec![message()]).unwrap();
        let environment = environment(Place::SelfHosted);
        let known = ["a", "b"].map(|id| (id.to_owned(), "agent.tool_use".to_owned()));
        let around = Surroundings {
            environment: &environment,
            referred: known.into(),
            answered: answered.iter().map(|id| (*id).to_owned()).collect(),
            now: at(2),
        };
        let ids = vec![(EventId::new("1"), EventId::new("2"))];
        let idle = vec![status(Status::Idle, &["a", "b"])];
        let received = session.receive(idle, Sender::Harness, &around, ids).unwrap();
        (received.all.len(), session.status, session.unanswered)
    };

    assert_eq!(waits(&[]), (1, Status::Idle, vec!["a".into(), "b".into()]));
    assert_eq!(waits(&["a"]), (2, Status::Idle, vec!["b".into()]));
    assert_eq!(waits(&["a", "b"]), (2, Status::Running, vec![]));
}

#[test]
fn nothing_comes_behind_the_end_within_one_request() {
    let ended = vec![status(Status::Terminated, &[]), status(Status::Running, &[])];
    assert!(send(&mut session(), 1, ended).is_err());
}
