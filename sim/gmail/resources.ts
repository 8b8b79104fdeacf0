/**
 * The fields of a resource in Google's discovery document: `true` for a plain value, else the inner fields.
 */
export interface Shape {
  readonly [field: string]: Shape | true
}

const part: Shape = {
  partId: true,
  mimeType: true,
  filename: true,
  headers: { name: true, value: true },
  body: { attachmentId: true, size: true, data: true },
  get parts() {
    return part
  },
}

/** A message. */
export const MESSAGE: Shape = {
  id: true,
  threadId: true,
  labelIds: true,
  snippet: true,
  historyId: true,
  internalDate: true,
  payload: part,
  sizeEstimate: true,
  raw: true,
  classificationLabelValues: { labelId: true, fields: { fieldId: true, selection: true } },
}

/** A page of messages. */
export const MESSAGES: Shape = { messages: MESSAGE, nextPageToken: true, resultSizeEstimate: true }

/** An attachment's content. */
export const ATTACHMENT: Shape = { attachmentId: true, size: true, data: true }

/** A thread. */
export const THREAD: Shape = { id: true, snippet: true, historyId: true, messages: MESSAGE }

/** A page of threads. */
export const THREADS: Shape = { threads: THREAD, nextPageToken: true, resultSizeEstimate: true }

const labelChange: Shape = { message: MESSAGE, labelIds: true }

/** A page of history. */
export const HISTORY: Shape = {
  history: {
    id: true,
    messages: MESSAGE,
    messagesAdded: { message: MESSAGE },
    messagesDeleted: { message: MESSAGE },
    labelsAdded: labelChange,
    labelsRemoved: labelChange,
  },
  nextPageToken: true,
  historyId: true,
}

/** A label. */
export const LABEL: Shape = {
  id: true,
  name: true,
  messageListVisibility: true,
  labelListVisibility: true,
  type: true,
  messagesTotal: true,
  messagesUnread: true,
  threadsTotal: true,
  threadsUnread: true,
  color: { textColor: true, backgroundColor: true },
}

/** All labels. */
export const LABELS: Shape = { labels: LABEL }

/** A mailbox's profile. */
export const PROFILE: Shape = { emailAddress: true, messagesTotal: true, threadsTotal: true, historyId: true }

/** The answer to a watch. */
export const WATCH: Shape = { historyId: true, expiration: true }
