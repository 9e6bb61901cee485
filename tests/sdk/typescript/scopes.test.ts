import { test } from "node:test";
import { setTimeout } from "node:timers/promises";

import { asAdmin, revoke, withKey } from "./keys.js";
import { newTarget, operations } from "./operations.js";
import { forbidden, unauthorized } from "./refusals.js";
import { untyped } from "./support.js";

async function works(call: PromiseLike<unknown>): Promise<boolean> {
  return call.then(
    () => true,
    () => false,
  );
}

for (const scope of ["read", "write", "redact", "admin"] as const) {
  test(`a key with the scope ${scope} may do that and nothing else`, async () => {
    const { stores } = await withKey({ scopes: [scope] });

    for (const operation of operations) {
      const call = operation.call(stores, await newTarget(asAdmin().client));
      await (operation.scope === scope ? call : forbidden(call));
    }
  });
}

test("a missing scope is noticed before the body and before the target", async () => {
  const { stores, memories } = await withKey({ scopes: ["read"] });

  await forbidden(stores.create(untyped({})));
  await forbidden(memories.create("memstore_unknown", { path: "", content: null }));
});

test("an expired key is no credential", async () => {
  const expires = Date.now() + 200;
  const expires_at = new Date(expires).toISOString();
  const { stores } = await withKey({ scopes: ["read"], expires_at });

  while (Date.now() <= expires) await setTimeout(20);

  await unauthorized(stores.list());
});

test("a revoked key is no credential within a second", async () => {
  const { stores, key } = await withKey({ scopes: ["read"] });
  await stores.list();

  await revoke(key);
  const deadline = Date.now() + 1_000;
  while (Date.now() < deadline && (await works(stores.list()))) await setTimeout(20);

  await unauthorized(stores.list());
});
