export type { SpecialTokens } from './tokenizer/special-tokens.js';
export type { TextStream } from './tokenizer/text-stream.js';
export type { DecodeOptions, EncodeOptions, TextStreamOptions, Tokenizer } from './tokenizer/tokenizer.js';
export { createTokenizer, loadTokenizer } from './tokenizer/tokenizer.js';
export type { JsonObject, TokenizerFiles } from './tokenizer/tokenizer-files.js';
export { readTokenizerFiles } from './tokenizer/tokenizer-files.js';
