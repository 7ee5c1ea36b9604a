/**
 * The change from one layout of flows to another. Programs of both must never run at once: one would not see what the
 * other has made. So every hook first gets a door that asks one number and goes on with the old program or the new; then
 * the number is turned, and all hooks of the node are new between two packets. What the old programs have left is taken
 * over by the new ones, whoever asks first (bpf/lib/flow_before.h); then the doors are replaced by the programs
 * themselves.
 *
 *     <root>/switches/<generation>/gate             {turned, generation, layout before, layout after}
 *     <root>/switches/<generation>/doors/<program>  a program array: 0 the old, 1 the new
 *
 * Pins stay until no hook has a door any more: a program array without a pin loses its programs.
 */
import {existsSync, readdirSync, rmSync} from 'node:fs'
import {join} from 'node:path'
import {
  call,
  exit,
  type Instruction,
  load32,
  loadProgram,
  mapReference,
  mapValueReference,
  move,
  set,
} from '../kernel/bpf/instructions.ts'
import {BpfMap, createMapFd, type MapShape} from '../kernel/bpf/map.ts'
import {mapTypes} from '../kernel/bpf/map-types.ts'
import {openPin, pin} from '../kernel/bpf/pin.ts'
import {u32} from '../kernel/codec.ts'
import {closeFd} from '../kernel/libc.ts'

const TC_ACT_SHOT = 2
const helperTailCall = 12

export interface SwitchState {
  readonly turned: boolean
  /** the generation that is switched to */
  readonly generation: number
  readonly layoutBefore: number
  readonly layoutAfter: number
}

const gateShape: MapShape<number, SwitchState> = {
  name: 'cilium_gate',
  type: mapTypes.array,
  maxEntries: 1,
  key: u32,
  value: {
    size: 16,
    encode(state, view, at) {
      view.setUint32(at, state.turned ? 1 : 0, true)
      view.setUint32(at + 4, state.generation, true)
      view.setUint32(at + 8, state.layoutBefore, true)
      view.setUint32(at + 12, state.layoutAfter, true)
    },
    decode: (view, at) => ({
      turned: view.getUint32(at, true) === 1,
      generation: view.getUint32(at + 4, true),
      layoutBefore: view.getUint32(at + 8, true),
      layoutAfter: view.getUint32(at + 12, true),
    }),
  },
}

const switchFolder = (root: string, generation: number): string => join(root, 'switches', String(generation))

/** Switches that are pinned, the newest last: those behind it have left doors on hooks. */
export function listSwitches(root: string): SwitchState[] {
  const folder = join(root, 'switches')
  if (!existsSync(folder)) return []
  return readdirSync(folder)
    .map(Number)
    .sort((a, b) => a - b)
    .flatMap((generation) => {
      const fd = openPin(join(switchFolder(root, generation), 'gate'))
      if (fd === undefined) return []
      using gate = new BpfMap(fd, gateShape)
      return [gate.get(0)!]
    })
}

/** Removes the pins of all switches. Only when no hook has a door. */
export function removeSwitches(root: string): void {
  rmSync(join(root, 'switches'), {recursive: true, force: true})
}

export class LayoutSwitch {
  readonly #root: string
  readonly #state: SwitchState
  readonly #gate: BpfMap<number, SwitchState>
  readonly #doors = new Map<string, number>()

  /** Pins a gate that is not turned. */
  constructor(root: string, state: Omit<SwitchState, 'turned'>) {
    this.#root = root
    this.#state = {...state, turned: false}
    const fd = createMapFd('cilium_gate', {type: mapTypes.array, keySize: 4, valueSize: 16, maxEntries: 1, flags: 0})
    this.#gate = new BpfMap(fd, gateShape)
    this.#gate.put(0, this.#state)
    pin(fd, join(switchFolder(root, state.generation), 'gate'))
  }

  /**
   * The program to put on a hook meanwhile.
   *
   * @param old descriptor of the program that runs there; a hook that has none yet gets the new one's door alike
   * @returns descriptor, the switch's own
   */
  door(name: string, old: number, next: number): number {
    const made = this.#doors.get(name)
    if (made !== undefined) return made
    const programs = createMapFd('cilium_door', {
      type: mapTypes.prog_array,
      keySize: 4,
      valueSize: 4,
      maxEntries: 2,
      flags: 0,
    })
    using ways = new BpfMap(programs, doorShape)
    ways.put(0, old)
    ways.put(1, next)
    pin(programs, join(switchFolder(this.#root, this.#state.generation), 'doors', name))
    const door = loadProgram('sched_cls', doorInstructions(this.#gate.fd, programs))
    this.#doors.set(name, door)
    return door
  }

  /** From now on every hook goes on with the new program. */
  turn(): void {
    this.#gate.put(0, {...this.#state, turned: true})
  }

  close(): void {
    for (const door of this.#doors.values()) closeFd(door)
    this.#gate.close()
  }
}

const doorShape: MapShape<number, number> = {
  name: 'cilium_door',
  type: mapTypes.prog_array,
  maxEntries: 2,
  key: u32,
  value: u32,
}

/** What is missing drops: a door without a program lets nothing pass. */
function doorInstructions(gate: number, programs: number): Instruction[] {
  return [
    move(6, 1),
    ...mapValueReference(1, gate),
    load32(3, 1, 0),
    move(1, 6),
    ...mapReference(2, programs),
    call(helperTailCall),
    set(0, TC_ACT_SHOT),
    exit,
  ]
}
