/*
 * The programs of the Kubernetes control plane, built from the versions that tools/go.mod declares. They are kept in the
 * user's cache, in a folder named after what they were built from; a cold build of all takes some minutes.
 */
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type Requirement, tool } from './requirements.ts'

/** Programs by the package that they are built from. */
const packages = {
  etcd: 'go.etcd.io/etcd/server/v3',
  'kube-apiserver': 'k8s.io/kubernetes/cmd/kube-apiserver',
  'kube-proxy': 'k8s.io/kubernetes/cmd/kube-proxy',
  kubectl: 'k8s.io/kubernetes/cmd/kubectl',
} as const

export type GoTool = keyof typeof packages

/** What building them needs. */
export const goToolchain: readonly Requirement[] = [tool('go'), tool('flock')]

/** The path of a program, which is built first if that has not been done before. Throws when it cannot be. */
export async function goTool(name: GoTool): Promise<string> {
  const folder = cacheFolder()
  const path = join(folder, name)
  if (existsSync(path)) return path
  mkdirSync(folder, { recursive: true })
  process.stderr.write(`building ${name} in ${folder}; the first time this takes some minutes\n`)
  // Builds share nearly all packages and both processors, so one waits for the other and then finds its work done.
  const build = 'test -x "$0" || { go build "$@" && mv "$0.part" "$0"; }'
  const args = ['-trimpath', `-ldflags=${linkerFlags()}`, '-o', `${path}.part`, packages[name]]
  const child = spawn('flock', [join(folder, 'lock'), 'sh', '-c', build, path, ...args], {
    cwd: toolsFolder,
    stdio: ['ignore', 'inherit', 'inherit'],
  })
  const [status] = await once(child, 'exit')
  if (status !== 0) throw new Error(`go build ${packages[name]}: exit code ${String(status)}`)
  return path
}

const toolsFolder = fileURLToPath(new URL('../../tools', import.meta.url))

function cacheFolder(): string {
  const { stdout } = spawnSync('go', ['env', 'GOVERSION'], { cwd: toolsFolder, encoding: 'utf8' })
  const key = createHash('sha256')
    .update(readFileSync(join(toolsFolder, 'go.sum')))
    .update(stdout)
  const caches = process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache')
  return join(caches, 'flowproxy', 'tools', key.digest('hex').slice(0, 16))
}

/** Without symbols, and with the version that Kubernetes programs report and compare. */
function linkerFlags(): string {
  const version = /k8s\.io\/kubernetes v((\d+)\.(\d+)\.\d+)\b/.exec(readFileSync(join(toolsFolder, 'go.mod'), 'utf8'))
  if (version === null) throw new Error('tools/go.mod names no version of k8s.io/kubernetes')
  const [, full, major, minor] = version
  const variables = { gitVersion: `v${full}`, gitMajor: major, gitMinor: minor }
  const settings = Object.entries(variables).map(([name, value]) => `-X k8s.io/component-base/version.${name}=${value}`)
  return ['-s', '-w', ...settings].join(' ')
}

// As a program: builds all, so that no test has to wait for it.
if (import.meta.main) {
  for (const name of Object.keys(packages) as GoTool[]) process.stdout.write(`${await goTool(name)}\n`)
}
