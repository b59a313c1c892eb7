import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { ProxyMetrics } from '../../src/server/metrics.ts'
import { metricsPages, type MetricsPagesOptions } from '../../src/server/metrics-pages.ts'
import { parseExposition, valueOf } from './exposition-parser.ts'
import { ask, serve } from './http.ts'

const startTime = Date.UTC(2026, 0, 2, 3, 4, 5)
const plainText = 'text/plain; charset=utf-8'

/** Path, the options that it needs, and the answer to a GET without a wish for a format. */
const fixedAnswers: readonly [path: string, contentType: string, body: string][] = [
  ['/healthz', plainText, 'ok'],
  ['/healthz/ping', plainText, 'ok'],
  ['/healthz?verbose', plainText, '[+]ping ok\nhealthz check passed\n'],
  ['/proxyMode', plainText, 'nftables'],
  [
    '/configz',
    'application/json',
    '{"kubeproxy.config.k8s.io":{"apiVersion":"kubeproxy.config.k8s.io/v1alpha1","kind":"KubeProxyConfiguration"}}',
  ],
  ['/flagz', plainText, 'flowproxy flags\n\nmaster=\nv=2\n'],
  [
    '/statusz',
    plainText,
    'flowproxy status\n\nstarted: 2026-01-02T03:04:05.000Z\nup: 90 s\nflowproxy: 1.2.3\nnode: v24.0.0\n' +
      'paths: /healthz /healthz/ping /metrics /metrics/slis /proxyMode /configz /flagz /statusz ' +
      '/debug/pprof /debug/flags /debug/flags/v\n',
  ],
  ['/debug/flags', plainText, '/debug/flags/v  verbosity of the log; PUT sets it\n'],
]

for (const [path, contentType, body] of fixedAnswers) {
  test(`${path} answers`, async (context) => {
    const { port, advance } = await pages(context)
    advance(90_000)
    const answer = await ask(port, path)
    assert.deepEqual([answer.status, answer.headers['content-type'], answer.body], [200, contentType, body])
    assert.equal(answer.headers['x-content-type-options'], 'nosniff')
  })
}

test('other paths are not found', async (context) => {
  const { port } = await pages(context)
  for (const path of ['/', '/livez', '/metrics/', '/healthz/x', '/debug/pprof/goroutine', '/debug/', '/proxymode']) {
    const { status, body } = await ask(port, path)
    assert.deepEqual([status, body], [404, '404 page not found\n'], path)
  }
})

test('without its feature gate, or without profiling, a page is not found', async (context) => {
  const { port } = await pages(context, { flags: undefined, versions: undefined, setVerbosity: undefined })
  const paths = ['/flagz', '/statusz', '/debug/pprof', '/debug/pprof/', '/debug/pprof/heap', '/debug/flags']
  for (const path of [...paths, '/debug/flags/v']) assert.equal((await ask(port, path)).status, 404, path)
})

test('/metrics is in the text format unless OpenMetrics is asked for', async (context) => {
  const { port } = await pages(context)
  const plain = await ask(port, '/metrics')
  assert.equal(plain.headers['content-type'], 'text/plain; version=0.0.4; charset=utf-8')
  assert.equal(valueOf(parseExposition(plain.body), 'kubeproxy_sync_proxy_rules_service_changes_total'), 0)
  const open = await ask(port, '/metrics', { headers: { Accept: 'application/openmetrics-text; version=1.0.0' } })
  assert.equal(open.headers['content-type'], 'application/openmetrics-text; version=1.0.0; charset=utf-8')
  assert.ok(open.body.endsWith('# EOF\n'))
})

test('/metrics/slis counts the health checks until DELETE resets them', async (context) => {
  const { port } = await pages(context)
  await ask(port, '/healthz')
  const labels = { name: 'ping', type: 'healthz', status: 'success' }
  const count = async (): Promise<number | undefined> =>
    valueOf(parseExposition((await ask(port, '/metrics/slis')).body), 'kubernetes_healthchecks_total', labels)
  assert.equal(await count(), 1)
  assert.equal((await ask(port, '/metrics/slis', { method: 'DELETE' })).body, 'metrics reset\n')
  assert.equal(await count(), undefined)
})

test('/flagz and /statusz are JSON or YAML on request', async (context) => {
  const { port, advance } = await pages(context)
  advance(90_999)
  const flagz = await ask(port, '/flagz', { headers: { Accept: 'application/json' } })
  assert.equal(flagz.headers['content-type'], 'application/json')
  assert.deepEqual(JSON.parse(flagz.body), {
    kind: 'Flagz',
    apiVersion: 'config.k8s.io/v1alpha1',
    metadata: { name: 'flowproxy' },
    flags: { master: '', v: '2' },
  })
  const statusz = await ask(port, '/statusz', { headers: { Accept: 'application/yaml' } })
  assert.equal(statusz.headers['content-type'], 'application/yaml')
  assert.match(statusz.body, /^kind: Statusz\napiVersion: config\.k8s\.io\/v1alpha1\n/)
  assert.match(statusz.body, /^startTime: 2026-01-02T03:04:05\.000Z\nuptimeSeconds: 90$/m)
})

test('PUT on /debug/flags/v sets the verbosity', async (context) => {
  const levels: number[] = []
  const { port } = await pages(context, { setVerbosity: (level) => levels.push(level) })
  const put = (body: string) => ask(port, '/debug/flags/v', { method: 'PUT', body })
  const { status, body } = await put('4\n')
  assert.deepEqual([status, body], [200, 'verbosity is 4\n'])
  for (const text of ['', 'high', '-1', '1.5', '1e2']) assert.equal((await put(text)).status, 400, text)
  assert.equal((await put('1'.repeat(2000))).status, 400)
  assert.equal((await ask(port, '/debug/flags/v')).status, 405)
  assert.deepEqual(levels, [4])
})

test('/debug/pprof leads to its index', async (context) => {
  const { port } = await pages(context)
  const { status, headers } = await ask(port, '/debug/pprof')
  assert.deepEqual([status, headers.location], [302, '/debug/pprof/'])
  assert.match((await ask(port, '/debug/pprof/')).body, /^\/debug\/pprof\/profile\?seconds=30 /)
})

type Pages = { readonly port: number; readonly advance: (ms: number) => void }

/** All pages on a port of loopback, and the time of day to move. */
async function pages(context: TestContext, options: Partial<MetricsPagesOptions> = {}): Promise<Pages> {
  let nowMs = startTime
  const wallClock = (): Date => new Date(nowMs)
  const listener = metricsPages({
    metrics: new ProxyMetrics({ version: '1.2.3', changes: () => [], wallClock }),
    mode: 'nftables',
    configuration: () => ({ apiVersion: 'kubeproxy.config.k8s.io/v1alpha1', kind: 'KubeProxyConfiguration' }),
    flags: () => ({ v: '2', master: '' }),
    versions: () => ({ flowproxy: '1.2.3', node: 'v24.0.0' }),
    setVerbosity: () => {},
    wallClock,
    ...options,
  })
  return { port: await serve(context, listener), advance: (ms) => void (nowMs += ms) }
}
