import {declareErrors} from '../runtime/errors.ts'

/** What can be wrong with the agent's configuration, its node or a pod it is asked to connect. */
export const codes = declareErrors({
  CONFIG_VALUE_INVALID: {
    what: 'the configuration is wrong: {detail}',
    advice: 'correct the value in the ConfigMap cilium-config (or the Helm values behind it), then restart the agent',
  },
  AGENT_FLAG_INVALID: {
    what: '{flag} is no flag of the agent',
    advice: 'give --config-dir=FOLDER, or a key of the ConfigMap cilium-config as --key=value',
  },
  CONFIG_CONFLICT: {
    what: 'configuration keys do not fit together: {detail}',
    advice: 'correct the values in the ConfigMap cilium-config (or the Helm values behind it), then restart the agent',
  },
  CONFIG_NOT_OFFERED: {
    what: 'configuration key {key}={value} asks for something that this version does not have yet',
    advice: 'set it to {offered}',
  },
  CONFIG_KEY_IMMUTABLE: {
    what: 'configuration key {key} cannot be changed while the agent runs',
    advice: 'change it in the ConfigMap cilium-config, then restart the agent; at run time: {mutable}',
  },
  NODE_NAME_UNKNOWN: {
    what: 'the name of this node is not known',
    advice: 'set the environment variable K8S_NODE_NAME to spec.nodeName (the chart does)',
  },
  NODE_ADDRESS_MISSING: {
    what: 'node {node} has no {family} address, but enable-{family} is true',
    advice: 'give the node an address of that family (kubelet --node-ip), or set {family}.enabled=false',
  },
  NODE_POD_CIDR_MISSING: {
    what: 'no {family} pod CIDR for node {node} yet',
    advice:
      'ipam=kubernetes: the controller-manager assigns it (--allocate-node-cidrs, --cluster-cidr); ipam=cluster-pool: the cilium-operator does, see its log and status.ipam.operator-status of the CiliumNode',
  },
  NODE_POD_CIDR_OVERLAPS: {
    what: 'pod CIDR {cidr} of this node overlaps {other}',
    advice: 'choose pod CIDRs that no node address or service uses, then restart the agents',
  },
  STATE_DIR_UNUSABLE: {
    what: 'the state folder {path} cannot be used: {detail}',
    advice: 'the agent needs a writable host folder there that outlives its pod; free some space or correct the mount',
  },
  SYSCTL_FAILED: {
    what: 'kernel setting {name} could not be set to {value}: {detail}',
    advice: 'the agent needs write access to {path} (privileged, or the host proc mounted with procfs=/host/proc)',
  },
  ROUTE_NODE_UNREACHABLE: {
    what: 'no direct route to {destination}: {owner} at {gateway} is not on the same link as this node',
    advice: 'set directRoutingSkipUnreachable=true and let your network route it, or use routingMode=tunnel',
  },
  ROUTE_DEVICE_MISSING: {
    what: 'no route to {destination}: device {device} is not there',
    advice: 'the agent tries again; it makes its devices when it starts',
  },
  CAPABILITY_MISSING: {
    what: 'the agent may not do what it is for; missing: {missing}',
    advice: 'add to securityContext.capabilities.ciliumAgent (and allow in the namespace): {names}',
  },
  BPF_UNSUPPORTED: {
    what: 'this kernel cannot run our eBPF programs: {detail}',
    advice: 'Linux 6.1 or newer with BPF, BTF, tc and cgroup v2 is needed; see docs/reference/requirements',
  },
  CGROUP_UNUSABLE: {
    what: 'sockets cannot be served: the cgroup {path} is not usable: {detail}',
    advice:
      'kubeProxyReplacement needs the cgroup2 file system of the node there; see cgroup.hostRoot and cgroup.autoMount',
  },
  IPAM_EXHAUSTED: {
    what: 'no {family} address is free in {pool} ({capacity} addresses, all in use)',
    advice: 'the pod starts when an address is free: remove pods from this node, or give the node a larger pod CIDR',
  },
  IPAM_NOT_READY: {
    what: 'this node has no {family} pod CIDR yet',
    advice: 'see `cilium status` and the log of the cilium-operator',
  },
  IPAM_ADDRESS_TAKEN: {
    what: 'address {address} is already in use by {owner}',
    advice: 'release it first',
  },
  IPAM_ADDRESS_FOREIGN: {
    what: 'address {address} is not in the pod CIDR of this node ({pool})',
    advice: 'ask for an address of this node',
  },
  ENDPOINT_SLOTS_EXHAUSTED: {
    what: 'this node already has {count} endpoints, the most it can have',
    advice: 'the pod starts when another pod of this node is gone',
  },
  ENDPOINT_NOT_FOUND: {what: 'there is no endpoint {endpoint}', advice: 'list them with cilium-dbg endpoint list'},
  ENDPOINT_ID_INVALID: {
    what: 'endpoint id {id} is not understood',
    advice: 'use a number, or container-id:, cni-attachment-id:, cep-name:, pod-name:, ipv4: or ipv6: and a value',
  },
  ENDPOINT_DEVICE_FAILED: {
    what: 'the network device of pod {pod} could not be made: {detail}',
    advice: 'the runtime tries again by itself; if it stays, see the agent log on node {node}',
  },
  POD_UNKNOWN: {
    what: 'pod {pod} is not known to this node yet',
    advice: 'the agent waits for the API server to announce the pod; the runtime tries again by itself',
  },
  IDENTITY_UNAVAILABLE: {
    what: 'no identity for pod {pod} yet: {detail}',
    advice: 'the agent needs the API server to create one; the runtime tries again by itself',
  },
  IDENTITY_EXHAUSTED: {
    what: 'all identities of the cluster are in use; label {label} alone makes {count} of them',
    advice: 'exclude that label from identities (Helm value labels: "!k8s:{label}"), then restart the agents',
  },
  CNI_ENVIRONMENT_INVALID: {
    what: 'the runtime called with a malformed environment: {detail}',
    advice: 'see the CNI specification, section 2',
  },
  CNI_CONFIG_INVALID: {
    what: 'the network configuration is malformed: {detail}',
    advice: 'the agent writes a good one: see write-cni-conf-when-ready and files in /etc/cni/net.d',
  },
  CNI_NETNS_GONE: {
    what: 'network namespace {path} cannot be opened: {detail}',
    advice:
      'the sandbox is gone, or /var/run/netns is not mounted into the agent pod (mountPropagation HostToContainer)',
  },
  CNI_INTERFACE_EXISTS: {
    what: 'interface {ifname} already exists in {netns}',
    advice: 'the runtime has to delete the attachment first',
  },
  CNI_CHECK_FAILED: {
    what: 'the attachment {attachment} is no longer what it was: {detail}',
    advice: 'restart the pod',
  },
  CNI_BUSY: {
    what: 'the agent is starting, or too many pods start at once ({waiting} wait)',
    advice: 'the runtime tries again by itself',
  },
  CNI_NOT_AVAILABLE: {
    what: 'no pod can be connected on this node now: {detail}',
    advice: 'see `cilium status` and the agent log of this node',
  },
  CNI_CONF_FAILED: {
    what: 'the CNI configuration {path} could not be written: {detail}',
    advice: 'the folder /etc/cni/net.d of the host has to be mounted writable at that place',
  },
  POLICY_TOO_LARGE: {
    what: 'the policies of an endpoint are more than the datapath has room for: {detail}',
    advice: 'join rules and selectors; what was in force stays',
  },
  HOST_POLICY_UNCONFIRMED: {
    what: 'new rules of the node’s own traffic were taken back after their trial: {detail}',
    advice: 'allow what the node needs in its host policies; a change of them is tried again',
  },
  POLICY_MAPS_FULL: {
    what: 'a rule set of {entries} entries does not fit: {used} of {max} are in use',
    advice: 'select fewer or wider peers in the policies of this endpoint; what was in force stays',
  },
  API_BODY_INVALID: {what: 'the request is malformed: {detail}', advice: 'see docs/reference/agent-api'},
  API_SOCKET_IN_USE: {
    what: 'another agent answers on {path}',
    advice: 'one agent runs per node; stop the other one first',
  },
  API_PORT_IN_USE: {
    what: 'cannot listen on {address}: {detail}',
    advice: 'another program of this node uses it: choose another with {key}',
  },
  HEALTH_PROBE_FAILED: {what: '{target}: {detail}', advice: 'see cilium-dbg status on both nodes'},
})
