import koffi from 'koffi'
import { errnoName, NetlinkError } from './errors.ts'

/** Constants of Linux that Node.js does not export. */
export const AF_NETLINK = 16
export const SOCK_RAW = 3
export const SOCK_CLOEXEC = 0o2000000
export const SOCK_NONBLOCK = 0o4000
export const SOL_SOCKET = 1
export const SOL_NETLINK = 270
export const CLONE_NEWNET = 0x40000000

const libc = koffi.load(null)

const calls = {
  socket: libc.func('int socket(int domain, int type, int protocol)'),
  bind: libc.func('int bind(int fd, const void *address, uint32_t length)'),
  getsockopt: libc.func('int getsockopt(int fd, int level, int name, _Out_ void *value, _Inout_ uint32_t *length)'),
  setsockopt: libc.func('int setsockopt(int fd, int level, int name, const void *value, uint32_t length)'),
  unshare: libc.func('int unshare(int flags)'),
  setns: libc.func('int setns(int fd, int type)'),
}

/** Calls a function of the C library; a negative result becomes a NetlinkError with the errno. */
export function syscall(name: keyof typeof calls, ...args: unknown[]): number {
  const result: unknown = calls[name](...args)
  if (typeof result !== 'number') throw new TypeError(`${name} returned ${typeof result}`)
  if (result < 0) throw new NetlinkError(name, errnoName(koffi.errno()))
  return result
}

/** Reads an integer socket option. */
export function socketOption(fd: number, level: number, name: number): number {
  const bytes = Buffer.alloc(4)
  syscall('getsockopt', fd, level, name, bytes, [bytes.length])
  return bytes.readInt32LE()
}

/** Sets an integer socket option. */
export function setSocketOption(fd: number, level: number, name: number, value: number): void {
  const bytes = Buffer.alloc(4)
  bytes.writeInt32LE(value)
  syscall('setsockopt', fd, level, name, bytes, bytes.length)
}
