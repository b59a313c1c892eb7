/** The baseline: the same Services as one chain and one anonymous map each, for `nft -f`. */
import { type ClusterSize, clusterIp, endpointAddress } from './cluster.ts'

/** nft(8) text of a table that sends each cluster IP to a chain of its own. */
export function chainPerServiceText({ services, endpoints }: ClusterSize): string {
  const lines = ['table ip kube-proxy {']
  for (let index = 0; index < services; index++) {
    const targets = Array.from(
      { length: endpoints },
      (_, endpoint) => `${endpoint} : ${endpointAddress(index, endpoint, endpoints)} . 8080`,
    )
    lines.push(
      `chain service-bench/s${index}/tcp/http {`,
      `meta l4proto tcp dnat ip to numgen random mod ${endpoints} map { ${targets.join(', ')} }`,
      '}',
    )
  }
  const elements = Array.from(
    { length: services },
    (_, index) => `${clusterIp(index)} . tcp . 80 : goto service-bench/s${index}/tcp/http`,
  )
  lines.push(
    'map service-ips {',
    'type ipv4_addr . inet_proto . inet_service : verdict',
    `elements = { ${elements.join(', ')} }`,
    '}',
    'chain services { ip daddr . meta l4proto . th dport vmap @service-ips; }',
    'chain nat-prerouting { type nat hook prerouting priority -100; jump services; }',
    '}',
  )
  return lines.join('\n')
}
