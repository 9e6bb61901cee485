//! Sessions: made, listed, changed, archived, deleted.

use serde_json::{Value, json};

use crate::support::server::{NOW, column, text};
use crate::support::{Database, Server, Stage};

#[tokio::test]
async fn a_session_carries_its_agent_its_stores_and_where_they_are_mounted() {
    let server = Server::start().await;
    let stage = Stage::new(&server).await;
    let mut wanted = stage.wanted();
    wanted["resources"][1]["instructions"] = json!("Look here\nfirst.");
    wanted["resources"][0]["access"] = Value::Null;

    let session = server.post("/v1/sessions", wanted).await.ok();

    assert_eq!(
        session["resources"],
        json!([
            {
                "type": "memory_store",
                "memory_store_id": stage.stores[0],
                "access": "read_write",
                "name": "Research Notes",
                "description": "",
                "instructions": null,
                "mount_path": "/mnt/memory/research-notes",
            },
            {
                "type": "memory_store",
                "memory_store_id": stage.stores[1],
                "access": "read_only",
                "name": "House Rules",
                "description": "",
                "instructions": "Look here\nfirst.",
                "mount_path": "/mnt/memory/house-rules",
            },
        ])
    );
    assert_eq!(session["status"], "idle");
    assert_eq!(session["agent"]["id"], stage.agent.as_str());
    assert_eq!(session["vault_ids"], json!([]));
}

#[tokio::test]
async fn what_a_session_took_over_stays_as_it_was() {
    let server = Server::start().await;
    let stage = Stage::new(&server).await;
    let before = server.get(&stage.path()).await.ok();
    let agent = format!("/v1/agents/{}", stage.agent);
    let store = format!("/v1/memory_stores/{}", stage.stores[0]);

    server.post(&agent, json!({"name": "renamed"})).await.ok();
    server.post(&store, json!({"name": "Renamed", "description": "new"})).await.ok();

    let after = server.get(&stage.path()).await.ok();
    assert_eq!((&after["agent"], &after["resources"]), (&before["agent"], &before["resources"]));
    let later = stage.another(&server).await;
    assert_eq!(later["agent"]["version"], 2);
    assert_eq!(later["resources"][0]["mount_path"], "/mnt/memory/renamed");
    let mut pinned = stage.wanted();
    pinned["agent"] = json!({"type": "agent", "id": stage.agent, "version": 1});
    assert_eq!(server.post("/v1/sessions", pinned).await.ok()["agent"]["name"], "researcher");
}

#[tokio::test]
async fn a_session_may_replace_values_of_its_agent() {
    let server = Server::start().await;
    let stage = Stage::new(&server).await;
    let mut wanted = stage.wanted();
    wanted["agent"] = json!({
        "type": "agent_with_overrides",
        "id": stage.agent,
        "model": "other",
        "system": "Only today.",
        "tools": [{"type": "agent_toolset_20260401"}],
    });

    let session = server.post("/v1/sessions", wanted.clone()).await.ok();

    assert_eq!(session["agent"]["model"]["id"], "other");
    assert_eq!(session["agent"]["system"], "Only today.");
    assert_eq!(session["agent"]["name"], "researcher");
    let agent = server.get(&format!("/v1/agents/{}", stage.agent)).await.ok();
    assert_eq!((&agent["version"], &agent["system"]), (&json!(1), &Value::Null));
    wanted["agent"]["type"] = json!("agent");
    server.post("/v1/sessions", wanted).await.refused(400);
}

#[tokio::test]
async fn what_can_not_be_attached_is_refused() {
    let server = Server::start().await;
    let stage = Stage::new(&server).await;
    let archived = server.store().await;
    server.call("POST", &format!("{archived}/archive"), None).await.ok();
    let archived = archived.rsplit('/').next().unwrap().to_owned();
    let unknown = format!("memstore_{}", "0".repeat(26));
    let of = |id: &str| json!({"type": "memory_store", "memory_store_id": id});
    let attach = async |resources: Value| {
        let mut wanted = stage.wanted();
        wanted["resources"] = resources;
        server.post("/v1/sessions", wanted).await
    };

    let mut many = vec![of(&stage.stores[0])];
    for _ in 0..8 {
        many.push(of(server.store().await.rsplit('/').next().unwrap()));
    }
    assert_eq!(
        attach(json!(many)).await.message(400),
        "resources cannot contain more than 8 memory_store entries"
    );
    attach(json!(many[..8])).await.ok();
    let twice = attach(json!([of(&stage.stores[0]), of(&stage.stores[0])])).await.message(400);
    assert!(twice.contains(&stage.stores[0]), "{twice}");
    attach(json!([of(&archived)])).await.refused(400);
    attach(json!([of(&unknown)])).await.refused(404);
    attach(json!([of("nonsense")])).await.refused(404);
    attach(json!([{"type": "file", "file_id": "file_1"}])).await.refused(400);
    let mut bad = of(&stage.stores[0]);
    bad["access"] = json!("write_only");
    let message = attach(json!([bad])).await.message(400);
    assert!(message.starts_with("resources.0.access must be"), "{message}");
    let mut long = of(&stage.stores[0]);
    long["instructions"] = json!("x".repeat(4097));
    attach(json!([long])).await.refused(400);
}

#[tokio::test]
async fn what_is_not_served_says_so() {
    let server = Server::start().await;
    let stage = Stage::new(&server).await;
    let mut wanted = stage.wanted();
    wanted["vault_ids"] = json!(["vlt_1"]);

    assert!(server.post("/v1/sessions", wanted).await.message(400).contains("no vaults"));
    let files = server.get("/v1/files").await.message(404);
    assert!(files.contains("memory stores") && files.ends_with("but not files"), "{files}");
    let threads = server.get(&format!("{}/threads", stage.path())).await.message(404);
    assert!(threads.ends_with("but not the threads of sessions"), "{threads}");
    let resource = format!("{}/resources/{}", stage.path(), stage.stores[0]);
    server.get(&resource).await.refused(404);
    server.delete(&resource).await.refused(404);
    let add = json!({"type": "memory_store", "memory_store_id": stage.stores[0]});
    server.post(&format!("{}/resources", stage.path()), add).await.refused(400);
}

#[tokio::test]
async fn initial_events_begin_the_first_turn() {
    let server = Server::start().await;
    let stage = Stage::new(&server).await;
    let mut wanted = stage.wanted();
    let message = json!({"type": "user.message", "content": [{"type": "text", "text": "hi"}]});
    wanted["initial_events"] = json!([message]);

    let session = server.post("/v1/sessions", wanted.clone()).await.ok();

    assert_eq!(session["status"], "running");
    let path = format!("/v1/sessions/{}/events", text(&session, "id"));
    let events = server.get(&path).await.ok();
    assert_eq!(column(&events, "type"), ["user.message", "session.status_running"]);
    wanted["initial_events"] = json!([{"type": "user.interrupt"}]);
    server.post("/v1/sessions", wanted.clone()).await.refused(400);
    wanted["initial_events"] = json!(vec![message; 51]);
    server.post("/v1/sessions", wanted).await.refused(400);
}

#[tokio::test]
async fn sessions_are_found_by_store_agent_status_and_time() {
    let server = Server::start().await;
    let stage = Stage::new(&server).await;
    let plain = json!({"agent": stage.agent, "environment_id": stage.environment});
    server.clock.set_micros(NOW + 10_000_000);
    let second = server.post("/v1/sessions", plain).await.ok();
    let second = text(&second, "id");
    stage.send(&server, json!([{"type": "user.message", "content": []}])).await;
    let found =
        async |query: &str| column(&server.get(&format!("/v1/sessions?{query}")).await.ok(), "id");
    let (first, both) = ([stage.session.as_str()], [second, &stage.session]);

    assert_eq!(found("").await, both);
    assert_eq!(found("order=asc").await, [&stage.session, second]);
    assert_eq!(found(&format!("memory_store_id={}", stage.stores[1])).await, first);
    assert_eq!(found("memory_store_id=memstore_none").await, [""; 0]);
    assert_eq!(found(&format!("agent_id={}", stage.agent)).await, both);
    assert_eq!(found(&format!("agent_id={}&agent_version=2", stage.agent)).await, [""; 0]);
    assert_eq!(found("statuses[]=running").await, first);
    assert_eq!(found("statuses[]=idle&statuses%5B%5D=running").await, both);
    assert_eq!(found("statuses=terminated").await, [""; 0]);
    assert_eq!(found("deployment_id=depl_1").await, [""; 0]);
    let at =
        text(&server.get(&format!("/v1/sessions/{second}")).await.ok(), "created_at").to_owned();
    assert_eq!(found(&format!("created_at[gte]={at}")).await, [second]);
    assert_eq!(found(&format!("created_at[gt]={at}")).await, [""; 0]);
    assert_eq!(found(&format!("created_at[lt]={at}")).await, first);
    assert_eq!(found(&format!("created_at[lte]={at}")).await, both);
    for bad in ["statuses=gone", "order=up", "agent_version=0", "created_at[gt]=now", "limit=101"] {
        server.get(&format!("/v1/sessions?{bad}")).await.refused(400);
    }
}

#[tokio::test]
async fn sessions_are_walked_both_ways() {
    let server = Server::start().await;
    let stage = Stage::new(&server).await;
    let mut made = vec![stage.session.clone()];
    for _ in 0..6 {
        made.insert(0, text(&stage.another(&server).await, "id").to_owned());
    }
    let page = async |query: String| server.get(&format!("/v1/sessions?limit=3{query}")).await.ok();
    let token = |page: &Value, key: &str| format!("&page={}", text(page, key));

    let first = page(String::new()).await;
    let second = page(token(&first, "next_page")).await;
    let third = page(token(&second, "next_page")).await;
    let back = page(token(&third, "prev_page")).await;
    let start = page(token(&back, "prev_page")).await;

    let ids = |page: &Value| column(page, "id");
    assert_eq!([ids(&first), ids(&second), ids(&third)].concat(), made);
    assert_eq!((&first["prev_page"], &third["next_page"]), (&Value::Null, &Value::Null));
    assert_eq!((ids(&back), ids(&start)), (ids(&second), ids(&first)));
    assert_eq!(start["prev_page"], Value::Null);
    assert_eq!(ids(&page(token(&back, "next_page")).await), ids(&third));
    let turned = format!("/v1/sessions?order=asc{}", token(&first, "next_page"));
    server.get(&turned).await.refused(400);
}

#[tokio::test]
async fn an_update_changes_what_it_names_and_tells_of_it() {
    let server = Server::start().await;
    let stage = Stage::new(&server).await;
    let tools = json!([{"type": "agent_toolset_20260401"}]);

    server.post(&stage.path(), json!({"title": "t", "metadata": {"k": "v"}})).await.ok();
    let same = server.post(&stage.path(), json!({"title": "t"})).await.ok();
    let changed = server.post(&stage.path(), json!({"agent": {"tools": tools}})).await.ok();

    assert_eq!((&same["title"], &same["metadata"]), (&json!("t"), &json!({"k": "v"})));
    assert_eq!(changed["agent"]["tools"], tools);
    let events = server.get(&format!("{}/events", stage.path())).await.ok();
    let told: Vec<_> = events["data"].as_array().unwrap().iter().collect();
    assert_eq!(told.len(), 2);
    assert_eq!((&told[0]["title"], told[0].get("agent")), (&json!("t"), None));
    assert_eq!((told[1].get("title"), &told[1]["agent"]["tools"]), (None, &tools));
    stage.send(&server, json!([{"type": "user.message", "content": []}])).await;
    server.post(&stage.path(), json!({"agent": {"tools": []}})).await.refused(400);
    server.post(&stage.path(), json!({"vault_ids": []})).await.refused(400);
}

#[tokio::test]
async fn a_budget_is_kept_and_only_a_session_that_had_one_gets_another() {
    let server = Server::start().await;
    let stage = Stage::new(&server).await;
    let budget = |amount: &str| json!({"type": "limit", "max_list_cost": {"amount": amount, "currency": "USD"}});
    let mut wanted = stage.wanted();
    wanted["budget"] = budget("2500");
    let session = server.post("/v1/sessions", wanted.clone()).await.ok();
    let path = format!("/v1/sessions/{}", text(&session, "id"));

    assert_eq!(session["budget"], budget("2500"));
    let raised = server.post(&path, json!({"budget": budget("3000")})).await.ok();
    assert_eq!(raised["budget"], budget("3000"));
    let removed = server.post(&path, json!({"budget": null})).await.ok();
    assert_eq!(removed["budget"], Value::Null);
    server.post(&path, json!({"budget": budget("1")})).await.refused(400);
    for bad in ["", "01", "-1", "1.5"] {
        wanted["budget"] = budget(bad);
        server.post("/v1/sessions", wanted.clone()).await.refused(400);
    }
}

#[tokio::test]
async fn archiving_ends_a_session_and_keeps_it() {
    let server = Server::start().await;
    let stage = Stage::new(&server).await;
    let archive = format!("{}/archive", stage.path());

    let archived = server.call("POST", &archive, None).await.ok();
    let again = server.call("POST", &archive, None).await.ok();

    assert_eq!(archived["status"], "terminated");
    assert_eq!(again["archived_at"], archived["archived_at"]);
    assert_eq!(server.get("/v1/sessions").await.ok()["data"], json!([]));
    let all = server.get("/v1/sessions?include_archived=true").await.ok();
    assert_eq!(column(&all, "id"), [stage.session.as_str()]);
    server.post(&stage.path(), json!({"title": "t"})).await.refused(400);
    let events = format!("{}/events", stage.path());
    let message = json!({"events": [{"type": "user.message", "content": []}]});
    server.post(&events, message).await.refused(400);
    assert_eq!(column(&server.get(&events).await.ok(), "type"), ["session.status_terminated"]);
}

#[tokio::test]
async fn a_running_session_is_neither_archived_nor_deleted() {
    let server = Server::start().await;
    let stage = Stage::new(&server).await;
    stage.send(&server, json!([{"type": "user.message", "content": []}])).await;

    server.call("POST", &format!("{}/archive", stage.path()), None).await.refused(400);
    server.delete(&stage.path()).await.refused(400);

    let idle = json!([{"type": "session.status_idle", "stop_reason": {"type": "end_turn"}}]);
    stage.play(&server, idle).await;
    server.delete(&stage.path()).await.ok();
}

#[tokio::test]
async fn a_deleted_session_leaves_only_what_it_wrote() {
    let server = Server::start().await;
    let stage = Stage::new(&server).await;
    let token = stage.token(&server).await;
    let store = format!("/v1/memory_stores/{}", stage.stores[0]);
    let body = json!({"path": "/a", "content": "x"});
    server.call_as(&token, "POST", &format!("{store}/memories"), Some(body)).await.ok();

    let receipt = server.delete(&stage.path()).await.ok();

    assert_eq!(receipt, json!({"id": stage.session, "type": "session_deleted"}));
    for path in [stage.path(), format!("{}/events", stage.path())] {
        server.get(&path).await.refused(404);
    }
    server.delete(&stage.path()).await.refused(404);
    server.call_as(&token, "GET", &store, None).await.refused(401);
    let versions = server.versions(&store).await;
    assert_eq!(
        versions[0]["created_by"],
        json!({"type": "session_actor", "session_id": stage.session})
    );
}

#[tokio::test]
async fn a_deleted_store_stays_in_the_session_and_can_not_be_reached() {
    let server = Server::start().await;
    let stage = Stage::new(&server).await;
    let token = stage.token(&server).await;
    let store = format!("/v1/memory_stores/{}", stage.stores[0]);

    server.delete(&store).await.ok();

    let session = server.get(&stage.path()).await.ok();
    assert_eq!(session["resources"][0]["name"], "Research Notes");
    server.call_as(&token, "GET", &format!("{store}/memories"), None).await.refused(404);
}

#[tokio::test]
async fn resources_come_all_at_once_or_in_pages() {
    let server = Server::start().await;
    let stage = Stage::new(&server).await;
    let path = format!("{}/resources", stage.path());

    let all = server.get(&path).await.ok();
    let first = server.get(&format!("{path}?limit=1")).await.ok();
    let next = format!("{path}?limit=1&page={}", text(&first, "next_page"));
    let second = server.get(&next).await.ok();

    assert_eq!(column(&all, "memory_store_id"), stage.stores);
    assert_eq!(column(&first, "memory_store_id"), stage.stores[..1]);
    assert_eq!(column(&second, "memory_store_id"), stage.stores[1..]);
    assert_eq!(second["next_page"], Value::Null);
    server.get(&format!("{path}?limit=1001")).await.refused(400);
}

#[tokio::test]
async fn the_journal_says_who_made_changed_and_ended_a_session() {
    let database = crate::support::Database::fresh();
    let server = Server::on(&database).await;
    let stage = Stage::new(&server).await;
    server.post(&stage.path(), json!({"title": "t"})).await.ok();
    stage.token(&server).await;
    server.call("POST", &format!("{}/archive", stage.path()), None).await.ok();
    server.delete(&stage.path()).await.ok();

    let mut direct = database.direct().await;
    let kinds =
        direct.texts("select kind from journal where ledger like 'wrkspc%' order by seq").await;

    assert_eq!(
        kinds[2..],
        [
            "agent_created",
            "environment_created",
            "session_created",
            "session_updated",
            "token_created",
            "session_archived",
            "session_deleted",
        ]
    );
    direct.check_history().await;
}

#[tokio::test]
async fn null_is_no_list_no_budget_and_no_override() {
    let server = Server::start().await;
    let stage = Stage::new(&server).await;
    for key in ["resources", "initial_events", "budget", "vault_ids"] {
        let mut wanted = stage.wanted();
        wanted[key] = Value::Null;

        let message = server.post("/v1/sessions", wanted).await.message(400);

        assert!(message.starts_with(key), "{message}");
    }
    for key in ["version", "model", "tools", "mcp_servers", "skills"] {
        let mut wanted = stage.wanted();
        wanted["agent"] = json!({"type": "agent_with_overrides", "id": stage.agent, key: null});

        let message = server.post("/v1/sessions", wanted).await.message(400);

        assert!(message.starts_with("agent"), "{message}");
    }
}

/// A credential is good for half a second after another server has ended it.
#[tokio::test]
async fn nothing_is_made_in_a_workspace_that_was_deleted_meanwhile() {
    let database = Database::fresh();
    let (one, two) = (Server::on(&database).await, Server::on(&database).await);
    let workspace = one.post("/x/v1/workspaces", json!({"name": "w"})).await.ok();
    let workspace = text(&workspace, "id");
    let key = json!({"name": "k", "workspace_id": workspace});
    let key = text(&one.post("/x/v1/api_keys", key).await.ok(), "key").to_owned();
    let make = async |path: &str, body: Value| two.call_as(&key, "POST", path, Some(body)).await;
    let agent = json!({"name": "a", "model": "m"});
    let environment = json!({"name": "e"});
    let made = make("/v1/agents", agent.clone()).await.ok();
    let place = make("/v1/environments", environment.clone()).await.ok();
    let session = json!({"agent": made["id"], "environment_id": place["id"]});
    one.delete(&format!("/x/v1/workspaces/{workspace}")).await.ok();

    make("/v1/agents", agent).await.refused(401);
    make("/v1/environments", environment).await.refused(401);
    // Its environment went with the workspace.
    make("/v1/sessions", session).await.refused(404);

    let left = "select count(*) from environments where deleted_at is null";
    assert_eq!(database.direct().await.count(left).await, 0);
    let last = format!("select kind from journal where ledger = '{workspace}' order by seq desc");
    assert_eq!(database.direct().await.texts(&last).await[0], "workspace_deleted");
}
