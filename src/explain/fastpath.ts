import { fastpathLabelBit, fastpathProtocols } from '../dataplane/names.ts'
import { fastpathAnnotation, serviceKeyOf } from '../model/service-port.ts'
import type { Destination, Dialled } from './destination.ts'
import type { Outcome } from './trace.ts'

/** Whether a connection leaves the rules for a flow table when it is long, or why not. */
export type FastpathReport =
  | { readonly isTaken: true; readonly afterPackets: number }
  | { readonly isTaken: false; readonly reason: string }

/** What becomes of the connection that an outcome began. `threshold` is 0 where there is no fast path. */
export function fastpathReport(
  outcome: Outcome,
  { protocol }: Dialled,
  destination: Destination,
  threshold: number,
): FastpathReport {
  const no = (reason: string): FastpathReport => ({ isTaken: false, reason })
  if (threshold === 0) return no('it is turned off')
  if (!fastpathProtocols.has(protocol)) return no(`the kernel has none for ${protocol.toUpperCase()}`)
  if (!outcome.isTranslated) return no('the connection does not go through a Service')
  if (outcome.delivery !== 'forwarded') {
    return no(`the connection ${outcome.delivery === 'sent' ? 'begins' : 'ends'} on this node, nothing is forwarded`)
  }
  if (hasLabel(outcome)) return { isTaken: true, afterPackets: threshold }
  const service = destination.kind === 'frontend' ? serviceKeyOf(destination.servicePort) : 'the Service'
  return no(`${service} opted out by its annotation ${fastpathAnnotation}`)
}

/** One line. What interfaces there are is not known here. */
export function fastpathText(report: FastpathReport): string {
  return report.isTaken
    ? `fast path: with more than ${report.afterPackets} packets, if both interfaces take part`
    : `fast path: no, ${report.reason}`
}

/** The rules that pick endpoints say by a label which connections may. */
function hasLabel({ tracking }: Outcome): boolean {
  if (typeof tracking === 'string') return false
  return (((tracking.labels[fastpathLabelBit >> 3] ?? 0) >> (fastpathLabelBit & 7)) & 1) === 1
}
