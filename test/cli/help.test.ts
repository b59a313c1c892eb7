import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { describe, test } from 'node:test'
import { flowproxy } from './flowproxy.ts'

describe('help', { concurrency: 4 }, () => {
  const rulesetFlags = [
    '--manifests <path>',
    '--node-name <name>',
    '--cluster-cidr <cidrs>',
    '--detect-local-mode <mode>',
    '--pod-bridge-interface <name>',
    '--pod-interface-name-prefix <prefix>',
    '--masquerade-all',
    '--masquerade-bit <bit>',
    '--nodeport-addresses <cidrs>',
    '--bind-address <ip>',
    '--fastpath-packet-threshold <packets>',
  ]
  const pages: [args: string[], parts: string[]][] = [
    [
      ['--help'],
      ['run', 'render', 'explain', 'demo', 'cleanup', '--version', 'flowproxy render --manifests ./cluster'],
    ],
    [
      ['run', '--help'],
      [
        ...rulesetFlags,
        '--min-sync-period <duration>',
        '--sync-period <duration>',
        '--log-level <level>',
        'kubectl get services,endpointslices -A -o yaml',
        'The rules stay in force when the program ends',
        '\n  flowproxy run --manifests ./cluster --cluster-cidr 10.244.0.0/16',
      ],
    ],
    [
      ['render', '--help'],
      [...rulesetFlags, '\n  flowproxy render --manifests ./cluster | nft -c -f -'],
    ],
    [
      ['demo', '--help'],
      ["the host's rules are not touched", '\n  sudo flowproxy demo'],
    ],
    [
      ['cleanup', '--help'],
      ['ip kube-proxy, ip6 kube-proxy', '\n  sudo flowproxy cleanup'],
    ],
  ]
  for (const [args, parts] of pages) {
    test(`flowproxy ${args.join(' ')} shows every flag and an example`, async () => {
      const { status, stdout, stderr } = await flowproxy(args)
      assert.deepEqual({ status, stderr }, { status: 0, stderr: '' })
      const unwrapped = stdout.replaceAll(/(?<=\S)\n {20,}(?=\S)/g, ' ')
      for (const part of parts) assert.ok(unwrapped.includes(part), `"${part}" is missing in\n${stdout}`)
      assert.match(stdout, /^Examples?:$/m)
    })
  }

  test('flowproxy help run is flowproxy run --help', async () => {
    assert.deepEqual(await flowproxy(['help', 'run']), await flowproxy(['run', '--help']))
  })

  test('--version is the version of the package', async () => {
    const text = await readFile(new URL('../../package.json', import.meta.url), 'utf8')
    const { version } = JSON.parse(text) as { version: string }
    assert.deepEqual(await flowproxy(['--version']), { status: 0, stdout: `${version}\n`, stderr: '' })
  })
})
