/*
 * externalTrafficPolicy Local: clients outside reach the endpoints on this Node only, with their own address. Pods and
 * the Node itself are short-circuited to all endpoints, as if they had dialled the cluster IP.
 *
 *   map external-cluster-ips { type ipv4_addr . inet_proto . inet_service : verdict
 *     elements = { 198.51.100.7 . tcp . 80 comment "shop/web:http" : goto pick-tcp-5 } }
 *   map external-local-ips { elements = { 198.51.100.7 . tcp . 80 comment "shop/web:http" : goto pick-local-tcp-2 } }
 *   chain external-local {
 *     ip saddr 10.244.0.0/16 ip daddr . meta l4proto . th dport vmap @external-cluster-ips
 *     fib saddr type local meta mark set meta mark | 0x00004000
 *     fib saddr type local ip daddr . meta l4proto . th dport vmap @external-cluster-ips
 *     ip daddr . meta l4proto . th dport vmap @external-local-ips
 *   }
 *
 * The same for node ports, without the address. Who finds nothing here is dropped by `no-endpoint-services`.
 */
import { addressType, dataTypes } from '../nft/datatypes.ts'
import { byType, type NftSet, type Rule } from '../nft/objects.ts'
import { daddr, l4proto, type Selector, thDport } from '../nft/selectors.ts'
import { isLocalAddress, setMark, verdictMap } from '../nft/statements.ts'
import type { Fragment } from './layout.ts'
import { fromLocalPod } from './local-detector.ts'
import { chainNames, inetFamily, setNames } from './names.ts'
import type { DataplaneOptions } from './options.ts'

export function externalLocal(options: DataplaneOptions): Fragment {
  const inet = inetFamily(options.family)
  const ipKey = byType(addressType(inet), dataTypes.inet_proto, dataTypes.inet_service)
  const portKey = byType(dataTypes.inet_proto, dataTypes.inet_service)
  const map = (name: string, key: NftSet['key']): NftSet => ({ name, key, value: 'verdict' })
  return {
    sets: [
      map(setNames.externalClusterIps, ipKey),
      map(setNames.externalLocalIps, ipKey),
      map(setNames.externalClusterNodePorts, portKey),
      map(setNames.externalLocalNodePorts, portKey),
    ],
    chains: [{ name: chainNames.externalLocal }, { name: chainNames.externalLocalNodePort }],
    rules: [
      ...rules(options, chainNames.externalLocal, [daddr(inet), l4proto, thDport], {
        cluster: setNames.externalClusterIps,
        local: setNames.externalLocalIps,
      }),
      ...rules(options, chainNames.externalLocalNodePort, [l4proto, thDport], {
        cluster: setNames.externalClusterNodePorts,
        local: setNames.externalLocalNodePorts,
      }),
    ],
  }
}

function rules(
  { family, localDetector, masqueradeMark }: DataplaneOptions,
  chain: string,
  key: readonly Selector[],
  maps: { readonly cluster: string; readonly local: string },
): Rule[] {
  const toCluster = verdictMap(key, maps.cluster)
  const fromPod = localDetector === undefined ? [] : [fromLocalPod(inetFamily(family), localDetector, 'in')]
  return [
    ...fromPod.map((match): Rule => ({
      chain,
      expressions: [...match, ...toCluster],
      comment: 'short-circuit pod traffic',
    })),
    {
      chain,
      expressions: [...isLocalAddress('saddr'), ...setMark(masqueradeMark)],
      comment: 'masquerade local traffic',
    },
    { chain, expressions: [...isLocalAddress('saddr'), ...toCluster], comment: 'short-circuit local traffic' },
    { chain, expressions: verdictMap(key, maps.local) },
  ]
}
