import { encode } from 'html-entities'

/** The page on which a person chooses a mailbox and consents, or does not: forms that send the request back with `approve` or `deny`. */
export function consentPage(query: URLSearchParams, addresses: readonly string[], scope: string): string {
  const asked = [...query].map(
    ([name, value]) => `<input type="hidden" name="${encode(name)}" value="${encode(value)}">`,
  )
  const choices = addresses.map(address => button('approve', address, `Allow for ${address}`))
  return page(
    'Simulated Google account',
    `<p>${encode(query.get('client_id') ?? '')} wants: ${encode(scope)}</p>
<form action="/o/oauth2/v2/auth">${asked.join('')}
${[...choices, button('deny', 'yes', 'Cancel')].join('\n')}
</form>`,
  )
}

/** The page that Google shows instead of going back to a program it does not trust. */
export function errorPage(problem: string): string {
  return page('Access blocked', `<p>Error 400: ${encode(problem)}</p>`)
}

function button(name: string, value: string, text: string): string {
  return `<p><button name="${name}" value="${encode(value)}">${encode(text)}</button></p>`
}

function page(title: string, content: string): string {
  return `<!doctype html><html lang="en"><meta charset="utf-8"><title>${title}</title><h1>${title}</h1>\n${content}\n</html>\n`
}
