import { encode } from 'html-entities'

/**
 * The content of a consent page: its account system, the target of its forms, the mailboxes to choose from,
 * and the scope.
 */
export interface ConsentPage {
  title: string
  action: string
  addresses: readonly string[]
  scope: string
}

/**
 * Renders the page on which a person chooses a mailbox and consents or declines. Its forms repeat the request
 * with `approve` or `deny`.
 */
export function consentPage(query: URLSearchParams, { title, action, addresses, scope }: ConsentPage): string {
  const asked = [...query].map(
    ([name, value]) => `<input type="hidden" name="${encode(name)}" value="${encode(value)}">`,
  )
  const choices = addresses.map(address => button('approve', address, `Allow for ${address}`))
  return page(
    title,
    `<p>${encode(query.get('client_id') ?? '')} wants: ${encode(scope)}</p>
<form action="${encode(action)}">${asked.join('')}
${[...choices, button('deny', 'yes', 'Cancel')].join('\n')}
</form>`,
  )
}

/** Renders the page shown instead of a redirect to an untrusted program. */
export function errorPage(problem: string): string {
  return page('Access blocked', `<p>Error 400: ${encode(problem)}</p>`)
}

function button(name: string, value: string, text: string): string {
  return `<p><button name="${name}" value="${encode(value)}">${encode(text)}</button></p>`
}

function page(title: string, content: string): string {
  return `<!doctype html><html lang="en"><meta charset="utf-8"><title>${title}</title><h1>${title}</h1>\n${content}\n</html>\n`
}
