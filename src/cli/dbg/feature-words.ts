/** Whether a feature object says that it is on; absent reads as off. */
export function isOn(feature: {readonly enabled?: boolean | undefined} | undefined): boolean {
  return feature?.enabled === true
}

export function onOff(on: boolean): string {
  return on ? 'Enabled' : 'Disabled'
}
