#!/usr/bin/env node
import {main} from '../src/agent/process.ts'

process.exit(await main(process.argv.slice(2), process.env))
