import type Anthropic from "@anthropic-ai/sdk";
import type {
  BetaManagedAgentsEventParams,
  BetaManagedAgentsMemoryStoreResource,
  BetaManagedAgentsUserToolResultEvent,
} from "@anthropic-ai/sdk/resources/beta/sessions";
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { setTimeout } from "node:timers/promises";

import { all, connect, randomKey } from "./support.js";

const PATIENCE = 20_000;

export type Stage = Awaited<ReturnType<typeof newStage>>;

export interface Stored {
  id: string;
  type: string;
  processed_at: string;
  [key: string]: unknown;
}

/** A name of its own, since the worker mounts by name and this machine has one /mnt/memory. */
export function unique(name: string): string {
  return `${name} ${randomUUID().slice(0, 13)}`;
}

export function text(line: string) {
  return { type: "text" as const, text: line };
}

export function says(line: string): BetaManagedAgentsEventParams {
  return { type: "user.message", content: [text(line)] };
}

export function toolUse(name: string, input: object) {
  return { type: "agent.tool_use", name, input };
}

export function idle(stop_reason: object = { type: "end_turn" }) {
  return { type: "session.status_idle", stop_reason };
}

/** An agent, a self-hosted environment with its key, and a client of the worker. */
export async function newStage(apiKey = randomKey()) {
  const connection = connect({ apiKey });
  const { agents, environments, sessions } = connection.client.beta;
  const agent = await agents.create({
    name: "Research agent",
    model: "claude-opus-5-5",
    tools: [{ type: "agent_toolset_20260401" }],
  });
  const environment = await environments.create({
    name: "Own machines",
    config: { type: "self_hosted" },
  });
  const key = await environmentKey(connection.client, environment.id);
  const inEnvironment = { environment_id: environment.id };
  return {
    ...connection,
    agents,
    environments,
    sessions,
    agent,
    environment,
    inEnvironment,
    key,
    worker: connect({ apiKey: key }),
    session: (resources: Anthropic.Beta.SessionCreateParams["resources"] = []) =>
      sessions.create({ agent: agent.id, environment_id: environment.id, resources }),
  };
}

export async function environmentKey(client: Anthropic, environment_id: string) {
  const body = { name: "worker", environment_id };
  const made = (await client.post("/x/v1/api_keys", { body })) as { key: string };
  return made.key;
}

export async function sessionToken(client: Anthropic, session: string, body: object = {}) {
  const made = (await client.post(`/x/v1/sessions/${session}/tokens`, { body })) as {
    token: string;
    expires_at: string | null;
  };
  return made;
}

export function mountOf(resource: unknown): string {
  const { mount_path } = resource as BetaManagedAgentsMemoryStoreResource;
  assert.ok(mount_path);
  return mount_path;
}

/** The model's part in one session, which the test plays. */
export function modelOf({ client, sessions }: Stage, session: string) {
  const emit = async (...events: object[]) => {
    const body = { events };
    const answer = (await client.post(`/x/v1/sessions/${session}/events`, { body })) as {
      data: Stored[];
    };
    return answer.data;
  };
  const call = async (tool: string, input: object) => {
    const stream = await sessions.events.stream(session);
    const [use] = await emit(toolUse(tool, input));
    for await (const event of stream) {
      if (event.type === "user.tool_result" && event.tool_use_id === use?.id) {
        return { text: textOf(event), isError: event.is_error === true };
      }
    }
    assert.fail("the stream ended before the result came");
  };
  return { emit, call, endTurn: () => emit(idle()) };
}

function textOf({ content }: BetaManagedAgentsUserToolResultEvent): string {
  return (content ?? []).map((block) => (block.type === "text" ? block.text : "")).join("");
}

/** The official worker, unmodified, at work until every item of the environment is stopped. */
export async function atWork(t: TestContext, stage: Stage, play: () => Promise<void>) {
  const workdir = await mkdtemp(join(tmpdir(), "memstored-"));
  t.after(() => rm(workdir, { recursive: true }));
  const ending = new AbortController();
  const worker = stage.worker.client.beta.environments.work.worker({
    environmentId: stage.environment.id,
    environmentKey: stage.key,
    workdir,
    maxIdleMs: 100,
    signal: ending.signal,
  });
  const running = worker.run();
  try {
    await play();
    await allStopped(stage);
  } finally {
    ending.abort();
    await running;
  }
}

async function allStopped({ worker, environment }: Stage): Promise<void> {
  const { work } = worker.client.beta.environments;
  const deadline = Date.now() + PATIENCE;
  for (;;) {
    const items = await all(work.list(environment.id));
    if (items.every(({ state }) => state === "stopped")) return;
    assert.ok(Date.now() < deadline, "the worker has not finished");
    await setTimeout(20);
  }
}
