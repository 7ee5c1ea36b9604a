/** Ethernet addresses as immutable values. */

export class Mac {
  private readonly octets: Uint8Array

  private constructor(octets: Uint8Array) {
    this.octets = octets
  }

  /** Reads `aa:bb:cc:dd:ee:ff` or `aa-bb-cc-dd-ee-ff`, any case. @returns undefined when it is not an address */
  static parse(text: string): Mac | undefined {
    if (!/^[0-9a-f]{2}([:-])[0-9a-f]{2}(\1[0-9a-f]{2}){4}$/i.test(text)) return undefined
    return new Mac(Uint8Array.from(text.split(/[:-]/), (octet) => Number.parseInt(octet, 16)))
  }

  /** An address that the program itself wrote down. @throws TypeError when it is not one */
  static of(text: string): Mac {
    const mac = Mac.parse(text)
    if (mac === undefined) throw new TypeError(`not a MAC address: ${JSON.stringify(text)}`)
    return mac
  }

  /** Copies six bytes. @throws RangeError for any other length */
  static fromBytes(bytes: Uint8Array): Mac {
    if (bytes.length !== 6) throw new RangeError(`a MAC address has 6 bytes, not ${bytes.length}`)
    return new Mac(new Uint8Array(bytes))
  }

  /** Makes a unicast, locally administered address of six random bytes (IEEE 802: bit 1 of the first octet set, bit 0 clear). */
  static local(random: Uint8Array): Mac {
    const mac = Mac.fromBytes(random)
    mac.octets[0] = (mac.octets[0]! & 0xfe) | 0x02
    return mac
  }

  toBytes(): Uint8Array {
    return this.octets.slice()
  }

  get isZero(): boolean {
    return this.octets.every((octet) => octet === 0)
  }

  get isMulticast(): boolean {
    return (this.octets[0]! & 1) === 1
  }

  equals(other: Mac): boolean {
    return this.octets.every((octet, i) => octet === other.octets[i])
  }

  toString(): string {
    return Array.from(this.octets, (octet) => octet.toString(16).padStart(2, '0')).join(':')
  }

  toJSON(): string {
    return this.toString()
  }
}
