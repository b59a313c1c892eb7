import { readFileSync } from 'node:fs'
import { stringify } from 'yaml'
import { type Config, loadConfig } from '../../src/config/load.ts'
import { ConfigError } from '../../src/config/errors.ts'
import type { RunFlags } from '../../src/config/flag-values.ts'

/** What kubeadm writes into the ConfigMap kube-proxy, in mode nftables. */
export const kubeadmText = readFileSync(new URL('kubeadm-config.conf', import.meta.url), 'utf8')

/** The text of a configuration file with these fields. */
export function fileText(fields: object | string = {}): string {
  const head = 'apiVersion: kubeproxy.config.k8s.io/v1alpha1\nkind: KubeProxyConfiguration\n'
  if (typeof fields === 'string') return head + fields
  return Object.keys(fields).length === 0 ? head : head + stringify(fields)
}

/** What `run` makes of these flags on the host Node-7; the file that --config names has this text. */
export function load(flags: RunFlags = {}, text?: string): Config {
  const withFile = text === undefined ? flags : { config: 'kube-proxy.conf', ...flags }
  return loadConfig(withFile, { hostname: 'Node-7', readFile: () => text ?? '' })
}

/** What a file with these fields, and mode nftables, makes. */
export function loadFile(fields: object = {}): Config {
  return load({}, fileText({ mode: 'nftables', ...fields }))
}

/** The lines of the ConfigError that this throws, or none. */
export function problemsOf(run: () => unknown): readonly string[] {
  try {
    run()
    return []
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    return error.message.split('\n')
  }
}

/** Only the fields: `--min-sync-period`, `nftables.syncPeriod`. */
export function problemFields(run: () => unknown): readonly string[] {
  return problemsOf(run).map((line) => line.replace(/: .*/s, '').replace('KubeProxyConfiguration.', ''))
}
