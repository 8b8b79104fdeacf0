import { encode } from 'html-entities'
import type { Tried } from './trial.ts'

const STYLE = `body{font:15px/1.45 system-ui,sans-serif;margin:2rem auto;max-width:76rem;padding:0 1rem}
section{border-top:1px solid #8884;display:grid;gap:1rem;grid-template-columns:1fr 1fr;padding:1rem 0}
h2{font-size:1rem;grid-column:1/-1;margin:0}pre{margin:0;overflow-wrap:anywhere;white-space:pre-wrap}p{margin:0}
@media(max-width:44rem){section{grid-template-columns:1fr}}@media(prefers-color-scheme:dark){body{background:#111;color:#ddd}}`

/** Renders a trial as one HTML page without scripts: for each thread the latest answer on the left, the new one on the right. */
export function trialPage(tried: readonly Tried[], title: string): string {
  const policy = `<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">`
  return [
    `<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">${policy}`,
    `<title>${encode(title)}</title><style>${STYLE}</style><h1>${encode(title)}</h1>`,
    ...tried.map(sectionOf),
    '</html>\n',
  ].join('\n')
}

function sectionOf({ mailbox, thread, subject, before, after, fault }: Tried): string {
  const old = before ? shown(before) : '<p>No answer yet.</p>'
  const now = after ? shown(after) : `<p>${encode(fault ?? 'No answer.')}</p>`
  const head = `<h2>${encode(subject || thread)} <small>${encode(mailbox)}</small></h2>`
  return `<section>${head}<div>${old}</div><div>${now}</div></section>`
}

function shown({
  model,
  output,
  finish = 'answered',
}: {
  model: string
  output: object
  finish?: string | undefined
}): string {
  return `<p>${encode(model)}, ${encode(finish)}</p><pre>${encode(JSON.stringify(output, null, 2))}</pre>`
}
