import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { cpus, tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, describe, test } from 'node:test'
import {
  applyConntrackSettings,
  conntrackMax,
  type ConntrackSettings,
  hostCores,
  SysctlError,
} from '../../src/agent/sysctls.ts'
import { NetworkNamespace } from '../../src/netlink/namespace.ts'
import { forgetConnections } from '../lab/connections.ts'
import { needs, root as asRoot, tool } from '../lab/requirements.ts'

const nothing: ConntrackSettings = {
  maxPerCore: 0,
  min: 0,
  tcpEstablishedTimeoutMs: 0,
  tcpCloseWaitTimeoutMs: 0,
  tcpBeLiberal: false,
  udpTimeoutMs: 0,
  udpStreamTimeoutMs: 0,
}
const everything: ConntrackSettings = {
  maxPerCore: 32_768,
  min: 131_072,
  tcpEstablishedTimeoutMs: 86_400_000,
  tcpCloseWaitTimeoutMs: 3_600_000,
  tcpBeLiberal: true,
  udpTimeoutMs: 45_999,
  udpStreamTimeoutMs: 500,
}

const netfilter = 'proc/sys/net/netfilter/nf_conntrack_'
const hashSize = 'sys/module/nf_conntrack/parameters/hashsize'

describe('the most flows to track', () => {
  const cases: readonly [maxPerCore: number, min: number, cores: number, expected: number][] = [
    [0, 123_456, 4, 0],
    [32_768, 131_072, 2, 131_072],
    [32_768, 131_072, 8, 262_144],
    [32_768, 0, 512, 1_048_576],
    [32_768, 2_000_000, 512, 1_048_576],
    [1, 123_456, 4, 123_456],
    [1, 2_000_000, 4, 2_000_000],
    [67_890, 1, 3, 203_670],
    [67_890, 1, 16, 1_048_576],
  ]
  for (const [maxPerCore, min, cores, expected] of cases) {
    test(`is ${expected} with ${maxPerCore} for each of ${cores} cores, and at least ${min}`, () => {
      assert.equal(conntrackMax({ ...nothing, maxPerCore, min }, cores), expected)
    })
  }
})

describe('conntrack parameters', () => {
  let root: string

  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'flowproxy-sysctls-'))
    for (const name of ['max', 'tcp_timeout_established', 'tcp_timeout_close_wait', 'tcp_be_liberal']) have(name, 0)
    for (const name of ['udp_timeout', 'udp_timeout_stream']) have(name, 7)
    put(hashSize, '16384\n')
  })

  afterEach(() => rmSync(root, { recursive: true }))

  function put(path: string, text: string): void {
    mkdirSync(dirname(join(root, path)), { recursive: true })
    writeFileSync(join(root, path), text)
  }

  function have(name: string, value: number): void {
    put(netfilter + name, `${value}\n`)
  }

  /** What was changed, as `name before -> value`, in order. */
  function applied(settings: ConntrackSettings, cores = 8): readonly string[] {
    return applyConntrackSettings(settings, cores, root).map(({ path, before, value }) => {
      assert.equal(readFileSync(path, 'utf8'), `${value}`)
      return `${path.slice(root.length + 1).replace(netfilter, '')} ${before} -> ${value}`
    })
  }

  test('are set in order, in whole seconds', () => {
    assert.deepEqual(applied(everything), [
      'max 0 -> 262144',
      `${hashSize} 16384 -> 65536`,
      'tcp_timeout_established 0 -> 86400',
      'tcp_timeout_close_wait 0 -> 3600',
      'tcp_be_liberal 0 -> 1',
      'udp_timeout 7 -> 45',
      'udp_timeout_stream 7 -> 0',
    ])
  })

  test('are left alone when they are so already', () => {
    applied(everything)
    assert.deepEqual(applied(everything), [])
  })

  test('are left alone when nothing is asked for, even where there are none', () => {
    rmSync(root, { recursive: true })
    mkdirSync(root)
    assert.deepEqual(applied({ ...nothing, min: 131_072 }), [])
  })

  test('the hash table never shrinks, and grows also when the maximum is right already', () => {
    put(hashSize, '65537')
    assert.deepEqual(applied({ ...nothing, maxPerCore: 32_768 }), ['max 0 -> 262144'])
    put(hashSize, '65535')
    assert.deepEqual(applied({ ...nothing, maxPerCore: 32_768 }), [`${hashSize} 65535 -> 65536`])
  })

  test('a maximum that is too large is lowered', () => {
    have('max', 1_000_000)
    assert.deepEqual(applied({ ...nothing, maxPerCore: 10_000 }, 4), ['max 1000000 -> 40000'])
  })

  test('one that is missing is an error that says what to do', () => {
    rmSync(join(root, `${netfilter}tcp_be_liberal`))
    assert.throws(() => applied({ ...nothing, tcpBeLiberal: true }), {
      name: 'SysctlError',
      errno: 'ENOENT',
      path: join(root, `${netfilter}tcp_be_liberal`),
      message:
        `cannot read ${root}/${netfilter}tcp_be_liberal, which shall be 1: ENOENT (load the kernel module ` +
        'nf_conntrack); conntrack.tcpBeLiberal: false leaves it alone',
    })
  })

  test('those before one that cannot be set stay set', () => {
    rmSync(join(root, `${netfilter}tcp_timeout_close_wait`))
    assert.throws(() => applied(everything), SysctlError)
    assert.equal(readFileSync(join(root, `${netfilter}tcp_timeout_established`), 'utf8'), '86400')
    assert.equal(readFileSync(join(root, `${netfilter}udp_timeout`), 'utf8'), '7\n')
  })
})

describe('conntrack parameters of a network namespace', needs(asRoot), () => {
  let namespace: NetworkNamespace

  beforeEach(async () => {
    namespace = NetworkNamespace.create()
    await forgetConnections(namespace, 'IPv4') // has the kernel load conntrack, should that be a module
  })

  afterEach(() => namespace.close())

  const apply = (settings: ConntrackSettings) => namespace.run(() => applyConntrackSettings(settings, 1))

  test('are set there, and only there', () => {
    const udpTimeout = '/proc/sys/net/netfilter/nf_conntrack_udp_timeout'
    const outside = readFileSync(udpTimeout, 'utf8')
    const inside = namespace.run(() => Number(readFileSync(udpTimeout, 'utf8')))
    const settings = { ...nothing, tcpBeLiberal: true, udpTimeoutMs: 77_000 }
    assert.deepEqual(
      apply(settings).map(({ before, value }) => [before, value]),
      [
        [0, 1],
        [inside, 77],
      ],
    )
    assert.deepEqual(apply(settings), [])
    assert.equal(readFileSync(udpTimeout, 'utf8'), outside)
  })

  test('the maximum is the machine’s, and cannot be changed from there', () => {
    const path = '/proc/sys/net/netfilter/nf_conntrack_max'
    const max = readFileSync(path, 'utf8')
    const [before, wanted] = [Number(max), Number(max) === 65_536 ? 65_537 : 65_536]
    assert.throws(() => apply({ ...nothing, maxPerCore: wanted }), {
      name: 'SysctlError',
      errno: 'EACCES',
      path,
      message:
        `cannot change ${path} from ${before} to ${wanted}: EACCES (not permitted, or not in this network namespace: ` +
        'set it on the host beforehand, or with --init-only in a privileged init container); ' +
        'conntrack.maxPerCore: 0 leaves it alone',
    })
    assert.equal(readFileSync(path, 'utf8'), max)
  })
})

describe('conntrack parameters of a container', needs(asRoot, tool('unshare'), tool('mount')), () => {
  /** Runs it where /proc/sys is mounted read-only, as in a container that is not privileged. */
  function applied(settings: ConntrackSettings): string {
    const module = new URL('../../src/agent/sysctls.ts', import.meta.url)
    const program = `
      import { applyConntrackSettings } from ${JSON.stringify(module.href)}
      try {
        console.log(applyConntrackSettings(${JSON.stringify(settings)}, 1).length, 'changes')
      } catch (error) {
        console.log(error.message)
      }`
    const mount = 'mount --bind /proc/sys /proc/sys && mount -o remount,bind,ro /proc/sys && exec "$@"'
    const node = [process.execPath, '--input-type=module', '-e', program]
    const namespaces = ['--mount', '--net', 'sh', '-c', mount, 'sh']
    const { stdout, stderr } = spawnSync('unshare', [...namespaces, ...node], { encoding: 'utf8', timeout: 20_000 })
    assert.equal(stderr, '')
    return stdout
  }

  test('cannot be changed where they are read-only; the message says what to do', () => {
    assert.equal(
      applied({ ...nothing, tcpBeLiberal: true }),
      'cannot change /proc/sys/net/netfilter/nf_conntrack_tcp_be_liberal from 0 to 1: EROFS (read-only in this ' +
        'container: set it on the host beforehand, or with --init-only in a privileged init container); ' +
        'conntrack.tcpBeLiberal: false leaves it alone\n',
    )
  })

  test('are no obstacle there when they are right already', () => {
    const udpTimeoutMs = 1000 * Number(readFileSync('/proc/sys/net/netfilter/nf_conntrack_udp_timeout', 'utf8'))
    assert.equal(applied({ ...nothing, udpTimeoutMs }), '0 changes\n')
  })
})

describe('the cores of this machine', () => {
  let root: string

  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'flowproxy-cores-'))
    mkdirSync(join(root, 'sys/devices/system/cpu'), { recursive: true })
  })

  afterEach(() => rmSync(root, { recursive: true }))

  const cases: readonly [list: string, cores: number][] = [
    ['0\n', 1],
    ['0-7\n', 8],
    ['0-3,8-11,63\n', 9],
    ['what?\n', cpus().length],
  ]
  for (const [list, cores] of cases) {
    test(`are ${cores} where ${JSON.stringify(list)} are online`, () => {
      writeFileSync(join(root, 'sys/devices/system/cpu/online'), list)
      assert.equal(hostCores(root), cores)
    })
  }

  test('are those that the runtime sees where the system says nothing', () => {
    assert.equal(hostCores(root), cpus().length)
  })

  test('are at least as many as this process may use', () => {
    assert.ok(hostCores() >= cpus().length)
  })
})
