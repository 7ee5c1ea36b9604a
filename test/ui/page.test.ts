import type {Browser} from 'playwright-core'
import {afterAll, afterEach, beforeAll, beforeEach, describe, expect, test} from 'vitest'
import {startObserver, type TestObserver} from '../support/hubble/observer.ts'
import {type Look, launchBrowser, look, startUi, type TestUi} from '../support/hubble/page.ts'
import {Shop, usualShop} from '../support/hubble/shop.ts'

const waitMs = 60_000
const poll = {timeout: waitMs}

let browser: Browser
let observer: TestObserver
let ui: TestUi
let looks: Look[]

beforeAll(async () => {
  browser = await launchBrowser()
})
afterAll(() => browser.close())
beforeEach(async () => {
  looks = []
  observer = await startObserver()
  ui = await startUi(observer.target)
})
afterEach(async () => {
  for (const {complaints, context} of looks) {
    // nothing was refused by the content policy, nothing failed, nothing was asked of other servers
    expect(complaints).toEqual([])
    await context.close()
  }
  await ui[Symbol.asyncDispose]()
  observer[Symbol.dispose]()
})

async function open(search = '', options: object = {}) {
  const opened = await look(browser, `${ui.url}${search}`, options)
  opened.page.setDefaultTimeout(waitMs)
  looks.push(opened)
  return opened.page
}

type Page = Awaited<ReturnType<typeof open>>
const texts = (page: Page, selector: string) => page.locator(selector).allTextContents()
const names = (page: Page) => texts(page, '.card .name').then((found) => found.sort())
const row = (page: Page, health: string) => page.locator(`table.flows tr[data-health="${health}"]`).first()

describe('the page', () => {
  test('shows who is refused before everything else, with policy and reason', async () => {
    const {shop, day} = usualShop(observer)
    shop.say(...day, {from: 'ads', to: 'payments', port: 50051, outcome: 'denied', policy: 7})

    const page = await open('?namespace=shop')

    await expect.poll(() => texts(page, '#refused strong'), poll).toEqual(['✕ 1 denied connection'])
    expect(await texts(page, '#refused .item')).toEqual([
      expect.stringContaining('✕ ads → payments:50051 · by shop/payments-callers'),
    ])
    await expect.poll(() => page.locator('#announce').textContent(), poll).toContain('ads → payments')
    expect(await page.locator('.card[data-health="denied"] .name').allTextContents()).toEqual(
      expect.arrayContaining(['ads', 'payments']),
    )
    expect(await page.locator('.line[data-health="denied"]').count()).toBe(1)
  })

  test('is calm when nobody is', async () => {
    const {shop, day} = usualShop(observer)
    shop.say(...day)

    const page = await open('?namespace=shop')

    await expect.poll(() => names(page), poll).toContain('checkout')
    expect(await texts(page, '#refused strong')).toEqual(['Nothing was refused in the last 5 minutes'])
    expect(await page.locator('[data-health="denied"]:not(.legend *):not(.chip)').count()).toBe(0)
  })

  test('draws a namespace from live flows, and another one on demand', async () => {
    const {shop} = usualShop(observer)
    const page = await open('?namespace=shop')
    await expect.poll(() => texts(page, '#map .empty'), poll).toEqual(['No flows in shop yet.'])

    shop.say(
      {from: 'world', to: 'frontend', port: 8080},
      {from: 'frontend', to: 'coredns', port: 53, protocol: 17},
      {from: 'prometheus', to: 'coredns', port: 9153},
    )
    await expect.poll(() => names(page), poll).toEqual(['coredns', 'frontend', 'world'])
    expect(await texts(page, '.card[data-node="kube-system/Deployment/coredns"] .ports span')).toEqual(['UDP 53'])

    await expect.poll(() => texts(page, '#namespace option'), poll).toContain('monitoring')
    await page.selectOption('#namespace', 'monitoring')
    await expect.poll(() => names(page), poll).toEqual(['coredns', 'prometheus'])
    expect(new URL(page.url()).search).toBe('?namespace=monitoring')
    await page.goBack()
    await expect.poll(() => names(page), poll).toEqual(['coredns', 'frontend', 'world'])
  })

  test('lists flows by filters that stand in the address', async () => {
    const {shop} = usualShop(observer)
    shop.say({from: 'frontend', to: 'cart', port: 7070}, {from: 'ads', to: 'payments', port: 50051, outcome: 'denied'})
    const page = await open('?namespace=shop')
    const destinations = () => texts(page, 'table.flows td:nth-child(4) .end-name')
    await expect.poll(destinations, poll).toEqual(['payments', 'cart'])

    await page.locator('.chip[data-health="denied"]').click()
    await expect.poll(destinations, poll).toEqual(['payments'])
    expect(new URL(page.url()).searchParams.get('verdict')).toBe('denied')

    await page.locator('.chip[data-health="denied"]').click()
    await page.locator('.filters input[type=search]').fill('cart')
    await expect.poll(destinations, poll).toEqual(['cart'])
    expect(new URL(page.url()).searchParams.get('text')).toBe('cart')

    const same = await open(`?${new URL(page.url()).searchParams}`)
    await expect.poll(() => texts(same, 'table.flows td:nth-child(4) .end-name'), poll).toEqual(['cart'])
    expect(await same.locator('.filters input[type=search]').inputValue()).toBe('cart')
  })

  test('tells all of one flow, with the policy that decided and what to type next', async () => {
    const {shop} = usualShop(observer)
    shop.say({from: 'ads', to: 'payments', port: 50051, outcome: 'denied', policy: 7})
    const page = await open('?namespace=shop')

    await row(page, 'denied').click()

    const details = page.locator('#details')
    await expect
      .poll(() => details.locator('.sentence').textContent(), poll)
      .toBe('✕ denied shop/ads → shop/payments TCP 50051')
    expect(await details.locator('.reason').textContent()).toBe('A policy denies it.')
    expect(await details.locator('.policies li').allTextContents()).toEqual([
      'CiliumNetworkPolicy shop/payments-callers denies ingress',
    ])
    const commands = await details.locator('code').allTextContents()
    expect(commands).toContain('kubectl -n shop get cnp payments-callers -o yaml')
    expect(commands[0]).toMatch(
      /^hubble observe --from-pod shop\/ads-\S+ --to-pod shop\/payments-\S+ --verdict DROPPED/,
    )
    await page.keyboard.press('Escape')
    await page.locator('#details .close').click()
    await expect.poll(() => details.isHidden(), poll).toBe(true)
  })

  test('can be used with keys alone', async () => {
    const {shop} = usualShop(observer)
    shop.say({from: 'frontend', to: 'cart', port: 7070}, {from: 'cart', to: 'redis-cart', port: 6379})
    const page = await open('?namespace=shop')
    const focused = () => page.evaluate<string>("document.activeElement?.getAttribute('aria-label') ?? ''")
    await expect.poll(() => names(page), poll).toEqual(['cart', 'frontend', 'redis-cart'])

    await page.locator('.card[tabindex="0"]').focus()
    expect(await focused()).toContain('frontend, Deployment in shop')
    await page.keyboard.press('ArrowRight')
    expect(await focused()).toContain('cart, Deployment in shop')
    await page.keyboard.press('Enter')
    await expect.poll(() => new URL(page.url()).searchParams.get('workload'), poll).toBe('shop/Deployment/cart')
    await expect.poll(() => texts(page, '#details h3'), poll).toEqual(['Calls (1)', 'Is called by (1)'])
    await page.keyboard.press('Escape')
    await expect.poll(() => new URL(page.url()).searchParams.get('workload'), poll).toBe(null)

    await page.keyboard.press('/')
    expect(await focused()).toBe('Search flows')
    await page.locator('table.flows tbody tr[tabindex="0"]').focus()
    await page.keyboard.press('Enter')
    await expect.poll(() => texts(page, '#details h2'), poll).toEqual(['Flow'])
  })

  test('has a name for everything that can be pressed or filled in', async () => {
    const {shop, day} = usualShop(observer)
    shop.say(...day, {from: 'ads', to: 'payments', port: 50051, outcome: 'denied', policy: 7})
    const page = await open('?namespace=shop')
    await row(page, 'denied').click()

    const nameless = await page.evaluate<string[]>(`
      [...document.querySelectorAll('button, input, select, [role=separator], section, aside')]
        .filter((one) => one.offsetParent !== null)
        .filter((one) => {
          const label = one.closest('label')?.textContent ?? ''
          return ((one.getAttribute('aria-label') ?? '') + one.textContent + label).trim() === ''
        })
        .map((one) => one.outerHTML)
    `)

    expect(nameless).toEqual([])
  })

  test('takes names for what they are: text', async () => {
    const shop = new Shop(observer)
    const evil = '<img src=x onerror="window.bad=1">'
    const reversed = 'a\u202e\u0007\u001b[2Jb'
    shop.open([evil, reversed, '"><script>window.bad=1</script>', "x'$(reboot)"], 'shop')
    shop.policy(9, evil, '<b>ns</b>', '<i>Kind</i>')
    shop.say(
      {from: evil, to: reversed, port: 80, outcome: 'denied', policy: 9},
      {from: "x'$(reboot)", to: '"><script>window.bad=1</script>', port: 81, outcome: 'denied'},
    )

    const page = await open()
    await expect.poll(() => names(page), poll).toHaveLength(4)
    for (const tab of ['#tab-connections', '#tab-flows']) await page.locator(tab).click()
    for (const one of await row(page, 'denied').page().locator('table.flows tr[data-health="denied"]').all()) {
      await one.click()
      await expect.poll(() => texts(page, '#details h2'), poll).toEqual(['Flow'])
    }

    expect(await names(page)).toContain(evil)
    expect(await names(page)).toContain('a\ufffd\ufffd\ufffd[2Jb')
    expect(await page.locator('img:not([src="icon.svg"]), body script, b, i').count()).toBe(0)
    expect(await page.evaluate<boolean>("'bad' in window")).toBe(false)
    expect(await page.locator('body').textContent()).not.toMatch(/[\u0000-\u0008\u001b\u202e]/)
    const commands = await texts(page, '#details code')
    // what is copied to a shell stays one word
    for (const command of commands) expect(command).not.toMatch(/^[^']*\$\(/)
  })

  test('follows the system’s colours, and the user’s choice over them', async () => {
    const page = await open('', {colorScheme: 'dark'})
    const ground = () => page.evaluate<string>('getComputedStyle(document.body).backgroundColor')
    expect(await ground()).toBe('rgb(14, 19, 25)')

    await page.locator('#theme').click()
    expect(await ground()).toBe('rgb(244, 246, 248)')
    await page.reload()
    expect(await ground()).toBe('rgb(244, 246, 248)')
  })

  test('says when the relay is away, and goes on when it is back', async () => {
    const {shop} = usualShop(observer)
    shop.say({from: 'frontend', to: 'cart', port: 7070})
    const page = await open('?namespace=shop')
    await expect.poll(() => page.locator('#status').textContent(), poll).toContain('live')

    observer.stop()
    await expect.poll(() => page.locator('#status').textContent(), poll).toContain('no relay')
    await observer.start()
    await expect.poll(() => page.locator('#status').textContent(), poll).toContain('live')
    shop.say({from: 'cart', to: 'redis-cart', port: 6379})

    await expect.poll(() => names(page), poll).toContain('redis-cart')
  })

  test('works with five hundred workloads', async () => {
    const shop = new Shop(observer)
    const all = Array.from({length: 500}, (_, index) => `svc-${index}`)
    shop.open(all, 'large')
    shop.say(...all.slice(1).map((to, index) => ({from: `svc-${index >> 2}`, to, port: 8000})), {
      from: 'svc-499',
      to: 'svc-3',
      port: 9000,
      outcome: 'denied' as const,
    })

    const page = await open('?namespace=large')

    await expect.poll(() => page.locator('.card').count(), poll).toBe(500)
    expect(await page.locator('.line').count()).toBe(500)
    await page.locator('#refused .item').click()
    await expect.poll(() => new URL(page.url()).searchParams.get('peer'), poll).toBe('large/Deployment/svc-3')
    // both ends of what is refused are in sight
    for (const name of ['svc-499', 'svc-3']) {
      const card = page.locator(`.card[data-node="large/Deployment/${name}"]`)
      const inside = async () => {
        const [box, map] = [await card.boundingBox(), await page.locator('#map').boundingBox()]
        return box !== null && map !== null && box.x >= map.x && box.x + box.width <= map.x + map.width
      }
      await expect.poll(inside, poll).toBe(true)
    }
  })
})
