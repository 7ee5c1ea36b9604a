/**
 * Bundles the page of hubble-ui: one script, one style sheet, one HTML file, and nothing from elsewhere.
 *
 *     node scripts/build-page.ts [FOLDER]      dist/bundle/hubble-ui-page when not given
 */
import {cp, mkdir} from 'node:fs/promises'
import {pathToFileURL} from 'node:url'
import {build} from 'esbuild'
import {repositoryRoot} from './release.ts'

const page = 'src/hubble/ui/page'

/** @returns the files that were read, relative to the repository @throws what esbuild finds wrong */
export async function buildPage(outputFolder: string): Promise<string[]> {
  await mkdir(outputFolder, {recursive: true})
  const {metafile} = await build({
    metafile: true,
    absWorkingDir: repositoryRoot,
    entryPoints: {page: `${page}/main.ts`, style: `${page}/style.css`},
    outdir: outputFolder,
    bundle: true,
    platform: 'browser',
    format: 'esm',
    target: ['es2022'],
    minify: true,
    legalComments: 'none',
    logLevel: 'silent',
    tsconfig: `${page}/tsconfig.json`,
  })
  await cp(`${repositoryRoot}${page}/index.html`, `${outputFolder}/index.html`)
  await cp(`${repositoryRoot}${page}/icon.svg`, `${outputFolder}/icon.svg`)
  return Object.keys(metafile.inputs)
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const folder = process.argv[2] ?? `${repositoryRoot}dist/bundle/hubble-ui-page`
  await buildPage(folder)
  console.log(`built the page of hubble-ui into ${folder}`)
}
