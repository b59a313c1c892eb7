/* What an API server was asked for, by its audit log. */
import { readFile } from 'node:fs/promises'

/** A request that was answered, in RBAC's words; `resource` includes a subresource. */
export type ApiRequest = {
  readonly verb: string
  readonly apiGroup: string
  readonly resource: string
  readonly status: number
}

/** For kube-apiserver's --audit-policy-file: ServiceAccounts' requests for objects, when their answer begins. */
export const auditPolicy = {
  apiVersion: 'audit.k8s.io/v1',
  kind: 'Policy',
  omitStages: ['RequestReceived'],
  rules: [
    { level: 'None', nonResourceURLs: ['*'] },
    { level: 'Metadata', userGroups: ['system:serviceaccounts'] },
    { level: 'None' },
  ],
}

/** The requests of one user so far. */
export async function requestsOf(logFile: string, user: string): Promise<readonly ApiRequest[]> {
  const lines = (await readFile(logFile, 'utf8')).split('\n').slice(0, -1)
  return lines
    .map((line) => JSON.parse(line) as AuditEvent)
    .filter((event) => event.user.username === user)
    .map(({ verb, objectRef: { apiGroup = '', resource, subresource }, responseStatus: { code } }) => ({
      verb,
      apiGroup,
      resource: subresource === undefined ? resource : `${resource}/${subresource}`,
      status: code,
    }))
}

/** The fields that we read of audit.k8s.io/v1 Event. */
type AuditEvent = {
  readonly verb: string
  readonly user: { readonly username: string }
  readonly objectRef: { readonly apiGroup?: string; readonly resource: string; readonly subresource?: string }
  readonly responseStatus: { readonly code: number }
}
