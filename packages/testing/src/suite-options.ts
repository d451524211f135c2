/** A case may train for several seconds on a slow or busy machine: more than vitest's default of five. */
export const suiteOptions = { timeout: 60_000 };
