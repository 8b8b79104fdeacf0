// `npm run schemas`: writes the schemas of the streams and asyncapi.yaml, as shared/streams.ts has them.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { ensureReady, ROOT } from './ensure.mjs'

await ensureReady({ dev: true })
// Imported late, because it is compiled first.
const { FIELDS_FILE, generatedFiles } = await import('../../dist/pipeline/setup/generated.js')
const remembered = join(ROOT, FIELDS_FILE)
const fields = existsSync(remembered) ? JSON.parse(readFileSync(remembered, 'utf8')) : {}
for (const [path, text] of generatedFiles(fields)) {
  mkdirSync(dirname(join(ROOT, path)), { recursive: true })
  writeFileSync(join(ROOT, path), text)
}
