/** The bytes of a hexadecimal text in which spaces may stand between fields. */
export function fromHex(text: string): Buffer {
  return Buffer.from(text.replaceAll(' ', ''), 'hex')
}
