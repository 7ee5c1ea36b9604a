/** Certificates, keys and kubeconfigs of a lab. Made once; a later `up` finds them on disk. */
import {existsSync, mkdirSync, readFileSync, renameSync, writeFileSync} from 'node:fs'
import {join} from 'node:path'
import {stringify} from 'yaml'
import {
  type CertificateRequest,
  createAuthority,
  createSigningKey,
  issueCertificate,
  type KeyAndCertificate,
} from '../runtime/x509.ts'
import {labPaths} from './paths.ts'
import {apiUrl, hostNumbers, type LabNode, type LabPlan, serviceAddresses, underlayHost} from './plan.ts'

const authorityName = 'cilium-lab'

/** Who talks to the API server, with the names that its RBAC defaults know. */
const clients: Readonly<Record<string, CertificateRequest>> = {
  admin: {commonName: 'lab-admin', organization: 'system:masters', usages: ['client']},
  'controller-manager': {commonName: 'system:kube-controller-manager', usages: ['client']},
  scheduler: {commonName: 'system:kube-scheduler', usages: ['client']},
  'kube-proxy': {commonName: 'system:kube-proxy', usages: ['client']},
}

/** Makes what is missing of the control plane's credentials. */
export function ensureCredentials(plan: LabPlan): void {
  const paths = labPaths(plan.name)
  mkdirSync(paths.pki, {recursive: true, mode: 0o700})
  const authority = readAuthority(plan) ?? saveAuthority(plan)
  if (!existsSync(join(paths.pki, 'sa.key'))) {
    const {key, publicKey} = createSigningKey()
    writeSecret(join(paths.pki, 'sa.pub'), publicKey)
    writeSecret(join(paths.pki, 'sa.key'), key)
  }
  const servers: Readonly<Record<string, CertificateRequest>> = {
    apiserver: {commonName: 'kube-apiserver', hosts: apiServerHosts(plan), usages: ['server']},
    'apiserver-kubelet-client': {
      commonName: 'kube-apiserver-kubelet-client',
      organization: 'system:masters',
      usages: ['client'],
    },
  }
  for (const [file, request] of Object.entries(servers)) {
    if (!existsSync(join(paths.pki, `${file}.key`))) saveCertificate(paths.pki, file, authority, request)
  }
  for (const [name, request] of Object.entries(clients)) {
    const file = name === 'admin' ? paths.kubeconfig : join(paths.pki, `${name}.conf`)
    if (!existsSync(file)) writeSecret(file, kubeconfig(plan, name, authority.certificate, issue(authority, request)))
  }
}

/** A node's own credentials, in the folder that it sees as /etc/kubernetes. */
export function ensureNodeCredentials(plan: LabPlan, node: LabNode): void {
  const folder = join(labPaths(plan.name).node(node.name).etc, 'kubernetes')
  const pki = join(folder, 'pki')
  mkdirSync(pki, {recursive: true, mode: 0o700})
  const authority = readAuthority(plan)!
  writeSecret(join(pki, 'ca.crt'), authority.certificate)
  if (!existsSync(join(pki, 'kubelet.key'))) {
    const hosts = [node.name, ...node.addresses]
    saveCertificate(pki, 'kubelet', authority, {commonName: `system:node:${node.name}`, hosts, usages: ['server']})
  }
  const user = `system:node:${node.name}`
  const config = join(folder, 'kubelet.conf')
  if (!existsSync(config)) {
    const request: CertificateRequest = {commonName: user, organization: 'system:nodes', usages: ['client']}
    writeSecret(config, kubeconfig(plan, user, authority.certificate, issue(authority, request)))
  }
}

/** What the lab's own calls to the API server need. */
export function readAdmin(plan: {readonly name: string}): {ca: string; kubeconfig: string} {
  const paths = labPaths(plan.name)
  return {
    ca: readFileSync(join(paths.pki, 'ca.crt'), 'utf8'),
    kubeconfig: readFileSync(paths.kubeconfig, 'utf8'),
  }
}

/** Every name by which a client may reach the API server. */
function apiServerHosts(plan: LabPlan): readonly string[] {
  return [
    'kubernetes',
    'kubernetes.default',
    'kubernetes.default.svc',
    'kubernetes.default.svc.cluster.local',
    'localhost',
    '127.0.0.1',
    '::1',
    ...serviceAddresses(plan, 1),
    ...plan.ipFamilies.map((family) => underlayHost(plan.index, family, hostNumbers.api)),
  ]
}

function kubeconfig(plan: LabPlan, user: string, ca: string, {key, certificate}: KeyAndCertificate): string {
  const cluster = `cilium-${plan.name}`
  return stringify({
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [{name: cluster, cluster: {server: apiUrl(plan), 'certificate-authority-data': base64(ca)}}],
    users: [{name: user, user: {'client-certificate-data': base64(certificate), 'client-key-data': base64(key)}}],
    contexts: [{name: cluster, context: {cluster, user}}],
    'current-context': cluster,
  })
}

function readAuthority(plan: LabPlan): KeyAndCertificate | undefined {
  const {pki} = labPaths(plan.name)
  if (!existsSync(join(pki, 'ca.key'))) return undefined
  return {
    key: readFileSync(join(pki, 'ca.key'), 'utf8'),
    certificate: readFileSync(join(pki, 'ca.crt'), 'utf8'),
  }
}

function saveAuthority(plan: LabPlan): KeyAndCertificate {
  const authority = createAuthority(authorityName)
  savePair(labPaths(plan.name).pki, 'ca', authority)
  return authority
}

function saveCertificate(
  folder: string,
  file: string,
  authority: KeyAndCertificate,
  request: CertificateRequest,
): void {
  savePair(folder, file, issue(authority, request))
}

function issue(authority: KeyAndCertificate, request: CertificateRequest): KeyAndCertificate {
  return issueCertificate(authority, authorityName, request)
}

/** The key last: where it is, its certificate is too. */
function savePair(folder: string, file: string, pair: KeyAndCertificate): void {
  writeSecret(join(folder, `${file}.crt`), pair.certificate)
  writeSecret(join(folder, `${file}.key`), pair.key)
}

/** Whole or not at all: a crash never leaves half a file. */
function writeSecret(file: string, text: string): void {
  writeFileSync(`${file}.new`, text, {mode: 0o600})
  renameSync(`${file}.new`, file)
}

function base64(text: string): string {
  return Buffer.from(text, 'utf8').toString('base64')
}
