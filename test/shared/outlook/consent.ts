import type { Test } from 'tap'
import type { MicrosoftApp } from '../../../shared/outlook/login.ts'
import { askConsent, exchangeCode } from '../../../shared/outlook/oauth.ts'
import { type MicrosoftServer, startMicrosoft } from '../../support/microsoft.ts'
import { http } from '../../support/surroundings.ts'

export const redirectUri = 'http://localhost:8400'

/** Creates an app at a sign-in server of its own. */
export async function setUp(t: Test): Promise<{ app: MicrosoftApp; microsoft: MicrosoftServer }> {
  const microsoft = await startMicrosoft()
  t.teardown(() => microsoft.close())
  return { app: { clientId: 'client', tenant: 'common', loginUrl: microsoft.url, http }, microsoft }
}

/** Returns the grant of the owner whose consent the server simulates. */
export async function consented(app: MicrosoftApp) {
  const { url, verifier } = await askConsent(app, { redirectUri, state: 's' })
  return exchangeCode(app, { code: await codeFrom(url), verifier, redirectUri })
}

/** Returns the code that the page gives on consent. */
export async function codeFrom(url: string): Promise<string> {
  const answer = await fetch(url, { redirect: 'manual' })
  return new URL(answer.headers.get('location') ?? '').searchParams.get('code') ?? ''
}
