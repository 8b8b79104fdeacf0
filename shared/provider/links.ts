/**
 * Why a folder cannot be listed for now: since when, how often in a row it was refused, and when it is asked again (ms since 1970). `name` is
 * for people, and empty where nobody knows it.
 */
export interface FolderFault {
  name: string
  since: number
  times: number
  tryAt: number
  reason: string
}

/**
 * Where a provider's adapter keeps what is too long to travel in cursors and pages: they name it instead. Nothing in it is beyond recovery:
 * what was lost is asked of the provider again.
 */
export interface Links {
  /** Keeps texts, for months after they were last read, and names each; the same text has the same name. */
  keep(texts: readonly string[]): Promise<readonly string[]>
  /** The texts by their names, without those that were lost. */
  read(names: readonly string[]): Promise<ReadonlyMap<string, string>>
  /** These have successors: they are kept for three days yet, for whoever still holds a cursor that names them. */
  retire(names: readonly string[]): Promise<void>
  /** What is known of the mailbox's folders, as the adapter wrote it last. */
  folders(): Promise<string | undefined>
  keepFolders(text: string): Promise<void>
  /** The folders that cannot be listed for now, by their ids. */
  faults(): Promise<ReadonlyMap<string, FolderFault>>
  /** Keeps these faults, and forgets those of folders that are given none. */
  noteFaults(changes: ReadonlyMap<string, FolderFault | undefined>): Promise<void>
}
