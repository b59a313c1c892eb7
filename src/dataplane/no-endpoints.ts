/*
 * Services without a usable endpoint answer at once: rejected when there is none in the whole cluster, dropped when
 * policy Local forbids the ones on other Nodes.
 *
 *   map no-endpoint-services { type ipv4_addr . inet_proto . inet_service : verdict
 *     elements = { 172.30.0.46 . tcp . 80 comment "ns6/svc6:p80" : goto reject-chain } }
 *   chain reject-chain { reject; }
 *   chain service-endpoints-check { ip daddr . meta l4proto . th dport vmap @no-endpoint-services; }
 *   chain nodeport-endpoints-check { ip daddr @nodeport-ips meta l4proto . th dport vmap @no-endpoint-nodeports; }
 */
import { addressType, dataTypes } from '../nft/datatypes.ts'
import { drop, goto } from '../nft/expressions.ts'
import { byType } from '../nft/objects.ts'
import { daddr, l4proto, thDport } from '../nft/selectors.ts'
import { reject, verdictMap } from '../nft/statements.ts'
import { type Frontend, frontendKey } from './frontend.ts'
import type { Placed } from './elements.ts'
import type { Fragment } from './layout.ts'
import { chainNames, inetFamily, setNames } from './names.ts'
import { acceptsNodePorts } from './node-ports.ts'
import type { DataplaneOptions } from './options.ts'

export function noEndpoints(options: DataplaneOptions): Fragment {
  const inet = inetFamily(options.family)
  return {
    sets: [
      {
        name: setNames.noEndpointServices,
        key: byType(addressType(inet), dataTypes.inet_proto, dataTypes.inet_service),
        value: 'verdict',
        comment: 'vmap to drop or reject packets to services with no endpoints',
      },
      {
        name: setNames.noEndpointNodePorts,
        key: byType(dataTypes.inet_proto, dataTypes.inet_service),
        value: 'verdict',
        comment: 'vmap to drop or reject packets to service nodeports with no endpoints',
      },
    ],
    chains: [
      {
        name: chainNames.reject,
        // A map holds verdicts only, and a rejection is a statement.
        comment: 'helper for @no-endpoint-services / @no-endpoint-nodeports',
      },
      { name: chainNames.serviceEndpointsCheck },
      { name: chainNames.nodePortEndpointsCheck },
    ],
    rules: [
      { chain: chainNames.reject, expressions: [reject(inet)] },
      {
        chain: chainNames.serviceEndpointsCheck,
        expressions: verdictMap([daddr(inet), l4proto, thDport], setNames.noEndpointServices),
      },
      {
        chain: chainNames.nodePortEndpointsCheck,
        expressions: [...acceptsNodePorts(options), ...verdictMap([l4proto, thDport], setNames.noEndpointNodePorts)],
      },
    ],
  }
}

/** Rejects or drops what is sent to a frontend. */
export function noEndpointElement(frontend: Frontend, answer: 'reject' | 'drop'): Placed {
  return {
    set: frontend.kind === 'ip' ? setNames.noEndpointServices : setNames.noEndpointNodePorts,
    element: {
      key: frontendKey(frontend),
      verdict: answer === 'drop' ? drop : goto(chainNames.reject),
      comment: frontend.owner,
    },
  }
}
