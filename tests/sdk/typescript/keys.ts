import assert from "node:assert/strict";

import type { Scope } from "./operations.js";
import { type Actor, connect, setting } from "./support.js";

interface KeyRequest {
  scopes: (Scope | "admin")[];
  expires_at?: string;
  as_service?: string;
  as_user?: string;
}

interface Key {
  id: string;
  key: string;
  actor: Actor;
}

/** A new key of the first workspace, and a client that uses it. */
export async function withKey(request: KeyRequest) {
  const key = (await manage("", { name: "acceptance test", ...request })) as Key;
  return { ...connect({ apiKey: key.key }), key };
}

export async function revoke({ id }: Key): Promise<void> {
  await manage(`/${id}/revoke`, {});
}

export function asAdmin() {
  return connect({ apiKey: setting("MEMSTORED_TEST_ADMIN_KEY") });
}

async function manage(action: string, body: object): Promise<unknown> {
  const response = await fetch(`${setting("MEMSTORED_TEST_URL")}/x/v1/api_keys${action}`, {
    method: "POST",
    headers: {
      authorization: `Bearer ${setting("MEMSTORED_TEST_ADMIN_KEY")}`,
      "content-type": "application/json",
    },
    body: JSON.stringify(body),
  });
  const text = await response.text();
  assert.ok(response.ok, `${response.status} ${text}`);
  return JSON.parse(text);
}
