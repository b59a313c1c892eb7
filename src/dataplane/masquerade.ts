/*
 * Who is masqueraded: packets that carry the mark. Traffic to cluster IPs from outside the pod network gets it, since
 * the endpoint's answer must come back through this Node.
 *
 *   chain services {
 *     ip daddr @cluster-ips ip saddr != 10.244.0.0/16 meta mark set meta mark | 0x00004000
 *     ...
 *   }
 *   chain masquerading {
 *     meta mark & 0x00004000 != 0x00000000 meta mark set meta mark ^ 0x00004000 masquerade fully-random
 *     ...
 *   }
 */
import type { Expr } from '../nft/expressions.ts'
import type { Rule } from '../nft/objects.ts'
import { daddr } from '../nft/selectors.ts'
import { flipMark, hasMark, inSet, masqueradeFullyRandom, setMark } from '../nft/statements.ts'
import type { Fragment } from './layout.ts'
import { fromLocalPod } from './local-detector.ts'
import { chainNames, inetFamily, setNames } from './names.ts'
import type { DataplaneOptions } from './options.ts'

export function masquerade(options: DataplaneOptions): Fragment {
  const { masqueradeMark } = options
  return {
    chains: [{ name: chainNames.services }, { name: chainNames.masquerading }],
    rules: [
      ...markRule(options),
      {
        chain: chainNames.masquerading,
        // The mark is taken off again: other chains and other Nodes shall not see it.
        expressions: [...hasMark(masqueradeMark), ...flipMark(masqueradeMark), masqueradeFullyRandom],
      },
    ],
  }
}

/** One rule for all Services, or none where neither everything nor anything recognisable is masqueraded. */
function markRule({ family, masqueradeMark, masqueradeAll, localDetector }: DataplaneOptions): Rule[] {
  const toClusterIps = inSet([daddr(inetFamily(family))], setNames.clusterIps)
  const rule = (sender: readonly Expr[], comment: string): Rule[] => [
    { chain: chainNames.services, expressions: [...toClusterIps, ...sender, ...setMark(masqueradeMark)], comment },
  ]
  if (masqueradeAll) return rule([], 'masquerade all clusterIP traffic')
  if (localDetector === undefined) return []
  const fromOutside = fromLocalPod(inetFamily(family), localDetector, 'not in')
  return rule(fromOutside, 'masquerade clusterIP traffic from outside cluster')
}
