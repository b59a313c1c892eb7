import assert from 'node:assert/strict'
import { afterEach, beforeEach, describe, test, type TestContext } from 'node:test'
import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises'
import { pino } from 'pino'
import { ManifestAgent, type ManifestAgentOptions } from '../../src/agent/manifest-agent.ts'
import { dataplaneConfig } from '../../src/config/dataplane-flags.ts'
import { NetworkNamespace } from '../../src/netlink/namespace.ts'
import type { SyncReport } from '../../src/sync/syncer.ts'
import { type Manifest, ManifestDirectory, served, service, slice } from '../cli/manifests.ts'
import { load, ruleset, untilRuleset } from '../cli/ruleset.ts'
import { until } from '../cli/until.ts'
import { inNamespace } from '../lab/namespace.ts'
import { needs, root, tool } from '../lab/requirements.ts'

/** Longer than a change takes to be noticed, read and programmed. */
const unhurriedMs = 400

describe('the manifest agent', needs(root, tool('nft')), () => {
  let namespace: NetworkNamespace
  let agent: ManifestAgent | undefined
  let reports: SyncReport[]
  let log: { readonly level: number; readonly msg: string; readonly err?: string }[]

  beforeEach(() => {
    namespace = NetworkNamespace.create()
    reports = []
    log = []
  })

  afterEach(async () => {
    await agent?.close()
    agent = undefined
    namespace.close()
  })

  function agentFor(manifests: string, options: Partial<ManifestAgentOptions> = {}): ManifestAgent {
    agent = new ManifestAgent({
      manifests,
      nodeName: 'node',
      families: ['IPv4'],
      dataplane: dataplaneConfig({}),
      minSyncPeriodMs: 0,
      retryPeriodMs: 200,
      log: pino({ base: null }, { write: (line: string) => log.push(JSON.parse(line) as (typeof log)[number]) }),
      inNamespace: (open) => inNamespace(namespace, open),
      onSync: (report) => reports.push(report),
      ...options,
    })
    return agent
  }

  /** Starts an agent for these files and waits for its first sync. */
  async function following(
    test: TestContext,
    files: Parameters<typeof ManifestDirectory.create>[1],
    options?: Partial<ManifestAgentOptions>,
  ): Promise<ManifestDirectory> {
    const manifests = await ManifestDirectory.create(test, files)
    assert.equal(await agentFor(manifests.path, options).start(), true)
    await report({ isFull: true })
    return manifests
  }

  /** Waits for a sync that did this, and forgets it and those before. */
  async function report(wanted: Partial<SyncReport>): Promise<void> {
    const keys = Object.keys(wanted) as (keyof SyncReport)[]
    const index = await until(
      () => {
        const found = reports.findIndex((report) => keys.every((key) => report[key] === wanted[key]))
        return found < 0 ? undefined : found
      },
      () => `a sync with ${JSON.stringify(wanted)} among ${JSON.stringify(reports)}`,
    )
    reports.splice(0, index + 1)
  }

  test('sends traffic to endpoints of the Node’s zone, and follows when the Node’s zone label changes', async (context) => {
    const manifests = await following(context, {
      'cart.yaml': [service('cart', '10.96.0.1'), zonedSlice({ '10.1.0.1': 'north', '10.1.0.2': 'south' })],
      'node.yaml': [node('north')],
    })
    const both = await untilRuleset(namespace, { has: '10.1.0.1 . 8080' })
    assert.doesNotMatch(both, /10\.1\.0\.2 /)
    await manifests.write('node.yaml', [node('south')])
    await untilRuleset(namespace, { has: '10.1.0.2 . 8080', hasNot: '10.1.0.1 ' })
    await manifests.write('node.yaml', [node('east')])
    await untilRuleset(namespace, { has: 'goto pick-tcp-2' })
    await manifests.write('node.yaml', [node('north'), node('south', 'another-node')])
    await untilRuleset(namespace, { has: '10.1.0.1 . 8080', hasNot: '10.1.0.2 ' })
  })

  test('keeps the zone of a Node whose object is gone', async (context) => {
    const manifests = await following(context, {
      'cart.yaml': [service('cart', '10.96.0.1'), zonedSlice({ '10.1.0.1': 'north', '10.1.0.2': 'south' })],
      'node.yaml': [node('north')],
    })
    await manifests.write('node.yaml', '# no Node any more')
    await manifests.write('web.yaml', served('web', '10.96.0.2', ['10.2.0.1']))
    const listed = await untilRuleset(namespace, { has: '10.2.0.1 . 8080' })
    assert.match(listed, /10\.1\.0\.1 \. 8080/)
    assert.doesNotMatch(listed, /10\.1\.0\.2 /)
  })

  test('follows the ranges of cluster IPs', async (context) => {
    const manifests = await following(context, { 'cidrs.yaml': [serviceCidr('10.96.0.0/16')] })
    await untilRuleset(namespace, { has: 'elements = { 10.96.0.0/16 }' })
    await manifests.write('cidrs.yaml', [serviceCidr('10.96.0.0/16', '10.200.0.0/24')])
    await untilRuleset(namespace, { has: '10.200.0.0/24' })
    await manifests.write('cidrs.yaml', [serviceCidr('10.200.0.0/24')])
    await untilRuleset(namespace, { has: '10.200.0.0/24', hasNot: '10.96.0.0/16' })
    await manifests.write('cidrs.yaml', '# none')
    await untilRuleset(namespace, { hasNot: '10.200.0.0/24' })
  })

  test('makes the table anew, after a failed sync and its retry, when somebody has deleted it', async (context) => {
    const manifests = await following(context, {
      'cart.yaml': served('cart', '10.96.0.1', ['10.1.0.1']),
      'web.yaml': served('web', '10.96.0.2', ['10.2.0.1']),
    })
    load(namespace, 'delete table ip kube-proxy')
    await manifests.write('cart.yaml', served('cart', '10.96.0.1', ['10.1.0.1', '10.1.0.2']))
    const listed = await untilRuleset(namespace, { has: '10.96.0.1 . 80 . 1 : 10.1.0.2 . 8080' })
    assert.match(listed, /10\.2\.0\.1 \. 8080/)
    const errors = log.filter(({ level }) => level === 50)
    assert.equal(errors.length, 1)
    assert.equal(errors[0]?.msg, 'sync failed, retry in 0.2 s at the latest')
    assert.match(errors[0]?.err ?? '', /kube-proxy.*: ENOENT/)
    await report({ isFull: true, endpointsAdded: 3 })
  })

  test('goes on by changes after that', async (context) => {
    const manifests = await following(context, { 'cart.yaml': served('cart', '10.96.0.1', ['10.1.0.1']) })
    load(namespace, 'flush map ip kube-proxy service-ips')
    await manifests.write('cart.yaml', served('cart', '10.96.0.1', ['10.1.0.1', '10.1.0.2']))
    await report({ isFull: true, endpointsAdded: 2 })
    await manifests.write('cart.yaml', served('cart', '10.96.0.1', ['10.1.0.1', '10.1.0.2', '10.1.0.3']))
    await report({ isFull: false, endpointsAdded: 1 })
    assert.match(ruleset(namespace), /10\.96\.0\.1 \. tcp \. 80 comment "shop\/cart:http" : goto pick-tcp-3/)
  })

  test('programs each family on its own', async (context) => {
    await following(
      context,
      {
        'cart.yaml': [
          ...served('cart', '10.96.0.1', ['10.1.0.1']),
          ...served('web', 'fd00:10:96::2', ['fd00:10:2::1']),
        ],
      },
      { families: ['IPv4', 'IPv6'] },
    )
    const listed = await untilRuleset(namespace, { has: 'fd00:10:96::2 . 80 . 0 : fd00:10:2::1 . 8080' })
    assert.match(listed, /10\.96\.0\.1 \. 80 \. 0 : 10\.1\.0\.1 \. 8080/)
  })

  test('does not start without its path, and programs nothing then', async () => {
    assert.equal(await agentFor('/nonexistent').start(), false)
    await sleep(unhurriedMs)
    assert.equal(ruleset(namespace), '')
    assert.deepEqual(
      log.map(({ msg }) => msg),
      ['/nonexistent: cannot be read: ENOENT'],
    )
  })

  test('finishes, when it is closed, the sync that is going on', async (context) => {
    const numbers = Array.from({ length: 5000 }, (_, index) => index)
    const items = numbers.map((n) => service(`svc-${n}`, `10.96.${n >> 8}.${n & 255}`))
    const manifests = await ManifestDirectory.create(context, {
      'many.json': JSON.stringify({ apiVersion: 'v1', kind: 'List', items }),
    })
    const requested = Promise.withResolvers<void>()
    const started = agentFor(manifests.path, { onSyncRequested: () => requested.resolve() })
    await started.start()
    await requested.promise
    await nextTurn()
    assert.equal(reports.length, 0, 'the first sync is over too soon for this test')
    await started.close()
    assert.equal(reports[0]?.services, items.length)
    assert.match(ruleset(namespace), new RegExp(`10\\.96\\.0\\.0 \\. tcp \\. 80 comment "shop/svc-0:http"`))
  })

  test('does nothing more once it is closed', async (context) => {
    const manifests = await following(context, { 'cart.yaml': served('cart', '10.96.0.1', ['10.1.0.1']) })
    await agent?.close()
    const programmed = ruleset(namespace)
    reports.length = 0
    await manifests.write('cart.yaml', served('cart', '10.96.0.1', ['10.1.0.2']))
    await sleep(unhurriedMs)
    assert.equal(ruleset(namespace), programmed)
    assert.deepEqual(reports, [])
  })
})

function node(zone: string, name = 'node'): Manifest {
  return { apiVersion: 'v1', kind: 'Node', metadata: { name, labels: { 'topology.kubernetes.io/zone': zone } } }
}

/** The slice of Service cart, with endpoints that are meant for one zone each. */
function zonedSlice(zones: Readonly<Record<string, string>>): Manifest {
  return slice('cart', Object.keys(zones), {
    endpoints: Object.entries(zones).map(([address, zone]) => ({
      addresses: [address],
      hints: { forZones: [{ name: zone }] },
    })),
  })
}

function serviceCidr(...cidrs: readonly string[]): Manifest {
  return { apiVersion: 'networking.k8s.io/v1', kind: 'ServiceCIDR', metadata: { name: 'kubernetes' }, spec: { cidrs } }
}
