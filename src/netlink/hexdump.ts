/** The bytes as `hexdump -C` prints them: offset, sixteen bytes in hex, the same as text. `base` is added to offsets. */
export function hexdump(bytes: Uint8Array, base = 0): string {
  const lines: string[] = []
  for (let at = 0; at < bytes.length; at += 16) {
    const row = bytes.subarray(at, at + 16)
    const hex = Array.from(row, (byte) => byte.toString(16).padStart(2, '0'))
    const text = Array.from(row, (byte) => (byte >= 32 && byte < 127 ? String.fromCharCode(byte) : '.'))
    const left = hex.slice(0, 8).join(' ').padEnd(23)
    const right = hex.slice(8).join(' ').padEnd(23)
    lines.push(`${(base + at).toString(16).padStart(8, '0')}  ${left}  ${right}  |${text.join('')}|`)
  }
  return lines.join('\n')
}
