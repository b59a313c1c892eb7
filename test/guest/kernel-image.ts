/* The kernels that a guest can boot: unpacked Debian packages, where fetch-kernel.sh puts them. */
import { existsSync, readdirSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'

/** A kernel on the host's disk. */
export type KernelImage = {
  /** Such as `6.1.0-56-amd64`. */
  readonly release: string
  readonly image: string
  /** The directory that the guest needs as /lib/modules. */
  readonly modules: string
}

/** The kernel whose release starts with a version, such as `6.1`, or that is unpacked in a directory; undefined if there is none. */
export function findKernel(versionOrDirectory: string): KernelImage | undefined {
  const unpacked = versionOrDirectory.includes('/')
    ? [versionOrDirectory]
    : list(kernelsDirectory).map((name) => join(kernelsDirectory, name))
  return unpacked
    .filter((directory) => existsSync(join(directory, 'complete')))
    .flatMap((directory) =>
      list(join(directory, 'lib/modules')).map((release) => ({
        release,
        image: join(directory, 'boot', `vmlinuz-${release}`),
        modules: join(directory, 'lib/modules'),
      })),
    )
    .find(({ release }) => versionOrDirectory.includes('/') || release.startsWith(`${versionOrDirectory}.`))
}

const kernelsDirectory = join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'flowproxy/guest-kernels')

function list(directory: string): readonly string[] {
  return existsSync(directory) ? readdirSync(directory) : []
}
