import { spawnSync } from 'node:child_process'
import { goTool, goToolchain } from '../../test/lab/go-tools.ts'

/** kube-proxy as it is built here, or why it cannot be. */
export type PeerProgram =
  | { readonly path: string; readonly version: string }
  | { readonly path: undefined; readonly version: 'none'; readonly reason: string }

/** Builds kube-proxy if that has not been done before. */
export async function peerProgram(): Promise<PeerProgram> {
  const missing = goToolchain.map((requirement) => requirement()).filter((text) => text !== undefined)
  if (missing.length > 0) return absent(`building it needs ${missing.join(' and ')}`)
  try {
    const path = await goTool('kube-proxy')
    const { stdout, status } = spawnSync(path, ['--version'], { encoding: 'utf8' })
    return status === 0 ? { path, version: stdout.trim() } : absent(`${path} does not run`)
  } catch (error) {
    return absent((error as Error).message)
  }
}

export function absent(reason: string): PeerProgram {
  return { path: undefined, version: 'none', reason }
}
