import assert from 'node:assert/strict'
import { afterEach, beforeEach, describe, test } from 'node:test'
import { NetworkNamespace } from '../../src/netlink/namespace.ts'
import { needs, root, tool } from '../lab/requirements.ts'
import { examples, flowproxy, RunningProxy } from './flowproxy.ts'
import { load, ruleset } from './ruleset.ts'

describe('flowproxy cleanup', needs(root, tool('nft')), () => {
  let namespace: NetworkNamespace

  beforeEach(() => {
    namespace = NetworkNamespace.create()
  })

  afterEach(() => namespace.close())

  const cleanup = () => flowproxy(['cleanup'], { namespace })

  test('removes the tables that run made, and no other', async () => {
    const others = `table ip filter {
	chain input {
		type filter hook input priority filter; policy accept;
		tcp dport 22 accept
	}
}
table inet kube-proxy {
}
table ip kube-proxy-2 {
	set cluster-ips {
		type ipv4_addr
		elements = { 10.96.0.1 }
	}
}
table bridge kube-proxy {
}
`
    load(namespace, others)
    const proxy = new RunningProxy(['--manifests', examples], { namespace })
    await proxy.programmed()
    await proxy.kill('SIGTERM')
    assert.match(ruleset(namespace), /^table ip kube-proxy \{$/m)
    assert.deepEqual(await cleanup(), {
      status: 0,
      stdout: 'removed table ip kube-proxy\nremoved table ip6 kube-proxy\nno table inet kube-proxy-fastpath\n',
      stderr: '',
    })
    assert.equal(ruleset(namespace), others)
  })

  test('says of each table whether it was there', async () => {
    load(namespace, 'add table ip6 kube-proxy')
    const { status, stdout } = await cleanup()
    assert.deepEqual(
      { status, stdout },
      {
        status: 0,
        stdout: 'no table ip kube-proxy\nremoved table ip6 kube-proxy\nno table inet kube-proxy-fastpath\n',
      },
    )
  })

  test('removes the table of the fast path, but not one of that name that somebody else made', async () => {
    const name = 'inet kube-proxy-fastpath'
    load(namespace, `table ${name} { chain c { }; }`)
    assert.match((await cleanup()).stdout, /^no table inet kube-proxy-fastpath$/m)
    assert.match(ruleset(namespace), /table inet kube-proxy-fastpath/)
    load(namespace, `delete table ${name}`)
    const comment = 'comment "long connections leave the rules of kube-proxy";'
    load(
      namespace,
      `table ${name} {
        ${comment}
        set interfaces { type ifname; elements = { "eth0" }; }
        chain fastpath { }
        chain filter-forward { iifname @interfaces jump fastpath; }
      }`,
    )
    assert.match((await cleanup()).stdout, /^removed table inet kube-proxy-fastpath$/m)
    assert.equal(ruleset(namespace), '')
  })

  test('is content where nothing is there', async () => {
    assert.deepEqual(await cleanup(), {
      status: 0,
      stdout: 'no table ip kube-proxy\nno table ip6 kube-proxy\nno table inet kube-proxy-fastpath\n',
      stderr: '',
    })
    assert.equal(ruleset(namespace), '')
  })
})
