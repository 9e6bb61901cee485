use super::super::id::RequestId;
use super::*;

fn caller(scopes: Scopes) -> Caller {
    let key = ApiKeyId::new("1");
    Caller {
        workspace: WorkspaceId::new("1"),
        first_workspace: true,
        actor: Actor::ApiKey(key.clone()),
        credential: Credential::Key(key),
        scopes,
        reach: Reach::Workspace,
        unenrolled: None,
    }
}

#[test]
fn scopes_are_written_in_one_order_and_read_back() {
    let scopes: Scopes = "redact,read".parse().unwrap();
    assert_eq!(scopes.to_string(), "read,redact");
    assert_eq!("".parse::<Scopes>().unwrap().to_string(), "");
    assert!("root".parse::<Scopes>().is_err());
}

#[test]
fn admin_implies_nothing_else() {
    let admin = caller(Scopes::of([Scope::Admin]));
    assert!(granted::<ToAdmin>(admin.clone()).is_ok());
    assert_eq!(
        granted::<ToRead>(admin).unwrap_err().to_string(),
        "this credential lacks the scope \"read\"; it has \"admin\""
    );
}
fn of_session(access: Access) -> Caller {
    let stores = Arc::from([(StoreId::new("1"), access)]);
    let session = SessionId::new("1");
    Caller {
        actor: Actor::Session(session.clone()),
        credential: Credential::Token(TokenId::new("1")),
        reach: Reach::Session { session, stores },
        ..caller(Scopes::of([]))
    }
}

fn granted<S: Required>(caller: Caller) -> Result<Grant<S>> {
    Grant::new(caller, RequestId::new("1"), None)
}

#[test]
fn a_session_token_reaches_its_stores_and_no_others() {
    let grant = granted::<ToReadStore>(of_session(Access::ReadOnly)).unwrap();
    assert!(grant.store(&StoreId::new("1")).is_ok());
    assert!(matches!(grant.store(&StoreId::new("2")), Err(Error::NotFound { .. })));
}

#[test]
fn a_read_only_store_is_not_written_to() {
    let store = StoreId::new("1");
    let writes = |access| granted::<ToWriteStore>(of_session(access)).unwrap();
    assert!(writes(Access::ReadWrite).store(&store).is_ok());
    let refused = writes(Access::ReadOnly);
    assert!(matches!(refused.store(&store), Err(Error::Forbidden(_))));
}

#[test]
fn a_session_token_neither_redacts_nor_administers_nor_takes_work() {
    let token = || of_session(Access::ReadWrite);
    assert!(granted::<ToRedact>(token()).is_err());
    assert!(granted::<ToAdmin>(token()).is_err());
    assert!(granted::<ToRead>(token()).is_err());
    assert!(granted::<ToWork>(token()).is_err());
    assert!(granted::<ToHoldWork>(token()).is_ok());
}

#[test]
fn every_credential_may_see_itself() {
    assert!(granted::<ToSeeItself>(of_session(Access::ReadOnly)).is_ok());
    for scope in Scope::ALL {
        assert!(granted::<ToSeeItself>(caller(Scopes::of([scope]))).is_ok());
    }
    let reach = Reach::Environment(EnvironmentId::new("1"));
    let key = Caller { reach, ..caller(Scopes::of([])) };
    assert!(granted::<ToSeeItself>(key).is_ok());
}

#[test]
fn an_environment_key_reaches_its_own_queue() {
    let reach = Reach::Environment(EnvironmentId::new("1"));
    let key = || Caller { reach: reach.clone(), ..caller(Scopes::of([])) };
    let grant = granted::<ToWork>(key()).unwrap();
    assert!(grant.environment(&EnvironmentId::new("1")).is_ok());
    assert!(matches!(grant.environment(&EnvironmentId::new("2")), Err(Error::Forbidden(_))));
    assert!(granted::<ToReadStore>(key()).is_err());
    assert!(granted::<ToReadSession>(key()).is_err());
}
