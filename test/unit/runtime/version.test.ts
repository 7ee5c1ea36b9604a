import {readFileSync} from 'node:fs'
import {expect, test} from 'vitest'
import {productVersion, versionText} from '../../../src/runtime/version.ts'

test('the version is that of the package', () => {
  const manifest = JSON.parse(readFileSync(new URL('../../../package.json', import.meta.url), 'utf8'))
  expect(productVersion()).toMatchObject({version: manifest.version, revision: 'dev'})
  expect(versionText({version: '1.2.3', revision: 'abc', arch: 'arm64'})).toBe('1.2.3 abc linux/arm64')
})
