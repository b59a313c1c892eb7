/* One run of a kernel of our choice: the host's files, one virtual processor in software, no network devices. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Writable } from 'node:stream'
import { initramfs } from './initramfs.ts'
import type { KernelImage } from './kernel-image.ts'

/** How a guest is run. */
export type GuestOptions = {
  readonly kernel: KernelImage
  /** A shell command; it is root, in the directory `/`, and sees the host's files. What it writes to them is gone afterwards. */
  readonly command: string
  /** Gets the command's stdout and stderr. */
  readonly output: Writable
  readonly timeoutMs: number
  readonly memoryMib?: number
  /** Counts instructions instead of time, so that runs can be compared: the clock advances 1 ns with each. */
  readonly isCounting?: boolean
}

/** Boots, runs the command and gives its exit status. Throws Error with the kernel's last messages if there was none in time. */
export async function runInGuest(options: GuestOptions): Promise<number> {
  const { kernel, command, output, timeoutMs } = options
  const directory = mkdtempSync(join(tmpdir(), 'flowproxy-guest-'))
  const path = (name: string): string => join(directory, name)
  try {
    writeFileSync(
      path('initramfs'),
      initramfs(
        kernel,
        initScript.replace('@COMMAND@', () => command),
      ),
    )
    writeFileSync(path('status'), '')
    const qemu = spawn('qemu-system-x86_64', qemuArguments(options, path), {
      stdio: 'pipe',
      timeout: timeoutMs,
      killSignal: 'SIGKILL',
    })
    qemu.stdout.pipe(output, { end: false })
    let complaints = ''
    qemu.stderr.on('data', (chunk: Buffer) => (complaints += chunk.toString()))
    await once(qemu, 'close')
    const status = Number.parseInt(readFileSync(path('status'), 'utf8'), 10)
    if (Number.isNaN(status)) {
      const console = readFileSync(path('console'), 'utf8').slice(-4000)
      throw new Error(`the guest ended without a status within ${timeoutMs} ms: ${complaints}\n${console}`)
    }
    return status
  } finally {
    rmSync(directory, { recursive: true })
  }
}

function qemuArguments(options: GuestOptions, path: (name: string) => string): readonly string[] {
  const { kernel, memoryMib = 1536, isCounting = false } = options
  const share = (tag: string, directory: string): readonly string[] => [
    '-virtfs',
    `local,path=${directory},mount_tag=${tag},security_model=none,readonly=on,multidevs=remap`,
  ]
  const port = (name: string, backend: string): readonly string[] => [
    '-chardev',
    `${backend},id=${name}`,
    '-device',
    `virtserialport,chardev=${name},name=${name}`,
  ]
  return [
    ...machine,
    '-m',
    `${memoryMib}`,
    ...(isCounting ? ['-icount', 'shift=0,sleep=off'] : []),
    '-kernel',
    kernel.image,
    '-initrd',
    path('initramfs'),
    '-append',
    kernelParameters,
    '-serial',
    `file:${path('console')}`,
    '-device',
    'virtio-serial-pci',
    ...port('output', 'stdio,signal=off'),
    ...port('status', `file,path=${path('status')}`),
    ...share('root', '/'),
    ...share('modules', kernel.modules),
  ]
}

const machine =
  '-nodefaults -no-user-config -display none -no-reboot -nic none -machine pc -accel tcg,tb-size=512 -cpu max -smp 1'.split(
    ' ',
  )

const kernelParameters = [
  'console=ttyS0 quiet panic=-1 nokaslr mitigations=off random.trust_cpu=on',
  'apparmor=0 selinux=0 audit=0 nowatchdog cryptomgr.notests',
].join(' ')

const initScript = readFileSync(new URL('init.sh', import.meta.url), 'utf8')
