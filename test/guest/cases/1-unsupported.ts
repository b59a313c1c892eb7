import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { after, before, describe, test } from 'node:test'
import { clusterIp, service, servicePort } from '../lab/cluster.ts'
import { openTcp } from '../lab/flows.ts'
import { assertSlow, client, router } from '../lab/lab.ts'
import { Proxy } from '../lab/proxy.ts'
import { nftList } from '../lab/watch.ts'

const modprobe = '/proc/sys/kernel/modprobe'

// A machine of one's own is not to lose its modules.
if (process.env.IS_GUEST !== undefined) {
  describe('a kernel whose flow table modules cannot be loaded', () => {
    let proxy: Proxy

    before(async () => {
      writeFileSync(modprobe, '/bin/false')
      proxy = await Proxy.start(['--fastpath-packet-threshold=1'], service(1, ['one']))
    })

    after(async () => {
      writeFileSync(modprobe, '/bin/modprobe')
      await proxy.kill()
    })

    test('Services work, through the rules', async () => {
      const flow = await openTcp(client.namespace, clusterIp('IPv4', 1), servicePort)
      await assertSlow(flow)
      await flow.close()
    })

    test('one line and a gauge say so', async () => {
      await proxy.logged(/no flow tables/)
      assert.equal(proxy.log.filter(({ msg }) => /flow ?table/.test(msg)).length, 1)
      assert.equal(await proxy.metric('flowproxy_fastpath_supported{feature="flowtable"}'), 0)
      assert.doesNotMatch(nftList(router.namespace, 'tables'), /fastpath/)
    })
  })
}
