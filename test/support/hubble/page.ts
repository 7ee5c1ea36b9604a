/** The user interface as it is served, and a browser that looks at it. */
import {mkdtempSync, rmSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {type Browser, type BrowserContext, chromium, type Page} from 'playwright-core'
import {buildPage} from '../../../scripts/build-page.ts'
import {loadAssets} from '../../../src/hubble/ui/assets.ts'
import {ClusterState} from '../../../src/hubble/ui/cluster-state.ts'
import {ObserverClient} from '../../../src/hubble/ui/observer-client.ts'
import {WebServer, type WebServerOptions} from '../../../src/hubble/ui/web-server.ts'
import {systemClock} from '../../../src/runtime/clock.ts'

let built: {readonly folder: string} | undefined

/** The files of the page, built once for all tests of a file. */
export async function pageFolder(): Promise<string> {
  if (built !== undefined) return built.folder
  const folder = mkdtempSync(join(tmpdir(), 'hubble-page-'))
  process.on('exit', () => rmSync(folder, {recursive: true, force: true}))
  await buildPage(folder)
  built = {folder}
  return folder
}

export interface TestUi extends AsyncDisposable {
  readonly server: WebServer
  readonly url: string
}

export async function startUi(target: string, options: Partial<WebServerOptions> = {}): Promise<TestUi> {
  const baseUrl = options.baseUrl ?? '/'
  const observer = new ObserverClient({target, tls: undefined})
  const server = new WebServer({
    observer,
    cluster: new ClusterState(observer, systemClock),
    assets: loadAssets(await pageFolder(), baseUrl),
    clock: systemClock,
    baseUrl,
    hosts: [],
    pagesMax: 8,
    ...options,
  })
  const port = await server.listen('127.0.0.1', 0)
  return {
    server,
    url: `http://127.0.0.1:${port}${baseUrl}`,
    async [Symbol.asyncDispose]() {
      await server.close()
      observer.close()
    },
  }
}

/** Debian's, or what HUBBLE_TEST_BROWSER names. */
export function launchBrowser(): Promise<Browser> {
  return chromium.launch({
    executablePath: process.env['HUBBLE_TEST_BROWSER'] ?? '/usr/bin/chromium',
    args: [
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
    ],
  })
}

export interface Look {
  readonly page: Page
  readonly context: BrowserContext
  /** errors, refused by the content policy and such, and what was asked of other servers */
  readonly complaints: string[]
}

export async function look(browser: Browser, url: string, options: object = {}): Promise<Look> {
  const context = await browser.newContext({viewport: {width: 1440, height: 900}, ...options})
  const page = await context.newPage()
  const complaints: string[] = []
  const origin = new URL(url).origin
  page.on('pageerror', (error) => complaints.push(`error: ${error.message}`))
  page.on('console', (message) => {
    // devices of the machine come and go with other tests; the page asks again
    if (message.text().includes('ERR_NETWORK_CHANGED')) return
    if (message.type() === 'error' || message.type() === 'warning') complaints.push(message.text())
  })
  page.on('request', (request) => {
    if (!request.url().startsWith(origin)) complaints.push(`asked ${request.url()}`)
  })
  await page.goto(url)
  return {page, context, complaints}
}
