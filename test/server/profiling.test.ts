import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect } from 'node:net'
import { test } from 'node:test'
import { profilingPages } from '../../src/server/profiling.ts'
import { ask, serve } from './http.ts'

test('a processor profile shows what ran while it was taken', async (context) => {
  const port = await serve(context, profilingPages())
  const answer = ask(port, '/debug/pprof/profile?seconds=0.2')
  const timer = setInterval(spinForTheProfile, 5)
  const { status, headers, body } = await answer
  clearInterval(timer)
  assert.equal(status, 200)
  assert.equal(headers['content-disposition'], 'attachment; filename="flowproxy.cpuprofile"')
  const { nodes, startTime, endTime } = JSON.parse(body)
  assert.ok(endTime - startTime >= 190_000)
  const names = nodes.map((node: { callFrame: { functionName: string } }) => node.callFrame.functionName)
  assert.ok(names.includes('spinForTheProfile'))
})

test('a heap snapshot has the nodes and edges of the heap', async (context) => {
  const port = await serve(context, profilingPages())
  const { headers, body } = await ask(port, '/debug/pprof/heap')
  assert.equal(headers['content-disposition'], 'attachment; filename="flowproxy.heapsnapshot"')
  const { snapshot, nodes } = JSON.parse(body)
  assert.equal(nodes.length, snapshot.node_count * snapshot.meta.node_fields.length)
})

test('profiles are taken one at a time, and one whose client goes away ends', async (context) => {
  const port = await serve(context, profilingPages())
  const client = connect(port, '127.0.0.1')
  await once(client, 'connect')
  client.write('GET /debug/pprof/profile?seconds=60 HTTP/1.1\r\nHost: proxy\r\n\r\n')
  const heap = async (): Promise<number> => (await ask(port, '/debug/pprof/profile?seconds=0.01')).status
  while ((await heap()) === 200);
  assert.equal(await heap(), 503)
  client.destroy()
  while ((await heap()) === 503);
  assert.equal(await heap(), 200)
})

test('seconds must be a number above 0 and up to 300', async (context) => {
  const port = await serve(context, profilingPages())
  for (const text of ['0', '-1', '301', 'x', 'Infinity', '']) {
    assert.equal((await ask(port, `/debug/pprof/profile?seconds=${text}`)).status, 400, text)
  }
})

function spinForTheProfile(): void {
  const end = performance.now() + 4
  while (performance.now() < end);
}
