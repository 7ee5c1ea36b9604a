/** What the image is made of that others have written: names, versions, licences and their texts. */
import {createHash} from 'node:crypto'
import {existsSync, readdirSync, readFileSync} from 'node:fs'
import {execa} from 'execa'
import {fail} from '../../src/runtime/errors.ts'
import {repositoryRoot} from '../release.ts'
import {IMAGE_LICENCE_UNKNOWN} from './errors.ts'

export interface Material {
  readonly name: string
  readonly version: string
  /** SPDX expression; undefined: only the text says it */
  readonly licence: string | undefined
  /** package URL (purl) */
  readonly purl: string
  readonly supplier: string
  /** texts by file name; of Debian's packages the image has them at /usr/share/doc/NAME/copyright */
  readonly texts: ReadonlyMap<string, string>
}

/** Licences that may go into the image; a new one is looked at by a person first. */
const allowed = new Set([
  ...['MIT', 'ISC', 'Apache-2.0', 'BSD-2-Clause', 'BSD-3-Clause', '0BSD', 'BlueOak-1.0.0', 'Python-2.0', 'CC0-1.0'],
  ...['Unlicense', 'MIT OR CC0-1.0', '(MIT OR CC0-1.0)', '(MIT AND Zlib)', 'MIT AND BSD-3-Clause'],
])

interface PackageFile {
  readonly name: string
  readonly version: string
  readonly license?: string
  readonly author?: string | {readonly name?: string}
}

/**
 * The npm packages that files belong to.
 *
 * @param files relative to the repository, as a bundler names its inputs
 * @throws IMAGE_LICENCE_UNKNOWN
 */
export function npmMaterials(files: readonly string[]): readonly Material[] {
  const folders = new Set(files.flatMap((file) => /^(?:.*\/)?node_modules\/(?:@[^/]+\/)?[^/]+/.exec(file)?.[0] ?? []))
  const found = [...folders].map((folder) => npmMaterial(`${repositoryRoot}${folder}`))
  return byName([...new Map(found.map((one) => [one.purl, one])).values()])
}

function npmMaterial(folder: string): Material {
  const {name, version, license, author} = JSON.parse(readFileSync(`${folder}/package.json`, 'utf8')) as PackageFile
  if (license === undefined || !allowed.has(license)) fail(IMAGE_LICENCE_UNKNOWN, {name, licence: license ?? 'none'})
  const by = typeof author === 'string' ? author : author?.name
  return {
    name,
    version,
    licence: license.replace(/^\((.*)\)$/, '$1'),
    purl: `pkg:npm/${name.replace('@', '%40')}@${version}`,
    supplier: by === undefined ? 'NOASSERTION' : `Person: ${by.replace(/\s*[<(].*/, '')}`,
    texts: licenceTexts(folder),
  }
}

/** Licence and notice files of a package's folder. */
function licenceTexts(folder: string): Map<string, string> {
  const names = existsSync(folder) ? readdirSync(folder) : []
  return new Map(
    names
      .filter((name) => /^(licen[cs]e|copying|notice|third[-_]?party)/i.test(name))
      .sort()
      .map((name) => [name, readFileSync(`${folder}/${name}`, 'utf8')]),
  )
}

/** @param folder of the package of the npm registry that holds the binary */
export function nodeMaterial(folder: string): Material {
  const file = JSON.parse(readFileSync(`${folder}/package.json`, 'utf8')) as PackageFile
  const version = file.version.replace(/^v/, '')
  const texts = licenceTexts(folder)
  return {
    name: 'node',
    version,
    licence: 'MIT',
    purl: `pkg:generic/node@${version}`,
    supplier: 'Organization: OpenJS Foundation',
    texts,
  }
}

/**
 * Debian's packages in a base layer, as its own database lists them.
 *
 * @param layer compressed tar
 */
export async function debianMaterials(layer: string): Promise<readonly Material[]> {
  const {stdout} = await execa('tar', ['-xzOf', layer, './var/lib/dpkg/status'], {maxBuffer: 1 << 26})
  const field = (paragraph: string, name: string) => new RegExp(`^${name}: (.*)$`, 'm').exec(paragraph)?.[1] ?? ''
  return byName(
    stdout
      .split('\n\n')
      .filter((one) => field(one, 'Status').endsWith('installed'))
      .map((one) => {
        const [name, version, processor] = ['Package', 'Version', 'Architecture'].map((key) => field(one, key))
        return {
          name: name!,
          version: version!,
          licence: undefined,
          purl: `pkg:deb/debian/${encodeURIComponent(name!)}@${encodeURIComponent(version!)}?arch=${processor}`,
          supplier: `Person: ${field(one, 'Maintainer').replace(/\s*<.*/, '')}`,
          texts: new Map(),
        }
      }),
  )
}

function byName(list: readonly Material[]): Material[] {
  return [...list].sort((a, b) => (a.purl < b.purl ? -1 : a.purl > b.purl ? 1 : 0))
}

export interface DocumentOptions {
  readonly version: string
  readonly architecture: string
  /** seconds since 1970 */
  readonly created: number
  readonly materials: readonly Material[]
}

/** The software bill of materials, SPDX 2.3 as JSON. Same materials, same bytes. */
export function spdxDocument({version, architecture, created, materials}: DocumentOptions): string {
  const digest = createHash('sha256')
    .update(JSON.stringify(materials.map(({purl}) => purl)))
    .digest('hex')
  const own = {name: 'cilium', version, purl: `pkg:oci/cilium?tag=${version}&arch=${architecture}`}
  const described = (
    id: string,
    one: Pick<Material, 'name' | 'version' | 'purl'>,
    licence: string,
    supplier: string,
  ) => ({
    SPDXID: id,
    name: one.name,
    versionInfo: one.version,
    supplier,
    downloadLocation: 'NOASSERTION',
    filesAnalyzed: false,
    licenseConcluded: 'NOASSERTION',
    licenseDeclared: licence,
    copyrightText: 'NOASSERTION',
    externalRefs: [{referenceCategory: 'PACKAGE-MANAGER', referenceType: 'purl', referenceLocator: one.purl}],
  })
  const idOf = ({purl}: Material) => `SPDXRef-${purl.replace(/[^A-Za-z0-9.-]+/g, '-')}`
  const document = {
    spdxVersion: 'SPDX-2.3',
    dataLicense: 'CC0-1.0',
    SPDXID: 'SPDXRef-DOCUMENT',
    name: `cilium-${version}-${architecture}`,
    documentNamespace: `https://spdx.org/spdxdocs/cilium-${version}-${architecture}-${digest}`,
    creationInfo: {
      created: new Date(created * 1000).toISOString().replace('.000', ''),
      creators: ['Tool: npm-run-image'],
    },
    packages: [
      // the programs for the kernel may be taken under either of two licences
      described('SPDXRef-cilium', own, 'Apache-2.0 AND (GPL-2.0-only OR BSD-2-Clause)', 'NOASSERTION'),
      ...materials.map((one) => described(idOf(one), one, one.licence ?? 'NOASSERTION', one.supplier)),
    ],
    relationships: [
      {spdxElementId: 'SPDXRef-DOCUMENT', relationshipType: 'DESCRIBES', relatedSpdxElement: 'SPDXRef-cilium'},
      ...materials.map((one) => ({
        spdxElementId: 'SPDXRef-cilium',
        relationshipType: 'CONTAINS',
        relatedSpdxElement: idOf(one),
      })),
    ],
  }
  return `${JSON.stringify(document, null, 1)}\n`
}

/** One text with what every package asks to be kept, for people. */
export function noticeText(materials: readonly Material[]): string {
  const ruler = '='.repeat(100)
  const parts = materials
    .filter(({licence}) => licence !== undefined)
    .map(({name, version, licence, texts}) => {
      const body =
        texts.size === 0
          ? `Its package names the licence ${licence} and holds no text of it.`
          : [...texts.values()].join('\n')
      return `${ruler}\n${name} ${version}  (${licence})\n${ruler}\n\n${body.trim()}\n`
    })
  return [
    'This image holds works of others. Packages of Debian have theirs at /usr/share/doc/PACKAGE/copyright.\n',
    ...parts,
  ].join('\n')
}
