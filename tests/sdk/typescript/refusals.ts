import {
  APIError,
  AuthenticationError,
  BadRequestError,
  ConflictError,
  NotFoundError,
  PermissionDeniedError,
} from "@anthropic-ai/sdk";
import type { ErrorType } from "@anthropic-ai/sdk/resources/shared";
import assert from "node:assert/strict";

type Call = PromiseLike<unknown>;
type ErrorClass<E extends APIError> = abstract new (...args: never[]) => E;

export async function failure(call: Call): Promise<unknown> {
  try {
    await call;
  } catch (error) {
    return error;
  }
  assert.fail("the call was not refused");
}

export async function refusal<E extends APIError>(
  kind: ErrorClass<E>,
  type: ErrorType | "request_too_large",
  call: Call,
) {
  const error = await failure(call);
  assert.ok(error instanceof kind, `${String(error)} is not ${kind.name}`);
  const { inner, requestId } = envelope(error);
  assert.equal(error.type, type);
  assert.equal(inner.type, type);
  assert.equal(error.apiMessage, inner.message);
  assert.equal(error.errorCode, null);
  assert.equal(error.details, null);
  assert.equal(error.requestID, requestId);
  return Object.assign(error, { inner });
}

function envelope(error: APIError) {
  const body = error.error as Record<string, unknown>;
  assert.deepEqual(Object.keys(body), ["type", "error", "request_id"]);
  assert.equal(body.type, "error");
  const inner = body.error as Record<string, unknown>;
  assert.ok(typeof inner.message === "string" && inner.message.length > 0);
  assert.match(String(body.request_id), /^req_[0-9A-Za-z]+$/);
  return { inner, requestId: body.request_id };
}

export async function badRequest(call: Call, message = /./) {
  const error = await refusal(BadRequestError, "invalid_request_error", call);
  assert.equal(error.status, 400);
  assert.equal(error.headers.get("x-should-retry"), null);
  assert.match(error.apiMessage ?? "", message);
  return error;
}

export async function unauthorized(call: Call) {
  const error = await refusal(AuthenticationError, "authentication_error", call);
  assert.equal(error.status, 401);
  return error;
}

export async function forbidden(call: Call) {
  const error = await refusal(PermissionDeniedError, "permission_error", call);
  assert.equal(error.status, 403);
  return error;
}

export async function notFound(call: Call) {
  const error = await refusal(NotFoundError, "not_found_error", call);
  assert.equal(error.status, 404);
  assert.equal(error.headers.get("x-should-retry"), null);
  return error;
}

async function conflict(type: ErrorType, call: Call) {
  const error = await refusal(ConflictError, type, call);
  assert.equal(error.status, 409);
  assert.equal(error.headers.get("x-should-retry"), "false");
  return error;
}

export async function pathConflict(call: Call, blocker: { id: string; path: string }) {
  const { inner } = await conflict("memory_path_conflict_error", call);
  const { message, ...fields } = inner;
  assert.equal(typeof message, "string");
  assert.deepEqual(fields, {
    type: "memory_path_conflict_error",
    conflicting_path: blocker.path,
    conflicting_memory_id: blocker.id,
  });
}

export async function preconditionFailed(call: Call) {
  const { inner } = await conflict("memory_precondition_failed_error", call);
  assert.deepEqual(Object.keys(inner), ["type", "message"]);
  assert.doesNotMatch(String(inner.message), /[0-9a-f]{64}/);
}
