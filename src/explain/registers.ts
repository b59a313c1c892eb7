/** The sixteen four-byte registers that the expressions of a rule hand values to each other in. */
import { slotOf } from '../nft/statements.ts'

export type Registers = Uint8Array

const registerFileBytes = 64

export function emptyRegisters(): Registers {
  return new Uint8Array(registerFileBytes)
}

/** `len` bytes from the beginning of a register; undefined where no kernel has registers. */
export function readRegister(registers: Registers, register: number, len: number): Uint8Array | undefined {
  const start = slotOf(register) * 4
  return isInside(start, len) ? registers.subarray(start, start + len) : undefined
}

/** The registers after a load, which fills its last register up with zeros; undefined where no kernel has registers. */
export function writeRegister(registers: Registers, register: number, value: Uint8Array): Registers | undefined {
  const start = slotOf(register) * 4
  const end = (start + value.length + 3) & ~3
  if (!isInside(start, end - start)) return undefined
  const written = Uint8Array.from(registers)
  written.fill(0, start, end)
  written.set(value, start)
  return written
}

function isInside(start: number, len: number): boolean {
  return start >= 0 && start + len <= registerFileBytes
}
