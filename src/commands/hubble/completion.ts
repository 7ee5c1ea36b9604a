import Completion from '../completion.ts'

export default class HubbleCompletion extends Completion {
  static override summary = 'print a script by which a shell completes commands and flags of hubble'
}
