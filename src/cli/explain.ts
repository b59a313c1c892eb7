import { ConfigError } from '../config/errors.ts'
import type { LocalDetector } from '../dataplane/local-detector.ts'
import type { DataplaneOptions } from '../dataplane/options.ts'
import { type Dialled, findDestination } from '../explain/destination.ts'
import { tracePacket } from '../explain/machine.ts'
import type { Packet } from '../explain/packet.ts'
import { reportOf, reportText } from '../explain/report.ts'
import { indexTables } from '../explain/ruleset.ts'
import { cidrParts } from '../model/cidr.ts'
import { type Family, familyOf, type IpAddress, ipFromBytes, parseIp } from '../model/ip.ts'
import type { ManifestFlags } from './flags.ts'
import { wantedCluster } from './wanted-cluster.ts'

export type ExplainFlags = ManifestFlags & { readonly from: string; readonly to: string; readonly json?: boolean }

/** Says what becomes of a new connection; the exit code is 0 if it would arrive and 1 if not. Throws ConfigError. */
export async function explain(flags: ExplainFlags): Promise<void> {
  const dialled = parseDestination(flags.to)
  const family = familyOf(dialled.ip)
  const { node, facts, tables, fastpath, fastpathThreshold } = await wantedCluster(flags, [family])
  const [table] = tables
  if (table === undefined) throw new RangeError('one family has one table')
  const knownIp = facts.ips[family]
  if (knownIp === undefined) {
    const standIn = `${standIns[family]} stands for it`
    process.stderr.write(`flowproxy: the manifests have no Node ${node.name} with an ${family} address; ${standIn}\n`)
  }
  const nodeIps: [IpAddress] = [knownIp ?? typical(standIns[family])]
  const packet = { ...sender(flags.from, family, table.options, nodeIps), ...target(dialled) }
  const ruleset = indexTables([table.contents, ...(fastpath === undefined ? [] : [fastpath])])
  const outcomes = tracePacket(ruleset, packet, { addresses: nodeIps })
  const destination = findDestination(table.model, node, dialled, nodeIps.includes(dialled.ip))
  const report = reportOf(outcomes, dialled, destination, node, fastpathThreshold)
  process.stdout.write(flags.json === true ? `${JSON.stringify(report, undefined, 2)}\n` : reportText(report))
  process.exitCode = report.arrives ? 0 : 1
}

/** Reads `IP:PORT`, `IP:PORT/udp`, `[IPv6]:PORT`. Throws ConfigError. */
function parseDestination(text: string): Dialled {
  const match = /^(?:\[(?<six>[^\]]+)\]|(?<four>[^:]+)):(?<port>\d+)(?:\/(?<protocol>\w+))?$/.exec(text)
  const { six, four, port = '', protocol = 'tcp' } = match?.groups ?? {}
  const ip = parseIp(six ?? four ?? '')
  const number = Number(port)
  if (ip === undefined || number < 1 || number > 65_535) {
    throw new ConfigError('--to', `"${text}" is not of the form 10.96.0.10:80, 10.96.0.10:53/udp or [fd00::10]:80`)
  }
  if (protocol !== 'tcp' && protocol !== 'udp' && protocol !== 'sctp') {
    throw new ConfigError('--to', `"${protocol}" is none of tcp, udp, sctp`)
  }
  return { ip, port: number, protocol }
}

/** Addresses for documentation (RFC 5737, RFC 3849). */
const standIns = { IPv4: '192.0.2.1', IPv6: '2001:db8::1' } as const satisfies Record<Family, string>

type Sender = Pick<Packet, 'origin' | 'source' | 'iifname'>

/** A typical sender of a kind, or the one with that address. Throws ConfigError. */
function sender(text: string, family: Family, options: DataplaneOptions, nodeIps: readonly [IpAddress]): Sender {
  switch (text) {
    case 'pod':
      return { origin: 'network', source: podAddress(family, options.localDetector), ...through(options.localDetector) }
    case 'node':
      return { origin: 'node', source: nodeIps[0] }
    case 'external':
      return { origin: 'network', source: family === 'IPv4' ? typical('203.0.113.77') : typical('2001:db8:113::77') }
    default: {
      const source = parseIp(text)
      if (source === undefined)
        throw new ConfigError('--from', `"${text}" is none of pod, node, external, and no IP address`)
      if (familyOf(source) !== family) throw new ConfigError('--from', `"${text}" and --to are of two IP families`)
      return { origin: nodeIps.includes(source) ? 'node' : 'network', source }
    }
  }
}

/** The third address of the pod range, or one that stands for a pod where pods are told by their interface. */
function podAddress(family: Family, detector: LocalDetector | undefined): IpAddress {
  if (detector?.kind !== 'cidr') return family === 'IPv4' ? typical('10.244.0.3') : typical('fd00:10:244::3')
  const bytes = Uint8Array.from(cidrParts(detector.cidr).bytes)
  bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) | 3
  return ipFromBytes(bytes)
}

function through(detector: LocalDetector | undefined): { iifname?: string } {
  if (detector?.kind === 'bridge') return { iifname: detector.interfaceName }
  return detector?.kind === 'interface-prefix' ? { iifname: `${detector.prefix}0` } : {}
}

function target({ ip, port, protocol }: Dialled): Omit<Packet, 'origin' | 'source'> {
  return { protocol, sourcePort: 40_000, destination: ip, destinationPort: port }
}

function typical(text: string): IpAddress {
  const ip = parseIp(text)
  if (ip === undefined) throw new RangeError(text)
  return ip
}
