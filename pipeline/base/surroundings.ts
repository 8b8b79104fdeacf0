import type { Redis } from 'ioredis'
import type { Config } from '../../shared/config.ts'
import { createHtmlReader, type HtmlReader } from '../../shared/html/reader.ts'
import { type Http, openHttp } from '../../shared/http/exchange.ts'
import { MACHINE, type Machine } from '../../shared/machine.ts'
import { type ConnectionOptions, openRedis } from '../../shared/redis/connect.ts'
import { proxiesIn } from '../../shared/settings/proxies.ts'
import type { Log } from './log.ts'

/** Everything of a pipeline that reaches outside it, besides its settings. A pipeline uses nothing else that it did not create. */
export interface Surroundings {
  machine: Machine
  /** Opens a connection to Redis that is not yet connected. */
  openRedis(url: string, options?: ConnectionOptions): Redis
  http: Http
  /** Converts the HTML of mail, in a thread that starts with the first page. */
  html: HtmlReader
  /** Receives what no part of the pipeline logs under its own name. */
  log: Pick<Log, 'warn'>
}

/** Creates the surroundings of a pipeline with these settings: the real ones, except for those that are given. */
export function surroundingsOf(
  { HTTPS_PROXY, HTTP_PROXY, ALL_PROXY, NO_PROXY }: Config,
  given: Partial<Surroundings> = {},
): Surroundings {
  return {
    machine: MACHINE,
    openRedis,
    http: given.http ?? openHttp(proxiesIn({ HTTPS_PROXY, HTTP_PROXY, ALL_PROXY, NO_PROXY })),
    html: given.html ?? createHtmlReader({ machine: given.machine ?? MACHINE }),
    log: { warn: () => undefined },
    ...given,
  }
}
