/** Faults for the policy compiler, each a plausible slip: tests that do not notice one of them prove little. */

export interface Mutant {
  readonly name: string
  readonly file: string
  /** must occur exactly once */
  readonly find: string
  readonly replace: string
}

export const policyMutants: readonly Mutant[] = [
  {
    name: 'exceptions of a prefix are forgotten',
    file: 'src/policy/cidr-classes.ts',
    find: 'if (!except.some((hole) => hole.covers(prefix))) value.add(selector)',
    replace: 'value.add(selector)',
  },
  {
    name: 'an empty list of peers is everybody',
    file: 'src/policy/rule.ts',
    find: "return first === undefined ? {kind: 'none'} : {kind: 'some', of: [first, ...rest]}\n}\n\nexport function somePorts",
    replace:
      "return first === undefined ? {kind: 'any'} : {kind: 'some', of: [first, ...rest]}\n}\n\nexport function somePorts",
  },
  {
    name: 'an empty list of ports is every port',
    file: 'src/policy/cilium-ports.ts',
    find: 'return {plain: somePorts(plain), filtered',
    replace: "return {plain: plain.length === 0 ? {kind: 'any'} : somePorts(plain), filtered",
  },
  {
    name: 'an allow beats a deny',
    file: 'src/policy/rule-set.ts',
    find: '  deny: 3,',
    replace: '  deny: 0,',
  },
  {
    name: 'a range ends one port early',
    file: 'src/policy/compile.ts',
    find: ': [port.first, port.last]',
    replace: ': [port.first, Math.max(port.first, port.last - 1)]',
  },
  {
    name: 'of overlapping ranges the first speaks for all',
    file: 'src/policy/port-entries.ts',
    find: 'if (rules !== 0n && current?.rules === rules) current.last = last',
    replace: 'if (rules !== 0n && current !== undefined) current.last = last',
  },
  {
    name: 'peers of a namespaced policy may be of any namespace',
    file: 'src/policy/cilium-peers.ts',
    find: "if (ref.namespace !== '') {\n    return limitToCluster",
    replace: "if (ref.namespace === '-') {\n    return limitToCluster",
  },
  {
    name: 'ICMP types are off by one',
    file: 'src/policy/compile.ts',
    find: '[port.type + 1, port.type + 1]',
    replace: '[port.type, port.type]',
  },
  {
    name: 'a port name is looked up at the sender',
    file: 'src/policy/compile.ts',
    find: "own: resolved.direction === 'ingress' ?",
    replace: "own: resolved.direction !== 'ingress' ?",
  },
  {
    name: 'pods that share an identity share their port names',
    file: 'src/policy/peer-groups.ts',
    find: "if (identity?.namedPorts !== 'differ') return false",
    replace: 'return false',
  },
  {
    name: 'prefixes of Cilium policies match pods',
    file: 'src/policy/cidr-classes.ts',
    find: ".filter(({reach}) => place === 'outside' || reach === 'everywhere')",
    replace: ".filter(({reach}) => place !== undefined || reach === 'everywhere')",
  },
  {
    name: 'layer 7 rules are taken for plain allows',
    file: 'src/policy/cilium-policy.ts',
    find: "if (filtered.kind !== 'none') rules.push({ref, direction, action: 'filter', peers, ports: filtered})",
    replace: "if (filtered.kind !== 'none') rules.push({ref, direction, action: 'allow', peers, ports: filtered})",
  },
  {
    name: 'egress is isolated without egress rules',
    file: 'src/policy/network-policy.ts',
    find: "egress: (read.list(spec, 'egress', 'spec') ?? []).length > 0}",
    replace: "egress: (read.list(spec, 'egress', 'spec') ?? []).length >= 0}",
  },
  {
    name: 'a group is known by its first selector alone',
    file: 'src/policy/peer-groups.ts',
    find: '...selectors.map(formatSelector), ...cidrs',
    replace: '...selectors.slice(0, 1).map(formatSelector), ...cidrs',
  },
  {
    name: 'a group has those in it whose port names agree, and the others, too',
    file: 'src/policy/peer-groups.ts',
    find: 'if (!agrees(this.identities.get(id)!, group)) members.delete(id)',
    replace: 'if (false) members.delete(id)',
  },
  {
    name: 'prefixes in a group are forgotten',
    file: 'src/policy/peer-groups.ts',
    find: 'if (meaning === undefined) return byPrefix',
    replace: 'if (meaning === undefined) return byPrefix && variant !== undefined',
  },
  {
    name: 'the second part of a mask is forgotten',
    file: 'src/policy/compile.ts',
    find: 'exact.set(key, (exact.get(key) ?? 0n) | rules)',
    replace: 'exact.set(key, rules)',
  },
  {
    name: 'a namespace selector ignores its expressions',
    file: 'src/policy/network-policy.ts',
    find: '...requirementsOf(namespaces).map(ofNamespace)]',
    replace: "...requirementsOf(namespaces).filter(({operator}) => operator === 'In').map(ofNamespace)]",
  },
  {
    name: 'policies of nodes count for pods, too',
    file: 'src/policy/resolve.ts',
    find: "if ((spec.subject.kind === 'nodes') !== (subject.kind === 'node')) continue",
    replace: "if (subject.kind === 'node' && spec.subject.kind !== 'nodes') continue",
  },
  {
    name: 'a deny closes what keeps a node within reach',
    file: 'src/policy/rule-set.ts',
    find: '  failsafe: 4,',
    replace: '  failsafe: 2,',
  },
  {
    name: 'echo requests reach a node from anybody',
    file: 'src/policy/compile.ts',
    find: 'row(groups.numberOf({any: false, selectors: failsafeNodes, cidrs: []}), nodes)',
    replace: 'row(0, nodes)',
  },
  {
    name: 'selectors of nodes select pods, too',
    file: 'src/policy/cilium-peers.ts',
    find: "narrow(limitToCluster(selector, options), [keyExists(name, 'reserved')])",
    replace: 'limitToCluster(selector, options)',
  },
  {
    name: 'a node is to others what it is to its own pods',
    file: 'src/policy/cluster-model.ts',
    find: 'peer.node === subject.node ? host : remote',
    replace: 'peer.node === subject.node ? host : host',
  },
  {
    name: 'labels of nodes are those of pods',
    file: 'src/model/labels.ts',
    find: "Label.make('node', key, value))",
    replace: "Label.make('k8s', key, value))",
  },
  {
    name: 'nodes are isolated where pods are by the mode',
    file: 'src/policy/cluster-model.ts',
    find: "subject.kind === 'node' && mode === 'always' ? 'default' : mode",
    replace: 'mode',
  },
]
