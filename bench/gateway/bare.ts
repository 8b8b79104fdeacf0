// A plain Node server that only reads a body, parses it and answers: `node bare.js PORT`.

import { createServer } from 'node:http'
import { terminal } from '../terminal.ts'

const BODY_LIMIT_BYTES = 1024 * 1024

const server = createServer((request, response) => {
  const chunks: Buffer[] = []
  let length = 0
  request.on('data', (chunk: Buffer) => {
    length += chunk.length
    if (length <= BODY_LIMIT_BYTES) chunks.push(chunk)
  })
  request.on('error', () => undefined)
  request.on('end', () => {
    let status = length > BODY_LIMIT_BYTES ? 413 : 204
    try {
      if (status === 204 && length > 0) JSON.parse(Buffer.concat(chunks).toString())
    } catch {
      status = 400
    }
    response.writeHead(status).end()
  })
})
server.listen(Number(process.argv[2]), '127.0.0.1', () => terminal.out('the bare server is listening'))
