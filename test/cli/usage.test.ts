import assert from 'node:assert/strict'
import { after, describe, test } from 'node:test'
import { NetworkNamespace } from '../../src/netlink/namespace.ts'
import { root } from '../lab/requirements.ts'
import { examples, flowproxy } from './flowproxy.ts'

describe('a command line that cannot be used', { concurrency: 4 }, () => {
  // All is refused before anything is programmed; were it not, who has the rights shall not hit this machine.
  const namespace = root() === undefined ? NetworkNamespace.create() : undefined
  const refused = (args: readonly string[]) => flowproxy(args, namespace === undefined ? {} : { namespace })
  after(() => namespace?.close())

  const hint = '(flowproxy --help shows what there is)\n'
  const withManifests = ['--manifests', examples]
  const cases: [args: string[], stderr: string][] = [
    [['frobnicate'], `flowproxy: unknown command 'frobnicate'\n${hint}`],
    [['rendr'], `flowproxy: unknown command 'rendr'\n(Did you mean render?)\n${hint}`],
    [['render'], `flowproxy: required option '--manifests <path>' not specified\n${hint}`],
    [
      ['run', '--manifests', examples, '--kubeconfig', 'kubeconfig'],
      'flowproxy: --kubeconfig: is of no use with --manifests, which stands for an API server\n',
    ],
    [['run', '--manifests'], `flowproxy: option '--manifests <path>' argument missing\n${hint}`],
    [['run', ...withManifests, '--frobnicate'], `flowproxy: unknown option '--frobnicate'\n${hint}`],
    [
      ['render', ...withManifests, '--cluster-cidrs', '10.0.0.0/8'],
      `flowproxy: unknown option '--cluster-cidrs'\n(Did you mean --cluster-cidr?)\n${hint}`,
    ],
    [
      ['render', ...withManifests, 'more'],
      `flowproxy: too many arguments for 'render'. Expected 0 arguments but got 1.\n${hint}`,
    ],
    [
      ['render', ...withManifests, '--cluster-cidr', '10.0.0.0'],
      'flowproxy: --cluster-cidr: "10.0.0.0" is not an IP address range such as 10.244.0.0/16\n',
    ],
    [['run', ...withManifests, '--masquerade-bit', '32'], 'flowproxy: --masquerade-bit: 32 is not between 0 and 31\n'],
    ...['-1', '1.5', '2147483648', '1e3', ''].map((threshold): [string[], string] => [
      ['render', ...withManifests, `--fastpath-packet-threshold=${threshold}`],
      `flowproxy: --fastpath-packet-threshold: "${threshold}" is not a whole number from 0 to 2147483647\n`,
    ]),
    ...['run', 'render'].map((command): [string[], string] => [
      [command, ...withManifests, '--bind-address', 'eth0'],
      'flowproxy: --bind-address: "eth0" is not an IP address\n',
    ]),
    [
      ['run', ...withManifests, '--min-sync-period', '1'],
      'flowproxy: --min-sync-period: "1" is not a duration such as 100ms, 1s or 1m30s\n',
    ],
    [
      ['run', ...withManifests, '--min-sync-period', '2h'],
      'flowproxy: --min-sync-period: 2h0m0s is longer than 1h, when a sync is due in any case\n',
    ],
    [
      ['run', ...withManifests, '--sync-period', '0'],
      'flowproxy: --sync-period: 0s is no pause before a failed sync is tried again\n' +
        'flowproxy: --sync-period: 0s is shorter than minSyncPeriod, 100ms\n',
    ],
    [
      ['run', ...withManifests, '--log-level', 'loud'],
      'flowproxy: --log-level: "loud" is none of trace, debug, info, warn, error, fatal\n',
    ],
  ]
  for (const [args, stderr] of cases) {
    const title = args.map((arg) => (arg === examples ? 'examples' : arg)).join(' ')
    test(`flowproxy ${title} exits with 2 and says what is wrong`, async () => {
      assert.deepEqual(await refused(args), { status: 2, stdout: '', stderr })
    })
  }

  for (const args of [[], ['help', 'frobnicate']]) {
    test(`${['flowproxy', ...args].join(' ')} exits with 2 and shows what there is`, async () => {
      const { status, stdout, stderr } = await refused(args)
      assert.deepEqual({ status, stdout }, { status: 2, stdout: '' })
      assert.match(stderr, /^Usage: flowproxy/)
    })
  }
})
