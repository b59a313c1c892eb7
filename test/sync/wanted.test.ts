import assert from 'node:assert/strict'
import { test } from 'node:test'
import { renderTable } from '../../src/nft/render.ts'
import { elementTexts } from '../../src/nft/render-element.ts'
import { wantedTable } from '../../src/sync/wanted.ts'
import { nodeName, service, slice, sliceEndpoint } from '../model/fixtures.ts'
import { createProxy, dataplaneOptions, type Proxy } from './proxy.ts'

const endpoints = ['10.180.0.1', '10.180.0.2', '10.180.0.3'].map((address) => sliceEndpoint(address))

function wanted({ model }: Proxy) {
  return wantedTable(model, { name: nodeName }, dataplaneOptions())
}

/** The elements of one set as nft prints them. */
function elementsOf({ contents }: ReturnType<typeof wanted>, name: string): string[] {
  const set = contents.sets.find((set) => set.name === name)
  return set === undefined ? [] : elementTexts(set, contents.elements.get(name) ?? [])
}

test('the wanted table holds the elements of all Services', () => {
  const proxy = createProxy()
  proxy.set(service(), service({ clusterIPs: ['172.30.0.42'] }, { name: 'till' }), slice({ endpoints }))
  const table = wanted(proxy)
  assert.deepEqual(elementsOf(table, 'cluster-ips'), ['172.30.0.41', '172.30.0.42'])
  assert.equal(elementsOf(table, 'endpoints-tcp').length, 3)
  assert.deepEqual(table.warnings, [])
})

test('every verdict of the wanted table leads to a chain that it has', () => {
  const proxy = createProxy()
  const ports = [1, 2].map((port) => ({ name: `p${port}`, port }))
  proxy.set(service({ ports }), slice({ ports: [{ name: 'p1', port: 80, protocol: 'TCP' }], endpoints }))
  const { contents } = wanted(proxy)
  const chains = new Set(contents.chains.map(({ name }) => name))
  const targets = [...contents.elements.values()].flat().flatMap(({ verdict }) => verdict?.chain ?? [])
  assert.deepEqual(
    targets.filter((name) => !chains.has(name)),
    [],
  )
  assert.equal(targets.length, 2)
})

test('the wanted table does not depend on what was wanted before', () => {
  const [changed, fresh] = [createProxy(), createProxy()]
  changed.set(service(), slice({ endpoints: endpoints.toReversed() }))
  wanted(changed)
  changed.set(slice({ endpoints: endpoints.slice(1) }))
  fresh.set(service(), slice({ endpoints: endpoints.slice(1) }))
  assert.equal(renderTable(wanted(changed).contents), renderTable(wanted(fresh).contents))
})

test('warnings about objects and about conflicts come with the wanted table', () => {
  const proxy = createProxy()
  proxy.set(service(), service({}, { name: 'rival' }), service({ clusterIPs: ['172.30.0.256'] }, { name: 'wrong' }))
  assert.deepEqual(
    wanted(proxy).warnings.map(({ object }) => object),
    ['Service shop/wrong', 'Service shop/rival'],
  )
})
