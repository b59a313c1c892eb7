import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { after, before, describe, test } from 'node:test'
import { ruleset } from '../cli/ruleset.ts'
import { ipv4 as plan } from '../lab/addresses.ts'
import type { ApiRequest } from '../lab/audit-log.ts'
import { controlPlane } from '../lab/control-plane.ts'
import { eventually } from '../lab/eventually.ts'
import { goTool } from '../lab/go-tools.ts'
import { needs, root, tool } from '../lab/requirements.ts'
import { Cluster } from './cluster.ts'
import { endpointSlice, service } from './objects.ts'
import { nodeName, Pod } from './pod.ts'

const account = { namespace: 'kube-system', name: 'flowproxy' } as const
const [webIp, checkedIp] = plan.clusterIps
const healthCheckNodePort = 31_000
const [endpoint] = plan.localEndpoints
const exampleServer = 'https://control-plane.example:6443'
const deployFolder = fileURLToPath(new URL('../../deploy', import.meta.url))

describe('deploy/', needs(root, tool('nft'), controlPlane), () => {
  let cluster: Cluster
  let overlay: string
  let kubectl: string
  let pod: Pod | undefined

  before(async () => {
    kubectl = await goTool('kubectl')
    cluster = await Cluster.start()
    overlay = await mkdtemp(join(tmpdir(), 'flowproxy-overlay-'))
    await writeOverlay(overlay, cluster.plane.url)
    await cluster.api.create(service('web', webIp), endpointSlice('web', [endpoint]))
  })

  after(async () => {
    await pod?.close()
    await cluster.close()
    await rm(overlay, { recursive: true })
  })

  function apply(...flags: readonly string[]): string {
    const args = ['apply', '-k', overlay, '--validate=strict', ...flags]
    const env = { PATH: process.env['PATH'], HOME: overlay, KUBECONFIG: cluster.plane.adminKubeconfig() }
    const { status, stdout, stderr } = spawnSync(kubectl, args, { encoding: 'utf8', env })
    assert.equal(status, 0, stderr)
    assert.doesNotMatch(stderr, /Warning/)
    return stdout
  }

  async function read<T>(path: string): Promise<T> {
    return (await cluster.api.request('GET', path)) as T
  }

  /** Makes twice a Service whose health check cannot be served, and waits until the agent has reported that. */
  async function provokeEvents(): Promise<void> {
    const spec = { type: 'LoadBalancer', externalTrafficPolicy: 'Local', healthCheckNodePort }
    const checked = service('checked', checkedIp, { spec })
    const occupant = createServer().listen(healthCheckNodePort, plan.node)
    try {
      await once(occupant, 'listening')
      await cluster.api.create(checked)
      await untilRequested('create events.k8s.io/events', 2)
      await cluster.api.delete(checked)
      await cluster.untilReach({ destination: checkedIp }, 'timeout')
      await cluster.api.create(checked)
      await untilRequested('patch events.k8s.io/events', 1)
    } finally {
      occupant.close()
    }
  }

  /** Waits until the agent has asked for something so many times. */
  async function untilRequested(text: string, times: number): Promise<void> {
    let texts: readonly string[] = []
    await eventually(
      async () => {
        texts = (await cluster.plane.requestsOf(account)).map(requestText)
        return texts.filter((one) => one === text).length >= times || undefined
      },
      () => `${text}, ${times} times; the requests are ${texts.join(', ')}`,
    )
  }

  test('is accepted by an API server that knows every field', () => {
    assert.match(apply('--dry-run=server'), /daemonset\.apps\/flowproxy created \(server dry run\)/)
    assert.match(apply(), /daemonset\.apps\/flowproxy created/)
    assert.match(apply(), /daemonset\.apps\/flowproxy unchanged/)
  })

  test('its init container makes the settings that its container then may not', async () => {
    const { spec } = (await read<DaemonSet>('/apis/apps/v1/namespaces/kube-system/daemonsets/flowproxy')).spec.template
    const configMap = spec.volumes.find(({ name }) => name === 'config')?.configMap.name ?? ''
    const { data } = await read<ConfigMap>(`/api/v1/namespaces/kube-system/configmaps/${configMap}`)
    pod = await Pod.create({ config: data, account: await cluster.accountFiles(account) })
    const [settings] = spec.initContainers
    const [agent] = spec.containers

    const first = pod.start({ args: argsOf(settings), isPrivileged: settings.securityContext.privileged === true })
    assert.equal(await first.exited(), 0, first.lastOutput)
    assert.equal(pod.hostSetting('nf_conntrack_max'), '131072')
    assert.equal(ruleset(cluster.lab.node.namespace), '')

    assert.deepEqual(agent.securityContext.capabilities, { drop: ['ALL'], add: ['NET_ADMIN'] })
    const second = pod.start({ args: argsOf(agent), isPrivileged: agent.securityContext.privileged === true })
    await cluster.untilReach({ destination: webIp }, endpoint)
    assert.deepEqual(complaints(second.lastOutput), [])
    for (const { httpGet } of [agent.livenessProbe, agent.readinessProbe]) {
      const port = agent.ports.find(({ name }) => name === httpGet.port)?.containerPort
      assert.equal((await fetch(`http://${plan.node}:${port}${httpGet.path}`)).status, 200, httpGet.path)
    }
  })

  test('its role allows what the agent asks for, and nothing else', async () => {
    await provokeEvents()
    const isForbidden = ({ status }: ApiRequest): boolean => status === 403
    assert.deepEqual((await cluster.plane.requestsOf(account)).filter(isForbidden), [])
    // Of an API server that streams no lists, as older ones, the agent asks for lists. (It may forbid anything at first.)
    await cluster.plane.killApiServer()
    await cluster.plane.startApiServer('--feature-gates=WatchList=false')
    const { rules } = await read<ClusterRole>('/apis/rbac.authorization.k8s.io/v1/clusterroles/flowproxy')
    const allowed = sortedUnique(rules.flatMap(ruleTexts))
    let asked: readonly string[] = []
    await eventually(
      async () => {
        asked = sortedUnique((await cluster.plane.requestsOf(account)).map(requestText))
        return asked.length >= allowed.length || undefined
      },
      () => `as many kinds of requests as the role allows; so far they are ${asked.join(', ')}`,
    )
    assert.deepEqual(asked, allowed)
  })
})

/** What an operator writes: the base, and the two facts about the cluster. */
async function writeOverlay(folder: string, server: string): Promise<void> {
  const kustomization = `resources: ['${relative(folder, deployFolder)}']
namespace: kube-system
configMapGenerator:
  - { name: flowproxy, behavior: merge, files: [config.conf, kubeconfig.conf] }
`
  await writeFile(join(folder, 'kustomization.yaml'), kustomization)
  const facts = { 'config.conf': ['10.244.0.0/16', plan.podCidr], 'kubeconfig.conf': [exampleServer, server] } as const
  for (const [name, [example, fact]] of Object.entries(facts)) {
    const text = await readFile(join(deployFolder, name), 'utf8')
    assert.ok(text.includes(example), `${name} has ${example}`)
    await writeFile(join(folder, name), text.replace(example, fact))
  }
}

/** The fields that we read of the objects. */
type Container = {
  readonly args: readonly string[]
  readonly securityContext: { readonly privileged?: boolean; readonly capabilities?: unknown }
}
type Probe = { readonly httpGet: { readonly path: string; readonly port: string } }
type AgentContainer = Container & {
  readonly livenessProbe: Probe
  readonly readinessProbe: Probe
  readonly ports: readonly { readonly name: string; readonly containerPort: number }[]
}
type PodSpec = {
  readonly initContainers: readonly [Container]
  readonly containers: readonly [AgentContainer]
  readonly volumes: readonly { readonly name: string; readonly configMap: { readonly name: string } }[]
}
type DaemonSet = { readonly spec: { readonly template: { readonly spec: PodSpec } } }
type ConfigMap = { readonly data: Readonly<Record<string, string>> }
type Rule = Readonly<Record<'apiGroups' | 'resources' | 'verbs', readonly string[]>>
type ClusterRole = { readonly rules: readonly Rule[] }

/** The arguments after the command `run`, as the kubelet hands them over. */
function argsOf({ args }: Container): readonly string[] {
  assert.equal(args[0], 'run')
  return args.slice(1).map((arg) => arg.replace('$(NODE_NAME)', nodeName))
}

/** Warnings and errors, except about the score that a kubelet gives to pods of this priority, and we do not. */
function complaints(log: string): readonly string[] {
  return log.split('\n').filter((line) => /^[WEF]/.test(line) && !line.includes('oomScoreAdj -997'))
}

function requestText({ verb, apiGroup, resource }: ApiRequest): string {
  return `${verb} ${apiGroup}/${resource}`
}

function ruleTexts({ apiGroups, resources, verbs }: Rule): readonly string[] {
  return apiGroups.flatMap((group) =>
    resources.flatMap((resource) => verbs.map((verb) => `${verb} ${group}/${resource}`)),
  )
}

function sortedUnique(texts: readonly string[]): readonly string[] {
  return [...new Set(texts)].toSorted()
}
