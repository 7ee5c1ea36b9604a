/**
 * The layers of docs/architecture.md as rules. A folder may import only what its line names:
 *   model ← runtime ← {api, kernel, k8s} ← datapath ← hubble ← agent; policy: model; operator: k8s, api, policy;
 *   lab: kernel, k8s; cli: k8s, api, lab and three narrow doors; commands: cli.
 */
const only = (from, to) => ({
  name: `${from}-imports`,
  comment: `src/${from} may import ${to.join(', ') || 'nothing of ours'} only`,
  severity: 'error',
  from: {path: `^src/${from}/`},
  to: {path: '^(src|test|scripts|bin)/', pathNot: [`^src/${from}/`, ...to.map((t) => `^src/${t}`)]},
})

module.exports = {
  forbidden: [
    only('model', []),
    only('runtime', ['model/']),
    only('api', ['model/', 'runtime/']),
    only('kernel', ['model/', 'runtime/']),
    only('k8s', ['model/', 'runtime/']),
    only('datapath', ['model/', 'runtime/', 'kernel/', 'api/']),
    only('policy', ['model/']),
    only('hubble', ['model/', 'runtime/', 'api/', 'kernel/', 'k8s/', 'datapath/']),
    only('agent', ['model/', 'runtime/', 'api/', 'kernel/', 'k8s/', 'datapath/', 'hubble/', 'policy/']),
    only('operator', ['model/', 'runtime/', 'api/', 'k8s/', 'policy/']),
    only('workload', ['runtime/']),
    only('lab', ['model/', 'runtime/', 'kernel/', 'k8s/']),
    only('cli', [
      'model/',
      'runtime/',
      'k8s/',
      'api/',
      'lab/',
      'policy/',
      'hubble/filter',
      'hubble/flow',
      'datapath/maps',
      'datapath/gen',
    ]),
    only('commands', ['cli/']),
    {
      name: 'page-is-apart',
      comment: 'what runs in a browser imports its own modules and the types of what it is told',
      severity: 'error',
      from: {path: '^src/hubble/ui/page/'},
      to: {pathNot: ['^src/hubble/ui/page/', '^src/hubble/ui/wire\\.ts$']},
    },
    {
      name: 'engines-are-pure',
      comment: 'engines turn rows into rows: no Kubernetes, no datapath, no kernel',
      severity: 'error',
      from: {path: '^src/agent/(identity|service|policy)/'},
      to: {path: '^src/(k8s|datapath|kernel|api)/'},
    },
    {
      name: 'kubernetes-client-behind-its-door',
      severity: 'error',
      from: {path: '^src/', pathNot: '^src/k8s/'},
      to: {path: 'node_modules/@kubernetes/client-node'},
    },
    {
      name: 'koffi-behind-its-door',
      severity: 'error',
      from: {path: '^src/', pathNot: '^src/kernel/'},
      to: {path: 'node_modules/koffi'},
    },
    {name: 'no-cycles', severity: 'error', from: {}, to: {circular: true}},
    {name: 'no-unresolved', severity: 'error', from: {}, to: {couldNotResolve: true}},
  ],
  options: {
    doNotFollow: {path: 'node_modules'},
    exclude: {path: '^dist/'},
    tsConfig: {fileName: 'tsconfig.json'},
    tsPreCompilationDeps: true,
    enhancedResolveOptions: {exportsFields: ['exports'], conditionNames: ['import', 'node', 'default']},
  },
}
