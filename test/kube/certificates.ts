import { execFileSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/** A certificate and its private key, in PEM and in files. */
export interface Certified {
  readonly cert: string
  readonly key: string
  readonly certPath: string
  readonly keyPath: string
}

/** Makes certificates with the openssl program in files of a directory. */
export class CertificateOffice {
  readonly #directory: string

  constructor(directory: string) {
    this.#directory = directory
  }

  /** One that signs others, and itself. */
  authority(name: string): Certified {
    const { certPath, keyPath } = this.#paths(name)
    openssl('req', '-x509', ...newKey, '-days', '2', '-subj', `/CN=${name}`, '-keyout', keyPath, '-out', certPath)
    return read(certPath, keyPath)
  }

  /** One for these names, as in `IP:127.0.0.1,DNS:api.test`; with `days` -1 it expired yesterday. */
  issue(authority: Certified, name: string, names: string, days = 2): Certified {
    const { certPath, keyPath } = this.#paths(name)
    const request = join(this.#directory, `${name}.csr`)
    const extensions = join(this.#directory, `${name}.ext`)
    writeFileSync(extensions, `subjectAltName=${names}\n`)
    openssl('req', '-new', ...newKey, '-subj', `/CN=${name}`, '-keyout', keyPath, '-out', request)
    const signer = ['-CA', authority.certPath, '-CAkey', authority.keyPath, '-set_serial', String(++serial)]
    openssl('x509', '-req', '-in', request, ...signer, '-days', String(days), '-extfile', extensions, '-out', certPath)
    return read(certPath, keyPath)
  }

  #paths(name: string): { readonly certPath: string; readonly keyPath: string } {
    return { certPath: join(this.#directory, `${name}.crt`), keyPath: join(this.#directory, `${name}.key`) }
  }
}

let serial = 100
const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes']

function openssl(...args: readonly string[]): void {
  execFileSync('openssl', args, { stdio: ['ignore', 'ignore', 'pipe'] })
}

function read(certPath: string, keyPath: string): Certified {
  return { cert: readFileSync(certPath, 'utf8'), key: readFileSync(keyPath, 'utf8'), certPath, keyPath }
}
