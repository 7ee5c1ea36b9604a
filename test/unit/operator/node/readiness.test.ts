import {expect, test} from 'vitest'
import {nodeChange} from '../../../../src/operator/node/readiness.ts'
import {nodeRow, podRow} from '../rows.ts'

const policy = {taintKey: 'node.cilium.io/agent-not-ready', removeTaints: true, setTaints: true, setCondition: true}
const notReady = {key: policy.taintKey, effect: 'NoExecute', value: 'true'}
const other = {key: 'example.com/gpu', effect: 'NoSchedule'}
const up = {status: 'False', reason: 'CiliumIsUp'}
const readyAgent = podRow({agent: true, ready: true})
const startingAgent = podRow({agent: true, ready: false})

test('a ready agent frees its node of the taint, whatever its effect, and of no other', () => {
  const change = nodeChange(nodeRow({taints: [notReady, other], network: up}), [readyAgent], policy)

  expect(change).toEqual({name: 'node1', taints: [other], networkUp: false})
})

test('a ready agent makes the network available', () => {
  expect(nodeChange(nodeRow({network: undefined}), [readyAgent], policy)).toMatchObject({networkUp: true})
  expect(nodeChange(nodeRow({network: {status: 'True', reason: 'NoRoute'}}), [readyAgent], policy)).toMatchObject({
    networkUp: true,
  })
})

test('an agent that is not ready taints its node once', () => {
  const change = nodeChange(nodeRow({taints: [other]}), [startingAgent], policy)
  const again = nodeChange(nodeRow({taints: change!.taints!}), [startingAgent], policy)

  expect(change!.taints).toEqual([other, {key: policy.taintKey, effect: 'NoSchedule'}])
  expect(again).toBeUndefined()
})

test('a node without an agent is not touched', () => {
  expect(nodeChange(nodeRow({taints: [notReady]}), [], policy)).toBeUndefined()
  expect(nodeChange(nodeRow({}), [podRow({agent: true, ready: true, ended: true})], policy)).toBeUndefined()
})

test('while agents are replaced a new ready one counts, one that ends does not', () => {
  const ending = podRow({agent: true, ready: true, terminating: true})

  expect(nodeChange(nodeRow({network: up}), [ending, readyAgent], policy)).toBeUndefined()
  expect(nodeChange(nodeRow({network: up}), [ending], policy)!.taints).toHaveLength(1)
})

test('what is switched off is not done', () => {
  const nothing = {...policy, removeTaints: false, setTaints: false, setCondition: false}

  expect(nodeChange(nodeRow({taints: [notReady]}), [readyAgent], nothing)).toBeUndefined()
  expect(nodeChange(nodeRow({}), [startingAgent], nothing)).toBeUndefined()
})

test('a node that is as it should be is not changed', () => {
  expect(nodeChange(nodeRow({taints: [other], network: up}), [readyAgent], policy)).toBeUndefined()
})
