/** What there is to know of the bundled model before it is loaded. */
export const modelFacts = {
  architecture: 'llama',
  parameters: 3_541_248,
  /** The type of the weights on disk. */
  storedDtype: 'float16',
  vocabularySize: 3072,
  /** Tokens that it was trained to look back over. */
  maxPositions: 512,
} as const;
