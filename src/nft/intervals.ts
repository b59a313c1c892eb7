import { addressAfter } from './inet.ts'
import type { SetElement } from './objects.ts'

/** The elements of an interval set that cover these prefixes, which must not overlap; the form in which nft writes them. */
export function intervalElements(
  prefixes: readonly { readonly address: Uint8Array; readonly prefixLength: number }[],
): SetElement[] {
  const elements = prefixes.flatMap(({ address, prefixLength }): SetElement[] => {
    const end = addressAfter(address, prefixLength)
    return [{ key: address }, ...(end === undefined ? [] : [{ key: end, isIntervalEnd: true }])]
  })
  const [first] = prefixes
  // The gap before the first range is marked by an end at zero; rbtree sets of all kernels accept it.
  const hasZero = prefixes.some(({ address }) => address.every((byte) => byte === 0))
  return first === undefined || hasZero
    ? elements
    : [{ key: new Uint8Array(first.address.length), isIntervalEnd: true }, ...elements]
}
