import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export type SelfSigned = {
  readonly cert: string
  readonly key: string
  readonly certFile: string
  readonly directory: string
}

/** A key and a certificate for 127.0.0.1, made by openssl in a new directory, which the caller removes; the certificate is its own authority. */
export function selfSigned(): SelfSigned {
  const directory = mkdtempSync(join(tmpdir(), 'apiserver-'))
  const [certFile, keyFile] = [join(directory, 'tls.crt'), join(directory, 'tls.key')]
  const args = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '30']
  const names = ['-subj', '/CN=apiserver', '-addext', 'subjectAltName=IP:127.0.0.1']
  const { status, stderr, error } = spawnSync('openssl', [...args, ...names, '-keyout', keyFile, '-out', certFile])
  if (status !== 0) throw new Error(`openssl made no certificate: ${error?.message ?? String(stderr)}`)
  return { cert: readFileSync(certFile, 'utf8'), key: readFileSync(keyFile, 'utf8'), certFile, directory }
}
