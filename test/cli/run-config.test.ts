import assert from 'node:assert/strict'
import { mkdir, readFile, rename, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, test, type TestContext } from 'node:test'
import { NetworkNamespace } from '../../src/netlink/namespace.ts'
import { runInNamespace } from '../lab/program.ts'
import { needs, root, tool } from '../lab/requirements.ts'
import { flowproxy, RunningProxy } from './flowproxy.ts'
import { ManifestDirectory, served } from './manifests.ts'
import { ruleset, untilRuleset } from './ruleset.ts'

describe('flowproxy run with a configuration file', needs(root, tool('nft'), tool('ip')), () => {
  let namespace: NetworkNamespace
  let proxies: RunningProxy[]
  let manifests: ManifestDirectory

  beforeEach(() => {
    namespace = NetworkNamespace.create()
    assert.equal(runInNamespace(namespace, 'ip', ['link', 'set', 'lo', 'up']).status, 0)
    proxies = []
  })

  afterEach(async () => {
    for (const proxy of proxies) await proxy.close()
    namespace.close()
  })

  /** A directory with one Service and a configuration file beside it; the arguments that use both. */
  async function cluster(test: TestContext, configuration: object = {}): Promise<{ file: string; args: string[] }> {
    manifests = await ManifestDirectory.create(test, { 'cart.yaml': served('cart', '10.96.0.1', ['10.1.0.1']) })
    const file = manifests.file('config.conf')
    await writeFile(file, configurationText(configuration))
    return { file, args: ['--manifests', manifests.file('cart.yaml'), '--config', file] }
  }

  async function running(args: readonly string[]): Promise<RunningProxy> {
    const proxy = new RunningProxy(args, { namespace })
    proxies.push(proxy)
    await proxy.programmed()
    return proxy
  }

  /** What a server in the namespace answers. */
  function get(url: string): { status: number; body: string } {
    const script = `fetch(${JSON.stringify(url)}).then(async (r) => console.log(JSON.stringify({ status: r.status, body: await r.text() })))`
    const { status, stdout, stderr } = runInNamespace(namespace, process.execPath, ['-e', script])
    assert.equal(status, 0, stderr)
    return JSON.parse(stdout) as { status: number; body: string }
  }

  test('a changed file takes effect without an end of the process', async (context) => {
    const { file, args } = await cluster(context, { clusterCIDR: '10.244.0.0/16' })
    const proxy = await running(args)
    assert.match(ruleset(namespace), /ip saddr != 10\.244\.0\.0\/16/)
    await writeFile(file, configurationText({ clusterCIDR: '10.245.0.0/16' }))
    await untilRuleset(namespace, { has: 'ip saddr != 10.245.0.0/16' })
    await proxy.logged('the configuration has changed: starting anew with it')
    await manifests.write('cart.yaml', served('cart', '10.96.0.1', ['10.1.0.2']))
    await untilRuleset(namespace, { has: '10.1.0.2' })
    assert.equal((await proxy.kill('SIGTERM')).status, 0)
  })

  test('a mounted ConfigMap that is renewed by a link to another directory is noticed', async (context) => {
    const { args } = await cluster(context)
    const volume = manifests.file('volume')
    for (const [name, clusterCIDR] of Object.entries({ '..1': '10.244.0.0/16', '..2': '10.245.0.0/16' })) {
      await mkdir(join(volume, name), { recursive: true })
      await writeFile(join(volume, name, 'config.conf'), configurationText({ clusterCIDR }))
    }
    await symlink('..1', join(volume, '..data'))
    await symlink('..data/config.conf', join(volume, 'config.conf'))
    await running([...args.slice(0, -1), join(volume, 'config.conf')])
    await symlink('..2', join(volume, '..data_tmp'))
    await rename(join(volume, '..data_tmp'), join(volume, '..data'))
    await untilRuleset(namespace, { has: 'ip saddr != 10.245.0.0/16' })
  })

  test('content that cannot be used is reported once, and the configuration stays', async (context) => {
    const { file, args } = await cluster(context, { clusterCIDR: '10.244.0.0/16' })
    const proxy = await running(args)
    await writeFile(file, configurationText({ clusterCIDR: 'all' }))
    const { msg } = await proxy.logged(/the configuration stays as it is$/)
    assert.match(msg, /^KubeProxyConfiguration\.clusterCIDR: "all" /)
    await manifests.write('cart.yaml', served('cart', '10.96.0.1', ['10.1.0.2']))
    await untilRuleset(namespace, { has: '10.1.0.2' })
    assert.match(ruleset(namespace), /ip saddr != 10\.244\.0\.0\/16/)
  })

  test('what is unknown in it is a warning, and the rest counts', async (context) => {
    const { args } = await cluster(context, { clusterCIDR: '10.244.0.0/16', colour: 'red' })
    const proxy = await running(args)
    const { level } = await proxy.logged(/KubeProxyConfiguration\.colour/)
    assert.equal(level, 40)
    assert.match(ruleset(namespace), /ip saddr != 10\.244\.0\.0\/16/)
  })

  test('another mode is refused with what to set', async (context) => {
    const { args } = await cluster(context, { mode: 'iptables' })
    const { status, stderr } = await flowproxy(['run', ...args], { namespace })
    assert.equal(status, 2)
    assert.match(stderr, /^flowproxy: KubeProxyConfiguration\.mode: "iptables" is not offered here; set mode: nftables/)
    assert.equal(ruleset(namespace), '')
  })

  test('--write-config-to writes the configuration in effect, and nothing is programmed', async (context) => {
    const { args } = await cluster(context, { nftables: { masqueradeAll: true } })
    const written = manifests.file('written.conf')
    assert.deepEqual(await flowproxy(['run', ...args, '--write-config-to', written], { namespace }), done)
    const text = await readFile(written, 'utf8')
    assert.match(text, /^apiVersion: kubeproxy\.config\.k8s\.io\/v1alpha1\nkind: KubeProxyConfiguration\n/)
    assert.match(text, /^  masqueradeAll: true$/m)
    assert.match(text, /^detectLocalMode: ClusterCIDR$/m)
    assert.equal(ruleset(namespace), '')
    const again = manifests.file('again.conf')
    await flowproxy(['run', ...args.slice(0, -1), written, '--write-config-to', again], { namespace })
    assert.equal(await readFile(again, 'utf8'), text)
  })

  test('--init-only prepares and ends, and writes no rules', async (context) => {
    const { args } = await cluster(context, { conntrack: { ...noConntrack, tcpCloseWaitTimeout: '33m' } })
    const { status, stderr } = await flowproxy(['run', ...args, '--init-only'], { namespace })
    assert.equal(status, 0, stderr)
    assert.match(stderr, /prepared; no rules were written/)
    assert.equal(ruleset(namespace), '')
    const sysctl = '/proc/sys/net/netfilter/nf_conntrack_tcp_timeout_close_wait'
    assert.equal(runInNamespace(namespace, 'cat', [sysctl]).stdout, '1980\n')
  })

  test('--cleanup removes the tables', async (context) => {
    const { args } = await cluster(context)
    const proxy = await running(args)
    await proxy.kill('SIGTERM')
    const { status, stdout } = await flowproxy(['run', ...args, '--cleanup=true'], { namespace })
    assert.equal(status, 0)
    assert.match(
      stdout,
      /^removed table ip kube-proxy\nremoved table ip6 kube-proxy\n\w+ table inet kube-proxy-fastpath\n$/,
    )
    assert.equal(ruleset(namespace), '')
  })

  test('the servers answer where the file says', async (context) => {
    const { args } = await cluster(context, {
      healthzBindAddress: '127.0.0.1:20256',
      metricsBindAddress: '127.0.0.1:20249',
      clusterCIDR: '10.244.0.0/16',
    })
    await running(args)
    assert.equal(get('http://127.0.0.1:20256/readyz').status, 200)
    assert.equal(get('http://127.0.0.1:20256/healthz').status, 200)
    assert.deepEqual(get('http://127.0.0.1:20249/proxyMode'), { status: 200, body: 'nftables' })
    const configz = JSON.parse(get('http://127.0.0.1:20249/configz').body) as Record<string, { clusterCIDR: string }>
    assert.equal(configz['kubeproxy.config.k8s.io']?.clusterCIDR, '10.244.0.0/16')
    const { body } = get('http://127.0.0.1:20249/metrics')
    assert.match(body, /^kubeproxy_sync_full_proxy_rules_duration_seconds_count\{ip_family="IPv4"\} 1$/m)
    assert.match(body, /^flowproxy_services\{ip_family="IPv4"\} 1$/m)
    assert.match(body, /^kubernetes_feature_enabled\{name="NFTablesProxyMode",stage=""\} 1$/m)
    assert.match(get('http://127.0.0.1:20249/flagz').body, /cleanup.*false/)
  })

  test('a server that cannot listen is an error in the log, and Services work', async (context) => {
    const { args } = await cluster(context)
    await running(args)
    const second = await running(args)
    await second.logged(/^the healthz server cannot listen on 0\.0\.0\.0 port 10256: .*the next attempt is in 5 s$/)
    await second.logged(/^the metrics server cannot listen on 127\.0\.0\.1 port 10249: /)
  })

  test('with bindAddressHardFail a server that cannot listen ends the program', async (context) => {
    const { args } = await cluster(context, { bindAddressHardFail: true })
    await running(args)
    const { status, stderr } = await flowproxy(['run', ...args], { namespace })
    assert.equal(status, 2)
    assert.match(stderr, /^flowproxy: the \w+ server cannot listen on [\d.]+ port \d+: .*EADDRINUSE/m)
  })

  test('a kubeconfig that is not there is one line', async (context) => {
    const { file } = await cluster(context, {
      mode: 'nftables',
      clientConnection: { kubeconfig: '/nowhere/kubeconfig' },
    })
    const { status, stderr } = await flowproxy(['run', '--config', file], { namespace })
    assert.deepEqual(
      [status, stderr],
      [2, 'flowproxy: kubeconfig /nowhere/kubeconfig: ENOENT: no such file or directory\n'],
    )
  })
})

const done = { status: 0, stdout: '', stderr: '' }
/** The limits of connection tracking are the machine's. */
const noConntrack = { maxPerCore: 0, min: 0, tcpEstablishedTimeout: '0s', tcpCloseWaitTimeout: '0s' }

/** As JSON, which is YAML too. */
function configurationText(fields: object): string {
  return JSON.stringify({
    apiVersion: 'kubeproxy.config.k8s.io/v1alpha1',
    kind: 'KubeProxyConfiguration',
    mode: 'nftables',
    nftables: { minSyncPeriod: '10ms' },
    conntrack: noConntrack,
    oomScoreAdj: 0,
    ...fields,
  })
}
