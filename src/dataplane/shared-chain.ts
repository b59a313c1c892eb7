import type { Expr } from '../nft/expressions.ts'

/** A chain that exists while any Service uses it. Equal names mean equal rules. */
export type SharedChain = { readonly name: string; readonly rules: readonly (readonly Expr[])[] }
