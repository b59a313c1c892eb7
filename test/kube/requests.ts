import assert from 'node:assert/strict'
import { text } from 'node:stream/consumers'
import { KubeApiError } from '../../src/kube/api.ts'
import type { ApiRequest, ApiResponse } from '../../src/kube/api.ts'

/** A GET that nobody aborts, unless the parts say otherwise. */
export function get(path = '/api/v1/services?limit=5', parts: Partial<ApiRequest> = {}): ApiRequest {
  return { method: 'GET', path, signal: new AbortController().signal, idleTimeoutMs: 5_000, ...parts }
}

export async function read({ body }: ApiResponse): Promise<string> {
  return text(body)
}

/** The request has no answer, for this reason and with a message that says so. */
export async function failsWith(asked: Promise<unknown>, reason: string, message: RegExp): Promise<void> {
  await assert.rejects(asked, (error) => {
    assert.ok(error instanceof KubeApiError)
    assert.match(error.message, message)
    assert.equal(error.reason, reason)
    assert.equal(error.status, 0)
    return true
  })
}
