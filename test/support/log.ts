/** A silent log. */
export const silent = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined }
