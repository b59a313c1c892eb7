import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { isExpired, isStreamRefused, refusal, statusError } from '../../src/kube/api-status.ts'
import type { ApiResponse } from '../../src/kube/api.ts'
import { status } from './scripted-api-server.ts'

const asked = { verb: 'list', path: '/api/v1/services' } as const

function answer(code: number, body: string, headers: ApiResponse['headers'] = {}): ApiResponse {
  return {
    status: code,
    headers,
    body: (async function* () {
      yield Buffer.from(body)
    })(),
  }
}

describe('an answer other than 200', () => {
  test('is told in the words of its Status object', async () => {
    const error = await refusal(answer(403, JSON.stringify(status(403, 'Forbidden'))), asked)
    assert.equal(error.message, 'list: 403 Forbidden: it is Forbidden')
    const { status: code, reason, path, retryAfterMs } = error
    assert.deepEqual(
      { code, reason, path, retryAfterMs },
      { code: 403, reason: 'Forbidden', path: asked.path, retryAfterMs: undefined },
    )
  })

  test('is told with the begin of its text when that is no Status', async () => {
    const page = await refusal(answer(502, `<html>${'x'.repeat(200_000)}`), asked)
    assert.match(page.message, /^list: 502: "<html>x+…$/)
    assert.ok(page.message.length < 120)
    assert.equal((await refusal(answer(500, ' '), asked)).message, 'list: 500')
    assert.equal((await refusal(answer(500, '[1]'), asked)).message, 'list: 500: "[1]"')
  })

  const waits: readonly (readonly [header: string | undefined, seconds: number | undefined, ms: number | undefined])[] =
    [
      ['7', undefined, 7_000],
      [undefined, 20, 20_000],
      ['7', 20, 7_000],
      ['0', undefined, 0],
      ['86400', undefined, 300_000],
      ['Wed, 21 Oct 2026 07:28:00 GMT', undefined, undefined],
      ['-1', undefined, undefined],
      [undefined, undefined, undefined],
    ]
  for (const [header, seconds, ms] of waits) {
    test(`with Retry-After ${header} and retryAfterSeconds ${seconds} asks for a wait of ${ms} ms`, async () => {
      const body = JSON.stringify(
        status(429, 'TooManyRequests', seconds === undefined ? {} : { retryAfterSeconds: seconds }),
      )
      const headers = header === undefined ? {} : { 'retry-after': header }
      assert.equal((await refusal(answer(429, body, headers), asked)).retryAfterMs, ms)
    })
  }
})

test('a Status that is none still becomes an error', () => {
  for (const raw of [null, 'no', [], { code: '410', message: 7 }]) assert.equal(statusError(raw, asked).message, 'list')
})

test('expired are 410 and the reasons that stand for it', () => {
  const expired = [status(410, 'Gone'), status(410, 'Expired'), status(500, 'Expired'), status(403, 'Forbidden')]
  assert.deepEqual(
    expired.map((raw) => isExpired(statusError(raw, asked))),
    [true, true, true, false],
  )
})

test('streamed lists are refused with the answers that plain lists would not get', () => {
  const refused = [400, 401, 403, 404, 405, 406, 408, 410, 422, 429, 500, 503].filter((code) =>
    isStreamRefused(statusError(status(code, ''), asked)),
  )
  assert.deepEqual(refused, [400, 405, 406, 422])
})
