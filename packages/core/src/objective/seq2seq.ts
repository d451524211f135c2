import { TunesmithError } from '../errors/tunesmith-error.js';
import type { Objective } from './objective.js';
import { sft } from './sft.js';
import { collateSources } from './source-columns.js';

/**
 * Supervised fine-tuning of an encoder-decoder: Σ wᵢ · −log p(tokenᵢ | source, tokens before) / Σ wᵢ. A row's tokens begin with
 * the one that every answer begins with, so that each predicts the next: transformers' `_shift_right` of the labels.
 *
 * Columns: those of `sft`, and `sourceIds`, `sourceSegments` int32 `[rows, source]`.
 */
export const seq2seq: Objective = {
  ...sft,
  name: 'seq2seq',
  task: 'seq2seq-lm',

  collate(rows, options) {
    const sources = rows.map(({ source, segments }, row) => {
      if (source !== undefined && segments === undefined) return source;
      throw new TunesmithError('DATA_INVALID', 'an encoder reads one source for each row', {
        where: `row ${row}`,
        expected: 'a source, and one answer to it',
        got: source === undefined ? 'no source' : 'several answers packed together',
        hint: 'Give the data as prompt and completion, and do not pack it.',
      });
    });
    const batch = sft.collate(rows, options);
    const read = sources.reduce((sum, source) => sum + source.length, 0);
    return {
      ...batch,
      columns: { ...batch.columns, ...collateSources(sources, options) },
      tokens: batch.tokens + read,
    };
  },
};
