import { encode } from 'html-entities'

/** The end of a connect attempt, for the person at the browser. */
export interface Outcome {
  ok: boolean
  text: string
}

/** Returns the last page of the consent flow, which loads nothing. */
export function pageOf({ ok, text }: Outcome): string {
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>mailsluice</title>
<style>
  body { font: 18px/1.5 system-ui, sans-serif; max-width: 32em; margin: 20vh auto; padding: 0 1em; color-scheme: light dark }
  h1 { font-size: 1.4em }
</style>
<h1>${ok ? 'Connected' : 'Not connected'}</h1>
<p>${encode(text)}</p>
<p>You can close this page.</p>
</html>
`
}
