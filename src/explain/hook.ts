/** One hook: everything that runs there, until something ends the packet's way. */
import { type Branch, runBaseChain } from './chain.ts'
import { type Connection, decide, isDecided, type Manipulation, translate } from './conntrack.ts'
import type { HookFunction, PlacedChain, Ruleset } from './ruleset.ts'
import type { HookVisit, PacketState } from './state.ts'
import { manipulationAt } from './translate.ts'

/** All ways through a hook. `accept` of one base chain does not keep the packet from the ones behind. */
export function runHook(ruleset: Ruleset, packet: PacketState, visit: HookVisit): Branch[] {
  const functions = ruleset[packet.headers.family][visit.hook]
  const entered: Branch = { verdict: 'accept', packet: { ...packet, hooks: [...packet.hooks, visit.hook] } }
  return functions.reduce<Branch[]>(
    (branches, run) =>
      branches.flatMap((branch) => (branch.verdict === 'accept' ? runFunction(run, branch.packet, visit) : [branch])),
    [entered],
  )
}

function runFunction(run: HookFunction, packet: PacketState, visit: HookVisit): Branch[] {
  return run.kind === 'chain' ? runBaseChain(run.chain, packet, visit) : runNat(run.chains, packet, visit)
}

/**
 * nf_nat_inet_fn(): as long as nothing is decided for this end of the connection, its NAT chains are asked, one after
 * the other until one decides. If none does it is decided that nothing changes: a packet that the node sent to itself
 * does not meet NAT chains of prerouting, since those of output were asked before.
 */
function runNat(chains: readonly PlacedChain[], packet: PacketState, visit: HookVisit): Branch[] {
  const manipulation = manipulationAt(visit.hook)
  if (manipulation === undefined) return [{ verdict: 'accept', packet }]
  const decisions = chains.reduce<Branch[]>(
    (branches, chain) =>
      branches.flatMap((branch) =>
        branch.verdict === 'accept' && isOpen(branch.packet, manipulation)
          ? runBaseChain(chain, branch.packet, visit)
          : [branch],
      ),
    [{ verdict: 'accept', packet }],
  )
  return decisions.map((branch) =>
    branch.verdict === 'accept' ? { ...branch, packet: translated(branch.packet, manipulation) } : branch,
  )
}

function isOpen({ tracking }: PacketState, manipulation: Manipulation): boolean {
  return typeof tracking !== 'string' && isFirst(tracking) && !isDecided(tracking, manipulation)
}

function isFirst({ state }: Connection): boolean {
  return state !== 'established'
}

function translated(packet: PacketState, manipulation: Manipulation): PacketState {
  const { tracking, headers } = packet
  if (typeof tracking === 'string') return packet
  const isNull = isFirst(tracking) && !isDecided(tracking, manipulation)
  const connection = isNull ? decide(tracking, manipulation) : tracking
  return { ...packet, tracking: connection, headers: translate(headers, connection, manipulation) }
}
