import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createVethPair, deleteLink, renameLink, setLinkUp } from '../../src/netlink/link.ts'
import { NetlinkMonitor, RTNLGRP_LINK } from '../../src/netlink/monitor.ts'
import { NetworkNamespace } from '../../src/netlink/namespace.ts'
import { NETLINK_ROUTE, NetlinkSocket } from '../../src/netlink/socket.ts'
import { needs, root } from '../lab/requirements.ts'

test('links that are made, set up, renamed and deleted are news, once', needs(root), async (t) => {
  const namespace = NetworkNamespace.create()
  const socket = namespace.run(() => new NetlinkSocket(NETLINK_ROUTE))
  const monitor = namespace.run(() => new NetlinkMonitor(NETLINK_ROUTE, [RTNLGRP_LINK]))
  t.after(() => {
    for (const each of [monitor, socket, namespace]) each.close()
  })
  assert.equal(monitor.hasNews(), false)
  const changes: readonly (() => Promise<void>)[] = [
    () => createVethPair(socket, { name: 'v0', peer: { name: 'v1' } }),
    () => renameLink(socket, 'v0', 'v2'),
    () => setLinkUp(socket, 'v2'),
    () => deleteLink(socket, 'v2'),
  ]
  for (const change of changes) {
    await change()
    assert.deepEqual([monitor.hasNews(), monitor.hasNews()], [true, false])
  }
})
