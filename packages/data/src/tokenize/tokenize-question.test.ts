import { describe, expect, it } from 'vitest';
import { byteLevelFiles } from '../fixtures/tiny-tokenizers.js';
import { createTokenizer } from '../tokenizer/tokenizer.js';
import { tokenizeQuestion } from './tokenize-question.js';

// Rows as run_qa.py's are in parity/question-answering.test.ts; here is what becomes of answers that are no words.
const tokenizer = createTokenizer(byteLevelFiles());
const source = { file: 'squad.jsonl', row: 3 };

/** What is learnt to be the answer, as it stands in the passage. */
function learnt(context: string, text: string, start = context.indexOf(text)): string | null {
  const example = { kind: 'question' as const, question: 'the', context, answers: [{ text, start }], source };
  const [row] = tokenizeQuestion(example, { tokenizer, maxLength: 64 }).rows;
  const [begin = 0, end = 0] = row?.labels ?? [];
  const { text: part = '', spans = new Int32Array() } = row?.passage ?? {};
  return begin === 0 ? null : part.slice(spans[2 * begin - 2], spans[2 * end - 1]);
}

describe('what is learnt of an answer', () => {
  it('is where it stands but for the white space around it, at the ends of a passage too', () => {
    expect(learnt('the cat sat', ' cat ')).toBe('cat');
    expect(learnt('  the cat', '  the')).toBe('the');
    expect(learnt('the cat \n', 'cat \n')).toBe('cat');
  });

  it('is a letter of several tokens whole', () => {
    expect(learnt('the 😀😀 cat', '😀')).toBe('😀');
  });

  it('is refused where no token spells it, with the row', () => {
    expect(() => learnt('the \u200B cat', '\u200B')).toThrow(
      /DATA_INVALID at squad\.jsonl:3: no token spells the answer.*got "\u200B"/,
    );
  });
});
