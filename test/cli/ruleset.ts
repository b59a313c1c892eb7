/** nf_tables of a namespace as the nft program sees it. */
import assert from 'node:assert/strict'
import type { NetworkNamespace } from '../../src/netlink/namespace.ts'
import { runInNamespace } from '../lab/program.ts'
import { comparableListing } from '../nft/kernel.ts'
import { until } from './until.ts'

/** `nft list ruleset`, comparable with another one of the same namespace. */
export function ruleset(namespace: NetworkNamespace): string {
  return comparableListing(nft(namespace, ['list', 'ruleset']))
}

/** Both tables that run makes, comparable whichever was made first. */
export function proxyTables(namespace: NetworkNamespace): string {
  const texts = ['ip', 'ip6'].map((family) => nft(namespace, ['list', 'table', family, 'kube-proxy']))
  return comparableListing(texts.join(''))
}

/** Loads nft text. Throws what nft said. */
export function load(namespace: NetworkNamespace, text: string): void {
  nft(namespace, ['-f', '-'], text)
}

/** Waits until the ruleset has this text in it, or has it no more; returns the ruleset. */
export async function untilRuleset(
  namespace: NetworkNamespace,
  condition: { readonly has?: string; readonly hasNot?: string },
): Promise<string> {
  const { has = '', hasNot } = condition
  let last = ''
  return until(
    () => {
      last = ruleset(namespace)
      return last.includes(has) && (hasNot === undefined || !last.includes(hasNot)) ? last : undefined
    },
    () => `a ruleset with ${JSON.stringify(condition)}, the last one was\n${last}`,
  )
}

function nft(namespace: NetworkNamespace, args: readonly string[], stdin = ''): string {
  const { status, stdout, stderr } = runInNamespace(namespace, 'nft', args, stdin)
  assert.equal(status, 0, `nft ${args.join(' ')}: ${stderr}`)
  return stdout
}
