import { serviceFrontends } from '../dataplane/frontend.ts'
import type { ClusterModel } from '../model/cluster-model.ts'
import type { NodeTopology } from '../model/topology.ts'
import type { Cluster } from './ledger.ts'

/** What the model wants of each Service, seen from a Node. */
export function clusterOf(model: ClusterModel, node: NodeTopology): Cluster {
  return {
    ports: (service) => model.servicePorts(service),
    frontends: (service) => serviceFrontends(model.servicePorts(service), model.endpoints(service), node),
  }
}
