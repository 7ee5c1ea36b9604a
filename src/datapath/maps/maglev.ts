/** Maglev tables in the kernel: pages that are made when a table needs them. */
import {BpfMap, createMapFd, openMapById} from '../../kernel/bpf/map.ts'
import {bytes} from '../../kernel/codec.ts'
import {closeFd} from '../../kernel/libc.ts'
import {MAGLEV_CHUNK_PLACES, MAGLEV_PAGE_CHUNKS, MAGLEV_PAGES_MAX} from '../gen/constants.ts'
import {ciliumLbMaglev, ciliumLbMaglevInner} from '../gen/maps.ts'
import type {MapOpener} from './open.ts'

const chunkBytes = MAGLEV_CHUNK_PLACES * 2
const pageShape = {...ciliumLbMaglevInner, value: bytes(chunkBytes)}
type Page = BpfMap<number, Uint8Array>

export class MaglevPages {
  private readonly outer: BpfMap<number, number>
  private readonly pages = new Map<number, Page>()

  /** @throws BPF_MAP_LAYOUT, and what the opener throws */
  constructor(open: MapOpener) {
    this.outer = new BpfMap(open(ciliumLbMaglev.name), ciliumLbMaglev)
  }

  /** Chunks that tables may have. */
  get capacity(): number {
    return MAGLEV_PAGES_MAX * MAGLEV_PAGE_CHUNKS
  }

  /** Writes a table into a run of chunks. A page that is missing is made. */
  write(chunk: number, places: Uint16Array): void {
    const perPage = new Map<number, [number, Uint8Array][]>()
    const raw = new Uint8Array(places.buffer, places.byteOffset, places.byteLength)
    for (let at = 0; at < raw.length; at += chunkBytes) {
      const index = chunk + at / chunkBytes
      const page = Math.floor(index / MAGLEV_PAGE_CHUNKS)
      const value = new Uint8Array(chunkBytes)
      value.set(raw.subarray(at, at + chunkBytes))
      const entries = perPage.get(page)
      const entry: [number, Uint8Array] = [index % MAGLEV_PAGE_CHUNKS, value]
      if (entries === undefined) perPage.set(page, [entry])
      else entries.push(entry)
    }
    for (const [page, entries] of perPage) this.pageFor(page).putAll(entries)
  }

  /** @returns the places of a table; 0 where there is no page */
  read(chunk: number, size: number): Uint16Array {
    const places = new Uint16Array(Math.ceil(size / MAGLEV_CHUNK_PLACES) * MAGLEV_CHUNK_PLACES)
    const raw = new Uint8Array(places.buffer)
    for (let at = 0; at < raw.length; at += chunkBytes) {
      const index = chunk + at / chunkBytes
      const value = this.pageAt(Math.floor(index / MAGLEV_PAGE_CHUNKS))?.get(index % MAGLEV_PAGE_CHUNKS)
      if (value !== undefined) raw.set(value, at)
    }
    return places.subarray(0, size)
  }

  /** Shares the pages of another generation: tables never change while a row names them. */
  shareFrom(other: MaglevPages): void {
    for (let index = 0; index < MAGLEV_PAGES_MAX; index++) {
      const id = other.outer.get(index)
      if (id === undefined || id === 0) return
      const fd = openMapById(id)
      try {
        this.outer.put(index, fd)
      } finally {
        closeFd(fd)
      }
    }
  }

  close(): void {
    for (const page of this.pages.values()) page.close()
    this.outer.close()
  }

  [Symbol.dispose](): void {
    this.close()
  }

  private pageAt(index: number): Page | undefined {
    const known = this.pages.get(index)
    if (known !== undefined) return known
    const id = this.outer.get(index)
    if (id === undefined || id === 0) return undefined
    const page = new BpfMap(openMapById(id), pageShape)
    this.pages.set(index, page)
    return page
  }

  private pageFor(index: number): Page {
    const present = this.pageAt(index)
    if (present !== undefined) return present
    const fd = createMapFd(pageShape.name, {
      type: pageShape.type,
      keySize: pageShape.key.size,
      valueSize: chunkBytes,
      maxEntries: pageShape.maxEntries,
      flags: pageShape.flags ?? 0,
    })
    const page = new BpfMap(fd, pageShape)
    this.pages.set(index, page)
    this.outer.put(index, fd)
    return page
  }
}
