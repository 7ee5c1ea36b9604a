#!/usr/bin/env node
import {main} from '../src/operator/main.ts'

process.exit(await main(process.argv.slice(2), process.env))
