import {declareErrors} from '../../runtime/errors.ts'

export const {
  INSTALL_EXISTS,
  INSTALL_FOREIGN,
  INSTALL_OTHER_NAMESPACE,
  INSTALL_OTHER_CNI,
  INSTALL_CIDR_OVERLAP,
  INSTALL_NO_POD_CIDR,
  INSTALL_NO_NODES,
  INSTALL_NOT_FOUND,
  INSTALL_VERSION,
  INSTALL_DATAPATH_MODE,
  INSTALL_APPLY,
  INSTALL_KUBERNETES_VERSION,
  INSTALL_BUSY,
  UPGRADE_NO_REVISION,
  UPGRADE_ROLLED_BACK,
  UNINSTALL_TIMEOUT,
  UNINSTALL_CLEANUP,
  UNINSTALL_EXPORT,
} = declareErrors({
  INSTALL_EXISTS: {
    what: 'Cilium {version} is installed already (release {release}, revision {revision}), with other values',
    advice: 'change it with cilium upgrade, or remove it first with cilium uninstall',
  },
  INSTALL_FOREIGN: {
    what: '{object} is there already, and not part of release {release}',
    advice: 'remove what another tool installed, or give --take-ownership to make it part of this release',
  },
  INSTALL_OTHER_NAMESPACE: {
    what: 'Cilium is installed already in namespace {found}',
    advice: 'give -n {found}, or run: cilium uninstall -n {found}',
  },
  INSTALL_OTHER_CNI: {
    what: 'another pod network serves this cluster: {found}',
    advice:
      'remove it first, or give --set cni.exclusive=true to set its configuration aside on every node: pods that run keep its network until they are restarted',
  },
  INSTALL_CIDR_OVERLAP: {
    what: 'pod CIDR {pod} overlaps {other}',
    advice:
      'choose CIDRs of your own with --set ipam.operator.clusterPoolIPv4PodCIDRList={{...}}, or ipam.mode=kubernetes',
  },
  INSTALL_NO_POD_CIDR: {
    what: 'ipam.mode=kubernetes, and these nodes have no {family} podCIDR: {nodes}',
    advice:
      'run kube-controller-manager with --allocate-node-cidrs and a --cluster-cidr of this family, or use ipam.mode=cluster-pool',
  },
  INSTALL_NO_NODES: {
    what: 'the cluster has no nodes that Cilium could run on',
    advice: 'let a Linux node join, then run again',
  },
  INSTALL_NOT_FOUND: {
    what: 'there is no release {release} in namespace {namespace}',
    advice: 'give the namespace with -n; "helm list -A" shows all releases',
  },
  INSTALL_VERSION: {
    what: 'this CLI installs version {carried}, not {asked}',
    advice: 'leave --version out, or use the CLI of version {asked}',
  },
  INSTALL_DATAPATH_MODE: {
    what: '--datapath-mode {mode} is not available in this version',
    advice: 'use tunnel or native',
  },
  INSTALL_APPLY: {
    what: '{object} could not be {verb}: {detail}',
    advice: 'correct the cause and run the same command again: it goes on from here',
  },
  INSTALL_KUBERNETES_VERSION: {
    what: 'Kubernetes {found} is older than {least}',
    advice: 'upgrade the cluster first',
  },
  INSTALL_BUSY: {
    what: 'release {release} is being changed ({status} since {since})',
    advice:
      'wait until the other tool is done; when it is not running any more, cilium install or helm rollback goes on',
  },
  UPGRADE_NO_REVISION: {
    what: 'release {release} has no revision {revision}; it has {known}',
    advice: 'helm history {release} lists all revisions; cilium upgrade --set sets values forward instead',
  },
  UPGRADE_ROLLED_BACK: {
    what: 'revision {revision} did not become ready {why}; revision {before} is back, as revision {now}{found}',
    advice: 'cilium upgrade --dry-run shows what the revision changes',
  },
  UNINSTALL_TIMEOUT: {
    what: 'not everything is gone after {seconds} s: {left}',
    advice: 'run cilium uninstall --wait again: it goes on from here',
  },
  UNINSTALL_CLEANUP: {
    what: 'node {node} was not cleaned: {detail}',
    advice: 'run cilium uninstall again; for a node that is gone for good, delete its Node object first',
  },
  UNINSTALL_EXPORT: {
    what: 'your objects could not be written to {path}: {detail}',
    advice: 'give a place that can be written to with --export-file; nothing was removed',
  },
})
