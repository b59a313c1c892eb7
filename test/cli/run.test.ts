import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { mkdtemp, rmdir } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, test } from 'node:test'
import { addAddress } from '../../src/netlink/address.ts'
import { NetworkNamespace } from '../../src/netlink/namespace.ts'
import { NETLINK_ROUTE, NetlinkSocket } from '../../src/netlink/socket.ts'
import { needs, root, tool } from '../lab/requirements.ts'
import { examples, flowproxy, RunningProxy } from './flowproxy.ts'
import { ManifestDirectory, served } from './manifests.ts'
import { load, proxyTables, ruleset, untilRuleset } from './ruleset.ts'

/** Of the Node in examples/: `run` takes node ports on those that the machine has, `render` on all. */
const exampleNodeAddresses = ['192.168.0.2/32', '2001:db8::1/128']

describe('flowproxy run', needs(root, tool('nft')), () => {
  let namespace: NetworkNamespace
  let proxy: RunningProxy | undefined
  // Whether there is a fast path depends on the kernel.
  const withoutFastpath = ['--fastpath-packet-threshold', '0']
  const manifests = ['--manifests', examples, '--node-name', 'node', '--cluster-cidr', '10.244.0.0/16']
  const exampleArgs = [...manifests, ...withoutFastpath]

  beforeEach(async () => {
    namespace = NetworkNamespace.create()
    const route = namespace.run(() => new NetlinkSocket(NETLINK_ROUTE))
    for (const address of exampleNodeAddresses) await addAddress(route, 'lo', address)
    route.close()
  })

  afterEach(async () => {
    await proxy?.close()
    proxy = undefined
    namespace.close()
  })

  async function runExamples(env = process.env): Promise<RunningProxy> {
    proxy = new RunningProxy(exampleArgs, { namespace, env })
    await proxy.programmed()
    return proxy
  }

  test('programs what render prints', async () => {
    await runExamples()
    const rendered = await flowproxy(['render', ...exampleArgs])
    const other = NetworkNamespace.create()
    try {
      load(other, rendered.stdout)
      assert.equal(proxyTables(namespace), proxyTables(other))
    } finally {
      other.close()
    }
  })

  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    test(`ends at once on ${signal}, with 0 and a word about the rules, which stay in force`, async () => {
      const running = await runExamples()
      const programmed = ruleset(namespace)
      const { status, ms } = await running.kill(signal)
      assert.equal(status, 0)
      assert.ok(ms < 2000, `took ${Math.round(ms)} ms`)
      assert.equal(running.log.at(-1)?.msg, 'stopped; the rules stay in force')
      assert.equal(ruleset(namespace), programmed)
    })
  }

  test('killed, it leaves its rules in force', async () => {
    const running = await runExamples()
    const programmed = ruleset(namespace)
    assert.equal((await running.kill('SIGKILL')).signal, 'SIGKILL')
    assert.equal(ruleset(namespace), programmed)
  })

  test('started again, it replaces the tables of its name and no others', async () => {
    await (await runExamples()).kill('SIGTERM')
    const programmed = proxyTables(namespace)
    const others = 'table inet kube-proxy {\n}\ntable ip filter {\n\tchain ours {\n\t}\n}\n'
    load(namespace, others)
    load(
      namespace,
      `add chain ip kube-proxy service-2QRHZV4L
       add rule ip kube-proxy services ip daddr 10.96.0.10 jump service-2QRHZV4L
       add element ip6 kube-proxy cluster-ips { fd00:10:96::99 }
       flush chain ip6 kube-proxy masquerading`,
    )
    assert.notEqual(proxyTables(namespace), programmed)
    await runExamples()
    assert.equal(proxyTables(namespace), programmed)
    assert.ok(ruleset(namespace).includes(others))
  })

  test('takes the place of a table of another layout', async () => {
    load(
      namespace,
      `table ip kube-proxy {
         map service-ips { type ipv4_addr . inet_proto . inet_service : verdict; }
         set cluster-ips { type ipv4_addr; comment "Active ClusterIPs"; }
         chain endpoint-a { meta l4proto tcp dnat to 10.244.1.11:8080; }
         chain service-a { numgen random mod 1 vmap { 0 : goto endpoint-a }; }
         chain services { ip daddr . meta l4proto . th dport vmap @service-ips; }
         chain nat-prerouting { type nat hook prerouting priority dstnat; jump services; }
       }
       add element ip kube-proxy service-ips { 10.96.0.10 . tcp . 80 : goto service-a }`,
    )
    await runExamples()
    const rendered = await flowproxy(['render', ...exampleArgs])
    const programmed = proxyTables(namespace)
    load(namespace, `flush ruleset\n${rendered.stdout}`)
    assert.equal(programmed, proxyTables(namespace))
  })

  test('without the path it exits with 2 and leaves the tables alone', async () => {
    await (await runExamples()).kill('SIGTERM')
    const programmed = ruleset(namespace)
    const { status, stdout, stderr } = await flowproxy(['run', '--manifests', '/nonexistent'], { namespace })
    assert.deepEqual({ status, stdout }, { status: 2, stdout: '' })
    assert.match(stderr, /^flowproxy: \/nonexistent could not be read as a whole; nothing was programmed$/m)
    assert.equal(ruleset(namespace), programmed)
  })

  test('with a file that does not parse it exits with 2 and leaves the tables alone', async (context) => {
    await (await runExamples()).kill('SIGTERM')
    const programmed = ruleset(namespace)
    const { path } = await ManifestDirectory.create(context, { 'good.yaml': [], 'half.yaml': 'kind: [' })
    const { status, stderr } = await flowproxy(['run', '--manifests', path], { namespace })
    assert.equal(status, 2)
    assert.match(stderr, /half\.yaml:1:8: /)
    assert.equal(ruleset(namespace), programmed)
  })

  test('makes no table for a family that the kernel has disabled', async () => {
    namespace.run(() => writeFileSync('/proc/sys/net/ipv6/conf/all/disable_ipv6', '1'))
    proxy = new RunningProxy(exampleArgs, { namespace })
    await proxy.programmed(1)
    await proxy.kill('SIGTERM')
    const tables = proxy.log.filter(({ msg }) => msg === 'programmed').map(({ family }) => family)
    assert.deepEqual(tables, ['IPv4'])
    assert.doesNotMatch(ruleset(namespace), /table ip6/)
  })

  test('goes on when nobody reads its log any more', async (context) => {
    const manifests = await ManifestDirectory.create(context, { 'all.yaml': served('cart', '10.96.0.1', ['10.1.0.1']) })
    proxy = new RunningProxy(['--manifests', manifests.path], { namespace })
    await proxy.programmed()
    proxy.closeLog()
    await manifests.write('all.yaml', served('cart', '10.96.0.1', ['10.1.0.2']))
    await untilRuleset(namespace, { has: '10.1.0.2', hasNot: '10.1.0.1' })
    assert.equal((await proxy.kill('SIGTERM')).status, 0)
  })

  test('starts no other program: there is none on its PATH', async () => {
    const nothing = await mkdtemp(join(tmpdir(), 'flowproxy-path-'))
    try {
      const running = await runExamples({ PATH: nothing })
      assert.match(ruleset(namespace), /10\.96\.0\.10 \. tcp \. 80 .*goto pick-tcp-3/)
      assert.equal((await running.kill('SIGTERM')).status, 0)
    } finally {
      await rmdir(nothing)
    }
  })
})
