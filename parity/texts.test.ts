/** Texts and pairs as transformers writes them for encoders, and cuts them. Recorded by record_texts.py. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { encodeTexts, loadTokenizer } from '@tunesmith/data';
import { describe, expect, it } from 'vitest';
import { fixtures } from './fixture-values.js';

interface Recorded {
  readonly texts: readonly string[];
  readonly maxLength: number;
  readonly ids: readonly number[];
  readonly types: readonly number[];
}

describe.each(['bert', 'roberta', 'xlm-roberta'])("%s's texts", (name) => {
  const folder = join(fixtures, 'texts', name);
  const recorded = JSON.parse(readFileSync(join(folder, 'expected.json'), 'utf8')) as Recorded[];

  it.each([...new Set(recorded.map(({ texts }) => texts.join(' | ')))])('%j', async (texts) => {
    const tokenizer = await loadTokenizer(folder);
    for (const row of recorded.filter((one) => one.texts.join(' | ') === texts)) {
      const { tokens, tokenTypes } = encodeTexts(tokenizer, row.texts, row.maxLength);
      expect([...tokens], `at most ${row.maxLength}`).toEqual(row.ids);
      expect([...(tokenTypes ?? new Int32Array(tokens.length))], `at most ${row.maxLength}`).toEqual(row.types);
    }
  });
});
