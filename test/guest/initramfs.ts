/* What the guest's kernel starts from: busybox, the modules that mount the root, and the init program, as a cpio archive. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { KernelImage } from './kernel-image.ts'

/** An archive in the "newc" format (Documentation/driver-api/early-userspace/buffer-format.rst) that the kernel unpacks. */
export function initramfs(kernel: KernelImage, init: string): Buffer {
  const modules = moduleFiles(kernel, [...rootModules, ...ruleModules])
  return Buffer.concat([
    ...['bin', 'proc', 'sys', 'dev', 'lower', 'upper', 'root', 'modules'].map((name) => entry(name, 0o040755)),
    entry('bin/busybox', 0o100755, readFileSync('/bin/busybox')),
    entry('init', 0o100755, Buffer.from(init)),
    ...modules.map((file, index) =>
      entry(moduleName(index, file), 0o100644, readFileSync(join(kernel.modules, kernel.release, file))),
    ),
    entry('TRAILER!!!', 0),
  ])
}

const rootModules = ['virtio_pci', '9pnet_virtio', '9p', 'overlay', 'virtio_console']

/** What the kernel would find by itself too, but half a second later each. Those of flow tables are not here: a test begins without. */
const ruleModules = [
  'veth crc32c_generic nfnetlink nf_tables nf_conntrack nf_conntrack_netlink nf_nat nft_chain_nat nft_ct nft_nat',
  'nft_masq nft_numgen nft_hash nft_fib_inet nft_reject_inet nft_reject_ipv4 nft_reject_ipv6 nft_limit',
].flatMap((names) => names.split(' '))

/** Modules with what they depend on, each after its dependencies. */
function moduleFiles({ modules, release }: KernelImage, names: readonly string[]): readonly string[] {
  const dependencies = new Map(
    readFileSync(join(modules, release, 'modules.dep'), 'utf8')
      .split('\n')
      .map((line) => line.split(': ', 2) as [string, string | undefined])
      .map(([file, needs]) => [file.replace(/:$/, ''), needs?.split(' ') ?? []]),
  )
  const found = new Set<string>()
  const visit = (file: string): void => {
    for (const needed of dependencies.get(file) ?? []) visit(needed)
    found.add(file)
  }
  for (const name of names) {
    const file = [...dependencies.keys()].find((path) => path.includes(`/${name}.ko`))
    // A kernel may have it built in.
    if (file !== undefined) visit(file)
  }
  return [...found]
}

/** Names in the order in which they must be loaded. */
function moduleName(index: number, file: string): string {
  return `modules/${String(index).padStart(2, '0')}-${file.slice(file.lastIndexOf('/') + 1)}`
}

function entry(name: string, mode: number, content: Buffer = Buffer.alloc(0)): Buffer {
  const fields = [0, mode, 0, 0, 1, 0, content.length, 0, 0, 0, 0, name.length + 1, 0]
  const header = `070701${fields.map((field) => field.toString(16).padStart(8, '0')).join('')}${name}\0`
  return Buffer.concat([padded(Buffer.from(header)), padded(content)])
}

function padded(bytes: Buffer): Buffer {
  return Buffer.concat([bytes, Buffer.alloc((4 - (bytes.length % 4)) % 4)])
}
