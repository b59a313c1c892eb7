import { runInNamespace } from '../lab/program.ts'
import { NetworkNamespace } from '../../src/netlink/namespace.ts'
import { NftConnection } from '../../src/nft/connection.ts'
import { readTable } from '../../src/nft/dump.ts'
import type { TableContents, TableRef } from '../../src/nft/objects.ts'

/** nf_tables of an empty namespace: our connection into it, and the nft program beside. */
export type Kernel = {
  readonly connection: NftConnection
  /** Runs `nft` with these arguments. Throws what it wrote to stderr when it fails. */
  readonly nft: (args: readonly string[], stdin?: string) => string
  /** Loads nft text. Throws what nft wrote to stderr. */
  readonly load: (text: string) => void
  /** `nft list ruleset`, comparable: see `comparableListing`. */
  readonly listing: () => string
  /** `nft --debug=netlink list ruleset` without the listing, comparable: see `comparableBytecode`. */
  readonly bytecode: () => string
  /** One table that must be there, dumped by our code. */
  readonly read: (table: TableRef) => Promise<TableContents>
}

/** A fresh kernel that is gone when the test is over. */
export function freshKernel(test: { after: (close: () => void) => void }): Kernel {
  const namespace = NetworkNamespace.create()
  const connection = namespace.run(() => new NftConnection())
  test.after(() => {
    connection.close()
    namespace.close()
  })
  const nft = (args: readonly string[], stdin = ''): string => {
    const { status, stdout, stderr } = runInNamespace(namespace, 'nft', args, stdin)
    if (status !== 0) throw new Error(`nft ${args.join(' ')}: ${stderr}\n${stdin}`)
    return stdout
  }
  return {
    connection,
    nft,
    load: (text) => void nft(['-f', '-'], text),
    listing: () => comparableListing(nft(['list', 'ruleset'])),
    bytecode: () => comparableBytecode(nft(['--debug=netlink', 'list', 'ruleset'])),
    async read(table) {
      const contents = await readTable(connection, table)
      if (contents === undefined) throw new Error(`there is no table ${table.family} ${table.name}`)
      return contents
    },
  }
}

/** Listed text with the elements of each set sorted, in one line, and without the time left to them. */
export function comparableListing(text: string): string {
  return text
    .replaceAll(/ expires [\ddhms]+/g, '')
    .replaceAll(/elements = \{ ((?:"[^"]*"|[^}"])*) \}/g, (_, elements: string) => {
      const each = [...elements.matchAll(/((?:"[^"]*"|[^,"])+),?/g)].map(([, element]) => (element ?? '').trim())
      return `elements = { ${each.sort().join(', ')} }`
    })
}

/**
 * Bytecode without handles, and with the elements of each set sorted: the kernel dumps hash sets in random order.
 * What nft notes beside an element that ends with the address space (userdata of type 1) is its own affair.
 */
function comparableBytecode(text: string): string {
  const bytecode = text.slice(0, text.search(/^table /m))
  return bytecode
    .replaceAll(/^(\S+ \S+ \S+) \d+( \d+)?\s*$/gm, '$1')
    .replaceAll(String.raw`  userdata = { \x01\x04\x01\x00\x00\x00 }`, '')
    .replaceAll(/(?:^\telement .*\n)+/gm, (lines) => lines.trimEnd().split('\n').sort().join('\n') + '\n')
}
