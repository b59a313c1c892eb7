/* The form of the packet tables: who sends to whom in which world, and what has to come of it. */
import type { Protocol } from '../../src/model/service-port.ts'
import type { World } from './world.ts'

/** One world and the packets that are sent in it. */
export type Scenario = {
  /** Present tense, without the packets: `a load balancer with source ranges`. */
  readonly title: string
  readonly given: Partial<World>
  /** The same in other worlds, each different from `given` in something; the first is what `expect` says. */
  readonly columns?: Readonly<Record<string, Partial<World>>>
  readonly rows: readonly Row[]
  /** When the slices are deleted then, every packet of the rows is rejected. */
  readonly isRejectedWithoutSlices?: boolean
}

/** A new connection. Addresses are IPv4 and the protocol is TCP; the other variants are derived. */
export type Row = {
  readonly id: string
  readonly from: string
  readonly to: string
  /** 80 by default. */
  readonly port?: number
  readonly protocol?: Protocol
  readonly expect: Expected
  /** What is expected in columns where it is something else. */
  readonly in?: Readonly<Record<string, Expected>>
  /** Why the row is run through the machine only. */
  readonly machineOnly?: string
}

/** `untouched`: no rule did anything, and the address that it was sent to answers. */
export type Expected = 'rejected' | 'dropped' | 'untouched' | Reached

/** These endpoints, all of them and no other, answer. */
export type Reached = {
  readonly endpoints: readonly string[]
  readonly port: number
  /** Whether they see the node instead of the client; or which of them do. */
  readonly masqueraded: boolean | readonly string[]
}

/** The endpoints see the client. `port` is that of the endpoints. */
export function kept(endpoints: readonly string[], port = 80): Reached {
  return { endpoints, port, masqueraded: false }
}

/** The endpoints see the node. */
export function masqueraded(endpoints: readonly string[], port = 80): Reached {
  return { endpoints, port, masqueraded: true }
}
