// Compiles src/*.sol into artefacts.json, which is committed and embedded by the Go package.
//
//   node build.mjs           write artefacts.json
//   node build.mjs --check   compile and compare; exit 1 if the committed file differs
//
// The output depends on the sources and the pinned compiler only: no metadata hash, no paths, no time.
import { readFileSync, readdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import solc from 'solc'

const here = dirname(fileURLToPath(import.meta.url))
const target = join(here, 'artefacts.json')

const sources = Object.fromEntries(
  readdirSync(join(here, 'src')).filter((file) => file.endsWith('.sol')).sort()
    .map((file) => [file, { content: readFileSync(join(here, 'src', file), 'utf8') }]),
)

// Without via-IR: it takes five times as long to compile and comes no closer to the gas of the genuine
// contracts, which replay_test.go compares.
const settings = {
  viaIR: false,
  optimizer: { enabled: true, runs: 1000 },
  evmVersion: 'shanghai',
  metadata: { appendCBOR: false, bytecodeHash: 'none' },
}

const output = JSON.parse(solc.compile(JSON.stringify({
  language: 'Solidity',
  sources,
  settings: {
    ...settings,
    outputSelection: {
      '*': { '*': ['abi', 'evm.bytecode.object', 'evm.deployedBytecode.object', 'evm.deployedBytecode.immutableReferences'] },
    },
  },
})))

// 5159: selfdestruct is deprecated. Dust.sol needs it: it is how dust gets onto an escrow.
const complaints = (output.errors ?? []).filter((error) => error.errorCode !== '5159')
if (complaints.length > 0) {
  for (const complaint of complaints) console.error(complaint.formattedMessage)
  process.exit(1)
}

// Immutable references come keyed by syntax-tree ids, which change with every edit. What a reader of
// deployed code needs is only where immutables stand, so keep the sorted offsets (all are 32 bytes long).
const offsets = (references) =>
  Object.values(references).flat().map((reference) => reference.start).sort((a, b) => a - b)

const contracts = {}
for (const file of Object.keys(output.contracts).sort()) {
  for (const [name, contract] of Object.entries(output.contracts[file]).sort()) {
    if (contract.evm.bytecode.object === '') continue // abstract, interface
    if (contract.abi.every((entry) => entry.type === 'error')) continue // internal library
    contracts[name] = {
      source: file,
      abi: contract.abi,
      bytecode: '0x' + contract.evm.bytecode.object,
      deployedBytecode: '0x' + contract.evm.deployedBytecode.object,
      immutableOffsets: offsets(contract.evm.deployedBytecode.immutableReferences),
    }
  }
}

const text = JSON.stringify({ compiler: solc.version(), settings, contracts }, null, 1) + '\n'
if (!process.argv.includes('--check')) {
  writeFileSync(target, text)
  console.log(`${Object.keys(contracts).length} contracts, ${solc.version()}`)
} else if (readFileSync(target, 'utf8') !== text) {
  console.error('artefacts.json is not what src/ compiles to: run node build.mjs')
  process.exit(1)
}
