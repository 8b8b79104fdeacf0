/**
 * Why a folder cannot be listed now: since when, how often in a row it was refused, and when it is retried (ms since 1970). `name` is for
 * people, and empty where it is unknown.
 */
export interface FolderFault {
  name: string
  since: number
  times: number
  tryAt: number
  reason: string
}

/**
 * Storage for provider texts that are too long for cursors and pages, which name them instead. Nothing in it is irreplaceable: the provider
 * is asked again for lost texts.
 */
export interface Links {
  /** Stores texts until months after their last read, and returns a name for each; equal texts have equal names. */
  keep(texts: readonly string[]): Promise<readonly string[]>
  /** Returns the texts by name, without lost ones. */
  read(names: readonly string[]): Promise<ReadonlyMap<string, string>>
  /** Marks texts as replaced: they are kept for three more days, for readers whose cursor still names them. */
  retire(names: readonly string[]): Promise<void>
  /** Returns the adapter's last record of the mailbox's folders. */
  folders(): Promise<string | undefined>
  keepFolders(text: string): Promise<void>
  /** Returns the folders that cannot be listed now, by id. */
  faults(): Promise<ReadonlyMap<string, FolderFault>>
  /** Stores these faults, and deletes those of folders whose fault is `undefined`. */
  noteFaults(changes: ReadonlyMap<string, FolderFault | undefined>): Promise<void>
}
