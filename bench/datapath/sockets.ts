import koffi from 'koffi'

/** Blocking TCP sockets of the C library: a connection costs microseconds here, where Node.js takes tens of them. */
const libc = koffi.load(null)
const calls = {
  socket: libc.func('int socket(int domain, int type, int protocol)'),
  bind: libc.func('int bind(int fd, const void *address, uint32_t length)'),
  listen: libc.func('int listen(int fd, int backlog)'),
  accept: libc.func('int accept(int fd, void *address, void *length)'),
  connect: libc.func('int connect(int fd, const void *address, uint32_t length)'),
  setsockopt: libc.func('int setsockopt(int fd, int level, int name, const void *value, uint32_t length)'),
  close: libc.func('int close(int fd)'),
}

const AF_INET = 2
const SOCK_STREAM = 1
const SOL_SOCKET = 1
const SO_LINGER = 13
/** struct linger: on, 0 s. Closing sends a reset, and nothing of the connection stays on either side. */
const resetOnClose = Buffer.from(Int32Array.of(1, 0).buffer)

/** struct sockaddr_in */
export function socketAddress(address: string, port: number): Buffer {
  const bytes = Buffer.alloc(16)
  bytes.writeUInt16LE(AF_INET)
  bytes.writeUInt16BE(port, 2)
  bytes.set(address.split('.').map(Number), 4)
  return bytes
}

/** Milliseconds until the connection is established. Throws when it is not. */
export function connectOnce(address: Buffer): number {
  const fd = call('socket', AF_INET, SOCK_STREAM, 0)
  try {
    call('setsockopt', fd, SOL_SOCKET, SO_LINGER, resetOnClose, resetOnClose.length)
    const start = performance.now()
    call('connect', fd, address, address.length)
    return performance.now() - start
  } finally {
    call('close', fd)
  }
}

/** Accepts connections on a port of all addresses and closes them, until the process is killed. */
export function acceptForever(port: number, whenListening: () => void): never {
  const address = socketAddress('0.0.0.0', port)
  const fd = call('socket', AF_INET, SOCK_STREAM, 0)
  call('bind', fd, address, address.length)
  call('listen', fd, 4096)
  whenListening()
  for (;;) call('close', call('accept', fd, null, null))
}

function call(name: keyof typeof calls, ...args: unknown[]): number {
  const result = calls[name](...args) as number
  if (result < 0) throw new Error(`${name}: errno ${koffi.errno()}`)
  return result
}
