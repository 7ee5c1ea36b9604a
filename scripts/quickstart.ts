/**
 * The README's first command: builds what is missing, makes a three-node cluster, installs the network with the
 * product's own commands and proves it. Each step prints the command that a user would type for it.
 */
import {execa} from 'execa'
import {Listr, type ListrTask} from 'listr2'
import {CiliumError} from '../src/runtime/errors.ts'
import {exitCodes} from '../src/runtime/exit-codes.ts'
import {checkGo, checkKernel, installPackages} from './machine.ts'

const arguments_ = process.argv.slice(2)
if (arguments_.includes('--help') || arguments_.includes('-h')) {
  process.stdout.write(`usage: ./scripts/quickstart [--name NAME] [--nodes N] [--no-test]

Makes a real Kubernetes cluster on this machine (default: 3 nodes, named "quickstart"), installs the network on it,
and runs the connectivity test. The cluster stays: bin/cilium lab down --name NAME ends it.
`)
  process.exit(exitCodes.ok)
}
const option = (flag: string, otherwise: string): string => {
  const at = arguments_.indexOf(flag)
  return at >= 0 ? (arguments_[at + 1] ?? otherwise) : otherwise
}
const name = option('--name', 'quickstart')
const nodes = option('--nodes', '3')
const withTest = !arguments_.includes('--no-test')
/** the tests that need no policy: the others take their time */
const proof = '^no-policies,^pod-to,^north-south,^local-redirect,^health'
const kubeconfig = `/run/cilium-lab/${name}/kubeconfig`

/** The last line that says something: a test prints a dot for each of its actions. */
const telling = (text: string): string | undefined =>
  text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => !/^\.*$/.test(line))
    .at(-1)

/** Runs a command of ours; its last line is shown beside the step, all of it when it fails. */
const step = (title: string, command: string, args: readonly string[]): ListrTask => ({
  title: `${title}  (${[command.replace('bin/cilium.js', 'cilium'), ...args].join(' ')})`,
  task: async (_, task) => {
    const child = execa(command, args, {env: {KUBECONFIG: kubeconfig, NO_COLOR: '1'}, all: true, reject: false})
    child.all?.on('data', (chunk: Buffer) => {
      const line = telling(chunk.toString())
      if (line !== undefined) task.output = line
    })
    const done = await child
    if (done.exitCode !== 0) {
      throw new Error(`${[command, ...args].join(' ')} ended with ${done.exitCode ?? done.signal}\n${done.all ?? ''}`)
    }
  },
})

const tasks = new Listr(
  [
    {
      title: 'Programs this needs',
      task: async (_, task) => void (task.title += `: ${await installPackages((line) => (task.output = line))}`),
    },
    {title: 'This machine', task: async (_, task) => void (task.title += `: ${await checkKernel()}`)},
    {title: 'Go', task: async (_, task) => void (task.title += `: ${await checkGo()}`)},
    step('eBPF programs', 'npm', ['run', '-s', 'bpf']),
    step('Image', 'npm', ['run', '-s', 'image']),
    step(
      `Kubernetes with ${nodes} nodes; the first time it is built from its modules, some ten minutes`,
      'bin/cilium.js',
      ['lab', 'up', '--name', name, '--nodes', nodes],
    ),
    step('Image to the nodes', 'bin/cilium.js', ['lab', 'load', 'dist/image/cilium.tar', '--name', name]),
    step('Network', 'bin/cilium.js', ['install', '--wait', '--set', 'ipv6.enabled=true']),
    step('Status', 'bin/cilium.js', ['status', '--wait']),
    ...(withTest ? [step('Proof', 'bin/cilium.js', ['connectivity', 'test', '--test', proof])] : []),
  ],
  {
    exitOnError: true,
    rendererOptions: {collapseSubtasks: false},
    fallbackRendererCondition: () => !process.stdout.isTTY,
  },
)

try {
  await tasks.run()
  process.stdout.write(`
The cluster runs. Look at it:

  export KUBECONFIG=${kubeconfig} PATH=$PWD/bin:$PATH
  bin/cilium.js status
  bin/cilium.js lab status --name ${name}
  bin/cilium.js lab exec --name ${name} node1 -- tcpdump -ni any -T vxlan -c 5 udp port 8472

End it:

  bin/cilium.js lab down --name ${name}
`)
} catch (thrown) {
  const error = CiliumError.from(thrown)
  process.stderr.write(
    `\nerror ${error.code}  ${error.message}\n  try: ${error.advice || 'read the output above; the same command goes on from here'}\n`,
  )
  process.exit(exitCodes.failed)
}
