import assert from 'node:assert/strict'
import { test } from 'node:test'
import { negotiate } from '../../src/server/negotiate.ts'

const cases: readonly [accept: string | undefined, chosen: string][] = [
  [undefined, 'text/plain'],
  ['*/*', 'text/plain'],
  ['', 'text/plain'],
  ['application/json', 'application/json'],
  ['text/html, application/JSON;charset=utf-8', 'application/json'],
  ['application/yaml;q=0.9, application/json;q=0.4', 'application/yaml'],
  ['application/json;q=0', 'text/plain'],
  ['application/json;q=x', 'text/plain'],
  ['image/png', 'text/plain'],
  ['application/json;q=0.5;v=v1, application/json;v=v2;q=0.7, application/yaml;q=0.6', 'application/json'],
]

for (const [accept, chosen] of cases) {
  test(`Accept: ${accept ?? '(absent)'} gets ${chosen}`, () => {
    assert.equal(negotiate(accept, ['text/plain', 'application/json', 'application/yaml']), chosen)
  })
}
