import type { Tokenizer } from '../tokenizer/tokenizer.js';
import type { TextSpan } from './example-spans.js';

/** Ids that are cut and weighted as one. `prefix` is what the tokenizer puts before every text. */
export interface TokenSpan {
  readonly kind: 'prefix' | TextSpan['kind'];
  readonly ids: readonly number[];
}

/** The ids of a prompt as the model is given it: the tokenizer's prefix once, whether or not the text writes it too. */
export function encodePrompt(tokenizer: Tokenizer, text: string): number[] {
  const ids = tokenizer.encode(text, { addSpecialTokens: false });
  return startsWith(ids, tokenizer.prefixIds) ? ids : [...tokenizer.prefixIds, ...ids];
}

/**
 * Turns spans of text into spans of ids so that no token crosses an edge.
 *
 * The ids of a prompt are those of the prompt alone, which is what the model is given at inference. An answer's are how the
 * text goes on: those of prompt and answer together, less the prompt's, where these come first; else a token would merge
 * across the edge, and the answer is encoded by itself. The edge between weights is therefore always the edge in the text.
 * (Encoding only the whole text moves the mask when a token crosses the edge: huggingface/trl #1920.)
 */
export function encodeSpans(tokenizer: Tokenizer, spans: readonly TextSpan[]): TokenSpan[] {
  const { prefixIds, suffixIds, eosId, endIds } = tokenizer;
  // An encoder's tokenizer has no end token, and closes every text all the same.
  const closing = eosId === null ? suffixIds : [eosId];
  const encoded: TokenSpan[] = [];
  const encode = remembered((text) => tokenizer.encode(text, { addSpecialTokens: false }));
  let before = '';
  for (const { text, kind, ends } of spans) {
    const own = continuation(encode, before, text);
    const ids = encoded.length === 0 && startsWith(own, prefixIds) ? own.slice(prefixIds.length) : own;
    if (encoded.length === 0 && prefixIds.length > 0) encoded.push({ kind: 'prefix', ids: prefixIds });

    const end = lastOf(ids, endIds);
    const ended = end >= 0 && tokenizer.decode(ids.slice(end + 1)).trim() === '';
    if (ended && kind === 'answer' && end + 1 < ids.length) {
      // What a template writes after its end token, mostly a newline, the model is never asked to say.
      encoded.push({ kind, ids: ids.slice(0, end + 1) }, { kind: 'prompt', ids: ids.slice(end + 1) });
    } else {
      encoded.push({ kind, ids: ends && !ended ? [...ids, ...closing] : ids });
    }
    before = ends && !ended ? '' : text;
  }
  return encoded.filter(({ ids }) => ids.length > 0);
}

/** The ids of `text` where it follows `before`. */
function continuation(encode: (text: string) => number[], before: string, text: string): number[] {
  // A newline stands in where a token would merge across the edge: Llama's tokenizers put a space before the first word of
  // a text, which does not belong into the middle of one.
  for (const anchor of before === '' ? [] : [lastWords(before), '\n']) {
    const head = encode(anchor);
    const joint = encode(anchor + text);
    if (startsWith(joint, head)) return joint.slice(head.length);
  }
  return encode(text);
}

/** The end of a long text from a space on: as much as the tokens that follow it depend on. */
function lastWords(text: string): string {
  return text.slice(Math.max(0, text.lastIndexOf(' ', text.length - 64)));
}

/** The same function, which does a text's work once: a prompt is encoded for itself and as what comes before its answer. */
function remembered<Value>(compute: (text: string) => Value): (text: string) => Value {
  const values = new Map<string, Value>();
  return (text) => {
    const known = values.get(text);
    if (known !== undefined) return known;
    const value = compute(text);
    values.set(text, value);
    return value;
  };
}

function startsWith(ids: readonly number[], head: readonly number[]): boolean {
  return head.every((id, index) => ids[index] === id);
}

function lastOf(ids: readonly number[], wanted: readonly number[]): number {
  return ids.findLastIndex((id) => wanted.includes(id));
}
