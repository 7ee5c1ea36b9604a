/**
 * Text of the cluster for a page: whoever may create a pod chooses names. Controls and the characters that reorder
 * the text around them become a visible mark, so that two names that differ in them do not look the same.
 */
const unprintable = /[\u0000-\u001f\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb]/g
/** longer than any name of Kubernetes; of long texts the beginning says enough */
const lengthMax = 512

export function shown(text: string): string {
  const short = text.length > lengthMax ? `${text.slice(0, lengthMax)}…` : text
  return short.replace(unprintable, '\ufffd')
}
