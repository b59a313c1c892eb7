/* A certificate authority and the certificates that it issues, made by the openssl program (3.0 or newer). */
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'

/** Files in PEM form. */
export type Certificate = { readonly certFile: string; readonly keyFile: string }

/** An authority of its own. Throws what openssl said. */
export function certificateAuthority(directory: string): Certificate {
  return issue(directory, 'ca', '/CN=lab', ['-addext', 'basicConstraints=critical,CA:TRUE'])
}

/** A server's certificate for addresses (`IP:127.0.0.1`) and names (`DNS:localhost`). Throws what openssl said. */
export function serverCertificate(directory: string, authority: Certificate, names: readonly string[]): Certificate {
  return issue(directory, 'server', '/CN=server', [...by(authority), '-addext', `subjectAltName=${names.join(',')}`])
}

/** A client's certificate; Kubernetes reads user and group from it. Throws what openssl said. */
export function clientCertificate(
  directory: string,
  authority: Certificate,
  { user, group }: { readonly user: string; readonly group?: string },
): Certificate {
  const subject = `${group === undefined ? '' : `/O=${group}`}/CN=${user}`
  return issue(directory, user, subject, [...by(authority), '-addext', 'extendedKeyUsage=clientAuth'])
}

function by({ certFile, keyFile }: Certificate): string[] {
  return ['-CA', certFile, '-CAkey', keyFile, '-addext', 'basicConstraints=critical,CA:FALSE']
}

function issue(directory: string, name: string, subject: string, options: readonly string[]): Certificate {
  const certFile = join(directory, `${name}.crt`)
  const keyFile = join(directory, `${name}.key`)
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', keyFile]
  // No configuration file: its defaults differ from system to system.
  const args = ['req', '-x509', '-config', '/dev/null', '-subj', subject, '-days', '2', ...key, '-out', certFile]
  const { status, stderr } = spawnSync('openssl', [...args, ...options], { encoding: 'utf8' })
  if (status !== 0) throw new Error(`openssl req: ${stderr}`)
  return { certFile, keyFile }
}
