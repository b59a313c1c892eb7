import assert from 'node:assert/strict'
import { afterEach, beforeEach, describe, test } from 'node:test'
import { NetworkNamespace } from '../../src/netlink/namespace.ts'
import { createVethPair, setLinkUp } from '../../src/netlink/link.ts'
import { NETLINK_ROUTE, NetlinkSocket } from '../../src/netlink/socket.ts'
import { runInNamespace } from '../lab/program.ts'
import { needs, root, tool } from '../lab/requirements.ts'
import { examples, flowproxy, RunningProxy } from './flowproxy.ts'
import { load, ruleset } from './ruleset.ts'

/** What this kernel has decides what there is to be seen. */
describe('the fast path of flowproxy run', needs(root, tool('nft'), tool('curl')), () => {
  let namespace: NetworkNamespace
  let proxy: RunningProxy | undefined
  let hasFlowtables: boolean

  beforeEach(async () => {
    namespace = NetworkNamespace.create()
    const route = namespace.run(() => new NetlinkSocket(NETLINK_ROUTE))
    await createVethPair(route, { name: 'veth0', peer: { name: 'veth1' } })
    for (const name of ['lo', 'veth0', 'veth1']) await setLinkUp(route, name)
    route.close()
    const flowtable = 'flowtable f { hook ingress priority 0; }'
    const rules = `table inet t { ${flowtable}; chain c { type filter hook forward priority 0; flow add @f; }; }`
    hasFlowtables = runInNamespace(namespace, 'nft', ['-f', '-'], rules).status === 0
    runInNamespace(namespace, 'nft', ['flush', 'ruleset'])
  })

  afterEach(async () => {
    await proxy?.close()
    proxy = undefined
    namespace.close()
  })

  const ports = ['--healthz-bind-address=127.0.0.1:10256', '--metrics-bind-address=127.0.0.1:10249']

  async function run(...flags: readonly string[]): Promise<RunningProxy> {
    proxy = new RunningProxy(['--manifests', examples, ...ports, ...flags], { namespace })
    await proxy.programmed()
    return proxy
  }

  const aboutIt = ({ log }: RunningProxy): readonly string[] =>
    log.map(({ msg }) => msg).filter((msg) => /flow table|fast path|fastpath/.test(msg))

  const page = (path: string): string => runInNamespace(namespace, 'curl', ['-s', `http://127.0.0.1:${path}`]).stdout

  test('is active where the kernel has flow tables; elsewhere one line says that it is not, and Services work', async () => {
    const running = await run()
    const line = await running.logged(hasFlowtables ? /fast path is active/ : /this kernel has no flow tables/)
    assert.deepEqual(aboutIt(running), [line.msg])
    assert.match(ruleset(namespace), /^table ip kube-proxy \{$/m)
    const ready = page('10256/readyz?verbose')
    assert.match(ready, hasFlowtables ? /^\[\+\]fast path active: 2 interfaces/m : /^\[-\]fast path unsupported: /m)
    const metrics = page('10249/metrics')
    const expected = hasFlowtables ? 1 : 0
    assert.match(metrics, new RegExp(`^flowproxy_fastpath_supported\\{feature="flowtable"\\} ${expected}$`, 'm'))
    assert.match(metrics, new RegExp(`^flowproxy_fastpath_active ${expected}$`, 'm'))
    assert.equal((await running.kill('SIGTERM')).status, 0)
    assert.equal(ruleset(namespace).includes('table inet kube-proxy-fastpath'), hasFlowtables, 'the table stays')
  })

  test('labels connections only where there is a flow table to put them into', async () => {
    await run()
    assert.equal(/ct label set/.test(ruleset(namespace)), hasFlowtables)
  })

  test('with a threshold of 0 removes the table of an earlier run, and says no more', async () => {
    load(
      namespace,
      `table inet kube-proxy-fastpath {
        comment "long connections leave the rules of kube-proxy";
        set interfaces { type ifname; elements = { "veth0" }; }
        chain fastpath { counter; }
        chain filter-forward { type filter hook forward priority 2147483646; iifname @interfaces jump fastpath; }
      }`,
    )
    const running = await run('--fastpath-packet-threshold=0')
    const { msg } = await running.logged(/^the table inet kube-proxy-fastpath of an earlier run is removed/)
    assert.deepEqual(aboutIt(running), [msg])
    assert.doesNotMatch(ruleset(namespace), /kube-proxy-fastpath/)
    assert.doesNotMatch(ruleset(namespace), /ct label/)
    assert.match(page('10256/readyz?verbose'), /^\[\+\]fast path off$/m)
  })

  const mistakes: readonly (readonly [flag: string, message: RegExp])[] = [
    ['--fastpath-packet-threshold=-1', /^flowproxy: --fastpath-packet-threshold: -1 is less than 0$/m],
    ['--fastpath-packet-threshold=0.5', /"0.5" is not an integer$/m],
    ['--fastpath-packet-threshold=9999999999', /is not an integer from -2147483648 to 2147483647$/m],
    ['--fastpath-interfaces=eth0,lo', /--fastpath-interfaces: "lo" matches the loopback interface lo/],
    ['--fastpath-interfaces=eth0,', /--fastpath-interfaces: "" is empty/],
  ]
  for (const [flag, message] of mistakes) {
    test(`${flag} is refused in one line`, async () => {
      const { status, stderr } = await flowproxy(['run', '--manifests', examples, flag], { namespace })
      assert.equal(status, 2)
      assert.match(stderr, message)
      assert.equal(stderr.trim().split('\n').length, 1)
      assert.equal(ruleset(namespace), '')
    })
  }
})
