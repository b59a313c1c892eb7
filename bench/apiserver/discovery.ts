import { isNamespaced } from './objects.ts'
import { groups, resources } from './resources.ts'

/** The documents by which a client learns what the server has. */
export const discoveryDocuments: ReadonlyMap<string, string> = new Map(
  Object.entries({
    '/version': { major: '1', minor: '36', gitVersion: 'v1.36.0', platform: 'linux/amd64' },
    '/api': { kind: 'APIVersions', versions: ['v1'], serverAddressByClientCIDRs: [] },
    '/apis': { kind: 'APIGroupList', apiVersion: 'v1', groups: groups.map((name) => groupFields(name)) },
    '/api/v1': resourceList('v1', ''),
    ...Object.fromEntries(groups.map((name) => [`/apis/${name}/v1`, resourceList(`${name}/v1`, name)])),
    ...Object.fromEntries(
      groups.map((name) => [`/apis/${name}`, { kind: 'APIGroup', apiVersion: 'v1', ...groupFields(name) }]),
    ),
  }).map(([path, document]) => [path, JSON.stringify(document)]),
)

function groupFields(name: string): object {
  const version = { groupVersion: `${name}/v1`, version: 'v1' }
  return { name, versions: [version], preferredVersion: version }
}

function resourceList(groupVersion: string, group: string): object {
  const listed = resources
    .filter((resource) => resource.group === group)
    .map(({ plural, kind }) => entry(plural, kind, isNamespaced(kind), ['get', 'list', 'watch']))
  const events = group === '' || group === 'events.k8s.io' ? [entry('events', 'Event', true, ['create'])] : []
  return { kind: 'APIResourceList', apiVersion: 'v1', groupVersion, resources: [...listed, ...events] }
}

function entry(name: string, kind: string, namespaced: boolean, verbs: readonly string[]): object {
  const shortNames = name === 'services' ? { shortNames: ['svc'] } : {}
  return { name, singularName: kind.toLowerCase(), namespaced, kind, verbs, ...shortNames }
}
