/*
 * The agent in the surroundings that a DaemonSet's pod gives it: the command line of kubeadm's kube-proxy, its
 * configuration in /var/lib/kube-proxy, the account's token and CA in /var/run/secrets, both kept by a kubelet. The host's
 * directories are hidden by mounts that only the pod's processes see. So are the two settings of conntrack that no
 * network namespace has for itself: the pod reads and writes copies.
 */
import { readFileSync } from 'node:fs'
import { mkdir, mkdtemp, rename, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { kubeadmText } from '../config/configurations.ts'
import { ipv4 } from '../lab/addresses.ts'
import type { ControlPlane } from '../lab/control-plane.ts'
import { Program } from '../lab/long-program.ts'
import { clusterPlan } from '../lab/plan.ts'

/** The files of the two volumes, by name. */
export type PodFiles = {
  readonly config: Readonly<Record<string, string>>
  readonly account: Readonly<Record<string, string>>
}

export type ContainerOptions = {
  /** By default the agent. */
  readonly command?: readonly string[]
  readonly args?: readonly string[]
  readonly env?: NodeJS.ProcessEnv
  /** As a privileged container, or with CAP_NET_ADMIN alone and the kernel's settings read-only. */
  readonly isPrivileged?: boolean
}

/** `run` from this checkout. */
const agentCommand = [process.execPath, fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url)), 'run']

/** Settings that are the whole machine's, with the file that has the pod's copy. */
const hostSettings = {
  nf_conntrack_max: '/proc/sys/net/netfilter/nf_conntrack_max',
  hashsize: '/sys/module/nf_conntrack/parameters/hashsize',
} as const

/** A pod on this test's node; `close` ends its containers. */
export class Pod {
  readonly #directory: string
  readonly #containers: Program[] = []
  #versions = 0

  private constructor(directory: string) {
    this.#directory = directory
  }

  static async create(files: PodFiles): Promise<Pod> {
    const pod = new Pod(await mkdtemp(join(tmpdir(), 'flowproxy-pod-')))
    for (const [name, path] of Object.entries(hostSettings))
      await writeFile(join(pod.#directory, name), readFileSync(path))
    for (const volume of ['config', 'account'] as const) await pod.publish(volume, files[volume])
    return pod
  }

  /** Replaces the files of a volume as a kubelet does: at once, by a link to their directory. */
  async publish(volume: keyof PodFiles, files: Readonly<Record<string, string>>): Promise<void> {
    const root = join(this.#directory, volume)
    const version = `..${++this.#versions}`
    await mkdir(join(root, version), { recursive: true })
    for (const [name, content] of Object.entries(files)) await writeFile(join(root, version, name), content)
    await symlink(version, join(root, '..data_tmp'))
    await rename(join(root, '..data_tmp'), join(root, '..data'))
    for (const name of Object.keys(files)) await symlink(join('..data', name), join(root, name)).catch(ignoreExisting)
  }

  /** Starts a container; by default the agent with the arguments of kubeadm's DaemonSet. */
  start({ command = agentCommand, args = kubeadmArgs, env, isPrivileged = true }: ContainerOptions = {}): Program {
    const mounts = [
      ...(isPrivileged ? [] : readOnly('/proc/sys')),
      ...mountsOver('/var/lib', [[join(this.#directory, 'config'), '/var/lib/kube-proxy']]),
      ...mountsOver('/run', [[join(this.#directory, 'account'), '/run/secrets/kubernetes.io/serviceaccount']]),
      ...Object.entries(hostSettings).map(([name, path]) => `mount --bind ${join(this.#directory, name)} ${path}`),
      ...(isPrivileged ? [] : Object.values(hostSettings).map((path) => `mount -o remount,bind,ro ${path}`)),
    ]
    const rights = isPrivileged ? [] : ['--bounding-set=-all,+net_admin', '--inh-caps=-all', '--no-new-privs']
    const script = `set -e\n${mounts.join('\n')}\nexec setpriv --pdeathsig=KILL "$@"`
    const unshare = ['--mount', '--propagation=private', 'sh', '-c', script, 'pod', ...rights, ...command, ...args]
    const container = new Program('unshare', unshare, env)
    this.#containers.push(container)
    return container
  }

  /** The pod's copy of a setting of the machine. */
  hostSetting(name: keyof typeof hostSettings): string {
    return readFileSync(join(this.#directory, name), 'utf8').trim()
  }

  async close(): Promise<void> {
    await Promise.all(this.#containers.map((container) => container.end()))
    await rm(this.#directory, { recursive: true })
  }
}

export const nodeName = clusterPlan.node.name

/** kubeadm's command line after the program's name; the node's name is in the environment there. */
const kubeadmArgs = ['--config=/var/lib/kube-proxy/config.conf', `--hostname-override=${nodeName}`]

/** kubeadm's configuration, in mode nftables and with the lab's pod range. */
export const kubeadmConfiguration = kubeadmText.replace('10.244.0.0/16', ipv4.podCidr)

/** The kubeconfig that kubeadm puts beside the configuration. */
export function kubeadmKubeconfig(plane: ControlPlane): string {
  return kubeconfigWith(plane, { tokenFile: '/var/run/secrets/kubernetes.io/serviceaccount/token' })
}

/** A kubeconfig for use in a pod, with these fields of a user. */
export function kubeconfigWith({ url }: ControlPlane, user: Readonly<Record<string, string>>): string {
  const userFields = Object.entries(user).map(([name, value]) => `    ${name}: ${value}\n`)
  return `apiVersion: v1
kind: Config
clusters:
- cluster:
    certificate-authority: /var/run/secrets/kubernetes.io/serviceaccount/ca.crt
    server: ${url}
  name: default
contexts:
- context:
    cluster: default
    namespace: default
    user: default
  name: default
current-context: default
users:
- name: default
  user:
${userFields.join('')}`
}

/** Hides a directory by an empty one, in which others are seen. */
function mountsOver(path: string, binds: readonly (readonly [from: string, to: string])[]): string[] {
  return [
    `mount -t tmpfs none ${path}`,
    ...binds.flatMap(([from, to]) => [`mkdir -p ${to}`, `mount --bind ${from} ${to}`]),
  ]
}

function readOnly(path: string): string[] {
  return [`mount --bind ${path} ${path}`, `mount -o remount,bind,ro ${path}`]
}

function ignoreExisting(error: NodeJS.ErrnoException): void {
  if (error.code !== 'EEXIST') throw error
}
