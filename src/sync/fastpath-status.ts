import type { FastpathCapabilities } from './fastpath-probe.ts'

/** How it is going. */
export type FastpathStatus = {
  readonly state: 'off' | 'starting' | 'unsupported' | 'blocked' | 'failing' | 'active'
  /** Of a state that is neither off nor active. */
  readonly reason: string | undefined
  readonly capabilities: FastpathCapabilities | undefined
  /** Interfaces that the rule asks for. */
  readonly interfaces: readonly string[]
  /** Members of the flowtable, and those that should be. */
  readonly devices: number
  readonly devicesMissing: number
  /** Links that do not take part, and why. */
  readonly leftOut: ReadonlyMap<string, string>
  /** Flowtables of others that have devices of ours. */
  readonly otherFlowtables: readonly string[]
  readonly syncs: number
  readonly syncErrors: number
  readonly recreations: number
}

/** Before anything is known. */
export const unknownStatus: Omit<FastpathStatus, 'state'> = {
  reason: undefined,
  capabilities: undefined,
  interfaces: [],
  devices: 0,
  devicesMissing: 0,
  leftOut: new Map(),
  otherFlowtables: [],
  syncs: 0,
  syncErrors: 0,
  recreations: 0,
}
