import assert from 'node:assert/strict'
import { after, describe, test } from 'node:test'
import { NetworkNamespace } from '../../src/netlink/namespace.ts'
import { needs, root, tool } from '../lab/requirements.ts'
import { examples, flowproxy, readableByNobody } from './flowproxy.ts'
import { load, ruleset } from './ruleset.ts'

describe('without root', needs(root, tool('nft'), readableByNobody), () => {
  const namespace = NetworkNamespace.create()
  const table = 'table ip kube-proxy {\n}\n'
  load(namespace, table)

  after(() => namespace.close())

  const denied = 'flowproxy: not permitted: run it as root, or with the capability NET_ADMIN\n'
  const commands: [args: string[], stderr: string][] = [
    [['run', '--manifests', examples], denied],
    [['cleanup'], denied],
    [['demo'], 'flowproxy: the demo needs root, to make network namespaces: sudo npm run demo\n'],
  ]
  for (const [args, stderr] of commands) {
    test(`${args[0]} says so in one line, exits with 2 and changes nothing`, async () => {
      assert.deepEqual(await flowproxy(args, { namespace, isNobody: true }), { status: 2, stdout: '', stderr })
      assert.equal(ruleset(namespace), table)
    })
  }
})
