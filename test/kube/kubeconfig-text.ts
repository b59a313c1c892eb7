import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Raw } from './fixtures.ts'

/** Writes `kubeconfig` with one context, `used`, of cluster `production` and user `proxy`; gives its path. */
export async function writeKubeconfig(directory: string, cluster: Raw, user: Raw, rest: Raw = {}): Promise<string> {
  const path = join(directory, 'kubeconfig')
  const config = {
    apiVersion: 'v1',
    kind: 'Config',
    'current-context': 'used',
    contexts: [{ name: 'used', context: { cluster: 'production', user: 'proxy' } }],
    clusters: [
      { name: 'other', cluster: { server: 'https://192.0.2.1' } },
      { name: 'production', cluster },
    ],
    users: [{ name: 'proxy', user }],
    ...rest,
  }
  await writeFile(path, JSON.stringify(config, undefined, 2))
  return path
}

/** Writes an exec plugin, a shell script; gives its path. */
export async function writePlugin(directory: string, script: string): Promise<string> {
  const path = join(directory, 'plugin.sh')
  await writeFile(path, `#!/bin/sh\n${script}\n`, { mode: 0o755 })
  return path
}

/** A user that asks this plugin. */
export function pluginUser(command: string, exec: Raw = {}): Raw {
  const apiVersion = 'client.authentication.k8s.io/v1'
  return { exec: { apiVersion, command, interactiveMode: 'Never', ...exec } }
}

/** The shell command with which a plugin answers. */
export function printCredential(status: string): string {
  const credential = `{"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential","status":${status}}`
  return `cat <<'END'\n${credential}\nEND`
}
