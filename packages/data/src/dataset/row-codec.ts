import type { Passage, Row } from '@tunesmith/core';

/** Bytes of a token id on disk: 2 where the vocabulary fits, else 4. */
export type TokenBytes = 2 | 4;

/** A stretch of equal values. */
interface Run {
  readonly length: number;
  readonly value: number;
}

const headBytes = 40;

/**
 * A row as bytes, little-endian: its numbers of tokens, of runs of equal weight, of runs of equal token type, of labels, of
 * bytes of the rejected text, of margins, 0 or 1, of ids that are expected and of those of a source, one more than there are
 * where the row has such, of bytes of the texts that it is compared with, and of a passage (uint32 each), the runs (uint32 length, float32
 * value), the labels and the margin (float32), the ids, those expected and the source's, the texts that it is compared with, each
 * a row of its own behind its number of bytes (uint32), the passage, and the rejected text as a row of its own. A prompt and an answer are two or three runs, so a
 * row takes little more than its ids.
 */
export function encodeRow(row: Row, tokenBytes: TokenBytes): Uint8Array<ArrayBuffer> {
  const { tokens, weights, tokenTypes, labels = new Float32Array(), rejected, margin } = row;
  const { expected, source, compared = [], passage } = row;
  const weightRuns = runsOf(weights);
  const typeRuns = tokenTypes === undefined ? [] : runsOf(tokenTypes);
  const runs = [...weightRuns, ...typeRuns];
  const labelsAt = headBytes + 8 * runs.length;
  const numbers = [...labels, ...(margin === undefined ? [] : [margin])];
  const idsAt = labelsAt + 4 * numbers.length;
  const ids = [...tokens, ...(expected ?? []), ...(source ?? [])];
  const otherAt = idsAt + tokenBytes * ids.length;
  const other = rejected === undefined ? new Uint8Array() : encodeRow(rejected, tokenBytes);
  const beside = joined(compared.map((text) => encodeRow(text, tokenBytes)));
  const asked = passage === undefined ? new Uint8Array() : encodePassage(passage);
  const bytes = new Uint8Array(otherAt + beside.length + asked.length + other.length);
  bytes.set(beside, otherAt);
  bytes.set(asked, otherAt + beside.length);
  bytes.set(other, otherAt + beside.length + asked.length);
  const view = new DataView(bytes.buffer);
  const counts = [tokens.length, weightRuns.length, typeRuns.length, labels.length, other.length];
  const more = [expected, source].map((each) => (each === undefined ? 0 : each.length + 1));
  counts.push(numbers.length - labels.length, ...more, beside.length, asked.length);
  for (const [index, count] of counts.entries()) view.setUint32(4 * index, count, true);
  for (const [index, { length, value }] of runs.entries()) {
    view.setUint32(headBytes + 8 * index, length, true);
    view.setFloat32(headBytes + 4 + 8 * index, value, true);
  }
  for (const [index, number] of numbers.entries()) view.setFloat32(labelsAt + 4 * index, number, true);
  for (const [index, id] of ids.entries()) {
    if (tokenBytes === 2) view.setUint16(idsAt + 2 * index, id, true);
    else view.setInt32(idsAt + 4 * index, id, true);
  }
  return bytes;
}

export function decodeRow(bytes: Uint8Array, tokenBytes: TokenBytes): Row {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const count = (index: number): number => view.getUint32(4 * index, true);
  const [length, weightRuns, typeRuns, labelCount, otherBytes] = [count(0), count(1), count(2), count(3), count(4)];
  const labelsAt = headBytes + 8 * (weightRuns + typeRuns);
  const marginAt = labelsAt + 4 * labelCount;
  const idsAt = marginAt + 4 * count(5);
  const idAt = (index: number): number =>
    tokenBytes === 2 ? view.getUint16(idsAt + 2 * index, true) : view.getInt32(idsAt + 4 * index, true);
  const tokens = Int32Array.from({ length }, (_, index) => idAt(index));
  // One more than there are, so that none and an empty text are told apart.
  const idsFrom = (start: number, counted: number): Int32Array =>
    Int32Array.from({ length: Math.max(0, counted - 1) }, (_, index) => idAt(start + index));
  const expected = idsFrom(length, count(6));
  const source = idsFrom(length + expected.length, count(7));
  const filled = <Values extends Float32Array | Int32Array>(target: Values, from: number, runs: number): Values => {
    let start = 0;
    for (let run = from; run < from + runs; run++) {
      const end = start + view.getUint32(headBytes + 8 * run, true);
      target.fill(view.getFloat32(headBytes + 4 + 8 * run, true), start, end);
      start = end;
    }
    return target;
  };
  const passageAt = bytes.length - otherBytes - count(9);
  const labels = Float32Array.from({ length: labelCount }, (_, index) => view.getFloat32(labelsAt + 4 * index, true));
  return {
    tokens,
    weights: filled(new Float32Array(length), 0, weightRuns),
    ...(typeRuns > 0 && { tokenTypes: filled(new Int32Array(length), weightRuns, typeRuns) }),
    ...(labelCount > 0 && { labels }),
    ...(count(5) > 0 && { margin: view.getFloat32(marginAt, true) }),
    ...(count(6) > 0 && { expected }),
    ...(count(7) > 0 && { source }),
    ...(count(8) > 0 && {
      compared: divided(bytes.subarray(passageAt - count(8), passageAt), tokenBytes),
    }),
    ...(count(9) > 0 && { passage: decodePassage(bytes.subarray(passageAt, passageAt + count(9))) }),
    ...(otherBytes > 0 && { rejected: decodeRow(bytes.subarray(bytes.length - otherBytes), tokenBytes) }),
  };
}

/** A passage: which part it is, where that begins, and how many numbers its spans are (uint32), these (int32), and its texts as JSON. */
function encodePassage({ text, offset, spans, part, answers }: Passage): Uint8Array {
  const texts = new TextEncoder().encode(JSON.stringify([text, ...answers]));
  const bytes = new Uint8Array(12 + 4 * spans.length + texts.length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, part, true);
  view.setUint32(4, offset, true);
  view.setUint32(8, spans.length, true);
  for (const [index, place] of spans.entries()) view.setInt32(12 + 4 * index, place, true);
  bytes.set(texts, 12 + 4 * spans.length);
  return bytes;
}

function decodePassage(bytes: Uint8Array): Passage {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const length = view.getUint32(8, true);
  const spans = Int32Array.from({ length }, (_, index) => view.getInt32(12 + 4 * index, true));
  const [text, ...answers] = JSON.parse(new TextDecoder().decode(bytes.subarray(12 + 4 * length))) as [
    string,
    ...string[],
  ];
  return { text, offset: view.getUint32(4, true), spans, part: view.getUint32(0, true), answers };
}

/** Rows one behind the other, each behind its number of bytes. */
function joined(rows: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(rows.reduce((sum, { length }) => sum + 4 + length, 0));
  const view = new DataView(bytes.buffer);
  let at = 0;
  for (const row of rows) {
    view.setUint32(at, row.length, true);
    bytes.set(row, at + 4);
    at += 4 + row.length;
  }
  return bytes;
}

function divided(bytes: Uint8Array, tokenBytes: TokenBytes): Row[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const rows: Row[] = [];
  for (let at = 0; at < bytes.length; ) {
    const length = view.getUint32(at, true);
    rows.push(decodeRow(bytes.subarray(at + 4, at + 4 + length), tokenBytes));
    at += 4 + length;
  }
  return rows;
}

function runsOf(values: Float32Array | Int32Array): Run[] {
  const starts: number[] = [];
  for (let index = 0; index < values.length; index++) {
    if (index === 0 || values[index] !== values[index - 1]) starts.push(index);
  }
  return starts.map((start, run) => ({
    length: (starts[run + 1] ?? values.length) - start,
    value: values[start] as number,
  }));
}
