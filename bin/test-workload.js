#!/usr/bin/env node
import {main} from '../src/workload/main.ts'

await main(process.argv.slice(2), process.env)
