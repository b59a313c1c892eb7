import assert from 'node:assert/strict'
import { rename, rm, unlink } from 'node:fs/promises'
import { afterEach, beforeEach, describe, test, type TestContext } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { NetworkNamespace } from '../../src/netlink/namespace.ts'
import { needs, root, tool } from '../lab/requirements.ts'
import { type LogLine, RunningProxy } from './flowproxy.ts'
import { ManifestDirectory, served, service } from './manifests.ts'
import { ruleset, untilRuleset } from './ruleset.ts'

const syncMessages = ['programmed', 'synced']

/** Longer than a change takes to be noticed, read and programmed. */
const unhurriedMs = 400

describe('flowproxy run follows its manifests', needs(root, tool('nft')), () => {
  let namespace: NetworkNamespace
  let proxy: RunningProxy

  beforeEach(() => {
    namespace = NetworkNamespace.create()
  })

  afterEach(async () => {
    await proxy.close()
    namespace.close()
  })

  /** Runs with cart at 10.96.0.1 in cart.yaml, one endpoint, and web at 10.96.0.2 in web.yaml. */
  async function running(test: TestContext, ...flags: readonly string[]): Promise<ManifestDirectory> {
    const manifests = await ManifestDirectory.create(test, {
      'cart.yaml': served('cart', '10.96.0.1', ['10.1.0.1']),
      'web.yaml': served('web', '10.96.0.2', ['10.2.0.1']),
    })
    proxy = new RunningProxy(['--manifests', manifests.path, ...flags], { namespace })
    await proxy.programmed()
    return manifests
  }

  function syncs(start: number): readonly LogLine[] {
    return proxy.log.slice(start).filter(({ msg }) => syncMessages.includes(msg))
  }

  test('a changed file is in the kernel soon', async (context) => {
    const manifests = await running(context)
    await manifests.write('cart.yaml', served('cart', '10.96.0.1', ['10.1.0.1', '10.1.0.2']))
    const listed = await untilRuleset(namespace, { has: '10.96.0.1 . 80 . 1 : 10.1.0.2 . 8080' })
    assert.match(listed, /10\.96\.0\.1 \. tcp \. 80 comment "shop\/cart:http" : goto pick-tcp-2/)
    assert.match(listed, /10\.96\.0\.2 \. tcp \. 80 comment "shop\/web:http" : goto pick-tcp-1/)
  })

  test('so are a new file, a file that is gone and one that is put in its place by renaming', async (context) => {
    const manifests = await running(context)
    await manifests.write('more.json', served('more', '10.96.0.3', ['10.3.0.1']))
    await untilRuleset(namespace, { has: '10.96.0.3 . tcp . 80' })
    await unlink(manifests.file('web.yaml'))
    await untilRuleset(namespace, { hasNot: '10.96.0.2' })
    await manifests.write('cart.tmp', served('cart', '10.96.0.1', ['10.1.0.9']))
    await rename(manifests.file('cart.tmp'), manifests.file('cart.yaml'))
    await untilRuleset(namespace, { has: '10.1.0.9', hasNot: '10.1.0.1 ' })
  })

  test('each sync is one line of JSON with counts and times', async (context) => {
    const manifests = await running(context)
    await sleep(unhurriedMs)
    const first = syncs(0).find(({ family }) => family === 'IPv4')
    assert.equal(syncs(0).length, 2, 'one for each family')
    assertSync(first, { full: true, services: 2, servicesChanged: 2, endpointsAdded: 2, endpointsRemoved: 0 })

    const start = proxy.log.length
    await manifests.write('cart.yaml', served('cart', '10.96.0.1', ['10.1.0.2', '10.1.0.3']))
    await proxy.logged('synced', start)
    await sleep(unhurriedMs)
    const lines = syncs(start).filter(({ family }) => family === 'IPv4')
    assert.equal(lines.length, 1)
    assertSync(lines[0], { full: false, services: 2, servicesChanged: 1, endpointsAdded: 2, endpointsRemoved: 1 })
    assert.ok(Number(lines[0]?.['elementsAdded']) >= 3, 'two slots and the verdict')
    assert.equal(
      syncs(start)
        .filter(({ family }) => family === 'IPv6')
        .every(isIdle),
      true,
    )
  })

  test('a file that stops parsing keeps its last good state and is reported with file, line and column', async (context) => {
    const manifests = await running(context)
    const before = ruleset(namespace)
    const start = proxy.log.length
    await manifests.write('cart.yaml', 'apiVersion: v1\nkind: Service\nmetadata: { name: cart\n')
    const line = await proxy.logged(/cart\.yaml/, start)
    assert.equal(line.level, 50)
    assert.ok(line.msg.startsWith(`${manifests.file('cart.yaml')}:4:1: `), line.msg)
    await manifests.write('web.yaml', served('web', '10.96.0.2', ['10.2.0.1', '10.2.0.2']))
    const listed = await untilRuleset(namespace, { has: '10.2.0.2' })
    for (const kept of ['10.96.0.1 . tcp . 80 comment "shop/cart:http" : goto pick-tcp-1', '10.1.0.1 . 8080']) {
      assert.ok(before.includes(kept) && listed.includes(kept), `"${kept}" is missing in\n${listed}`)
    }
    await manifests.write('cart.yaml', served('cart', '10.96.0.1', ['10.1.0.7']))
    await untilRuleset(namespace, { has: '10.1.0.7', hasNot: '10.1.0.1 ' })
  })

  test('a directory that vanishes keeps everything, and is followed when it comes back', async (context) => {
    const manifests = await running(context)
    const before = ruleset(namespace)
    const start = proxy.log.length
    await rm(manifests.path, { recursive: true })
    const line = await proxy.logged(/cannot be read/, start)
    assert.deepEqual([line.level, line.msg], [50, `${manifests.path}: cannot be read: ENOENT`])
    await sleep(unhurriedMs)
    assert.equal(ruleset(namespace), before)
    await manifests.restore()
    await manifests.write('cart.yaml', served('cart', '10.96.0.1', ['10.1.0.1', '10.1.0.2']))
    await untilRuleset(namespace, { has: '10.96.0.1 . 80 . 1 : 10.1.0.2 . 8080', hasNot: '10.96.0.2' })
    await manifests.write('web.yaml', served('web', '10.96.0.2', ['10.2.0.9']))
    await untilRuleset(namespace, { has: '10.2.0.9' })
  })

  test('a mistake in one object is one warning and stops no other', async (context) => {
    const manifests = await running(context)
    const start = proxy.log.length
    await manifests.write('web.yaml', [service('web', '10.96.0.2', { ports: [{ port: 0 }, { name: 'b', port: 81 }] })])
    await untilRuleset(namespace, { has: '10.96.0.2 . tcp . 81' })
    const warnings = proxy.log.slice(start).filter(({ level }) => level === 40)
    const expected = 'Service shop/web: spec.ports[0].port: 0 is not a whole number from 1 to 65535'
    assert.deepEqual(
      warnings.map(({ msg }) => msg),
      [`${manifests.file('web.yaml')}: ${expected}`],
    )
  })

  test('the log level leaves out what is below it', async (context) => {
    const manifests = await ManifestDirectory.create(context, { 'cart.yaml': [service('cart', '10.96.0.300')] })
    proxy = new RunningProxy(['--manifests', manifests.path, '--log-level', 'warn'], { namespace })
    await proxy.logged(/"10\.96\.0\.300" is not an IPv4 address/)
    await proxy.kill('SIGTERM')
    // Of node ports without a Node, and of the address.
    assert.deepEqual(
      proxy.log.map(({ level }) => level),
      [40, 40],
    )
  })
})

function assertSync(line: LogLine | undefined, expected: Readonly<Record<string, unknown>>): void {
  assert.ok(line !== undefined)
  assert.deepEqual(Object.fromEntries(Object.keys(expected).map((key) => [key, line[key]])), expected)
  for (const count of ['operations', 'bytes', 'elementsAdded', 'elementsRemoved', 'warnings']) {
    assert.ok(Number.isInteger(line[count]), `${count} is ${String(line[count])}`)
  }
  for (const time of ['planMs', 'encodeMs', 'kernelMs'])
    assert.ok(Number(line[time]) > 0, `${time} is ${String(line[time])}`)
}

/** A sync of a family that nothing has changed for. */
function isIdle(line: LogLine): boolean {
  return line['operations'] === 0 && line['elementsAdded'] === 0
}
