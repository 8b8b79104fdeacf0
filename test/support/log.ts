/** A log that keeps quiet. */
export const silent = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined }
