/*
 * The imagined packet: what people say of it, and the bytes that rules look at.
 *
 *   | IPv4 header, 20 bytes | TCP 20, UDP 8 or SCTP 12 bytes |      expressions address either header by offset
 *   | IPv6 header, 40 bytes | ...                            |      and may read from the first into the second
 */
import { familyOf, type IpAddress, ipBytes } from '../model/ip.ts'
import type { Protocol } from '../model/service-port.ts'
import { IPPROTO } from '../nft/datatypes.ts'
import type { InetFamily } from '../nft/inet.ts'
import type { Tracking } from './conntrack.ts'

/** One packet as it begins its way through a node. Both addresses are of one family. */
export type Packet = {
  /** It arrives from a pod or from outside, or a process of the node sends it. */
  readonly origin: 'network' | 'node'
  readonly protocol: Protocol
  readonly source: IpAddress
  readonly sourcePort: number
  readonly destination: IpAddress
  readonly destinationPort: number
  /** The interface that it arrives on; nothing for a packet of the node itself. */
  readonly iifname?: string
  readonly mark?: number
  /** What conntrack knows of it; without that it is the first packet of its connection. */
  readonly tracking?: Tracking
}

/** An address and a port as the headers have them. */
export type TransportAddress = { readonly address: Uint8Array; readonly port: number }

/** The packet's bytes from the network header on. Checksums are left at zero. */
export type Headers = { readonly family: InetFamily; readonly bytes: Uint8Array }

/** Where the fields are: `addresses` is the source's offset, the destination follows. */
const networkHeaders = {
  ip: { bytes: 20, protocol: 9, addresses: 12, addressBytes: 4 },
  ip6: { bytes: 40, protocol: 6, addresses: 8, addressBytes: 16 },
} as const

const transportBytes = { tcp: 20, udp: 8, sctp: 12 } as const satisfies Record<Protocol, number>

/** Throws RangeError when the addresses are of two families. */
export function packetHeaders({ protocol, source, sourcePort, destination, destinationPort }: Packet): Headers {
  const family = familyOf(source) === 'IPv4' ? 'ip' : 'ip6'
  if (familyOf(source) !== familyOf(destination)) {
    throw new RangeError(`a packet cannot go from ${source} to ${destination}`)
  }
  const layout = networkHeaders[family]
  const bytes = new Uint8Array(layout.bytes + transportBytes[protocol])
  if (family === 'ip') bytes.set([0x45, 0, 0, bytes.length, 0, 0, 0x40, 0, 64])
  else bytes.set([0x60, 0, 0, 0, 0, transportBytes[protocol], 0, 64])
  bytes[layout.protocol] = IPPROTO[protocol]
  if (protocol === 'tcp') bytes.set([0x50, 0x02], layout.bytes + 12) // five words, SYN
  if (protocol === 'udp') bytes[layout.bytes + 5] = transportBytes.udp
  return replaceAddresses(
    { family, bytes },
    { address: ipBytes(source), port: sourcePort },
    { address: ipBytes(destination), port: destinationPort },
  )
}

/** The IP protocol number. */
export function protocolNumber({ family, bytes }: Headers): number {
  return bytes[networkHeaders[family].protocol] ?? 0
}

/** Where the transport header begins. */
export function transportOffset({ family }: Headers): number {
  return networkHeaders[family].bytes
}

export function sourceOf(headers: Headers): TransportAddress {
  return addressAt(headers, 0)
}

export function destinationOf(headers: Headers): TransportAddress {
  return addressAt(headers, 1)
}

/** The same packet from and to other addresses. */
export function replaceAddresses(
  headers: Headers,
  source: TransportAddress = sourceOf(headers),
  destination: TransportAddress = destinationOf(headers),
): Headers {
  const { family } = headers
  const { bytes: transport, addresses, addressBytes } = networkHeaders[family]
  const bytes = Uint8Array.from(headers.bytes)
  for (const [index, { address, port }] of [source, destination].entries()) {
    bytes.set(address.subarray(0, addressBytes), addresses + index * addressBytes)
    bytes[transport + index * 2] = port >>> 8
    bytes[transport + index * 2 + 1] = port
  }
  return { family, bytes }
}

function addressAt({ family, bytes }: Headers, index: 0 | 1): TransportAddress {
  const { bytes: transport, addresses, addressBytes } = networkHeaders[family]
  const start = addresses + index * addressBytes
  const portAt = transport + index * 2
  return {
    address: bytes.slice(start, start + addressBytes),
    port: ((bytes[portAt] ?? 0) << 8) | (bytes[portAt + 1] ?? 0),
  }
}
