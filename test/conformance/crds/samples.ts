/** Objects that a real API server must accept, and others that it must refuse with the path of the wrong field. */

export interface Sample {
  readonly says: string
  /** below /apis/cilium.io/ */
  readonly path: string
  readonly version: 'v2' | 'v2alpha1'
  readonly kind: string
  readonly content: object
}

export interface BadSample extends Sample {
  /** part of the API server's message */
  readonly refusedWith: string
}

const cnp = (says: string, spec: object) => ({
  says,
  path: 'v2/namespaces/default/ciliumnetworkpolicies',
  version: 'v2' as const,
  kind: 'CiliumNetworkPolicy',
  content: {spec: {endpointSelector: {}, ...spec}},
})

const clusterwide = (says: string, content: object) => ({
  says,
  path: 'v2/ciliumclusterwidenetworkpolicies',
  version: 'v2' as const,
  kind: 'CiliumClusterwideNetworkPolicy',
  content,
})

const cluster =
  (plural: string, kind: string, version: 'v2' | 'v2alpha1' = 'v2') =>
  (says: string, content: object) => ({
    says,
    path: `${version}/${plural}`,
    version,
    kind,
    content,
  })

const node = cluster('ciliumnodes', 'CiliumNode')
const identity = cluster('ciliumidentities', 'CiliumIdentity')
const cidrGroup = cluster('ciliumcidrgroups', 'CiliumCIDRGroup')
const pool = cluster('ciliumloadbalancerippools', 'CiliumLoadBalancerIPPool')
const announcement = cluster('ciliuml2announcementpolicies', 'CiliumL2AnnouncementPolicy', 'v2alpha1')

const namespaced = (plural: string, kind: string) => (says: string, content: object) => ({
  says,
  path: `v2/namespaces/default/${plural}`,
  version: 'v2' as const,
  kind,
  content,
})

const endpoint = namespaced('ciliumendpoints', 'CiliumEndpoint')
const redirect = namespaced('ciliumlocalredirectpolicies', 'CiliumLocalRedirectPolicy')
const nodeConfig = namespaced('ciliumnodeconfigs', 'CiliumNodeConfig')

const redirectBackend = {localEndpointSelector: {matchLabels: {app: 'dns'}}, toPorts: [{port: '53', protocol: 'UDP'}]}

export const goodSamples: readonly Sample[] = [
  cnp('the smallest policy: deny all ingress', {ingress: [{}]}),
  cnp('an empty list of peers', {ingress: [{fromEndpoints: []}]}),
  cnp('ingress by label, with ports, a range and a named port', {
    ingress: [
      {
        fromEndpoints: [{matchLabels: {'k8s:app': 'client'}, matchExpressions: [{key: 'tier', operator: 'Exists'}]}],
        toPorts: [
          {
            ports: [
              {port: '80', protocol: 'TCP'},
              {port: '1024', endPort: 2048, protocol: 'UDP'},
              {port: 'http-metrics', protocol: 'TCP'},
              {port: '0', protocol: 'ANY'},
            ],
          },
        ],
      },
    ],
  }),
  cnp('every kind of peer, one to a rule', {
    egress: [
      {toEndpoints: [{}]},
      {toCIDR: ['192.0.2.0/24', '2001:db8::/32']},
      {toCIDRSet: [{cidr: '10.0.0.0/8', except: ['10.1.0.0/16']}, {cidrGroupRef: 'partners.example'}]},
      {toCIDRSet: [{cidrGroupSelector: {matchLabels: {zone: 'dmz'}}}]},
      {toEntities: ['world', 'cluster', 'kube-apiserver', 'world-ipv4', 'world-ipv6']},
      {toNodes: [{matchLabels: {role: 'db'}}]},
      {toServices: [{k8sService: {serviceName: 'db', namespace: 'default'}}, {k8sServiceSelector: {selector: {}}}]},
      {toFQDNs: [{matchName: 'example.com'}, {matchPattern: '*.example.com'}]},
      {toGroups: [{aws: {securityGroupsIds: ['sg-1']}}]},
    ],
  }),
  cnp('icmp by number and by name', {
    ingress: [{icmps: [{fields: [{type: 8}, {type: 'EchoRequest', family: 'IPv6'}, {type: '255'}]}]}],
  }),
  cnp('layer 7: http and dns', {
    ingress: [{toPorts: [{ports: [{port: '80'}], rules: {http: [{method: 'GET', path: '/public'}, {}]}}]}],
    egress: [{toPorts: [{ports: [{port: '53'}], rules: {dns: [{matchPattern: '*'}]}}]}],
  }),
  cnp('layer 7 of older releases, kept to be refused by us and not dropped unseen', {
    ingress: [{toPorts: [{ports: [{port: '9092'}], rules: {kafka: [{role: 'produce', topic: 'orders'}]}}]}],
  }),
  cnp('deny rules, default deny switched off, log value', {
    ingressDeny: [{fromEntities: ['world'], toPorts: [{ports: [{port: '22', protocol: 'TCP'}]}]}],
    egressDeny: [{toCIDR: ['169.254.169.254/32']}],
    enableDefaultDeny: {ingress: false, egress: false},
    log: {value: 'audit-7'},
    labels: [{key: 'team', value: 'net', source: 'k8s'}],
  }),
  cnp('authentication, listener and TLS', {
    egress: [
      {
        authentication: {mode: 'required'},
        toPorts: [
          {
            ports: [{port: '443', protocol: 'TCP'}],
            serverNames: ['*.example.com'],
            listener: {envoyConfig: {kind: 'CiliumEnvoyConfig', name: 'proxy'}, name: 'tls', priority: 100},
            originatingTLS: {secret: {name: 'ca', namespace: 'default'}},
          },
        ],
      },
    ],
  }),
  {
    ...cnp('several rules in specs', {}),
    content: {
      specs: [
        {endpointSelector: {}, ingress: [{}]},
        {endpointSelector: {}, egress: [{}]},
      ],
    },
  },
  clusterwide('a policy for nodes', {
    spec: {nodeSelector: {matchLabels: {role: 'worker'}}, ingress: [{fromEntities: ['cluster']}]},
  }),
  node("a node with prefixes and the operator's error", {
    spec: {
      addresses: [
        {type: 'InternalIP', ip: '192.0.2.1'},
        {type: 'CiliumInternalIP', ip: 'fd00::1'},
      ],
      ipam: {podCIDRs: ['10.0.1.0/24', 'fd00::100/120']},
      health: {ipv4: '10.0.1.3'},
      bootid: 'b',
      encryption: {key: 0},
    },
    status: {ipam: {'operator-status': {error: 'no prefix left'}}},
  }),
  endpoint('an endpoint as an agent writes it', {
    status: {
      id: 7,
      state: 'ready',
      identity: {id: 12345, labels: ['k8s:app=web']},
      networking: {addressing: [{ipv4: '10.0.1.7', ipv6: 'fd00::107'}], node: '192.0.2.1'},
      policy: {ingress: {enforcing: true, state: 'enforcing'}, egress: {enforcing: false, state: 'non-enforcing'}},
      'named-ports': [{name: 'http', port: 80, protocol: 'TCP'}],
      'external-identifiers': {'k8s-namespace': 'default', 'k8s-pod-name': 'web-1'},
    },
  }),
  identity('an identity with source prefixes in its keys', {
    'security-labels': {'k8s:app': 'web', 'k8s:io.kubernetes.pod.namespace': 'default'},
  }),
  cidrGroup('an empty group', {spec: {externalCIDRs: []}}),
  cidrGroup('both families', {spec: {externalCIDRs: ['192.0.2.0/24', '2001:db8::/64']}}),
  pool('blocks by prefix and by range', {
    spec: {blocks: [{cidr: '192.0.2.0/24'}, {start: '2001:db8::10', stop: '2001:db8::20'}, {start: '198.51.100.7'}]},
  }),
  announcement('announce by interface', {
    spec: {interfaces: ['^eth[0-9]+'], externalIPs: true, loadBalancerIPs: true, nodeSelector: {}},
  }),
  redirect('by address', {
    spec: {
      redirectFrontend: {addressMatcher: {ip: '169.254.20.10', toPorts: [{port: '53', protocol: 'UDP'}]}},
      redirectBackend,
    },
  }),
  redirect('by service, over IPv6 too', {
    spec: {redirectFrontend: {serviceMatcher: {serviceName: 'kube-dns', namespace: 'default'}}, redirectBackend},
  }),
  nodeConfig('settings of some nodes', {
    spec: {defaults: {debug: 'true'}, nodeSelector: {matchLabels: {debug: 'on'}}},
  }),
]

export const badSamples: readonly BadSample[] = [
  {
    ...cnp('neither endpoints nor nodes', {}),
    content: {spec: {ingress: [{}]}},
    refusedWith: 'spec.endpointSelector: Required value',
  },
  {...cnp('no section at all', {}), refusedWith: 'spec.ingress: Required value'},
  {...cnp('no rule at all', {}), content: {}, refusedWith: 'a policy needs spec or specs'},
  {
    ...cnp('nodes selected from a namespace', {}),
    content: {spec: {nodeSelector: {}, ingress: [{}]}},
    refusedWith: 'a policy of a namespace cannot select nodes',
  },
  {
    ...cnp('nodes selected from a namespace in specs', {}),
    content: {specs: [{nodeSelector: {}, ingress: [{}]}]},
    refusedWith: 'specs[0]: Invalid value: "object": nodeSelector belongs to',
  },
  {
    ...cnp('a misspelt field', {ingress: [{fromEndpoint: [{}]}]}),
    refusedWith: 'unknown field "spec.ingress[0].fromEndpoint"',
  },
  {
    ...cnp('an unknown entity', {ingress: [{fromEntities: ['internet']}]}),
    refusedWith: 'spec.ingress[0].fromEntities[0]',
  },
  {...cnp('a malformed prefix', {egress: [{toCIDR: ['10.0.0.0/33']}]}), refusedWith: 'spec.egress[0].toCIDR[0]'},
  {
    ...cnp('a malformed exception', {egress: [{toCIDRSet: [{cidr: '10.0.0.0/8', except: ['x']}]}]}),
    refusedWith: 'spec.egress[0].toCIDRSet[0].except[0]',
  },
  {
    ...cnp('two kinds of one CIDR entry', {egress: [{toCIDRSet: [{cidr: '10.0.0.0/8', cidrGroupRef: 'a'}]}]}),
    refusedWith: 'spec.egress[0].toCIDRSet[0]',
  },
  {
    ...cnp('two kinds of peers in one ingress rule', {ingress: [{fromEndpoints: [{}], fromCIDR: ['10.0.0.0/8']}]}),
    refusedWith: 'only one of fromEndpoints',
  },
  {
    ...cnp('two kinds of peers in one egress rule', {egress: [{toEntities: ['world'], toFQDNs: [{matchName: 'a.b'}]}]}),
    refusedWith: 'only one of toEndpoints',
  },
  {
    ...cnp('ports together with icmp', {
      ingress: [{toPorts: [{ports: [{port: '80'}]}], icmps: [{fields: [{type: 8}]}]}],
    }),
    refusedWith: 'toPorts and icmps exclude one another',
  },
  {
    ...cnp('a port beyond the last', {ingress: [{toPorts: [{ports: [{port: '65536'}]}]}]}),
    refusedWith: 'spec.ingress[0].toPorts[0].ports[0].port',
  },
  {
    ...cnp('a port as a number', {ingress: [{toPorts: [{ports: [{port: 80}]}]}]}),
    refusedWith: 'spec.ingress[0].toPorts[0].ports[0].port',
  },
  {
    ...cnp('an unknown protocol', {ingress: [{toPorts: [{ports: [{port: '80', protocol: 'tcp'}]}]}]}),
    refusedWith: 'spec.ingress[0].toPorts[0].ports[0].protocol',
  },
  {
    ...cnp('more than 40 ports', {
      ingress: [{toPorts: [{ports: Array.from({length: 41}, (_, port) => ({port: String(port + 1)}))}]}],
    }),
    refusedWith: 'spec.ingress[0].toPorts[0].ports',
  },
  {
    ...cnp('http and dns rules at once', {ingress: [{toPorts: [{rules: {http: [{}], dns: [{matchName: 'a'}]}}]}]}),
    refusedWith: 'spec.ingress[0].toPorts[0].rules',
  },
  {
    ...cnp('an icmp type beyond the last', {ingress: [{icmps: [{fields: [{type: 256}]}]}]}),
    refusedWith: 'spec.ingress[0].icmps[0].fields[0].type',
  },
  {
    ...cnp('an icmp name that does not exist', {ingress: [{icmps: [{fields: [{type: 'Ping'}]}]}]}),
    refusedWith: 'spec.ingress[0].icmps[0].fields[0].type',
  },
  {
    ...cnp('DNS rules on the way in', {
      ingress: [{toPorts: [{ports: [{port: '53'}], rules: {dns: [{matchPattern: '*'}]}}]}],
    }),
    refusedWith: 'spec.ingress[0].toPorts[0].rules',
  },
  {
    ...cnp('a listener on the way in', {
      ingress: [{toPorts: [{ports: [{port: '80'}], listener: {envoyConfig: {name: 'x'}, name: 'y'}}]}],
    }),
    refusedWith: 'spec.ingress[0].toPorts[0]',
  },
  {
    ...cnp('a service without a name', {egress: [{toServices: [{k8sService: {namespace: 'default'}}]}]}),
    refusedWith: 'spec.egress[0].toServices[0].k8sService.serviceName',
  },
  {
    ...cnp('a service by name and by labels', {
      egress: [{toServices: [{k8sService: {serviceName: 'x'}, k8sServiceSelector: {selector: {}}}]}],
    }),
    refusedWith: 'spec.egress[0].toServices[0]',
  },
  {
    ...cnp('too many ports in a deny', {
      ingressDeny: [{toPorts: [{ports: Array.from({length: 41}, (_, n) => ({port: String(n + 1)}))}]}],
    }),
    refusedWith: 'spec.ingressDeny[0].toPorts[0].ports',
  },
  {...cnp('fromRequires', {ingress: [{fromRequires: ['x']}]}), refusedWith: 'spec.ingress[0].fromRequires'},
  {
    ...cnp('a DNS name with a star', {egress: [{toFQDNs: [{matchName: '*.example.com'}]}]}),
    refusedWith: 'spec.egress[0].toFQDNs[0].matchName',
  },
  {
    ...cnp('a label value that no object can have', {ingress: [{fromEndpoints: [{matchLabels: {app: 'a b'}}]}]}),
    refusedWith: 'spec.ingress[0].fromEndpoints[0].matchLabels.app',
  },
  {
    ...cnp('a log value that is too long', {ingress: [{}], log: {value: 'x'.repeat(33)}}),
    refusedWith: 'spec.log.value',
  },
  {
    ...clusterwide('endpoints and nodes at once', {
      spec: {endpointSelector: {}, nodeSelector: {}, ingress: [{}]},
    }),
    refusedWith: '"spec" must validate one and only one schema',
  },
  {...node('a malformed pod prefix', {spec: {ipam: {podCIDRs: ['10.0.0.0']}}}), refusedWith: 'spec.ipam.podCIDRs[0]'},
  {
    ...node('an unknown kind of address', {spec: {addresses: [{type: 'Internal', ip: '192.0.2.1'}]}}),
    refusedWith: 'spec.addresses[0].type',
  },
  {...node('no spec', {}), refusedWith: 'spec: Required value'},
  {...identity('no labels', {}), refusedWith: 'security-labels: Required value'},
  {...endpoint('an unknown state', {status: {state: 'fine'}}), refusedWith: 'status.state'},
  {...cidrGroup('a malformed prefix', {spec: {externalCIDRs: ['fd00::/129']}}), refusedWith: 'spec.externalCIDRs[0]'},
  {
    ...pool('prefix and range at once', {spec: {blocks: [{cidr: '192.0.2.0/24', start: '192.0.2.1'}]}}),
    refusedWith: 'a block is either cidr, or start',
  },
  {...pool('an empty block', {spec: {blocks: [{}]}}), refusedWith: 'spec.blocks[0]'},
  {...pool('a malformed start', {spec: {blocks: [{start: '192.0.2'}]}}), refusedWith: 'spec.blocks[0].start'},
  {
    ...redirect('address and service at once', {
      spec: {
        redirectFrontend: {
          addressMatcher: {ip: '169.254.20.10', toPorts: [{port: '53', protocol: 'UDP'}]},
          serviceMatcher: {serviceName: 'a', namespace: 'default'},
        },
        redirectBackend,
      },
    }),
    refusedWith: 'spec.redirectFrontend',
  },
  {
    ...redirect('port 0', {
      spec: {
        redirectFrontend: {addressMatcher: {ip: '169.254.20.10', toPorts: [{port: '0', protocol: 'UDP'}]}},
        redirectBackend,
      },
    }),
    refusedWith: 'spec.redirectFrontend.addressMatcher.toPorts[0].port',
  },
  {...nodeConfig('no selector', {spec: {defaults: {}}}), refusedWith: 'spec.nodeSelector: Required value'},
]
