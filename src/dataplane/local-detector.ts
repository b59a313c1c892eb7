import { type Cidr, cidrParts } from '../model/cidr.ts'
import type { Expr } from '../nft/expressions.ts'
import type { InetFamily } from '../nft/inet.ts'
import { saddr } from '../nft/selectors.ts'
import { inPrefix, throughInterface } from '../nft/statements.ts'

/** Packets from local pods, by their source address or by the interface that they come in through. */
export type LocalDetector =
  | { readonly kind: 'cidr'; readonly cidr: Cidr }
  | { readonly kind: 'bridge'; readonly interfaceName: string }
  | { readonly kind: 'interface-prefix'; readonly prefix: string }

/** `ip saddr 10.244.0.0/16`, `iifname "cni0"` or `iifname "veth*"`; with `not in`, the converse. */
export function fromLocalPod(family: InetFamily, detector: LocalDetector, operator: 'in' | 'not in'): readonly Expr[] {
  switch (detector.kind) {
    case 'cidr': {
      const { bytes, prefixLength } = cidrParts(detector.cidr)
      return inPrefix(saddr(family), operator, bytes, prefixLength)
    }
    case 'bridge':
      return throughInterface(operator, detector.interfaceName, 'whole')
    case 'interface-prefix':
      return throughInterface(operator, detector.prefix, 'prefix')
  }
}
