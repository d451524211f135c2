import { describe, expect, it } from 'vitest';
import { detectFormat } from './detect-format.js';
import type { QuestionExample } from './example.js';
import { parseRow } from './formats.js';

const context = 'The 😀 cat sat on the mat.';
const read = (row: Record<string, unknown>) => {
  const format = detectFormat([row], 'data.jsonl', { rows: 'questions' });
  return parseRow(row, format, { file: 'data.jsonl', row: 7 }, format.columns) as QuestionExample;
};
const asked = (answers: unknown) => ({ id: 'a', title: 't', question: ' who ? ', context, answers });

describe('rows of SQuAD', () => {
  it('have their answers where Python counts them', () => {
    // Of the emoji Python counts one character, JavaScript two.
    const { question, answers, kind } = read(asked({ text: ['cat', 'mat'], answer_start: [6, 21] }));
    expect({ kind, question }).toEqual({ kind: 'question', question: 'who ? ' });
    expect(answers).toEqual([
      { text: 'cat', start: 7 },
      { text: 'mat', start: 22 },
    ]);
    expect(answers.map(({ text, start }) => context.slice(start, start + text.length))).toEqual(['cat', 'mat']);
  });

  it('are taken where JavaScript counted, as JSON in a cell, and as SQuAD’s own files have them', () => {
    expect(read(asked({ text: ['cat'], answer_start: [7] })).answers).toEqual([{ text: 'cat', start: 7 }]);
    expect(read(asked('{"text":["cat"],"answer_start":[6]}')).answers).toEqual([{ text: 'cat', start: 7 }]);
    expect(read(asked([{ text: 'cat', answer_start: 6 }])).answers).toEqual([{ text: 'cat', start: 7 }]);
    expect(read(asked({ text: ['cat'], answer_start: Int32Array.of(6) })).answers).toEqual([{ text: 'cat', start: 7 }]);
    expect(read(asked({ text: [], answer_start: [] })).answers).toEqual([]);
  });

  it.each([
    [
      'elsewhere',
      { text: ['cat'], answer_start: [0] },
      /data\.jsonl:7, column answers\[0\].*"cat" at character 0.*it stands at 6, got "The"/,
    ],
    ['nowhere', { text: ['dog'], answer_start: [6] }, /it does not stand in the passage/],
    ['without a place', { text: ['cat'], answer_start: [] }, /as many of one as of the other/],
    [
      'at no place',
      { text: ['cat'], answer_start: [-1] },
      /answers\[0\]\.answer_start.*the character that it begins at, got -1/,
    ],
    ['of nothing', { text: [''], answer_start: [0] }, /answers\[0\]\.text.*a text/],
    ['of white space', { text: [' '], answer_start: [3] }, /answers\[0\]\.text.*a text, got " "/],
    ['as a text', 'cat', /\{ text: \[…\], answer_start/],
  ])('are refused with an answer %s', (_, answers, message) => {
    expect(() => read(asked(answers))).toThrow(message);
  });

  it('are refused without a question or a passage', () => {
    const answers = { text: [], answer_start: [] };
    expect(() => read({ ...asked(answers), question: ' ' })).toThrow(/column question.*a question/);
    expect(() => read({ ...asked(answers), context: '' })).toThrow(/column context.*a passage/);
  });
});
