/* What the nft program would send for a text, also where the kernel has not what it takes to load it. */
import { NetworkNamespace } from '../../src/netlink/namespace.ts'
import { runInNamespace } from '../lab/program.ts'

/** A message of nf_tables: its type without the subsystem, and what follows the netlink header. */
export type NftMessage = { readonly type: number; readonly body: Buffer }

/**
 * The messages of the batch that nft makes of the text, from how it prints them (`--debug=mnl`): a line for each four
 * bytes, headers of messages and attributes in numbers.
 *
 *   | 02566 | R--- | type | flags |      the header of a message, one line of it
 *   |00007|--|00001| len, flags, type    the header of an attribute
 *   | 63 74 00 00 | data |               four bytes
 */
export function messagesFromNft(text: string): NftMessage[] {
  const namespace = NetworkNamespace.create()
  const { stdout } = runInNamespace(namespace, 'nft', ['--debug=mnl', '-c', '-f', '-'], text)
  namespace.close()
  const messages: { type: number; words: Buffer[] }[] = []
  // eslint-disable-next-line no-control-regex
  for (const line of stdout.replaceAll(/\x1b\[[\d;]*m/g, '').split('\n')) {
    const message = /^\|\s*(?<type>\d+) \| \S{4} \|\t\|\s+type/.exec(line)?.groups
    const attribute = /^\|(?<len>\d+)\|(?<flags>..)\|(?<type>\d+)\|/.exec(line)?.groups
    const bytes = /^\| (?<hex>(?:[\da-f]{2} ){4}) \|\t\|\s+(?:data|extra)/.exec(line)?.groups
    const words = messages.at(-1)?.words
    if (message !== undefined) messages.push({ type: Number(message['type']) & 0xff, words: [] })
    else if (attribute !== undefined)
      words?.push(attributeHeader(attribute['len'], attribute['flags'], attribute['type']))
    else if (bytes !== undefined) words?.push(Buffer.from((bytes['hex'] ?? '').replaceAll(' ', ''), 'hex'))
  }
  return messages.map(({ type, words }) => ({ type, body: Buffer.concat(words) }))
}

/** NLA_F_NESTED */
const nested = 0x8000

function attributeHeader(len = '', flags = '', type = ''): Buffer {
  const header = Buffer.alloc(4)
  header.writeUInt16LE(Number(len), 0)
  header.writeUInt16LE(Number(type) | (flags.startsWith('N') ? nested : 0), 2)
  return header
}
