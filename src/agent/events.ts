import type { RecordedEvent } from '../kube/event-recorder.ts'
import type { ServiceHealthFailure } from '../server/service-health.ts'

/** Something that concerns the agent as a whole, told of its Node. */
export function nodeEvent(nodeName: string, type: RecordedEvent['type'], reason: string, note = ''): RecordedEvent {
  return { type, reason, action: 'StartKubeProxy', note, regarding: { kind: 'Node', apiVersion: 'v1', name: nodeName } }
}

/** A load balancer cannot ask for the Service's health on this Node. */
export function healthCheckFailureEvent(nodeName: string, failure: ServiceHealthFailure): RecordedEvent {
  const { service, port, host, error } = failure
  const [namespace = '', name = ''] = service.split('/')
  return {
    type: 'Warning',
    reason: 'FailedToStartServiceHealthcheck',
    action: 'Listen',
    note: `Node ${nodeName} cannot answer health checks of Service ${service}: ${host} port ${port}: ${error.message}`,
    regarding: { kind: 'Service', apiVersion: 'v1', namespace, name },
  }
}
