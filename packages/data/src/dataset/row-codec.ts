import type { Row } from '@tunesmith/core';

/** Bytes of a token id on disk: 2 where the vocabulary fits, else 4. */
export type TokenBytes = 2 | 4;

/**
 * A row as bytes, little-endian: its number of tokens and of runs of equal weight (uint32 each), the runs (uint32 length,
 * float32 weight), then the ids. A prompt and an answer are two or three runs, so a row takes little more than its ids.
 */
export function encodeRow({ tokens, weights }: Row, tokenBytes: TokenBytes): Uint8Array<ArrayBuffer> {
  const starts: number[] = [];
  for (let index = 0; index < tokens.length; index++) {
    if (index === 0 || weights[index] !== weights[index - 1]) starts.push(index);
  }
  const idsAt = 8 + 8 * starts.length;
  const bytes = new Uint8Array(idsAt + tokenBytes * tokens.length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, tokens.length, true);
  view.setUint32(4, starts.length, true);
  for (const [run, start] of starts.entries()) {
    view.setUint32(8 + 8 * run, (starts[run + 1] ?? tokens.length) - start, true);
    view.setFloat32(12 + 8 * run, weights[start] as number, true);
  }
  for (const [index, id] of tokens.entries()) {
    if (tokenBytes === 2) view.setUint16(idsAt + 2 * index, id, true);
    else view.setInt32(idsAt + 4 * index, id, true);
  }
  return bytes;
}

export function decodeRow(bytes: Uint8Array, tokenBytes: TokenBytes): Row {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const length = view.getUint32(0, true);
  const runs = view.getUint32(4, true);
  const idsAt = 8 + 8 * runs;
  const tokens = new Int32Array(length);
  const weights = new Float32Array(length);
  for (let index = 0; index < length; index++) {
    tokens[index] = tokenBytes === 2 ? view.getUint16(idsAt + 2 * index, true) : view.getInt32(idsAt + 4 * index, true);
  }
  let start = 0;
  for (let run = 0; run < runs; run++) {
    const end = start + view.getUint32(8 + 8 * run, true);
    weights.fill(view.getFloat32(12 + 8 * run, true), start, end);
    start = end;
  }
  return { tokens, weights };
}
