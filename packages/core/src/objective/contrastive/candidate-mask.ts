import type { Row } from '../row.js';

type Text = Pick<Row, 'tokens'>;

/**
 * Which texts each anchor is compared with, float32 `[count, count·others]` of 1 and 0: its own positive, and of the others of the
 * batch those that are no text it is known to be alike. A text that is its own positive's or the anchor's itself, and every positive of an equal
 * anchor, would be a false negative; so is what fills up a row or the batch. sentence-transformers lets such rows not meet in a batch
 * (NoDuplicatesBatchSampler); here they may, so that every row is seen in every epoch.
 */
export function candidateMask(rows: readonly (readonly Text[])[], count: number, others: number): Float32Array {
  const keys = rows.map((texts) => texts.map(({ tokens }) => tokens.join()));
  const mask = new Float32Array(count * count * others);
  for (let row = 0; row < count; row++) {
    const at = row * count * others;
    // Rows that fill up the batch have their own alone, lest there be nothing to take a logarithm of.
    mask[at + row * others] = 1;
    const [anchor, positive] = keys[row] ?? [];
    if (anchor === undefined) continue;
    for (const [other, [otherAnchor, ...texts]] of keys.entries()) {
      for (const [index, text] of texts.entries()) {
        const isAlike = text === positive || text === anchor || (index === 0 && otherAnchor === anchor);
        if (!isAlike) mask[at + other * others + index] = 1;
      }
    }
  }
  return mask;
}
