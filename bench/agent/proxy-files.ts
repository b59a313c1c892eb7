import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { benchNodeName } from '../cluster.ts'

export const healthAddress = '127.0.0.1:10256'
export const metricsAddress = '127.0.0.1:10249'

/** Writes a proxy's configuration and kubeconfig into a directory; returns the path of the configuration. */
export function writeProxyFiles(
  directory: string,
  server: { readonly url: string; readonly certFile: string | undefined },
  minSyncPeriod: string,
): string {
  const kubeconfig = join(directory, 'kubeconfig')
  const cluster = { server: server.url, ...(server.certFile && { 'certificate-authority': server.certFile }) }
  writeJson(kubeconfig, {
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [{ name: 'bench', cluster }],
    users: [{ name: 'bench', user: {} }],
    contexts: [{ name: 'bench', context: { cluster: 'bench', user: 'bench' } }],
    'current-context': 'bench',
  })
  const config = join(directory, 'config.yaml')
  writeJson(config, {
    apiVersion: 'kubeproxy.config.k8s.io/v1alpha1',
    kind: 'KubeProxyConfiguration',
    mode: 'nftables',
    hostnameOverride: benchNodeName,
    detectLocalMode: 'ClusterCIDR',
    clusterCIDR: '100.64.0.0/10',
    clientConnection: { kubeconfig },
    healthzBindAddress: healthAddress,
    metricsBindAddress: metricsAddress,
    // Zeros: nothing is written to /proc.
    oomScoreAdj: 0,
    conntrack: { maxPerCore: 0, min: 0, tcpEstablishedTimeout: '0s', tcpCloseWaitTimeout: '0s' },
    nftables: { minSyncPeriod, syncPeriod: '30s' },
  })
  return config
}

/** JSON is YAML. */
function writeJson(file: string, content: object): void {
  writeFileSync(file, `${JSON.stringify(content, undefined, 2)}\n`)
}
